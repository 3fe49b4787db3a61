"""Where the text of a scenario comes from, and what a scenario from there may ask for."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from ieco_opt.documents.origin import Location, Origin
from ieco_opt.documents.text_file import read_text

STANDARD_INPUT = "standard input"
"""What faults name instead of a file where the scenario was piped in."""


@dataclass(frozen=True, slots=True)
class ScenarioSource:
    """The text of a scenario, or the file that holds it.

    Attributes
    ----------
    path
        The file; ``None`` where there is a text instead.
    text
        The scenario itself, or what reads it once it is wanted.
    label
        What faults name instead of a file.
    files
        Whether the scenario may name files.
    max_setups
        Most configurations that it may list; ``None`` for the default.
    """

    path: pathlib.Path | None = None
    text: str | Callable[[], str] = ""
    label: str | None = None
    files: bool = True
    max_setups: int | None = None

    @classmethod
    def of(
        cls, scenario: str | os.PathLike[str] | ScenarioSource, *, files: bool = True, max_setups: int | None = None
    ) -> ScenarioSource:
        """Tell a file from the scenario itself.

        A path is a file. Text is the scenario itself if it has several lines, or if ``files`` is false: then no text,
        whoever sent it, leads to a file.
        """
        if isinstance(scenario, ScenarioSource):
            return scenario
        if isinstance(scenario, str) and (not files or "\n" in scenario):
            return cls(text=scenario, files=files, max_setups=max_setups)
        return cls(path=pathlib.Path(scenario), files=files, max_setups=max_setups)

    @property
    def file(self) -> str | None:
        """What faults name."""
        return self.label if self.path is None else str(self.path)

    @property
    def name(self) -> str | None:
        """Name of a scenario that does not say its own."""
        return None if self.path is None else self.path.stem

    def read(self) -> str:
        """The text.

        Raises
        ------
        ScenarioError
            The file cannot be read.
        """
        if self.path is not None:
            return read_text(self.path)
        return self.text if isinstance(self.text, str) else self.text()

    def origin(self, lines: dict[Location, int | None]) -> Origin:
        """Where the fields of the scenario were written, and what they may ask for."""
        folder = pathlib.Path() if self.path is None else self.path.parent
        return Origin(self.file, folder, lines, files=self.files, max_setups=self.max_setups)
