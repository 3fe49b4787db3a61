"""Letters in pictures: each by a font that has it, or escaped with a note, never as a box."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ieco_opt.reports.figures import glyphs, style

NAME = "\u804a\u5929 plan"


@pytest.fixture
def fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The fonts that matplotlib brings along and no other, whatever this computer has."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    own = [font for font in manager.ttflist if "mpl-data" in str(font.fname)]
    monkeypatch.setattr(manager, "ttflist", own)
    yield manager
    manager._findfont_cached.cache_clear()


def made_font(folder: Path, letters: str) -> Path:
    """A font that draws some letters, with the outline that DejaVu Sans has for A."""
    from fontTools.ttLib import TTFont
    from matplotlib import font_manager

    font = TTFont(font_manager.findfont("DejaVu Sans"))
    for table in font["cmap"].tables:
        table.cmap = {ord(letter): "A" for letter in letters if table.format == 12 or ord(letter) < 0x10000}
    for record in font["name"].names:
        if record.nameID in (1, 4, 16):
            record.string = "Made Sans"
    font.save(folder / "made.ttf")
    return folder / "made.ttf"


@style.styled
def picture(name: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.0, 3.0))
    axes = figure.add_subplot()
    style.title(axes, name, [f"a line of {name}"])
    figure.legend(handles=[style.legend_key("o", "black", name)])
    return figure


def texts_of(figure: Any) -> list[Any]:
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def test_letters_are_drawn_by_a_font_that_has_them(fonts: Any, tmp_path: Path) -> None:
    fonts.addfont(made_font(tmp_path, "\u804a\u5929"))
    figure = picture(NAME)
    named = [text for text in texts_of(figure) if "plan" in text.get_text()]
    assert len(named) == 3
    assert all(text.get_text().endswith(NAME) for text in named)
    assert all(text.get_fontfamily() == ["DejaVu Sans", "Made Sans"] for text in named)
    assert not any(glyphs.NOTE[:20] in text.get_text() for text in texts_of(figure))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()


def test_letters_that_no_font_has_are_escaped_and_a_note_says_so(fonts: Any) -> None:
    assert fonts.ttflist
    figure = picture(NAME)
    texts = [text.get_text() for text in texts_of(figure)]
    assert r"\u804a\u5929 plan" in texts
    assert all(text.isascii() for text in texts)
    (note,) = (text for text in texts_of(figure) if text.get_text().startswith(glyphs.NOTE[:20]))
    assert " ".join(note.get_text().split()) == glyphs.NOTE
    FigureCanvasAgg(figure).draw()
    others = [text.get_window_extent() for text in texts_of(figure) if text is not note]
    assert not any(note.get_window_extent().overlaps(box) for box in others)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()


@pytest.mark.parametrize("name", ["plan", "\u00fcber \u03b1 \u2192 \u0416"], ids=["ascii", "in DejaVu"])
def test_other_names_stay_as_they_are(fonts: Any, name: str) -> None:
    assert fonts.ttflist
    figure = picture(name)
    assert name in [text.get_text() for text in texts_of(figure)]
    assert {tuple(text.get_fontfamily()) for text in texts_of(figure)} == {("DejaVu Sans",)}
    assert not any(glyphs.NOTE[:20] in text.get_text() for text in texts_of(figure))


def test_what_cannot_be_printed_is_escaped() -> None:
    assert glyphs.readable("a\x1b[2Jb\u202ec") == r"a\u001b[2Jb\u202ec"
    assert glyphs.readable("\U0010ffff") == r"\U0010ffff"


def test_a_font_that_cannot_be_read_has_no_letters(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert glyphs._letters_in(str(tmp_path / "broken.ttf")) == frozenset()
