"""Scenario files that must be refused: what is in them, and the field or place that the fault must name."""

from __future__ import annotations

from typing import NamedTuple

GOOD = """\
kind: deployment
model: Llama-3.3-70B
weights: [fp8]
accelerators: [H100-SXM]
workload:
  context_tokens: 1000
  output_tokens: 500
design_space:
  tensor_parallel: [1, 2, 4, 8]
  batch: {min: 1, max: 256}
speculation: {draft_model: Llama-3.1-8B, acceptance: 0.8, max_draft_tokens: 5}
limits: {min_speed: 20}
version: 2
"""


class Malformed(NamedTuple):
    """A file and what the message about it must hold; ``field`` includes the line where there is one."""

    id: str
    content: str | bytes
    field: str


def _case(name: str, old: str, new: str, field: str) -> Malformed:
    """Change one thing of a good scenario."""
    assert GOOD.count(old) == 1, old
    return Malformed(name, GOOD.replace(old, new), field)


def _limits(name: str, limits: str, field: str) -> Malformed:
    return _case(f"limits-{name}", "{min_speed: 20}", limits, f":12: limits.{field}: ")


def _space(name: str, line: str, field: str) -> Malformed:
    return _case(f"space-{name}", "  tensor_parallel: [1, 2, 4, 8]", f"  {line}", f":9: design_space.{field}: ")


def _bomb(levels: int, width: int) -> str:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


