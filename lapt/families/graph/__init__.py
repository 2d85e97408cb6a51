"""Graph neural networks of four computing nodes: NAS-Bench-Graph."""
