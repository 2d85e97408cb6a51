"""Images and labels: folders and arrays on disk, read into one tensor with its splits."""
