"""Around a run: its progress, limits, cancelling and owner."""
