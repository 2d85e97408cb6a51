"""Data of a run in the store: its record, scores, calls and checkpoints."""
