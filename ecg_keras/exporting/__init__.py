"""A model to files that run without this package."""
