"""LAPT: design principle transfer in neural architecture search (Zhou et al., AAAI 2025).

The domain and the algorithm. Nothing here knows Prefect, files or SQL.
"""

__version__ = "0.1.0"
