"""Predictors for search methods."""
