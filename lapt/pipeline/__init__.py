"""A pipeline: its declaration, the steps of Algorithms 1 and 2 that it makes, and what a run of it found."""
