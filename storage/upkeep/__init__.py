"""Compaction, removal and sizes of a store."""
