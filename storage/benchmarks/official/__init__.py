"""The files that the makers of benchmarks publish."""
