"""The entrants of studies: methods under pipelines, and the benchmarks that they search."""
