"""Images of paper 12-lead ECGs to calibrated signals, in Keras 3.

Shape letters used throughout: B batch, H height, W width, C channels, R rows of
the page, L leads, T samples. Signals are (L, T) = (12, 5000), mV, 500 Hz.

Importing the package makes JAX the default Keras backend where nothing else
was chosen by `KERAS_BACKEND`; it imports nothing but that, not even NumPy.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

from ecg_keras.version import __version__  # noqa: E402

__all__ = ["LEADS", "__version__", "load"]


def __getattr__(name):
    # `ecg_keras.load` imports Keras only when it is used, `LEADS` NumPy.
    if name == "load":
        from ecg_keras.predictor import load

        return load
    if name == "LEADS":
        from ecg_keras.ecg.leads import LEADS

        return LEADS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
