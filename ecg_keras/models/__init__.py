"""Pictures to signals, in keras.ops."""
