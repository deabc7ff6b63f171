"""Registration: where the paper's millimetres are in a picture."""
