"""The sizes of the requests of a deployment: with their prompts, or from the first token on."""

from __future__ import annotations

from pydantic import model_validator

from ieco_opt.documents.origin import Location
from ieco_opt.scenario import fields
from ieco_opt.scenario.strict import Strict


class Workload(Strict):
    """The requests that are served: with ``prompt_tokens`` they are priced whole, else decoding alone is."""

    context_tokens: fields.Tokens | None = None
    """Tokens in the cache when decoding starts: decoding alone is priced."""

    prompt_tokens: fields.TokensOfRequest | None = None
    """Tokens of one prompt, which is priced with its answer; instead of context_tokens."""

    output_tokens: fields.Tokens = 0
    """Tokens that one request generates (used by fidelity deployable); at least 1 with prompt_tokens."""

    prefix_hit: fields.PrefixHit = 0.0
    """Share of each prompt that is found in the prefix cache and not computed again; with prompt_tokens."""

    requests_per_s: fields.Limit | None = None
    """Requests that the deployment has to serve in a second; with prompt_tokens."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Workload:
        faults: list[tuple[Location, object, str]] = []
        if self.context_tokens is not None and self.prompt_tokens is not None:
            faults.append((("prompt_tokens",), self.prompt_tokens, "either context_tokens or prompt_tokens"))
        elif self.context_tokens is None and self.prompt_tokens is None:
            faults.append((("context_tokens",), None, "it, or prompt_tokens to price prompts too"))
        elif self.prompt_tokens is not None and self.output_tokens < 1:
            faults.append((("output_tokens",), self.output_tokens, "at least 1 with prompt_tokens"))
        elif self.prompt_tokens is None:
            given = [name for name in ("prefix_hit", "requests_per_s") if name in self.model_fields_set]
            expected = "nothing beside context_tokens, which prices decoding alone; prompt_tokens prices prompts too"
            faults += [((name,), getattr(self, name), expected) for name in given]
        if faults:
            raise fields.refused_at(faults)
        return self

    @property
    def first_tokens(self) -> int:
        """Tokens in the cache when the answer starts: of the context, or of the prompt."""
        return self.prompt_tokens or self.context_tokens or 0

    @property
    def least_throughput(self) -> float | None:
        """Tokens/s that the requests to be served come to; ``None`` where no rate is given."""
        return None if self.requests_per_s is None else self.requests_per_s * self.output_tokens
