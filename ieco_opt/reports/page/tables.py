"""Tables of the page: the columns of the terminal's tables, in full, which the page's script sorts and filters."""

from __future__ import annotations

from collections.abc import Sequence

from ieco_opt.reports.page.markup import Markup, Part, cells, joined, tag
from ieco_opt.reports.text.table import Column
from ieco_opt.reports.text.table_columns import words

_LEAST_FILTERED = 10
"""Rows from which on a table is worth a filter."""


def table(caption: str, columns: Sequence[Column], *, points: str | None = None, hidden: bool = False) -> Markup:
    """Make a table; nothing without rows.

    Parameters
    ----------
    points
        Id of the points that the rows are, in their order: whoever points at a row sees that point.
    hidden
        Whether only screen readers are told the caption, since a heading above says the same.
    """
    rows = list(zip(*(column.cells for column in columns), strict=True)) if columns else []
    if not rows:
        return Markup()
    return table_of(
        caption,
        [_head(column) for column in columns],
        [at for at, column in enumerate(columns, 1) if column.words],
        [cells("td", row) for row in rows],
        points=points,
        hidden=hidden,
    )


def named_in_full(columns: Sequence[Column], workloads: Sequence[str]) -> list[Column]:
    """Columns with the name of the workload in every row, so that sorted rows still say whose they are."""
    names = words("workload", workloads)
    return [names if column.name == names.name else column for column in columns]


def table_of(
    caption: str,
    heads: Sequence[Part],
    words: Sequence[int],
    rows: Sequence[Markup],
    *,
    points: str | None = None,
    hidden: bool = False,
) -> Markup:
    """Make a table of rows that are cells already; ``words`` are the columns, from 1, that are not numbers."""
    left = [f"w{at}" for at in words]
    head = tag("thead", tag("tr", *(tag("th", each, scope="col") for each in heads)))
    body = tag("tbody", *(joined(Markup("<tr>"), row) for row in rows))
    title = tag("caption", tag("span", caption, class_="unseen" if hidden else None))
    inner = tag(
        "table",
        title,
        head,
        body,
        class_=" ".join(["sortable", *left]),
        data_points=points,
        data_filter=len(rows) >= _LEAST_FILTERED,
    )
    # Wide tables scroll within their frame, which the keyboard reaches, too.
    return tag("div", inner, class_="frame", tabindex=0, role="region", aria_label=f"Table: {caption}")


def _head(column: Column) -> Markup:
    """Name and unit; a unit that starts with a slash goes on with the name."""
    if not column.unit:
        return joined(column.name)
    space = "" if column.unit.startswith("/") else " "
    return joined(column.name, space, tag("span", column.unit, class_="unit"))


def listed(items: Sequence[Part], **attributes: str) -> Markup:
    """Sentences as a list; nothing without any."""
    return tag("ul", *(tag("li", item) for item in items), **attributes) if items else Markup()


def pairs(rows: Sequence[tuple[str, Part]]) -> Markup:
    """Names and what each is."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in rows))
