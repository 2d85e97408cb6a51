"""Published results that ours stand beside (Zhou et al., AAAI 2025)."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One published row: test accuracy in % and evaluations, per target; ``name`` as printed there.

    ``reasoner``: the LLM, for LAPT. ``rank``: mean over the tasks, of the architecture that is returned.
    """

    method: str
    name: str
    test: dict[str, float]
    archs: dict[str, str]
    reasoner: str | None = None
    rank: float | None = None


TABLE_2 = (
    Published(
        "rea", "REA (Real et al. 2019)", {"cifar10": 93.92, "cifar100": 71.84}, {"cifar10": ">500", "cifar100": ">500"}
    ),
    Published(
        "hebo",
        "HEBO (Cowen-Rivers et al. 2022)",
        {"cifar10": 94.34, "cifar100": 72.62},
        {"cifar10": "100", "cifar100": "100"},
    ),
    Published(
        "metad2a",
        "MetaD2A (Lee and Hyung 2021)",
        {"cifar10": 94.37, "cifar100": 73.34},
        {"cifar10": "100", "cifar100": "100"},
    ),
    Published(
        "tnas-bo",
        "TNAS-BO (Shala et al. 2023)",
        {"cifar10": 94.37, "cifar100": 73.51},
        {"cifar10": "29", "cifar100": "59"},
    ),
    Published(
        "lapt-rea",
        "LAPT-REA, GPT-4 (Zhou et al. 2025)",
        {"cifar10": 94.36, "cifar100": 73.45},
        {"cifar10": "4.9", "cifar100": "8.6"},
        "gpt-4",
    ),
)
"""Table 2: NAS-Bench-201, source ImageNet16-120, means over 20 seeds."""

TABLE_3 = tuple(
    Published(method, name, {}, {}, "gpt-4" if method == "lapt-rea" else None, rank)
    for method, name, rank in (
        ("rea", "REA (Real et al. 2019)", 38.5),
        ("bonas", "BONAS (Shi et al. 2020)", 34.31),
        ("weaknas_t", "WeakNAS-T (Wu et al. 2021)", 35.73),
        ("arch_zero", "Arch-zero (Huang et al. 2022)", 14.7),
        ("arch_graph", "Arch-Graph (Huang et al. 2022)", 12.2),
        ("lapt-rea", "LAPT-REA, GPT-4 (Zhou et al. 2025)", 12.3),
    )
)
"""Table 3: TransNAS-Bench-101 micro, source jigsaw, 50 evaluations, 25 seeds: the ranks.

The scores that it prints are of other splits than the table that LAPT searches, and for segmentation of another metric.
"""