_TYPES = [
    _case("weights-name", "weights: [fp8]", "weights: [fp7]", ":3: weights[0]: found 'fp7', "),
    _case("weights-part", "weights: [fp8]", "weights: [{heads: fp8, rest: bf16}]", ":3: weights[0].heads: "),
    _case("weights-format", "weights: [fp8]", "weights: [{head: fp7, rest: bf16}]", ":3: weights[0].head: "),
    _case("weights-no-rest", "weights: [fp8]", "weights: [{attention: fp8}]", ":3: weights[0]"),
    _case("kv-cache", "weights: [fp8]", "weights: [fp8]\nkv_cache: [int4]", ":4: kv_cache[0]: found 'int4', "),
    _case("engine", "weights: [fp8]", "weights: [fp8]\nengine: tgi", ":4: engine[0]: found 'tgi', "),
    _case("reserve", "weights: [fp8]", "weights: [fp8]\nmemory_reserve_gb: -1", ":4: memory_reserve_gb: found -1, "),
    _space("redundant", "redundant_experts: [-1]", "redundant_experts[0]"),
    _case(
        "version-1", "version: 2", "version: 1", ":13: version: found 1, expected 2 (`ieco-opt migrate FILE` converts "
    ),
    _case("version-3", "version: 2", "version: 3", ":13: version: found 3, expected 2 "),
    _case("version-text", "version: 2", "version: '2'", ":13: version: found '2', expected 2 "),
    _case("version-null", "version: 2", "version:", ":13: version: found nothing, expected 2 "),
    _case("version-true", "version: 2", "version: true", ":13: version: found true, expected 2 "),
    _case("kind-unknown", "kind: deployment", "kind: deploy", ":1: kind: found 'deploy'"),
    _case("kind-null", "kind: deployment", "kind:", ":1: kind: found nothing"),
    _case("kind-list", "kind: deployment", "kind: [deployment]", ":1: kind: found a list"),
    _case("kind-missing", "kind: deployment\n", "", ".yaml: kind: found nothing"),
    _case("name-number", "kind: deployment", "kind: deployment\nname: 5", ":2: name: found 5"),
    _case("name-empty", "kind: deployment", "kind: deployment\nname: ''", ":2: name: found ''"),
    _case("name-blank", "kind: deployment", "kind: deployment\nname: '  '", ":2: name: "),
    _case("name-lines", "kind: deployment", 'kind: deployment\nname: "a\\nb"', ":2: name: found 'a\\nb'"),
    _case("name-long", "kind: deployment", f"kind: deployment\nname: {'x' * 500}", ":2: name: "),
    _case("model-missing", "model: Llama-3.3-70B\n", "", ".yaml: model: found nothing"),
    _case("model-number", "model: Llama-3.3-70B", "model: 70", ":2: model: found 70"),
    _case("model-list", "model: Llama-3.3-70B", "model: [Llama-3.3-70B]", ":2: model: found a list"),
    _case("model-null", "model: Llama-3.3-70B", "model: ~", ":2: model: found nothing"),
    _case("model-unknown", "Llama-3.3-70B", "Llama-3.3-71B", ":2: model: "),
    _case("model-of-paper", "Llama-3.3-70B", "Llama 3 70B 8-bit", ":2: model: "),
    _case("model-mapping-empty", "Llama-3.3-70B", "{}", ":2: model"),
    _case("model-mapping-wrong", "Llama-3.3-70B", "{name: x, layers: many}", ":2: model"),
    _case("model-mapping-key", "Llama-3.3-70B", "{5: x}", ":2: model: found '5' as the name of a field"),
    _case("model-file-missing", "Llama-3.3-70B", "nowhere/config.json", ":2: model: "),
    _case("weights-missing", "weights: [fp8]\n", "", ".yaml: weights: found nothing"),
    _case("weights-scalar", "[fp8]", "8", ":3: weights: found 8, expected a list"),
    _case("weights-text", "[fp8]", "bf16,fp9", ":3: weights[1]: found 'fp9', expected a precision"),
    _case("weights-empty", "[fp8]", "[]", ":3: weights: "),
    _case("weights-unknown", "[fp8]", "[bf16, fp9]", ":3: weights[1]: found 'fp9'"),
    _case("weights-number", "[fp8]", "[8]", ":3: weights[0]: found 8"),
    _case("weights-twice", "[fp8]", "[fp8, bf16, fp8]", ":3: weights[2]: found 'fp8'"),
    _case("weights-in-paper", "[fp8]", "[fp8]\nfidelity: paper", ":3: weights: found a list, expected none"),
    *(
        _case(
            f"error-{name}",
            "[fp8]",
            f"[fp8]\nmodel_error: {value}",
            f":4: model_error: found {found}, expected a number from 0 to 2, or 'profile'",
        )
        for name, value, found in (
            ("negative", "-0.1", "-0.1"),
            ("beyond", "2.1", "2.1"),
            ("word", "auto", "'auto'"),
            ("bool", "true", "true"),
            ("nan", ".nan", "nan"),
            ("list", "[0.1]", "a list"),
        )
    ),
    _case(
        "error-in-paper",
        "weights: [fp8]",
        "fidelity: paper\nmodel_error: 0",
        ":4: model_error: found 0.0, expected nothing in fidelity paper",
    ),
    _case("fidelity-unknown", "[fp8]", "[fp8]\nfidelity: exact", ":4: fidelity: found 'exact'"),
    _case("fidelity-bool", "[fp8]", "[fp8]\nfidelity: true", ":4: fidelity: found true"),
    _case("accelerators-missing", "accelerators: [H100-SXM]\n", "", ".yaml: accelerators: found nothing"),
    _case("accelerators-scalar", "[H100-SXM]", "100", ":4: accelerators: found 100, expected a list"),
    _case("accelerators-text", "[H100-SXM]", "H100-SXM,, H200", ":4: accelerators[1]: found '', expected a name"),
    _case("accelerators-empty", "[H100-SXM]", "[]", ":4: accelerators: "),
    _case("accelerators-null", "[H100-SXM]", "[~]", ":4: accelerators[0]: found nothing"),
    _case("accelerators-unknown", "[H100-SXM]", "[H100-SXM, H101]", ":4: accelerators[1]: "),
    _case("accelerators-twice", "[H100-SXM]", "[H100-SXM, H100-SXM]", ":4: accelerators[1]: "),
    _case("accelerators-alias-twice", "[H100-SXM]", "[H100-SXM, h100]", ":4: accelerators[1]: "),
    _case("accelerators-like-unknown", "[H100-SXM]", "[{like: H101}]", ":4: accelerators[0].like: "),
    _case("accelerators-same-name", "[H100-SXM]", "[H100-SXM, {like: H100-SXM}]", ":4: accelerators[1]: "),
    _case(
        "accelerators-price-text",
        "[H100-SXM]",
        "[{like: H100-SXM, name: my, usd_per_gpu_hour: cheap}]",
        ":4: accelerators[0].usd_per_gpu_hour: ",
    ),
    _case(
        "accelerators-unknown-field",
        "[H100-SXM]",
        "\n  - {like: H100-SXM, name: my, colour: red}",
        ":5: accelerators[0].colour: ",
    ),
]

