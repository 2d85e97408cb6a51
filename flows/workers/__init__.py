"""Evaluations in work pools: batches, their distribution, and the worker processes."""
