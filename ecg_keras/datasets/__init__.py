"""Builders of TFDS datasets."""
