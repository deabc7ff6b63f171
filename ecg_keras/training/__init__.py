"""Training: settings, losses, the loop, what a run leaves on disk."""
