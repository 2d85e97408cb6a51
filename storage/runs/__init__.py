"""What a run writes: its record, scores, calls, checkpoints."""
