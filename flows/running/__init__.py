"""What goes with a run: progress, limits, cancelling, whose it is."""
