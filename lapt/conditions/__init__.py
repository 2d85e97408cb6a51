"""Conditions on architectures: a small declarative language, judged over whole spaces at once and said in English."""