_WORKLOAD = [
    _case(
        "workload-missing",
        "workload:\n  context_tokens: 1000\n  output_tokens: 500\n",
        "",
        ".yaml: workload: ",
    ),
    _case("workload-scalar", "\n  context_tokens: 1000\n  output_tokens: 500\n", " 5\n", ":5: workload: found 5"),
    _case("workload-null", "\n  context_tokens: 1000\n  output_tokens: 500\n", "\n", ":5: workload: "),
    _case("context-missing", "  context_tokens: 1000\n", "", ":5: workload.context_tokens: found nothing"),
    _case("context-negative", "1000", "-1", ":6: workload.context_tokens: found -1"),
    _case("context-text", "1000", "'1000'", ":6: workload.context_tokens: found '1000'"),
    _case("context-fraction", "1000", "1000.5", ":6: workload.context_tokens: found 1000.5"),
    _case("context-bool", "1000", "true", ":6: workload.context_tokens: found true"),
    _case("context-yes", "1000", "yes", ":6: workload.context_tokens: found 'yes'"),
    _case("context-octal", "1000", "0100", ":6: workload.context_tokens: found '0100'"),
    _case("context-sexagesimal", "1000", "1:30", ":6: workload.context_tokens: found '1:30'"),
    _case("context-huge", "1000", "1e9", ":6: workload.context_tokens: found 1000000000"),
    _case("context-thousands-of-digits", "1000", "9" * 5000, ":6: workload.context_tokens: found inf"),
    _case("context-nan", "1000", ".nan", ":6: workload.context_tokens: found nan"),
    _case(
        "context-and-prompt",
        "  context_tokens: 1000\n",
        "  context_tokens: 1000\n  prompt_tokens: 1000\n",
        ":7: workload.prompt_tokens: found 1000, expected either context_tokens or prompt_tokens",
    ),
    _case("prompt-zero", "context_tokens: 1000", "prompt_tokens: 0", ":6: workload.prompt_tokens: found 0, expected"),
    _case(
        "prompt-without-output",
        "context_tokens: 1000\n  output_tokens: 500\n",
        "prompt_tokens: 1000\n",
        ".yaml:5: workload.output_tokens: found 0, expected at least 1 with prompt_tokens",
    ),
    _case(
        "prefix-of-a-context",
        "output_tokens: 500\n",
        "prefix_hit: 0.5\n",
        ":7: workload.prefix_hit: found 0.5, expected nothing beside context_tokens",
    ),
    _case(
        "requests-of-a-context",
        "output_tokens: 500\n",
        "requests_per_s: 5\n",
        ":7: workload.requests_per_s: found 5.0, expected nothing beside context_tokens",
    ),
    _case("prefix-whole", "output_tokens: 500\n", "prefix_hit: 1\n", ":7: workload.prefix_hit: found 1, expected"),
    *(
        _case(
            f"{name}-of-a-context",
            "limits: {min_speed: 20}",
            f"limits: {{{name}: 2}}",
            f":12: limits.{name}: found 2.0, expected nothing without workload.prompt_tokens",
        )
        for name in ("max_time_to_first_token_s", "max_end_to_end_s")
    ),
    Malformed(
        "requests-beside-a-throughput",
        GOOD.replace("context_tokens: 1000", "prompt_tokens: 1000\n  requests_per_s: 2").replace(
            "min_speed: 20", "min_throughput: 20"
        ),
        ":13: limits.min_throughput: found 20.0, expected nothing beside workload.requests_per_s, which asks for 1000",
    ),
    Malformed(
        "requests-beyond-a-cap",
        GOOD.replace("context_tokens: 1000", "prompt_tokens: 1000\n  requests_per_s: 2").replace(
            "min_speed: 20", "max_throughput: 900"
        ),
        ":7: workload.requests_per_s: found 2.0, expected at most limits.max_throughput / output_tokens",
    ),
    Malformed(
        "prompts-in-paper",
        GOOD.replace("context_tokens: 1000", "prompt_tokens: 1000")
        .replace("weights: [fp8]\n", "fidelity: paper\n")
        .replace("Llama-3.3-70B", "Llama 3 70B")
        .replace("Llama-3.1-8B", "Llama 3 8B")
        .replace("H100-SXM", "H100"),
        ":6: workload.prompt_tokens: found 1000, expected context_tokens instead in fidelity paper",
    ),
    _case("output-infinite", "500", ".inf", ":7: workload.output_tokens: found inf"),
    _case("output-list", "500", "[500]", ":7: workload.output_tokens: found a list"),
    _case("workload-typo", "output_tokens", "output_token", ":7: workload.output_token: unknown field"),
]

