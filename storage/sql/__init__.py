"""SQL over the store: views, limits, snapshots."""
