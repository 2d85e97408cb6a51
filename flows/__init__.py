"""Prefect flows, the objects they run on, the studies and the command line."""
