"""Reading YAML into plain values while remembering the line of every field."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ieco_opt.documents.origin import Location, cut, dotted, found
from ieco_opt.errors import Fault, ScenarioError

_MAX_DEPTH = 30
_MAX_VALUES = 50_000
_CORE = "tag:yaml.org,2002:"
_NAMES = frozenset({_CORE + "str", _CORE + "merge"})
_NUMBERS = frozenset({_CORE + "int"})
NUMBERED = frozenset({"accepted_tokens"})
"""Fields whose own fields are named by whole numbers; they are read as the text that stands there, as in JSON."""
_LONGEST_INTEGER = 40
_LONGEST_PROBLEM = 160
_LONGEST_LINE = 100_000

_INTEGER = r"[-+]?(?:0|[1-9][0-9_]*)"
_WITH_POINT = r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
_WITH_EXPONENT = r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
_NOT_FINITE = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"


class _TooMuchError(Exception):
    """The document nests too deeply or holds too many values, itself or once its aliases are followed."""

    def __init__(self, line: int, location: Location = ()) -> None:
        super().__init__(f"found more than {_MAX_DEPTH} levels or {_MAX_VALUES:,} values")
        self.line = line
        self.field = dotted(location[:1])


class _Loader(yaml.SafeLoader):
    """PyYAML with a bound on depth and the scalars of YAML 1.2: no octals, no sexagesimals, no `yes`."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    _depth = 0
    _nodes = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self._depth += 1
        self._nodes += 1
        if self._depth > _MAX_DEPTH or self._nodes > _MAX_VALUES:
            raise _TooMuchError(self.line + 1)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", f"{_WITH_POINT}|{_WITH_EXPONENT}|{_NOT_FINITE}", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_CORE + _tag, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(slots=True)
class Document:
    """The values of one YAML document.

    Attributes
    ----------
    values
        Mappings, lists, text, numbers, booleans and ``None``; without what ``faults`` name.
    lines
        Line of every field, counted from 1.
    names, contents
        The characters of the text that hold the name and the value of every field, for those who edit it in place.
    faults
        Location, line and message of duplicate keys, tags and names that are no text.
    """

    values: object = None
    lines: dict[Location, int | None] = field(default_factory=dict)
    names: dict[Location, slice] = field(default_factory=dict)
    contents: dict[Location, slice] = field(default_factory=dict)
    faults: list[tuple[Location, int, str]] = field(default_factory=list)


def parse(text: str, file: str | None, field_name: str = "") -> Document:
    """Parse one YAML document.

    Raises
    ------
    ScenarioError
        Where the text is no YAML, holds several documents, or nests or repeats itself too much; the fault
        names ``file`` and ``field_name``.
    """
    document = Document()
    try:
        root = _Loader(text).get_single_node()
        if root is not None:
            document.values = _Constructor(document, field_name.rpartition(".")[2]).value(root, ())
    except yaml.YAMLError as error:
        raise ScenarioError([_syntax_fault(error, text, file, field_name)]) from None
    except _TooMuchError as error:
        raise ScenarioError.single(str(error), file=file, line=error.line, field=field_name or error.field) from None
    return document


def _syntax_fault(error: yaml.YAMLError, text: str, file: str | None, field_name: str) -> Fault:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, problem = mark.line + 1 if mark else None, error.problem or error.context or "cannot be parsed"
    elif isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        problem = f"character U+{error.character:04X} is not allowed"
    else:
        line, problem = None, "cannot be parsed"
    if "but found another document" in problem or "expected a single document" in str(error):
        problem = "found several documents, expected one"
    return Fault(file, line, field_name, "not valid YAML: " + cut(" ".join(problem.split()), _LONGEST_PROBLEM))


