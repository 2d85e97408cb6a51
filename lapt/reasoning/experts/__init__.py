"""Principles that the literature states, compared with an archive."""
