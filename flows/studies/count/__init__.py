"""From results to rows: figures, intervals, contrasts."""