class _Constructor:
    """Turns nodes into plain values, noting lines and faults in a document."""

    def __init__(self, document: Document, within: str = "") -> None:
        self._document = document
        self._within = within
        self._left = _MAX_VALUES

    def value(self, node: Node, location: Location) -> object:
        """Construct a node; whatever cannot be constructed becomes a fault and ``None``."""
        self._left -= 1
        if self._left < 0 or len(location) > _MAX_DEPTH:
            raise _TooMuchError(_line(node), location)
        self._document.lines.setdefault(location, _line(node))
        self._document.contents[location] = _characters(node)
        if isinstance(node, MappingNode) and node.tag == _CORE + "map":
            return self._mapping(node, location)
        if isinstance(node, SequenceNode) and node.tag == _CORE + "seq":
            return [self.value(entry, (*location, index)) for index, entry in enumerate(node.value)]
        if isinstance(node, ScalarNode) and node.tag in _SCALARS:
            try:
                return _SCALARS[node.tag](node.value)
            except ValueError:
                pass
        self._fault(location, node, f"found the tag {found(node.tag.replace(_CORE, '!!'))}, expected a plain value")
        return None

    def _tags_of_names(self, location: Location) -> frozenset[str]:
        """Tags of what may name a field of a mapping."""
        return _NAMES | _NUMBERS if (location[-1] if location else self._within) in NUMBERED else _NAMES

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode) or key_node.tag not in self._tags_of_names(location):
                shown = found(key_node.value) if isinstance(key_node, ScalarNode) else "a list or a mapping"
                self._fault(location, key_node, f"found {shown} as the name of a field, expected text")
                continue
            name = key_node.value
            at = (*location, name)
            if name in values:
                first = self._document.lines[at]
                self._fault(at, key_node, f"found twice (first on line {first}), expected once")
                continue
            self._document.lines[at] = _line(key_node)
            self._document.names[at] = _characters(key_node)
            values[name] = self.value(value_node, at)
        return values

    def _fault(self, location: Location, node: Node, message: str) -> None:
        self._document.faults.append((location, _line(node), message))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _characters(node: Node) -> slice:
    return slice(node.start_mark.index, node.end_mark.index)


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _integer(text: str) -> int | float:
    # Python refuses to read thousands of digits as an integer; so many are out of every bound anyway.
    return int(text) if len(text) <= _LONGEST_INTEGER else float(text)


def _real(text: str) -> int | float:
    """Read a number; 1e4 is the integer 10,000, because that is what its writer means."""
    plain = text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan")
    number = float(plain)
    return int(number) if "e" in plain and number.is_integer() and abs(number) < 2**53 else number


_SCALARS: dict[str, Callable[[str], object]] = {
    _CORE + "null": lambda text: None,  # noqa: ARG005
    _CORE + "bool": _boolean,
    _CORE + "int": _integer,
    _CORE + "float": _real,
    _CORE + "str": str,
}


def parse_trusted(text: str) -> object:
    """Parse YAML that comes with the package: the values of :func:`parse`, faster, without bounds and lines.

    Tests read every such file both ways. libyaml is used where PyYAML was built with it, which takes a seventh of the
    time.
    """
    loader = _TRUSTED_LOADER(text)
    try:
        return _plain(loader.get_single_node())
    finally:
        loader.dispose()


def _plain(node: Node | None) -> Any:
    """The values of a node, without the generators by which PyYAML lets a mapping hold itself: half of its time."""
    if isinstance(node, ScalarNode):
        return _SCALARS[node.tag](node.value)
    if isinstance(node, SequenceNode):
        return [_plain(each) for each in node.value]
    return None if node is None else {name.value: _plain(value) for name, value in node.value}


_TRUSTED_LOADER: Any = type(
    "_TrustedLoader",
    (getattr(yaml, "CSafeLoader", yaml.SafeLoader),),
    {"yaml_implicit_resolvers": _Loader.yaml_implicit_resolvers},
)


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes, but for plain words that no reader takes for anything else."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002
        return super().increase_indent(flow, False)


_PLAIN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS_OF_YAML_1_1 = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What readers of the older YAML, such as those of clusters, take for something else than text."""


def _represented_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN_TEXT.fullmatch(text) is not None and text.lower() not in _WORDS_OF_YAML_1_1
    return dumper.represent_scalar(_CORE + "str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represented_text)


def yaml_text(*documents: object) -> str:
    """Write plain values as YAML, several documents one after the other; text is quoted where it must be."""
    text: str = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=False,
        width=_LONGEST_LINE,
        explicit_start=len(documents) > 1,
    )
    return text
