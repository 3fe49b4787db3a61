# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Ten questions
#
# One model and one kind of GPU, asked ten times. Every cell runs while this site is built. The command line answers the
# same questions ([the commands](../reference/cli.md)).

# %%
import ieco_opt

SPACE = {"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1]}


def llama(accelerators=("H100-SXM",), **limits):
    """Llama 3.3 70B with 2,000 tokens in the cache and answers of 500."""
    return ieco_opt.Scenario(
        name="llama",
        model="Llama-3.3-70B",
        weights=["fp8"],
        accelerators=list(accelerators),
        workload={"context_tokens": 2000, "output_tokens": 500},
        design_space=SPACE,
        limits=limits,
    )


def shown(deployment):
    """What is asked of an answer most often."""
    layout = f"TP{deployment.parallelism.tensor} DP{deployment.parallelism.attention_data}"
    figures = f"{deployment.speed_tokens_per_s:.1f} tokens/s, ${deployment.cost_usd_per_mtok:.3f} per million tokens"
    return f"{deployment.gpus} x {deployment.accelerator}, {layout}, batch {deployment.batch}: {figures}"


# %% [markdown]
# ## 1. How cheap can a token be?

# %%
print(shown(ieco_opt.solve(llama(), objective="cheapest")))

# %% [markdown]
# ## 2. How cheap, if every user is to see 60 tokens a second?

# %%
print(shown(ieco_opt.solve(llama(min_speed=60), objective="cheapest")))

# %% [markdown]
# ## 3. How fast below $1 for a million tokens?

# %%
print(shown(ieco_opt.solve(llama(max_cost=1), objective="fastest")))

# %% [markdown]
# ## 4. Which GPU?

# %%
cards = ("A100-SXM-80GB", "H100-SXM", "H200-SXM", "B200-SXM")
print(shown(ieco_opt.solve(llama(cards, min_speed=60), objective="cheapest")))

# %% [markdown]
# ## 5. What decides the answer?
#
# The parts of a step, and what a looser limit would bring.

# %%
why = ieco_opt.explain(llama(min_speed=60), objective="cheapest")
for part in why.times:
    print(f"{part.resource:16} {1e3 * part.seconds:6.2f} ms  {part.share:5.1%}")
for limit in why.limits:
    print(f"{limit.limit} {'binds' if limit.binds else 'does not bind'}")

# %% [markdown]
# ## 6. Why not TP8?

# %%
answer = ieco_opt.explain_configuration(llama(min_speed=60), "TP8,B64", objective="cheapest")
for verdict in answer.verdicts:
    print(f"{verdict.engine}: {shown(verdict.deployment)}; {verdict.better.loss:.0%} more expensive than the best")

# %% [markdown]
# ## 7. Why is there no answer?
#
# The fewest limits that exclude each other, and by how much one of them would have to give way.

# %%
conflict = ieco_opt.explain(llama(min_speed=100, max_cost=0.5))
for each in conflict.infeasible_subset.members:
    print(f"{each.limit} is {each.value:g} {each.unit}, and would have to be {each.needed:.4g}")

# %% [markdown]
# ## 8. How good is a rule of thumb?

# %%
compared = ieco_opt.compare(llama(), heuristics=["rule-of-thumb"], delta=0.1)
compared.to_dataframe().set_index("heuristic")[
    ["proposals", "cost_regret_median", "cost_regret_worst", "share_of_frontier_found"]
]

# %% [markdown]
# ## 9. May I trust a saved answer?
#
# `verify` prices every row anew and looks for better ones, without a solver.

# %%
front = ieco_opt.frontier(llama(), delta=0.2)
check = ieco_opt.verify(front)
print(f"holds: {check.holds}; {check.deployments} deployments against {check.configurations:,} configurations")

# %% [markdown]
# ## 10. How do I start it?

# %%
command = front.launch(point=len(front))
print(" ".join(command.argv))
