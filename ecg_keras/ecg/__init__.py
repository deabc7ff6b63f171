"""A 12-lead ECG, without any picture."""
