"""Exports of what a run found, what its controls found, or any architecture of its space."""
