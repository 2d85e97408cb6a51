"""Prefect tasks: one thin function for each step of Algorithms 1 and 2."""
