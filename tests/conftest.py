"""Settings shared by all tests; fixtures that several modules use."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest


@pytest.fixture
def tiny_encoder(monkeypatch):
    """Adds the encoder "tiny" for the length of a test."""
    from ecg_keras.models.backbone import ENCODERS
    from tests.tiny import TINY_ENCODER

    monkeypatch.setitem(ENCODERS, "tiny", TINY_ENCODER)