_SPACES = [
    _case(
        "space-list",
        "\n  tensor_parallel: [1, 2, 4, 8]\n  batch: {min: 1, max: 256}",
        " []",
        ":8: design_space: ",
    ),
    _space("scalar", "tensor_parallel: 8.5", "tensor_parallel"),
    _space("text", "tensor_parallel: 8 GPUs", "tensor_parallel"),
    _space("text-zero", "tensor_parallel: 8,0", "tensor_parallel[1]"),
    _space("empty", "tensor_parallel: []", "tensor_parallel"),
    _space("stage-scalar", "stage_ranks: true", "stage_ranks"),
    _space("stage-zero", "stage_ranks: [1, 0]", "stage_ranks[1]"),
    _space("stage-auto", "stage_ranks: auto", "stage_ranks"),
    _space("stage-twice", "stage_ranks: [4, 8, 4]", "stage_ranks[2]"),
    _space("zero", "tensor_parallel: [1, 0]", "tensor_parallel[1]"),
    _space("negative", "pipeline_parallel: [-2]", "pipeline_parallel[0]"),
    _space("fraction", "tensor_parallel: [1, 2, 2.5]", "tensor_parallel[2]"),
    _space("twice", "attention_data_parallel: [1, 2, 1]", "attention_data_parallel[2]"),
    _space("huge-degree", "tensor_parallel: [10000000]", "tensor_parallel[0]"),
    _space("bool", "tensor_parallel: [true]", "tensor_parallel[0]"),
    _space("nested", "tensor_parallel: [[1]]", "tensor_parallel[0]"),
    _space("too-many", f"tensor_parallel: {list(range(1, 5000))}", "tensor_parallel"),
    _space("layout", "tensor_layout: [3d]", "tensor_layout[0]"),
    _space("layout-text", "tensor_layout: 1d,3d", "tensor_layout[1]"),
    _space("experts-word", "expert_parallel: all", "expert_parallel"),
    _space("experts-scalar", "expert_parallel: 0", "expert_parallel[0]"),
    _space("experts-zero", "expert_parallel: [0]", "expert_parallel[0]"),
    _space("max-gpus-zero", "max_gpus: 0", "max_gpus"),
    _space("max-gpus-huge", "max_gpus: 1e400", "max_gpus"),
    _space("unknown", "tensor_paralel: [1]", "tensor_paralel"),
    _case("batch-scalar", "{min: 1, max: 256}", "6.4", ":10: design_space.batch: found 6.4"),
    _case("batch-order", "{min: 1, max: 256}", "{min: 9, max: 3}", ":10: design_space.batch.min: found 9"),
    _case("batch-above-default", "{min: 1, max: 256}", "{min: 20000}", ":10: design_space.batch.min: "),
    _case("batch-zero", "{min: 1, max: 256}", "{min: 0}", ":10: design_space.batch.min: found 0"),
    _case("batch-huge", "{min: 1, max: 256}", "{max: 1e7}", ":10: design_space.batch.max: "),
    _case("batch-key", "{min: 1, max: 256}", "{least: 1}", ":10: design_space.batch.least: unknown"),
    _case("batch-list-item", "{min: 1, max: 256}", "[1, 2, x]", ":10: design_space.batch[2]: found 'x'"),
]

