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
# # A fleet of six models
#
# Six models share four pools of GPUs. Which instances run where, for the least money? The scenario is
# [one of those shipped](../../scenarios/fleet-six-models.yaml). 64 of the H100s are owned: they cost nothing more.

# %%
# %matplotlib inline
import dataclasses

import ieco_opt

fleet = ieco_opt.load_scenario("../../scenarios/fleet-six-models.yaml")
for workload in fleet.workloads:
    asked = f"{workload.requests_per_s:5g} requests/s, {workload.min_speed:g} tokens/s"
    print(f"{workload.name:12} {workload.model:18} {asked}")

# %% [markdown]
# A plan may stop at a gap that is small enough. Here that is 1 %: the plan costs at most 1 % more than the best one,
# and that is proven. `ieco-opt fleet` goes on to 0.1 %.

# %%
config = dataclasses.replace(ieco_opt.load_solver_config("fleet"), name="cheap", accepted_gap=0.01, patience_s=1.0)
result = ieco_opt.plan(fleet, solver_config=config)
plan = result.plans[0]
print(result)
print(f"at least ${plan.bound:.2f}/h, gap {plan.gap:.2%}")

# %%
result.to_dataframe()[
    ["workload", "phase", "pool", "instances", "tensor_parallel", "batch", "nodes", "usd_per_hour", "utilization"]
]

# %% [markdown]
# What each workload got, and what it needs.

# %%
result.to_dataframe("workloads")[
    [
        "workload",
        "required_requests_per_s",
        "capacity_requests_per_s",
        "speed_tokens_per_s",
        "time_to_first_token_s",
        "usd_per_hour",
    ]
].round(2)

# %%
ieco_opt.plot(result)

# %% [markdown]
# What the pools give, and what is left in them.

# %%
result.to_dataframe("pools")

# %% [markdown]
# Anybody can check a plan without the solver.

# %%
check = ieco_opt.verify(result)
print(f"holds: {check.holds}; {check.rows} rows on {check.nodes} nodes")
