"""The cards of the catalog: what a process may use of their memory, how fast they meet, and what people call them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ieco_opt.catalog import (
    accelerator,
    accelerator_from_mapping,
    accelerator_names,
    accelerator_to_mapping,
    aliases,
    model_names,
    to_dataframe,
)
from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.types import Topology
from ieco_opt.errors import ScenarioError
from ieco_opt.reports.text.catalog import render_catalog

CARDS = tuple(accelerator(name) for name in accelerator_names())
GIB = 2.0**30

# What people run, as they write it.
WANTED = (
    "RTX 3090, RTX 4090, RTX 5090, RTX PRO 6000, L4, L20, L40, L40S, A10, A10G, A30, A40, RTX A6000, RTX 6000 Ada, T4, "
    "V100 16GB, V100 32GB, A100 PCIe 40GB, A100 PCIe 80GB, A100 SXM 40GB, A100 SXM 80GB, A800, H100 SXM, H100 PCIe, "
    "H100 NVL, H200 SXM, H200 NVL, GH200, H20 96GB, H20 141GB, H800, B100, B200, B300, GB200, GB300, DGX Spark, MI210, "
    "MI250, MI250X, MI300X, MI308X, MI325X, MI350X, MI355X, Gaudi 2, Gaudi 3, Trainium 2, Inferentia 2, TPU v4, "
    "TPU v5e, TPU v5p, TPU v6e, TPU v7, Ascend 910B, Ascend 910C"
)

# Name: GiB that torch, XLA or torch_npu print as the total memory of a device, in public logs.
TOTAL_MEMORY_GIB = {
    "RTX-3090": 23.56,
    "RTX-4090": 23.52,
    "RTX-5090": 31.36,
    "RTX-PRO-6000": 94.97,
    "L4": 21.98,
    "L40S": 44.42,
    "A40": 45416 / 1024,
    "RTX-A6000": 47.40,
    "RTX-6000-Ada": 48497 / 1024,
    "T4": 14.56,
    "V100-16GB": 16160 / 1024,
    "V100-32GB": 32494 / 1024,
    "A100-40GB": 40441 / 1024,
    "A100-80GB": 79.15,
    "H100-SXM": 81089 / 1024,
    "H100-PCIe": 81008 / 1024,
    "H100-NVL": 95320 / 1024,
    "H200": 143156 / 1024,
    "GH200": 94.50,
    "H20-96GB": 97285 / 1024,
    "H20-141GB": 139.8,
    "B200": 178.35,
    "B300": 267.69,
    "GB200": 184.31,
    "GB300": 276.50,
    "MI250X": 65520 / 1024,
    "MI300X": 196592 / 1024,
    "MI325X": 255.98,
    "MI355X": 287.98,
    "Gaudi2": 94.62,
    "TPU-v5e": 15.75,
    "TPU-v5p": 95.74,
}

# Name: bus bandwidth of an all-reduce over the PCIe slots of one host, GB/s.
MEASURED_BUS_GB_PER_S = {
    "L4": 2.0,
    "A10G": 4.5,
    "L40S": 5.2,
    "RTX-4090": 14.5,
    "A100-PCIe-80GB": 20,
    "H100-PCIe": 23,
    "RTX-PRO-6000": 23,
}


def key(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " \t-_")


def test_every_card_that_people_run_is_there() -> None:
    named = {accelerator(name).name for name in WANTED.split(", ")}
    assert len(named) == len(WANTED.split(", "))
    assert named == set(accelerator_names())


# Memory


@pytest.mark.parametrize("name", TOTAL_MEMORY_GIB)
def test_memory_is_what_a_process_is_given(name: str) -> None:
    assert accelerator(name).hbm_bytes == pytest.approx(TOTAL_MEMORY_GIB[name] * GIB, rel=2e-3)


def test_memory_names_what_printed_it() -> None:
    unsourced = {card.name for card in CARDS if card.sources["hbm_bytes"].startswith("memory")}
    assert unsourced == {"B100-SXM", "MI308X", "Gaudi3-OAM"}


# Networks


@pytest.mark.parametrize("name", MEASURED_BUS_GB_PER_S)
def test_cards_on_pcie_meet_as_fast_as_measured(name: str) -> None:
    assert accelerator(name).intra_node_bytes_per_s == MEASURED_BUS_GB_PER_S[name] * 1e9 / 2


def test_no_network_between_nodes_outruns_the_node() -> None:
    switched = [card for card in CARDS if card.topology is Topology.SWITCHED]
    assert all(card.inter_node_bytes_per_s <= card.intra_node_bytes_per_s for card in switched)


def test_a_card_without_links_has_no_fast_path_to_other_hosts() -> None:
    on_pcie = [card for card in CARDS if card.sources["topology"].startswith("PCIe")]
    assert {"L4", "L40S", "A10G", "RTX-4090", "A100-PCIe-80GB", "H100-PCIe"} <= {card.name for card in on_pcie}
    for card in on_pcie:
        # 400 Gbit/s for the eight cards of a host, halved, is the fastest network that clouds give them.
        assert card.inter_node_bytes_per_s <= 50e9 / 8 / 2, card.name
        assert card.node_size in (4, 8), card.name


# Power, price, vendor


def test_power_idle_and_board() -> None:
    assert {name: accelerator(name).idle_power_w for name in ("H100", "L4", "MI300X", "TPU-v4")} == {
        "H100": 70,
        "L4": 16,
        "MI300X": 135,
        "TPU-v4": None,
    }
    for card in CARDS:
        if card.idle_power_w is not None and card.power_w is not None:
            assert card.idle_power_w < card.power_w / 2, card.name
    assert "idle W" in render_catalog(to_dataframe("accelerators"), "accelerators").splitlines()[0]


def test_idle_power_above_board_power_is_refused() -> None:
    assert accelerator_from_mapping({"like": "H100", "idle_power_w": 700}).idle_power_w == 700
    with pytest.raises(ScenarioError, match=r"found 701, expected at most power_w \(700\)") as error:
        accelerator_from_mapping({"like": "H100", "idle_power_w": 701})
    assert [fault.field for fault in error.value.faults] == ["idle_power_w"]


def test_cards_without_a_public_price_say_so() -> None:
    unpriced = [card for card in CARDS if card.usd_per_gpu_hour is None]
    assert {card.sources["usd_per_gpu_hour"] for card in unpriced} <= {
        "no public list price found",
        "sold, not rented",
    }
    assert {"TPU-v7", "MI308X", "Ascend-910B"} <= {card.name for card in unpriced}
    assert not {"L4", "A10G", "L40S", "RTX-4090", "T4", "V100-SXM2-16GB", "MI300X"} & {card.name for card in unpriced}


def test_every_card_names_its_vendor() -> None:
    vendors: dict[str | None, set[str]] = {}
    for card in CARDS:
        vendors.setdefault(card.vendor, set()).add(card.name)
    assert set(vendors) == {"nvidia", "amd", "intel", "google", "amazon", "huawei"}
    assert vendors["intel"] == {"Gaudi2-OAM", "Gaudi3-OAM"}
    assert vendors["amd"] == {card.name for card in CARDS if card.name.startswith("MI")}
    assert vendors["google"] == {card.name for card in CARDS if card.name.startswith("TPU")}


def test_every_card_that_servers_run_on_names_its_generation() -> None:
    generations: dict[str | None, set[str]] = {}
    for card in CARDS:
        generations.setdefault(card.generation, set()).add(card.name)
        assert (card.generation is None) is (card.vendor not in ("nvidia", "amd")), card.name
    assert generations["blackwell"] == {"B100-SXM", "B200-SXM", "B300-SXM", "GB200-NVL72", "GB300-NVL72"}
    assert generations["cdna3"] == {"MI300X", "MI308X", "MI325X"}
    assert {"H100-SXM", "H200-SXM", "GH200", "H20-96GB"} <= generations["hopper"]
    assert accelerator_from_mapping({"like": "H100"}).generation == "hopper"
    assert accelerator_from_mapping({"like": "H100", "generation": "next"}).generation == "next"


def test_users_may_name_a_vendor() -> None:
    card = accelerator_to_mapping(accelerator("H100"))
    assert card["vendor"] == "nvidia"
    assert accelerator_from_mapping({"like": "H100"}).vendor == "nvidia"
    assert accelerator_from_mapping({**card, "vendor": " Tenstorrent "}).vendor == "tenstorrent"
    assert accelerator_from_mapping({**card, "vendor": None}).vendor is None
    del card["vendor"]
    assert accelerator_from_mapping(card).vendor is None
    with pytest.raises(ScenarioError, match="vendor"):
        accelerator_from_mapping({**card, "vendor": 3})


# Names


@pytest.mark.parametrize(
    ("spellings", "canonical"),
    [
        ("RTX4090, rtx 4090, RTX_4090, 4090, GeForce RTX 4090, NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("A6000, RTX A6000, NVIDIA RTX A6000", "RTX-A6000"),
        ("RTX6000-Ada, NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("RTXPRO6000, NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000-Blackwell-Server"),
        ("Tesla T4, nvidia-tesla-t4", "T4"),
        ("Tesla V100-SXM2-16GB, V100", "V100-SXM2-16GB"),
        ("A100-40GB, A100 SXM4 40GB, NVIDIA A100-SXM4-40GB", "A100-SXM-40GB"),
        ("A100, a100_sxm, A100-80GB, NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"),
        ("A100 PCIe, NVIDIA A100 80GB PCIe", "A100-PCIe-80GB"),
        ("NVIDIA A100-PCIE-40GB", "A100-PCIe-40GB"),
        ("h100, h100_sxm, H100 SXM5, H100-80GB-HBM3, NVIDIA H100 80GB HBM3, nvidia-h100-80gb", "H100-SXM"),
        ("NVIDIA H100 PCIe, h100_pcie", "H100-PCIe"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("h200_sxm, NVIDIA H200, H200 SXM5 141GB", "H200-SXM"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA H20, h20", "H20-96GB"),
        ("H20-3e, NVIDIA H20-3e", "H20-141GB"),
        ("b200_sxm, NVIDIA B200, B200", "B200-SXM"),
        ("NVIDIA B300 SXM6 AC", "B300-SXM"),
        ("gb200, NVIDIA GB200", "GB200-NVL72"),
        ("GB10, NVIDIA GB10, dgx spark", "DGX-Spark"),
        ("mi300x, Instinct MI300X, AMD Instinct MI300X", "MI300X"),
        ("AMD Instinct MI250X/MI250", "MI250X"),
        ("AMD Instinct MI355X", "MI355X"),
        ("HL-225, gaudi 2", "Gaudi2-OAM"),
        ("Trn2, AWS Trainium2", "Trainium2"),
        ("TPU v5 lite, tpu v5e", "TPU-v5e"),
        ("Trillium", "TPU-v6e"),
        ("Ironwood, TPU7x", "TPU-v7"),
        ("Ascend910B, 910B", "Ascend-910B"),
    ],
)
def test_names_as_people_clouds_and_torch_write_them(spellings: str, canonical: str) -> None:
    assert {accelerator(spelling).name for spelling in spellings.split(", ")} == {canonical}


@pytest.mark.parametrize("names", [accelerator_names, model_names])
@pytest.mark.parametrize("collection", Collection)
def test_no_name_means_two_entries(names: Callable[[Collection], tuple[str, ...]], collection: Collection) -> None:
    owners: dict[str, set[str]] = {}
    for name in names(collection):
        for spelling in (name, *aliases(name, collection)):
            owners.setdefault(key(spelling), set()).add(name)
    assert all(len(entries) == 1 for entries in owners.values())


def test_no_alias_of_a_card_repeats_another() -> None:
    for card in CARDS:
        keys = [key(spelling) for spelling in (card.name, *aliases(card.name))]
        assert len(set(keys)) == len(keys), card.name


# One instance runs on one kind


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ({"like": ["H100-SXM", "H200-SXM"]}, "like"),
        ({"H100-SXM": 4, "H200-SXM": 4}, ""),
    ],
)
def test_a_description_of_several_cards_is_refused(mapping: dict[str, object], field: str) -> None:
    with pytest.raises(ScenarioError, match="an instance runs on one kind of card") as error:
        accelerator_from_mapping(mapping)
    assert [fault.field for fault in error.value.faults] == [field]
