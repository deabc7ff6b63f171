"""What `python -m ecg_keras` runs."""
