"""Where the page lies in a picture."""
