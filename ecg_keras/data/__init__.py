"""Pictures to batches, by tf.data."""
