"""The reasoner that is a language model: what it is told, and how its replies are read."""
