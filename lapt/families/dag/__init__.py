"""Cells on a fixed graph whose edges choose operators: NAS-Bench-201 and TransNAS-Bench-101 micro."""
