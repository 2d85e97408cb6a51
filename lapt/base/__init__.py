"""Tools without knowledge of architectures: declarations and their faults, digests, statistics."""
