"""Results as one page of HTML that needs nothing else: no network, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ieco_opt.reports.page.not_possible import NotPossible
    from ieco_opt.results.answer import Answer
    from ieco_opt.results.variations import Variations

__all__ = ["check_page_ending", "page", "report", "save"]


def page(
    results: Sequence[Answer],
    *,
    files: Sequence[str | None] = (),
    variations: Variations | None = None,
    not_possible: Sequence[NotPossible] = (),
) -> str:
    """Put results of any kind on one page.

    Parameters
    ----------
    files
        Where each result is saved, for the commands that the page shows; ``None`` or nothing: nowhere.
    variations
        What stands beside the one plan of a page.
    not_possible
        Fleets that no plan serves.

    Raises
    ------
    ScenarioError
        There is no result.
    """
    from ieco_opt.reports.page.document import document
    from ieco_opt.reports.page.shown import Shown

    named = [*files, *([None] * (len(results) - len(files)))]
    return document(
        [Shown(result, file) for result, file in zip(results, named, strict=True)], variations, not_possible
    )


def report(results: Answer | Sequence[Answer], path: str | Path | None = None) -> str:
    """Put one result or several on one page of HTML that needs nothing else, and return its text.

    A file is written only where one is given; errors are those of ``save``.
    """
    from ieco_opt.results.answer import Answer

    several = [results] if isinstance(results, Answer) else list(results)
    if path is not None:
        check_page_ending(Path(path))
    text = page(several)
    if path is not None:
        from ieco_opt.documents.destinations import replace_file

        replace_file(Path(path), text.encode())
    return text


def save(
    results: Sequence[Answer],
    path: str | Path,
    *,
    files: Sequence[str | None] = (),
    variations: Variations | None = None,
    not_possible: Sequence[NotPossible] = (),
) -> None:
    """Write that page to a file, completely or not at all; parameters as of :func:`page`.

    Raises
    ------
    ScenarioError
        Likewise, the name does not end with .html, or the file cannot be written.
    """
    from ieco_opt.documents.destinations import replace_file

    check_page_ending(Path(path))
    replace_file(Path(path), page(results, files=files, variations=variations, not_possible=not_possible).encode())


def check_page_ending(path: Path) -> None:
    """Refuse a file that the page could not be written to.

    Raises
    ------
    ScenarioError
        The name does not end with .html, or there is no such folder, or nothing can be written there.
    """
    from ieco_opt.documents.destinations import check_folder, kind_of

    kind_of(path, ("html",))
    check_folder(path)
