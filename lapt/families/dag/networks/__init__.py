"""The networks of cells on a fixed graph."""
