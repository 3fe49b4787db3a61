"""Maths as MathML, which browsers draw themselves: no script, and nothing to fetch from another site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from latex2mathml.converter import convert

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

_PRIMED = re.compile(r"<msup>(<mi>[^<]*</mi>)<mi>&#x02032;</mi></msup>")
"""A letter with a prime as its exponent: the sign is small and high by itself, and as an exponent a dot."""

_MARKS = re.compile(r"[,.;:)]+")


def _mathml(text: str, display: str = "inline") -> str:
    return _PRIMED.sub(r'<mrow>\1<mo lspace="0" rspace="0">&#x02032;</mo></mrow>', convert(text, display=display))


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    mark = node.get("mark")
    drawn = _mathml(node.astext())
    translator.body.append(f'<span class="formula">{drawn}{mark}</span>' if mark else drawn)
    _skip(translator)


def _display(translator: HTML5Translator, node: nodes.math_block) -> None:
    text = node.astext()
    # Pages write what GitHub shows; the converter knows aligned lines by another name.
    text = text.replace("{aligned}", "{split}")
    translator.body.append(f'<div class="math">{_mathml(text, display="block")}</div>\n')
    _skip(translator)


def _skip(_translator: HTML5Translator) -> None:
    from docutils.nodes import SkipNode

    raise SkipNode


def _keep_marks(_app: Sphinx, page: nodes.document, _name: str) -> None:
    """Make the comma after a formula part of it, since browsers break lines between the two."""
    from docutils import nodes

    for node in list(page.findall(nodes.math)):
        beside = node.parent.children
        # By identity: texts that say the same are equal.
        at = next(at for at, each in enumerate(beside) if each is node) + 1
        after = beside[at] if at < len(beside) else None
        marks = _MARKS.match(after) if isinstance(after, nodes.Text) else None
        if marks:
            node["mark"] = marks[0]
            node.parent[at] = nodes.Text(str(after)[marks.end() :])


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer to Sphinx, which takes the only one that is not built in by its name."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("doctree-resolved", _keep_marks)
    return {"parallel_read_safe": True}
