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
# # Exact against heuristics
#
# How much do rules of thumb and searches miss? [The page on heuristics](../heuristics.md) says what each one does, and
# how the regrets are measured.

# %%
# %matplotlib inline
import ieco_opt

scenario = ieco_opt.load_scenario(
    "../../scenarios/llama-3.3-70b-h100.yaml",
    ["design_space.stage_ranks=1,2,4,8", "design_space.pipeline_parallel=1"],
)
compared = ieco_opt.compare(
    scenario, heuristics=["rule-of-thumb", "coarse-grid", "coordinate-descent", "random"], delta=0.05
)
table = compared.to_dataframe().set_index("heuristic")
table[["proposals", "evaluations", "share_of_frontier_found", "cost_regret_median", "cost_regret_worst"]]

# %% [markdown]
# A regret of 0.5 says: for some speed the heuristic pays 50 % more than the exact frontier does.

# %%
ieco_opt.plot(compared)

# %% [markdown]
# Where it is worst, and whether a proposal can be deployed at all.

# %%
table[["cost_regret_worst", "cost_regret_worst_at_speed_tokens_per_s", "deployable", "memory_exceeded", "not_offered"]]

# %% [markdown]
# The exact frontier took as many solves as this, and each of its points is proven.

# %%
print(f"{compared.statistics.exact.solves} solves for {len(compared.deployments)} points")
print({deployment.status.value for deployment in compared.deployments})
