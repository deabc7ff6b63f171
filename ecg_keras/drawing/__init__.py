"""Signals to pictures, and where each pixel lies on the page."""
