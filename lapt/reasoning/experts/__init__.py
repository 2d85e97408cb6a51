"""Principles that the literature states, held against an archive."""
