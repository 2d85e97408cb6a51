"""Deployments on a Prefect server: their making, their flows, and a check of the whole set-up."""
