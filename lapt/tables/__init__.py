"""Benchmark tables that ship with LAPT, and the plans that they were measured by."""