_SPECULATION = [
    _case("draft-unknown", "Llama-3.1-8B", "Llama-3.1-9B", ":11: speculation.draft_model: "),
    _case("draft-missing", "draft_model: Llama-3.1-8B, ", "", ":11: speculation.draft_model: "),
    _case("acceptance-zero", "0.8", "0", ":11: speculation.acceptance: found 0"),
    _case("acceptance-percent", "0.8", "80", ":11: speculation.acceptance: found 80"),
    _case("acceptance-nan", "0.8", ".nan", ":11: speculation.acceptance: found nan"),
    _case(
        "draft-tokens-one",
        "max_draft_tokens: 5",
        "max_draft_tokens: 1",
        ":11: speculation.max_draft_tokens: ",
    ),
    _case(
        "draft-tokens-many",
        "max_draft_tokens: 5",
        "max_draft_tokens: 65",
        ":11: speculation.max_draft_tokens: ",
    ),
    *(
        _case(
            f"accepted-{name}",
            "acceptance: 0.8, max_draft_tokens: 5",
            given,
            f":11: speculation.{field}: found {found}",
        )
        for name, given, field, found in (
            ("and-acceptance", "acceptance: 0.8, accepted_tokens: {1: 1.5}", "acceptance", "0.8"),
            ("neither", "max_draft_tokens: 5", "acceptance", "nothing"),
            ("no-width", "acceptance: 0.8", "max_draft_tokens", "nothing"),
            ("beyond", "accepted_tokens: {1: 2.5}", "accepted_tokens.1", "2.5"),
            ("below", "accepted_tokens: {2: 0.5}", "accepted_tokens.2", "0.5"),
            ("falls", "accepted_tokens: {1: 1.7, 2: 2.2, 3: 2.1}", "accepted_tokens.3", "2.1"),
            ("text", "accepted_tokens: {1: much}", "accepted_tokens.1", "'much'"),
            ("zero-drafts", "accepted_tokens: {0: 1}", "accepted_tokens.0", "'0'"),
            ("many-drafts", "accepted_tokens: {64: 2}", "accepted_tokens.64", "'64'"),
            ("empty", "accepted_tokens: {}", "accepted_tokens", "a mapping"),
            ("unknown-set", "accepted_tokens: nope", "accepted_tokens", "'nope'"),
            ("none-left", "accepted_tokens: {3: 2}, max_draft_tokens: 3", "max_draft_tokens", "3"),
            ("mode", "acceptance: 0.8, max_draft_tokens: 5, mode: medusa", "mode", "'medusa'"),
            ("mtp-and-draft", "acceptance: 0.8, max_draft_tokens: 5, mode: mtp", "draft_model", "'Llama-3.1-8B'"),
            (
                "head-no-repository",
                "acceptance: 0.8, max_draft_tokens: 5, mode: eagle3",
                "draft_model",
                "'Llama-3.1-8B'",
            ),
        )
    ),
    _case("mtp-without", "draft_model: Llama-3.1-8B", "mode: mtp", ":11: speculation.mode: found mtp"),
    _case(
        "speculation-true",
        "{draft_model: Llama-3.1-8B, acceptance: 0.8, max_draft_tokens: 5}",
        "true",
        ":11: spec",
    ),
]

_LIMITS = [
    _case("limits-list", "{min_speed: 20}", "[20]", ":12: limits: found a list"),
    _limits("text", "{max_cost: cheap}", "max_cost"),
    _limits("tpot-text", "{tpot_ms: fast}", "tpot_ms"),
    _limits("tpot-twice", "{min_speed: 20, tpot_ms: 50}", "tpot_ms"),
    _limits("dollar", "{max_cost: $3}", "max_cost"),
    _limits("zero", "{max_cost: 0}", "max_cost"),
    _limits("negative", "{min_speed: -20}", "min_speed"),
    _limits("nan", "{min_speed: .nan}", "min_speed"),
    _limits("infinite", "{min_speed: .inf}", "min_speed"),
    _limits("huge", "{min_speed: 1e13}", "min_speed"),
    _limits("tiny", "{min_speed: 1e-300}", "min_speed"),
    _limits("bool", "{max_power_kw: true}", "max_power_kw"),
    _limits("typo", "{max_pover_kw: 3}", "max_pover_kw"),
    _limits("infeasible_subset", "{min_throughput: 10, max_throughput: 5}", "min_throughput"),
    Malformed(
        "power-unknown",
        GOOD.replace("H100-SXM", "TPU-v5e").replace("min_speed", "max_power_kw"),
        ":12: limits.max_power_kw: ",
    ),
    Malformed(
        "price-unknown",
        GOOD.replace("H100-SXM", "{like: H100-SXM, name: mine, usd_per_gpu_hour: ~}"),
        ":4: accelerators[0]",
    ),
    _case(
        "utilization-zero",
        "kind: deployment",
        "kind: deployment\nmemory_utilization: 0",
        ":2: memory_utilization",
    ),
    _case("utilization-over", "kind: deployment", "kind: deployment\nmemory_utilization: 1.1", ":2: memory_util"),
]

