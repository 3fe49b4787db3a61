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
# # A frontier and its knee
#
# What does speed cost? A frontier answers for all speeds at once: no deployment is faster at the same cost.

# %%
# %matplotlib inline
import ieco_opt

scenario = ieco_opt.load_scenario("../../scenarios/llama-3.3-70b-h100.yaml")
front = ieco_opt.frontier(scenario, delta=0.1)
print(front)

# %% [markdown]
# The diamond is the knee: beyond it a little more speed costs much
# ([what pictures mark](../pictures.md#what-is-marked)).

# %%
ieco_opt.plot(front)

# %% [markdown]
# Every point is a row, with what the solver proved about it.

# %%
table = front.to_dataframe()
table[
    [
        "speed_tokens_per_s",
        "cost_usd_per_mtok",
        "gpus",
        "tensor_parallel",
        "batch",
        "draft_tokens",
        "bottleneck",
        "status",
    ]
]

# %% [markdown]
# What does the next bit of speed cost? Around the knee the price of it begins to rise.

# %%
steps = table[["speed_tokens_per_s", "cost_usd_per_mtok"]].iloc[::-1].reset_index(drop=True)
steps["usd_per_token_per_s"] = steps["cost_usd_per_mtok"].diff() / steps["speed_tokens_per_s"].diff()
steps.iloc[::4].round(4)

# %% [markdown]
# What bounds the speed changes along the frontier: from the launches of kernels, where few sequences are in flight, to
# arithmetic, where many are.

# %%
times = table.set_index("speed_tokens_per_s")[["kernel_s", "network_s", "memory_s", "arithmetic_s"]]
(1e3 * times.iloc[::6]).round(2)

# %% [markdown]
# The frontier answers for every speed that somebody asks for.

# %%
for least in (30, 60, 120):
    point = front.cheapest(min_speed=least)
    cost = f"${point.cost_usd_per_mtok:.3f} per million tokens"
    print(f"at least {least} tokens/s: {cost} with {point.gpus} GPUs, batch {point.batch}")
