"""Data files that come with the package."""

from __future__ import annotations

from importlib import resources
from typing import Any

from ieco_opt.documents.yaml_document import parse_trusted


def packaged_text(package: str, file_name: str) -> str:
    """Text of a file in the folder ``data`` of a package."""
    return resources.files(package).joinpath("data", file_name).read_text(encoding="utf-8")


def packaged_rows(package: str, file_name: str) -> list[dict[str, Any]]:
    """Mappings that a YAML file there lists."""
    rows = parse_trusted(packaged_text(package, file_name))
    assert isinstance(rows, list)
    return rows
