"""The networks of DARTS cells."""