_FILES = [
    Malformed("file-empty", "", "empty file"),
    Malformed("file-comment", "# nothing here\n", "empty file"),
    Malformed("file-null", "null\n", "empty file"),
    Malformed("file-list", "- kind: deployment\n", "found a list, expected a mapping"),
    Malformed("file-text", "just words\n", "found 'just words', expected a mapping"),
    Malformed("file-number", "42\n", "found 42, expected a mapping"),
    Malformed("file-fleet", "kind: fleet\npools: []\n", ":1: kind: found 'fleet', expected 'deployment'"),
    Malformed("file-two-documents", GOOD + "---\n" + GOOD, "several documents"),
    Malformed("file-latin-1", "kind: deployment\nname: caf\xe9\n".encode("latin-1"), ":2: found byte 0xe9"),
    Malformed("file-utf-16", GOOD.encode("utf-16"), "expected text in UTF-8"),
    Malformed("file-binary", bytes(range(256)), "expected text in UTF-8"),
    Malformed("file-control-character", "kind: deployment\nname: a\x07b\n", ":2: not valid YAML"),
    Malformed("file-null-byte", b"kind: \x00\n", ":1: not valid YAML"),
    Malformed("file-tab", "kind: deployment\n\tmodel: x\n", ":2: not valid YAML"),
    Malformed("file-open-bracket", "kind: deployment\nweights: [fp8\n", "not valid YAML"),
    Malformed("file-open-quote", "kind: 'deployment\n", "not valid YAML"),
    Malformed("file-indentation", "kind: deployment\n  model: x\n", ":2: not valid YAML"),
    Malformed("file-undefined-alias", "kind: *nothing\n", ":1: not valid YAML"),
    Malformed("file-tag-python", "!!python/object/apply:os.system ['true']\n", ":1: found the tag"),
    Malformed("file-tag-unknown", GOOD + "name: !secret x\n", ":14: name: found the tag '!secret'"),
    Malformed("file-tag-binary", GOOD + "name: !!binary aGk=\n", ":14: name: found the tag '!!binary'"),
    Malformed("file-tag-set", GOOD + "name: !!set {a, b}\n", ":14: name: found the tag '!!set'"),
    Malformed("file-tag-number", GOOD + "memory_utilization: !!float x\n", ":14: memory_utilization: "),
    Malformed("file-duplicate-key", GOOD + "model: x\n", ":14: model: found twice (first on line 2)"),
    Malformed(
        "file-duplicate-nested",
        GOOD.replace("20}", "20, min_speed: 2}"),
        ":12: limits.min_speed: found twice",
    ),
    Malformed("file-key-list", GOOD + "? [a, b]\n: c\n", ":14: found a list"),
    Malformed("file-key-number", GOOD + "5: c\n", ":14: found '5' as the name of a field"),
    Malformed("file-key-line-break", GOOD + '"a\\nb": c\n', ":14: 'a\\nb': unknown field"),
    Malformed("file-key-unknown", GOOD + "gpus: 8\n", ":14: gpus: unknown field"),
    Malformed("file-key-misplaced", GOOD + "max_gpus: 8\n", ":14: max_gpus: unknown field, expected perhaps design_"),
    Malformed("file-merge-key", "base: &b {kind: deployment}\n<<: *b\n", ".yaml:2: '<<': unknown field"),
    Malformed("file-deep-flow", "model: " + "[" * 100_000, ":1: found more than 30 levels"),
    Malformed("file-deep-block", "? " * 5_000, "found more than 30 levels"),
    Malformed("file-bomb", _bomb(9, 9), "50,000 values"),
    Malformed("file-self-alias", "kind: &a [*a]\n", "found more than 30 levels"),
    Malformed("file-self-alias-mapping", "&a {kind: *a}\n", "found more than 30 levels"),
    Malformed("file-many-values", GOOD + f"x: [{'1,' * 50_100}]\n", ":14: found more than"),
    Malformed("file-large", GOOD + "#" * 1_100_000, "expected at most 1,000,000 bytes"),
]

MALFORMED: tuple[Malformed, ...] = (*_TYPES, *_WORKLOAD, *_SPACES, *_SPECULATION, *_LIMITS, *_FILES)
