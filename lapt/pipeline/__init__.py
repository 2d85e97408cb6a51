"""A pipeline: its declaration, its steps of Algorithms 1 and 2, and the results of a run."""
