"""A study's page and plots."""
