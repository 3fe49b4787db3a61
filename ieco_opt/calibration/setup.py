"""What a measurement's own file does not say: accelerator, degrees, weights and server of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from ieco_opt.catalog.schema_fields import Count, Name, Strict
from ieco_opt.documents import yaml_document
from ieco_opt.documents.origin import Origin, dotted, found
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import Fault, ScenarioError


class Setup(Strict):
    """Columns of a table of measurements that hold for a whole run; what is not said is taken from elsewhere."""

    model: Name | None = None
    weights: Name | None = None
    accelerator: Name | None = None
    engine: Name | None = None
    kv_cache: Name | None = None
    exchange: Name | None = None
    config: Name | None = None
    gpus_per_instance: Count | None = None
    tensor_parallel: Count | None = None
    attention_data_parallel: Count | None = None
    expert_parallel: Count | None = None
    pipeline_parallel: Count | None = None
    disaggregated: bool | None = None

    def over(self, other: Setup) -> Setup:
        """Complete it by what another says."""
        said = other.model_dump(exclude_none=True) | self.model_dump(exclude_none=True)
        return Setup(**{name: value for name, value in said.items() if name in Setup.model_fields})


class Setups(Setup):
    """The same for several files, with what holds for single ones by their names."""

    files: dict[str, Setup] = {}  # noqa: RUF012

    def of(self, name: str) -> Setup:
        """What holds for a file."""
        common = Setup(**self.model_dump(exclude={"files"}))
        return self.files[name].over(common) if name in self.files else common

    def under(self, given: Setup) -> Setups:
        """Let something that holds for all files come first."""
        files = {name: given.over(each) for name, each in self.files.items()}
        return Setups(**given.over(self.of("")).model_dump(exclude_none=True), files=files)


def setup_of(mapping: Mapping[str, object], origin: Origin) -> Setups:
    """Check a setup; numbers may be written as text, as the metadata of a benchmark are.

    Raises
    ------
    ScenarioError
        With every fault found.
    """
    try:
        return Setups.model_validate(mapping, strict=False)
    except ValidationError as error:
        raise ScenarioError([_fault(each["loc"], each, origin) for each in error.errors()]) from None


def read_setup(path: Path) -> Setups:
    """Read a setup from a YAML file.

    Raises
    ------
    ScenarioError
        With every fault of the file.
    """
    expected = f"a mapping of {', '.join(Setup.model_fields)}"
    document = yaml_document.parse(read_text(path, expected="the setup of a run in YAML"), str(path))
    if document.faults:
        raise ScenarioError([Fault(str(path), line, dotted(at), message) for at, line, message in document.faults])
    if not isinstance(document.values, dict):
        raise ScenarioError.single(f"found {found(document.values)}, expected {expected}", file=str(path))
    return setup_of(document.values, Origin(str(path), path.parent, document.lines))


def _fault(location: tuple[str | int, ...], error: Mapping[str, object], origin: Origin) -> Fault:
    message = str(error["msg"])
    if error["type"] == "extra_forbidden":
        message = f"found an unknown field, expected {', '.join(Setup.model_fields)}"
    elif not message.startswith("found"):
        message = f"found {found(error['input'])}, expected: {message[:1].lower()}{message[1:]}"
    return origin.fault(location, message) if origin.file is not None else Fault(None, None, dotted(location), message)
