"""DARTS cells, whose nodes choose what they read and how (Liu, Simonyan and Yang 2019)."""
