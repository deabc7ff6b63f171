"""What a row of the page shows, sample by sample."""
