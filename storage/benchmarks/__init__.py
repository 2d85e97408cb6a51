"""Benchmark tables and surrogates on disk."""
