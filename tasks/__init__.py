"""Prefect tasks: one thin function a step of Algorithms 1 and 2."""
