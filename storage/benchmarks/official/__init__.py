"""Readers of the files that benchmark authors publish."""
