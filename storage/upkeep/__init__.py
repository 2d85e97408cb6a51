"""Compaction, removal and accounts of a store."""
