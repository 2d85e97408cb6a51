"""Cells of the literature, for networks to be counted by and compared with. FairDARTS_a is outside the space darts."""

from __future__ import annotations

from lapt.families.darts.genotype import Genotype, genotype

_TEXTS = {
    # Liu, Simonyan and Yang 2019, second order, found on CIFAR-10
    "DARTS_V2": """Genotype(
        normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
                ('skip_connect', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_3x3', 2)],
        normal_concat=range(2, 6),
        reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 1), ('skip_connect', 2),
                ('max_pool_3x3', 0), ('skip_connect', 2), ('max_pool_3x3', 1), ('skip_connect', 2)],
        reduce_concat=range(2, 6))""",
    # Xu et al. 2020, found on CIFAR-10
    "PC_DARTS_cifar": """Genotype(
        normal=[('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('dil_conv_3x3', 1),
                ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), ('dil_conv_3x3', 1)],
        normal_concat=range(2, 6),
        reduce=[('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2),
                ('sep_conv_3x3', 0), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)],
        reduce_concat=range(2, 6))""",
    # Xu et al. 2020, found on ImageNet
    "PC_DARTS_image": """Genotype(
        normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('sep_conv_3x3', 0), ('skip_connect', 1),
                ('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('dil_conv_5x5', 4)],
        normal_concat=range(2, 6),
        reduce=[('sep_conv_3x3', 0), ('skip_connect', 1), ('max_pool_3x3', 1), ('dil_conv_5x5', 2),
                ('sep_conv_3x3', 1), ('sep_conv_3x3', 2), ('sep_conv_5x5', 0), ('sep_conv_3x3', 3)],
        reduce_concat=range(2, 6))""",
    # Xiao et al. 2022, found on ImageNet
    "Shapley_NAS_image": """Genotype(
        normal=[('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('skip_connect', 1), ('dil_conv_5x5', 2),
                ('sep_conv_5x5', 0), ('sep_conv_3x3', 2), ('sep_conv_3x3', 1), ('skip_connect', 2)],
        normal_concat=range(2, 6),
        reduce=[('dil_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_5x5', 1), ('avg_pool_3x3', 2),
                ('skip_connect', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 2), ('sep_conv_3x3', 4)],
        reduce_concat=range(2, 6))""",
    # Chu et al. 2020: four edges into three nodes in the normal cell
    "FairDARTS_a": """Genotype(
        normal=[('sep_conv_3x3', 2, 0), ('sep_conv_5x5', 2, 1), ('max_pool_3x3', 3, 0), ('sep_conv_3x3', 4, 0)],
        normal_concat=range(2, 5),
        reduce=[('max_pool_3x3', 2, 0), ('avg_pool_3x3', 2, 1), ('avg_pool_3x3', 3, 0), ('dil_conv_5x5', 3, 1),
                ('avg_pool_3x3', 4, 0), ('sep_conv_5x5', 4, 1), ('skip_connect', 5, 0), ('skip_connect', 5, 1)],
        reduce_concat=range(2, 6))""",
}
PUBLISHED_CELLS: dict[str, Genotype] = {name: genotype(text) for name, text in _TEXTS.items()}
