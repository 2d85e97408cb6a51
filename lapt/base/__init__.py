"""What knows nothing of architectures: declarations and their faults, digests, statistics."""
