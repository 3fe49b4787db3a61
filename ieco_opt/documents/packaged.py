"""Data files that come with the package."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from ieco_opt.documents.yaml_document import parse_trusted


def packaged_text(package: str, file_name: str) -> str:
    """Text of a file in the folder ``data`` of a package."""
    return resources.files(package).joinpath("data", file_name).read_text(encoding="utf-8")


def packaged_rows(package: str, file_name: str) -> list[dict[str, Any]]:
    """Mappings that a YAML file there lists."""
    return rows_of(packaged_text(package, file_name))


def rows_of(text: str) -> list[dict[str, Any]]:
    """Mappings that the YAML of such a file lists."""
    rows = parse_trusted(text)
    assert isinstance(rows, list)
    return rows


def packaged_row_texts(package: str, file_name: str) -> list[str]:
    """Texts of the mappings that a YAML file there lists, one each, for :func:`packaged_row`."""
    return re.split(r"^(?=- )", packaged_text(package, file_name), flags=re.MULTILINE)[1:]


def packaged_row(text: str) -> dict[str, Any]:
    """The mapping of one such text."""
    return rows_of(text)[0]
