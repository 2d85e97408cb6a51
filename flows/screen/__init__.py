"""The terminal: results on standard output, progress on standard error."""
