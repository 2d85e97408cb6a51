"""Exported networks in use: the facts that an export carries, and predictions for image files. Needs no torch."""
