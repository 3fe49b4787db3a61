"""Letters that the fonts of pictures lack: drawn by another font, or written as in JSON with a note, never as boxes."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

FAMILY = "DejaVu Sans"
"""The font of every picture, which matplotlib brings along."""

NOTE = (
    "No font of this computer has some letters of these names; they stand as \\u and their number. "
    "A font such as Noto Sans CJK, once installed, draws them."
)

_PREFERRED = ("Noto Sans CJK", "Noto Sans", "Source Han Sans", "WenQuanYi", "Microsoft YaHei", "PingFang", "Hiragino")
"""Beginnings of the names of fonts that are taken before others which have the letters too."""

# Last Resort has a box for every letter; fonts of emoji hold pictures that matplotlib cannot draw.
_USELESS = ("last resort", "emoji")
_USUAL_WEIGHTS = range(300, 501)
_NOTE_POINTS = 7.0


def readable(text: str) -> str:
    """Write the letters that no font has, and those that cannot be printed, as JSON escapes them."""
    if text.isascii() and text.isprintable():
        return text
    undrawable = _missing(text) - _letters_of_all(_fonts())
    return "".join(
        _escaped(letter) if ord(letter) in undrawable or not letter.isprintable() else letter for letter in text
    )


def settle(figure: Figure) -> None:
    """Give every text of a figure the fonts that its letters need; where there are none, escape them and say so."""
    from matplotlib.text import Text

    escaped = False
    for each in figure.findobj(Text):
        assert isinstance(each, Text)
        escaped |= _settle(each)
    if escaped:
        _add_note(figure)


def _settle(text: Text) -> bool:
    """Settle one text; returns whether it holds escaped letters."""
    lines = [readable(line) for line in text.get_text().split("\n")]
    words = "\n".join(lines)
    if words != text.get_text():
        text.set_text(words)
    families = [] if words.isascii() else _families("".join(lines))
    if families:
        text.set_fontfamily([FAMILY, *families])
    return _ESCAPED.search(words) is not None


_ESCAPED = re.compile(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}")


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _add_note(figure: Figure) -> None:
    """Write the note under everything else."""
    import textwrap

    below = figure.get_tightbbox()
    across, up = figure.get_size_inches()
    letters = max(int((below.x1 - below.x0) * 72.0 / (0.55 * _NOTE_POINTS)), 40)
    figure.text(
        below.x0 / across,
        (below.y0 - 0.08) / up,
        "\n".join(textwrap.wrap(NOTE, letters)),
        va="top",
        fontsize=_NOTE_POINTS,
        color="0.35",
    )


def _missing(text: str) -> set[int]:
    """Letters that the font of every picture lacks."""
    from matplotlib import font_manager

    return {ord(letter) for letter in text} - _letters_in(font_manager.findfont(FAMILY))


def _families(text: str) -> list[str]:
    """Fonts to take after the usual one: again and again the one that has the most of what is still missing."""
    missing, chosen = _missing(text), []
    fonts = dict(_fonts())
    while missing:
        best = max(fonts, key=lambda name: len(missing & _letters_in(fonts[name])), default=None)
        if best is None or not missing & _letters_in(fonts[best]):
            break
        missing -= _letters_in(fonts.pop(best))
        chosen.append(best)
    return chosen


def _fonts() -> tuple[tuple[str, str], ...]:
    """Names and files of the upright fonts of usual weight, those preferred first."""
    from matplotlib import font_manager

    files: dict[str, str] = {}
    for font in font_manager.fontManager.ttflist:
        weight = font.weight if isinstance(font.weight, int) else 400
        useless = any(word in font.name.lower() for word in _USELESS)
        if font.style == "normal" and weight in _USUAL_WEIGHTS and not useless:
            files.setdefault(font.name, str(font.fname))
    return tuple(sorted(files.items(), key=lambda font: (not font[0].startswith(_PREFERRED), font)))


@functools.lru_cache(maxsize=4)
def _letters_of_all(fonts: tuple[tuple[str, str], ...]) -> frozenset[int]:
    return frozenset().union(*(_letters_in(file) for _, file in fonts))


@functools.lru_cache(maxsize=1024)
def _letters_in(file: str) -> frozenset[int]:
    """Letters that a font has; none where its file cannot be read."""
    from matplotlib import font_manager

    try:
        return frozenset(font_manager.get_font(file).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()
