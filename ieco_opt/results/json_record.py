"""Records that are written as JSON and not read again."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from ieco_opt.documents.destinations import replace_file
from ieco_opt.documents.json_document import json_text


class JsonRecord:
    """Mixin of them."""

    __slots__ = ()

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything, as the JSON file holds it."""

    def to_json(self, path: str | Path | None = None) -> str:
        """Write it as strict JSON; also returns the text.

        Raises
        ------
        ScenarioError
            The file cannot be written.
        """
        text = json_text(self.to_dict())
        if path is not None:
            replace_file(Path(path), text.encode())
        return text
