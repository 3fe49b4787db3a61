"""Maths as MathML, which browsers draw themselves: no script, and nothing to fetch from another site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latex2mathml.converter import convert

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    _skip(translator)


def _display(translator: HTML5Translator, node: nodes.math_block) -> None:
    text = node.astext()
    # Pages write what GitHub shows; the converter knows aligned lines by another name.
    text = text.replace("{aligned}", "{split}")
    translator.body.append(f'<div class="math">{convert(text, display="block")}</div>\n')
    _skip(translator)


def _skip(_translator: HTML5Translator) -> None:
    from docutils.nodes import SkipNode

    raise SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer to Sphinx, which takes the only one that is not built in by its name."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True}
