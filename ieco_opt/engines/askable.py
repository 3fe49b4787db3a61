"""Whether the rules of a profile say the same for every batch and every draft: a design space asks about degrees."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ieco_opt.documents.origin import Location
from ieco_opt.engines.expressions import Expression, parse
from ieco_opt.engines.profile import Profile

_WHOLE_GROUPS = "batch % (attention_data_parallel * pipeline_parallel)"
_NO_DRAFT = ("draft_tokens == 0", "draft_tokens != 0", "draft_tokens > 0")
_SETTLED = {
    ast.dump(parse(each, ("batch", "draft_tokens", "attention_data_parallel", "pipeline_parallel")).tree)
    for each in (_WHOLE_GROUPS, *_NO_DRAFT)
}
"""What a rule may ask of them: the batches of a design space have whole groups, and its drafts come and go."""

_BOUNDED_BY = {"batch": "design_space.batch", "draft_tokens": "speculation.max_draft_tokens"}


def unaskable(profile: Profile) -> Iterator[tuple[Location, str]]:
    """Expressions that depend on the batch or on the length of drafts: place, and what was found and is expected."""
    for at, rule in enumerate(profile.rules):
        for name in sorted(_asks(rule.expression.tree)):
            allowed = _WHOLE_GROUPS if name == "batch" else " or ".join(_NO_DRAFT)
            yield ("accepts", at, "rule"), _message(name, f"it in {allowed} alone")
    prices = profile.prices
    shares = {name: getattr(prices, name) for name in ("dense_over", "shared_over", "embedding_over", "head_over")}
    places: dict[Location, Expression] = {("prices", name): each for name, each in shares.items()}
    places |= {
        ("prices", "layouts", at, name): each
        for at, layout in enumerate(prices.layouts)
        for name, each in (("dense_over", layout.dense_over), ("shared_over", layout.shared_over))
        if each is not None
    }
    places |= {("prices", "exchange", at, "when"): each.when for at, each in enumerate(prices.exchange)}
    for place, expression in places.items():
        for name in sorted(expression.names & _BOUNDED_BY.keys()):
            yield place, _message(name, "the degrees alone")


def _message(name: str, expected: str) -> str:
    return f"found {name}, expected {expected}: a scenario bounds it by {_BOUNDED_BY[name]}"


def _asks(node: ast.AST) -> set[str]:
    """Which of the two an expression depends on beyond what is settled."""
    if ast.dump(node) in _SETTLED:
        return set()
    if isinstance(node, ast.Name):
        return {node.id} & _BOUNDED_BY.keys()
    return {name for part in ast.iter_child_nodes(node) for name in _asks(part)}
