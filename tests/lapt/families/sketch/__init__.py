"""A cell family of another package: everything that LAPT is told of it stands in this folder."""
