"""Evaluations in work pools: batches, how they are handed out, and the processes that take them."""
