"""Server profiles that a scenario brings: that of vLLM under another name and for later versions."""

from __future__ import annotations

from typing import Any

from ieco_opt.documents import yaml_document
from ieco_opt.documents.packaged import packaged_text

TEXT = (
    packaged_text("ieco_opt.engines", "vllm.yaml")
    .replace("engine: vllm\n", "engine: mine\n")
    .replace("title: vLLM\n", "title: My server\n")
    .replace('from: "0.33", below: "0.34"', 'from: "0.40", below: "0.41"')
)
VERSION = ">=0.40,<0.41"


def own_profile(text: str = TEXT, **changes: object) -> dict[str, Any]:
    values = yaml_document.parse_trusted(text)
    assert isinstance(values, dict)
    return values | changes
