"""Keys of a Hugging Face configuration, read with the faults met on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ieco_opt.documents.origin import found
from ieco_opt.errors import Fault

Mappings: TypeAlias = dict[str, object]
"""Fields of a model, or of a part of it, as docs/catalog.md describes them."""

_LARGEST_COUNT = 10**9
# Layers are walked one by one.
_MOST_LAYERS = 100_000
_LAYER_KEYS = ("num_hidden_layers", "n_layer", "num_layers")


@dataclass(slots=True)
class Config:
    """Keys of a configuration, and which of them were asked for; `defaults` stand for those that are left out."""

    values: Mapping[str, object]
    prefix: str = ""
    defaults: Mapping[str, object] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    read: set[str] = field(default_factory=set)

    def get(self, key: str) -> object:
        """The value of a key, or the family's default for it, or `None`."""
        self.read.add(key)
        value = self.values.get(key)
        return self.defaults.get(key) if value is None else value

    def has(self, key: str) -> bool:
        """Whether the key, or a default for it, is there."""
        return self.get(key) is not None

    def layers(self) -> int:
        """Number of layers."""
        return self.count(*_LAYER_KEYS, most=_MOST_LAYERS)

    def count(self, *keys: str, default: int | None = None, least: int = 1, most: int = _LARGEST_COUNT) -> int:
        """Read a whole number under the first key that is there; `least` where none or a wrong one is.

        A list of equal numbers, one for each layer, stands for the number.
        """
        for key in keys:
            if self.has(key):
                return self._checked_count(key, least, most)
        if default is None:
            self.fault(keys[0], f"missing, expected a whole number of at least {least}")
            return least
        return default

    def ratio(self, key: str) -> float:
        """Read a number above zero; 1 where a wrong one is."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST_COUNT:
            self.fault(key, f"found {found(value)}, expected a number above 0")
            return 1.0
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Read true or false."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(key, f"found {found(value)}, expected true or false")
            return default
        return value

    def text(self, key: str) -> str:
        """Read text; empty where there is none."""
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            self.fault(key, f"found {found(value)}, expected text")
        return value if isinstance(value, str) else ""

    def items(self, key: str) -> list[object]:
        """Read a list; empty where there is none."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(key, f"found {found(value)}, expected a list")
            return []
        return value

    def per_layer(self, key: str) -> list[object]:
        """Read a list with an entry for each layer; entries beyond, for prediction heads, are dropped."""
        listed = self.items(key)
        layers = self.layers()
        if not listed:
            return []
        if len(listed) < layers:
            self.fault(key, f"found {len(listed)} entries, expected one for each of {layers} layers")
            return []
        return listed[:layers]

    def inner(self, key: str) -> Config:
        """The mapping under a key, whose faults go with these."""
        value = self.get(key)
        if value is not None and not isinstance(value, Mapping):
            self.fault(key, f"found {found(value)}, expected a mapping")
        values = value if isinstance(value, Mapping) else {}
        return Config(values, f"{self.prefix}{key}.", faults=self.faults)

    def refuse_unread(self, groups: tuple[tuple[str, ...], ...]) -> None:
        """Note a fault of each key that has something to say and that no reader asked for.

        Keys of a group say the same in other words; one that was read stands for them all.
        """
        for keys in groups:
            if self.read.isdisjoint(keys):
                for key in keys:
                    if _says_something(self.values.get(key)):
                        self.fault(key, f"found {found(self.values[key])}, expected none in this architecture")

    def fault(self, key: str, message: str) -> None:
        """Note a fault of a key."""
        self.faults.append(Fault(file=None, line=None, field=f"{self.prefix}{key}", message=message))

    def faulty(self, key: str) -> bool:
        """Whether a fault of the key was noted."""
        return any(fault.field == f"{self.prefix}{key}" for fault in self.faults)

    def _checked_count(self, key: str, least: int, most: int) -> int:
        value = self.get(key)
        if isinstance(value, list) and value and all(each == value[0] for each in value):
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fault(key, f"found {found(value)}, expected a whole number from {least} to {most}")
            return least
        return value


def number(mapping: Mappings, key: str) -> int:
    """A whole number of a mapping that was read; 0 where it has none."""
    value = mapping.get(key)
    return value if isinstance(value, int) else 0


def _says_something(value: object) -> bool:
    """Whether a key changes anything: not where it is absent, nothing, one, or no layer's."""
    if isinstance(value, list):
        # One for each layer, as in `attn_type_list`, is what layers without the key have.
        return any(each is True or each != 1 for each in value)
    # True equals 1, but says something.
    return value is True or value not in (None, False, 0, 1, "", {})
