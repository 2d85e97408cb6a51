"""Pipelines that ship with LAPT."""
