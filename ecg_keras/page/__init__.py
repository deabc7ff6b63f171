"""The sheet of paper as geometry, in NumPy."""
