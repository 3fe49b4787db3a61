"""Which instance of a fleet sits on which node, for people in a terminal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ieco_opt.reports.text.table import wrapped
from ieco_opt.reports.text.wording import counted
from ieco_opt.results.plan import FleetPlan, NodeRow

_INDENT = "  "


def render_nodes(plan: FleetPlan, width: int = 80) -> str:
    """Say which instances sit on which nodes, nodes alike in one line.

    Instances on a node of their own are counted; one that shares its nodes and lies on several is numbered.
    """
    parts = []
    for pool in plan.pools:
        rows = [row for row in plan.nodes if row.pool == pool.pool]
        if rows:
            head = f"{pool.pool} ({pool.accelerator}): {counted(pool.nodes, 'node')}, {counted(pool.used_gpus, 'GPU')}"
            lines = [f"{_INDENT}{ranges(nodes)}: {text}" for nodes, text in nodes_alike(rows)]
            parts.append("\n".join([wrapped([head], width), wrapped(lines, width, indent=_INDENT * 3)]))
    return "\n\n".join(parts) or "no nodes"


_Instance = tuple[str, str, str, int]


def nodes_alike(rows: Sequence[NodeRow]) -> list[tuple[list[int], str]]:
    """Nodes of one pool on which the same lies, and what it is, in the order of their first nodes."""
    by_node: dict[int, list[NodeRow]] = {}
    by_instance: dict[_Instance, list[NodeRow]] = {}
    for row in rows:
        by_node.setdefault(row.node, []).append(row)
        by_instance.setdefault(_instance_of(row), []).append(row)
    alike: dict[str, list[list[int]]] = {}
    for pieces in by_instance.values():
        nodes = sorted(row.node for row in pieces)
        if _is_block(nodes, by_node):
            text = f"{_label(pieces[0])} x{{count}}, each over {len(nodes)} nodes in turn"
            alike.setdefault(text, []).append(nodes)
            for node in nodes:
                del by_node[node]
    spans = {instance for instance, pieces in by_instance.items() if len(pieces) > 1}
    total = {instance: sum(row.gpus for row in pieces) for instance, pieces in by_instance.items()}
    for node, pieces in by_node.items():
        alike.setdefault(_contents(pieces, spans, total), []).append([node])
    found = sorted((sorted(itertools.chain(*groups)), text, len(groups)) for text, groups in alike.items())
    return [(nodes, text.replace("{count}", str(count))) for nodes, text, count in found]


def _instance_of(row: NodeRow) -> _Instance:
    return row.workload, row.phase, row.instance_type, row.instance


def _label(row: NodeRow) -> str:
    return f"{row.workload} {row.phase} {row.instance_type}"


def _is_block(nodes: Sequence[int], by_node: dict[int, list[NodeRow]]) -> bool:
    """Whether an instance has several nodes in a row, all for itself."""
    in_a_row = nodes[-1] - nodes[0] == len(nodes) - 1 > 0
    return in_a_row and all(len(by_node[node]) == 1 for node in nodes)


def _contents(pieces: Sequence[NodeRow], spans: set[_Instance], total: dict[_Instance, int]) -> str:
    """What sits on one node, and the GPUs that nothing sits on."""
    whole: dict[str, int] = {}
    parts = []
    for row in pieces:
        if _instance_of(row) in spans:
            parts.append(f"{_label(row)} #{row.instance} ({row.gpus} of its {total[_instance_of(row)]} GPUs)")
        else:
            whole[_label(row)] = whole.get(_label(row), 0) + 1
    texts = [f"{label} x{count}" for label, count in whole.items()] + parts
    free = pieces[0].node_gpus - sum(row.gpus for row in pieces)
    return ", ".join(texts + [f"{counted(free, 'GPU')} free"] * bool(free))


def ranges(nodes: Sequence[int]) -> str:
    """Numbers in short, such as ``nodes 0-11, 14``."""
    runs: list[list[int]] = []
    for node in nodes:
        if runs and node == runs[-1][-1] + 1:
            runs[-1].append(node)
        else:
            runs.append([node])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"node{'' if len(nodes) == 1 else 's'} {', '.join(texts)}"
