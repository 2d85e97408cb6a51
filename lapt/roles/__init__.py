"""Roles of operators and of layers: descriptions and translations that hold in any search space."""
