"""The search methods, one module each."""
