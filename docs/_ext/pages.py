"""Where the site is laid out otherwise than the repository.

Pages that no list names yet, pages of the root, links to files outside of docs/, and names of the public API wherever
they are defined.
"""

from __future__ import annotations

import re
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

OTHER_PAGES = "% other pages"
"""Stands in the last list of the first page for pages of this folder that no list names, so that none is lost."""


FROM_ROOT = {"changes": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}
"""Pages of the site that are files of the repository's root."""

_LIST = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\[\]]+)\]\(((?:\.\./)+)([^()\s#]+)(#[^()\s]*)?\)")


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Change what a page says where the site is laid out otherwise than the repository."""
    folder = Path(app.srcdir)
    if docname in FROM_ROOT:
        app.env.note_dependency(str(folder.parent / FROM_ROOT[docname]))
        text = (folder.parent / FROM_ROOT[docname]).read_text("utf-8")
        # From the root, docs/ is a folder below and everything else is beside; from here, it is above.
        text = re.sub(r"\]\(docs/([^()\s]+)\)", r"](\1)", text)
        source[0] = re.sub(r"\]\(((?:CHANGELOG|CONTRIBUTING)\.md[^()\s]*)\)", r"](../\1)", text)
    if docname == "index":
        source[0] = source[0].replace(OTHER_PAGES, "\n".join(_other_pages(folder)))
        # A pattern of pages that there are not yet.
        source[0] = re.sub(
            r"^(\w+\*)\n", lambda line: line[0] if [*folder.glob(line[1])] else "", source[0], flags=re.M
        )
    if docname == "decisions/README":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
    if docname.count("/") == 0 or docname.startswith("decisions/"):
        source[0] = _LINK.sub(_to_the_site, source[0])


def _other_pages(folder: Path) -> list[str]:
    """Pages that no list of any page names."""
    named = {"index"}
    for page in folder.rglob("*.md"):
        for block in _LIST.findall(page.read_text("utf-8")):
            for line in block.splitlines():
                named |= {found.stem for found in folder.glob(f"{line}.md") if re.fullmatch(r"[\w/*-]+", line)}
    return [page.stem for page in sorted(folder.glob("*.md")) if page.stem not in named]


def _to_the_site(link: re.Match[str]) -> str:
    """A link out of docs/: to the page that holds the file, or to the file itself, which the site then brings along."""
    text, up, path, anchor = link[1], link[2], link[3], link[4] or ""
    for page, file in FROM_ROOT.items():
        if path == file:
            return f"[{text}]({up.removeprefix('../')}{page}.md{anchor})"
    return f"{{download}}`{text} <{up}{path}>`" if (Path(__file__).parents[2] / path).is_file() else link[0]


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Lead from a name, wherever in the package it was read, to the page of the API or to its table of fields."""
    if node.get("refdomain") != "py":
        return None
    last = node["reftarget"].rsplit(".", 1)[-1]
    found = env.domains.python_domain.objects.get(f"ieco_opt.{last}")
    if found is not None:
        return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content)
    # Records inside results and scenarios: their tables of fields.
    document, target, _ = env.domains.standard_domain.labels.get(f"fields-{last.casefold()}", (None, "", ""))
    return make_refnode(app.builder, node["refdoc"], document, target, content) if document else None


_SEE = re.compile(r"; see :func:`([\w.]+)`|^See :func:`([\w.]+)`\.$", re.MULTILINE)


def say_in_full(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Where the facade refers to the function that does the work, show what stands there."""
    text = "\n".join(lines)
    found = _SEE.search(text)
    if found is None:
        return
    text = text.replace(found[0], "", 1)
    if "Parameters\n---" not in text:
        module, _, function = (found[1] or found[2]).rpartition(".")
        inner = cleandoc(getattr(import_module(module), function).__doc__ or "")
        # Its sections stand after its first sentence, which the facade has said.
        text += "\n\n" + inner.partition("\n\n")[2]
    lines[:] = text.splitlines()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the reading of pages and to names that are not found."""
    app.connect("source-read", read)
    app.connect("missing-reference", resolve_public_name)
    # Before the sections of docstrings are read.
    app.connect("autodoc-process-docstring", say_in_full, priority=400)
    return {"parallel_read_safe": True}
