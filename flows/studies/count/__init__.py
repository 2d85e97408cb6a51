"""Rows of studies from results: figures, intervals, contrasts."""
