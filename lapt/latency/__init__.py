"""Latency: measured on this machine, beside nothing else, and predicted from a few measurements."""
