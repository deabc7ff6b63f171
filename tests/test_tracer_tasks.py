"""A trained network and those that complete it to a tracer."""

import numpy as np
import pytest

from ecg_keras.errors import InputError
from ecg_keras.models.saving import save_slim
from ecg_keras.predictor import load
from ecg_keras.training.tracer_tasks import tracer_with
from tests.models import build_tiny


def _same(one, two):
    pairs = zip(one.get_weights(), two.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_other_networks_come_from_the_tracer_that_is_named(tmp_path):
    """Of the photo tracer's two that a tracer has; not the one that is new."""
    packaged, photo = load("tracer").model, load("photo_tracer").model
    row_network = packaged.get_layer("row_network")
    new = tracer_with({"row_network": row_network}, others="photo_tracer")
    assert new.name == packaged.name
    frames = [
        model.get_layer("frame_network") for model in (new, photo, packaged)
    ]
    assert _same(frames[0], frames[1]) and not _same(frames[0], frames[2])
    assert _same(new.get_layer("row_network"), row_network)
    path = tmp_path / "regressor.keras"
    save_slim(build_tiny(), path)
    with pytest.raises(InputError, match="--others .*expected a tracer"):
        tracer_with({}, others=str(path))
