"""A fleet of one workload from what is said on one line: a model, GPUs, the lengths of requests and wishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict, TypeVar

from ieco_opt import catalog
from ieco_opt.catalog.parameters import total_params
from ieco_opt.catalog.profiles import is_calibration_file
from ieco_opt.catalog.types import Accelerator, Fidelity, Model
from ieco_opt.documents.near import meant
from ieco_opt.documents.origin import Origin, found
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario import quantities
from ieco_opt.scenario.quantities import Cards
from ieco_opt.scenario.references import accelerator_of, model_of

MINIMISED = ("cost", "gpus", "power")
"""What a rate of requests can be served with the least of."""

_NOWHERE = Origin()
_CONFIG = "config.json"
_USABLE = 0.8
"""Share of the memory of all GPUs that weights may fill where nobody says their precision."""

T = TypeVar("T")


class Asked(TypedDict, total=False):
    """What is asked of one model; see :func:`fleet_mapping`."""

    gpus: str | Sequence[str]
    isl: str | float
    osl: str | float
    ttft: str | float | None
    tpot: str | float | None
    min_speed: float | None
    rate: str | float | None
    minimise: str | None
    weights: str | Sequence[str] | None
    engine: str | Sequence[str] | None
    profile: str | Sequence[str] | None
    budget: str | float | None
    owned: bool


def fleet_mapping(model: str | Path, asked: Asked) -> dict[str, object]:
    """The scenario that asks the same.

    Parameters
    ----------
    model
        A name of the catalog or of a repository, a folder with a config.json, or a file.
    asked
        ``gpus`` such as ``32xH200`` or ``64xMI300X@1.40``, or several; ``isl`` and ``osl``, tokens of a prompt and of
        an answer; ``ttft`` (seconds, or with a unit) and ``tpot`` (milliseconds, or with a unit) or ``min_speed``
        (tokens/s); ``rate`` of requests, without which as many as possible are served; ``minimise`` (``cost``, ``gpus``
        or ``power``); ``weights``, ``engine``, ``profile``; ``budget`` in $/h; ``owned``: GPUs cost nothing.

    Raises
    ------
    ScenarioError
        With every field that is missing or wrong, under the names of ``asked``.
    """
    reading = _Reading(model, asked)
    budget = reading.optional(quantities.usd_per_hour, "budget")
    objective = reading.objective()
    cards = reading.cards_found()
    return {
        "version": 2,
        "kind": "fleet",
        "name": reading.title(cards),
        "pools": list(pools_of(cards, owned=asked.get("owned", False))),
        "workloads": [reading.workload],
        **reading.profile,
        **({} if budget is None else {"limits": {"max_usd_per_hour": budget}}),
        "objective": objective,
    }


def deployment_mapping(model: str | Path, asked: Asked) -> dict[str, object]:
    """The scenario that asks for one deployment of at most so many GPUs, of one of the kinds that are named.

    Parameters and errors are as of :func:`fleet_mapping`; rates, budgets and what is owned are for plans.
    """
    reading = _Reading(model, asked)
    counts = sorted({each.gpus for each in reading.cards if each is not None})
    if len(counts) > 1:
        reading.refuse("gpus", f"found {' and '.join(map(str, counts))}, expected as many of each kind")
    cards, workload = reading.cards_found(), reading.workload
    limits = ("min_speed", "max_time_to_first_token_s")
    return {
        "version": 2,
        "kind": "deployment",
        "name": reading.title(cards),
        "model": workload["model"],
        "accelerators": [_priced(each, kind) for each, kind in cards],
        **{name: workload[name] for name in ("weights", "engine") if name in workload},
        **reading.profile,
        "workload": {name: workload[name] for name in ("prompt_tokens", "output_tokens")},
        "design_space": {"max_gpus": counts[0]},
        "limits": {name: workload[name] for name in limits if name in workload},
    }


class _Reading:
    """What is asked of one model as it is read, with every fault kept until all is read."""

    def __init__(self, model: str | Path, asked: Asked) -> None:
        self._asked = asked
        self._faults: list[Fault] = []
        for name in sorted(asked.keys() - Asked.__annotations__.keys()):
            self.refuse(name, f"unknown question, expected {meant(name, [*Asked.__annotations__])}")
        self.cards = [self._read(quantities.cards, text, "gpus") for text in _pools_in(asked.get("gpus"))]
        if not self.cards:
            self.refuse("gpus", "missing, expected GPUs, such as 32xH200")
        # A folder means the config.json in it.
        reference = _file_of(str(model)) or str(model)
        read = self._read(lambda: model_of(reference, ("model",), Fidelity.DEPLOYABLE, _NOWHERE))
        self._model = read if isinstance(read, Model) else None
        self.workload = self._workload(reference)
        self.profile = _profile(asked.get("profile"))

    def refuse(self, field: str, message: str) -> None:
        """Keep a fault."""
        self._faults.append(Fault(None, None, field, message))

    def optional(self, read: Callable[..., T], field: str) -> T | None:
        """What a field says, where it says something."""
        value = self._asked.get(field)
        return None if value is None else self._read(read, value, field)

    def objective(self) -> str:
        """The most requests, or the least of something for a rate of them."""
        minimised = self._asked.get("minimise")
        if minimised is not None and minimised not in MINIMISED:
            self.refuse("minimise", f"found {found(minimised)}, expected one of {', '.join(MINIMISED)}")
        if self._asked.get("rate") is None:
            if minimised is not None:
                self.refuse("minimise", "found it without a rate, expected a rate that is to be served")
            return "throughput"
        return minimised or "cost"

    def cards_found(self) -> list[tuple[Cards, Accelerator]]:
        """The GPUs with their accelerators, once everything is read; weights that nobody says are the usual ones.

        Raises
        ------
        ScenarioError
            With every fault.
        """
        hardware = [None if each is None else self._read(_accelerator, each) for each in self.cards]
        if self._faults or self._model is None:
            raise ScenarioError(list(dict.fromkeys(self._faults)))
        pairs = zip(self.cards, hardware, strict=True)
        cards = [(each, kind) for each, kind in pairs if each is not None and kind is not None]
        usual = _usual_weights(self._model, cards)
        if "weights" not in self.workload and usual is not None:
            self.workload["weights"] = [usual]
        return cards

    def title(self, cards: Sequence[tuple[Cards, Accelerator]]) -> str:
        """What the scenario is called."""
        assert self._model is not None
        return f"{self._model.name} on {' and '.join(f'{each.gpus} x {kind.name}' for each, kind in cards)}"

    def _workload(self, reference: str) -> dict[str, object]:
        """The one workload; lists that people may write as one text become lists."""
        asked, lengths = self._asked, {"prompt_tokens": "isl", "output_tokens": "osl"}
        for name in lengths.values():
            if asked.get(name) is None:
                self.refuse(name, "missing, expected tokens, such as 4000 or 4k")
        if asked.get("tpot") is not None and asked.get("min_speed") is not None:
            self.refuse("tpot", "found it beside min_speed, expected one of the two")
        tpot = self.optional(_milliseconds, "tpot")
        speed = self.optional(quantities.speed, "min_speed")
        fields = {
            "name": "requests",
            "model": reference,
            "weights": list(_several(asked.get("weights"))) or None,
            "engine": list(_several(asked.get("engine"))) or None,
            "requests_per_s": self.optional(quantities.requests_per_s, "rate"),
            **{field: self.optional(quantities.tokens, name) for field, name in lengths.items()},
            "min_speed": speed if tpot is None else 1.0 / tpot,
            "max_time_to_first_token_s": self.optional(quantities.seconds, "ttft"),
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _read(self, read: Callable[..., T], *arguments: object) -> T | None:
        """What ``read`` returns, or ``None`` with its faults kept."""
        try:
            return read(*arguments)
        except ScenarioError as error:
            self._faults.extend(error.faults)
            return None


def _priced(cards: Cards, kind: Accelerator) -> str | dict[str, object]:
    """An accelerator by its name, or at a price of one's own."""
    if cards.usd_per_gpu_hour is None:
        return kind.name
    return {"like": kind.name, "name": kind.name, "usd_per_gpu_hour": cards.usd_per_gpu_hour}


