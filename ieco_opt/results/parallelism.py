"""How one instance is spread over GPUs, and rows of tables that hold that."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from ieco_opt.documents.types import Count, Record, Whole
from ieco_opt.scenario.fields import refused_at

COLUMNS = (
    "tensor_parallel",
    "attention_data_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "expert_tensor_parallel",
    "redundant_experts",
    "stage_ranks",
    "tensor_layout",
)
"""Columns of a parallelism in every file and table, before the prefix ``draft_`` where it is the draft model's."""


@dataclass(frozen=True, slots=True)
class Parallelism(Record):
    """Degrees of one instance.

    Attributes
    ----------
    tensor
        TP: attention tensor ranks (T / sigma of arXiv 2506.04645), which servers call the tensor-parallel size.
    attention_data
        DP: attention groups (sigma).
    pipeline, expert
        PP: stages; EP: expert ranks of a stage.
    redundant_experts
        Copies of experts in each layer.
    layout
        ``1d`` or ``2d``: layout of the tensor ranks.
    """

    tensor: Annotated[Whole, Field(alias="tensor_parallel")]
    attention_data: Annotated[Whole, Field(alias="attention_data_parallel")]
    pipeline: Annotated[Whole, Field(alias="pipeline_parallel")]
    expert: Annotated[Whole, Field(alias="expert_parallel")]
    layout: Annotated[Literal["1d", "2d"], Field(alias="tensor_layout")]
    redundant_experts: Count = 0

    @property
    def stage_ranks(self) -> int:
        """Ranks of one stage: TP x DP = EP x ETP (T of the equations)."""
        return self.tensor * self.attention_data

    @property
    def expert_tensor(self) -> int | None:
        """ETP: ranks that share one expert; ``None`` where the paper's rule does not split a stage evenly."""
        ranks, rest = divmod(self.stage_ranks, self.expert)
        return None if rest else ranks

    @property
    def gpus(self) -> int:
        """GPUs of one instance: TP x DP x PP."""
        return self.stage_ranks * self.pipeline

    def short(self) -> str:
        """Degrees in short, such as ``TP8 DP4 PP2 EP8 2d``; those of one are left out.

        ``EP72+32`` has 32 redundant experts.
        """
        others = (("DP", self.attention_data), ("PP", self.pipeline))
        parts = [f"TP{self.tensor}", *(f"{letters}{degree}" for letters, degree in others if degree > 1)]
        if self.redundant_experts:
            parts.append(f"EP{self.expert}+{self.redundant_experts}")
        elif self.expert > 1:
            parts.append(f"EP{self.expert}")
        return " ".join(parts if self.layout == "1d" else [*parts, "2d"])

    def columns(self) -> dict[str, int | str | None]:
        """Values of ``COLUMNS``."""
        return dict(
            zip(
                COLUMNS,
                (
                    self.tensor,
                    self.attention_data,
                    self.pipeline,
                    self.expert,
                    self.expert_tensor,
                    self.redundant_experts,
                    self.stage_ranks,
                    self.layout,
                ),
                strict=True,
            )
        )


PREFIXES = {"parallelism": "", "draft": "draft_"}
"""Fields that hold a parallelism, and what its columns begin with."""

DERIVED = ("expert_tensor_parallel", "stage_ranks")
"""Columns that follow from the degrees."""


class Row(Record):
    """Base of rows of tables: the fields ``parallelism`` and ``draft`` are flat in every file and table."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Every column by name."""
        values: dict[str, Any] = {}
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if item.name not in PREFIXES:
                values[item.name] = value
                continue
            held = dict.fromkeys(COLUMNS) if value is None else value.columns()
            values |= {PREFIXES[item.name] + name: entry for name, entry in held.items()}
        return values

    @classmethod
    def optional(cls) -> tuple[str, ...]:
        """Columns that rows leave out where they do not apply."""
        return ()

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Names of all columns, in the order of tables."""
        names: list[str] = []
        for item in fields(cls):  # type: ignore[arg-type]
            prefix = PREFIXES.get(item.name)
            names += [item.name] if prefix is None else [prefix + name for name in COLUMNS]
        return tuple(names)

    @model_validator(mode="before")
    @classmethod
    def _held(cls, values: Any) -> Any:
        """Put flat columns into the records that hold them."""
        if not isinstance(values, Mapping):
            return values
        read = dict(values)
        for name in _records(cls):  # type: ignore[arg-type]
            prefix = PREFIXES[name]
            _refuse_wrong_names(name, prefix, read)
            columns = {column: read.pop(prefix + column) for column in COLUMNS}
            read[name] = _without_derived(columns, prefix)
        return read


@cache
def _records(kind: Hashable) -> tuple[str, ...]:
    """Fields of a kind of row that hold the degrees of a model, looked up once: files have thousands of rows."""
    return tuple(item.name for item in fields(kind) if item.name in PREFIXES)  # type: ignore[arg-type]


def _refuse_wrong_names(name: str, prefix: str, values: Mapping[str, Any]) -> None:
    """Refuse a row that holds a record where its columns should be, or lacks one of these."""
    missing = [column for column in COLUMNS if prefix + column not in values]
    wrong = [InitErrorDetails(type="missing", loc=(name, column), input=None) for column in missing]
    if name in values:
        wrong.append(InitErrorDetails(type="unexpected_keyword_argument", loc=(name,), input=values[name]))
    if wrong:
        raise ValidationError.from_exception_data("row", wrong)


def _without_derived(columns: dict[str, Any], prefix: str) -> dict[str, Any] | None:
    """Degrees alone, once what follows from them is as it should be; ``None`` where there are none."""
    derived = {name: columns.pop(name) for name in DERIVED}
    absent = all(value is None for value in columns.values())
    try:
        expected = dict.fromkeys(DERIVED) if absent else _READER.validate_python(columns).columns()
    except ValidationError:
        # The degrees themselves are refused by name in a moment.
        return columns
    # True equals 1, but is none.
    wrong = [name for name in DERIVED if (type(derived[name]), derived[name]) != (type(expected[name]), expected[name])]
    if wrong:
        words = {name: "null" if expected[name] is None else expected[name] for name in wrong}
        raise refused_at(((prefix + name,), derived[name], f"{words[name]}, as the degrees say") for name in wrong)
    return None if absent else columns


_READER: TypeAdapter[Parallelism] = TypeAdapter(Parallelism)
