"""The networks of mobile architectures, and their supernets."""