def _milliseconds(value: str | float, field: str) -> float:
    return quantities.seconds(value, field, unit="ms")


def _profile(asked: str | Sequence[str] | None) -> dict[str, object]:
    """The field of a scenario, which may be written anywhere, so files have their whole path."""
    if asked is None:
        return {}
    names = [asked] if isinstance(asked, str) else list(asked)
    return {"profile": [str(Path(each).absolute()) if is_calibration_file(each) else each for each in names]}


def _file_of(reference: str) -> str | None:
    """The file that a text means, if it means one."""
    # What is no path at all (too long, of nobody's home) is a name.
    with suppress(OSError, RuntimeError):
        path = Path(reference).expanduser()
        if reference and path.is_dir():
            path = path / _CONFIG
        if path.is_file() or catalog.is_file_name(str(path)):
            return str(path.absolute())
    return None


def _accelerator(cards: Cards) -> Accelerator:
    return accelerator_of(cards.accelerator, ("gpus",), Fidelity.DEPLOYABLE, _NOWHERE)


def _usual_weights(model: Model, cards: Sequence[tuple[Cards, Accelerator]]) -> str | None:
    """Where the checkpoint says no precision: 16 bits where they fit, else 8 where the cards know them, else 4."""
    if model.checkpoint is not None:
        return None
    room = max(each.gpus * kind.hbm_bytes for each, kind in cards) * _USABLE
    if 2.0 * total_params(model) <= room:
        return "bf16"
    known_8_bits = all(kind.flops_8bit is not None for _, kind in cards)
    return "fp8" if known_8_bits and total_params(model) <= room else "awq"


def pools_of(cards: Sequence[tuple[Cards, Accelerator]], *, owned: bool = False) -> Iterator[dict[str, object]]:
    """Pools under short names; counts that are no whole nodes are taken by the GPU."""
    names: set[str] = set()
    for each, kind in cards:
        base = name = kind.name.split("-")[0].lower()
        while name in names:
            name = f"{base}-{len(names) + 1}"
        names.add(name)
        pool: dict[str, object] = {"name": name, "accelerator": kind.name, "gpus": each.gpus}
        if each.gpus % kind.node_size:
            pool["rented_by"] = "gpu"
        if each.usd_per_gpu_hour is not None:
            pool["usd_per_gpu_hour"] = each.usd_per_gpu_hour
        if owned:
            pool["owned_gpus"] = each.gpus
        yield pool


def _several(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Texts, each of which may be several with commas between them."""
    texts = [value] if isinstance(value, str) else value or ()
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def _pools_in(value: str | Sequence[str] | None) -> list[str]:
    """Texts of cards, also where commas stand between them: a part without an accelerator belongs to the next."""
    found: list[str] = []
    for text in (value,) if isinstance(value, str) else value or ():
        before = ""
        for part in text.split(","):
            before += part
            if any(sign in part for sign in "xX*×"):
                found.append(before)
                before = ""
            else:
                before += ","
        if before.strip(" ,"):
            found.append(before.rstrip(","))
    return found
