"""What every page brings along: its scripts, its style, what they may do, and whose work they are."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources

from ieco_opt.documents.json_document import parse_mapping
from ieco_opt.reports.page.markup import Markup, code, joined, lines, tag

_PACKAGE = resources.files("ieco_opt.reports.page")
_CHARTS = "charts.min.js"


@functools.cache
def _text(folder: str, name: str) -> str:
    return (_PACKAGE / folder / name).read_text("utf-8")


def style() -> str:
    """The style sheet."""
    return _text("assets", "page.css")


def scripts(*, charts: bool) -> tuple[str, ...]:
    """The scripts in the order in which they run; that of the charts only where there are any."""
    own = _text("assets", "page.js")
    return (_text("vendored", _CHARTS), _text("assets", "charts.js"), own) if charts else (own,)


def policy(*, charts: bool) -> str:
    """The Content-Security-Policy: these scripts and this style, by their hashes, and nothing else from anywhere."""
    allowed = " ".join(map(_hash, scripts(charts=charts)))
    rules = (
        "default-src 'none'",
        f"script-src {allowed}",
        f"style-src {_hash(style())}",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def script_elements(*, charts: bool) -> Markup:
    """The scripts as elements, for the end of the page, which is painted before."""
    return joined(*map(code, scripts(charts=charts)))


def notice() -> Markup:
    """Every package in the script of the charts with its version and licence, and the licences in full."""
    about = parse_mapping(_text("vendored", "packages.json"), "packages.json")
    packages = about["packages"]
    assert isinstance(packages, list)
    named = [f"{each['name']} {each['version']} ({each['licence']})" for each in packages]
    return tag(
        "details",
        tag("summary", "Software in this page, and its licences"),
        tag(
            "p",
            "Style, tables and scripts of the page: ieco_opt (Apache-2.0). Its charts are drawn by ",
            ", ".join(named),
            ".",
        ),
        tag("pre", lines(_text("vendored", "LICENSES.txt")), class_="licences", tabindex=0, aria_label="Licences"),
    )
