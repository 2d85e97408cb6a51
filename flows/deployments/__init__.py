"""Deployments: what waits on a server, how it gets there, and whether all is well."""
