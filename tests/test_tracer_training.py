"""Training the networks of the tracers: each becomes part of a whole tracer."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.errors import InputError
from ecg_keras.models.reading import row_network
from ecg_keras.models.saving import save_slim
from ecg_keras.predictor import load
from ecg_keras.training import loop
from ecg_keras.training.config import TrainConfig
from ecg_keras.training.tracer_tasks import NETWORKS, PoseTask, TracerTask

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


@pytest.mark.parametrize("name", ["tracer", "frame", "photo_frame", "pose"])
def test_the_tracers_networks_train_to_a_whole_tracer(tmp_path, name):
    preset = "tracer" if name in ("tracer", "frame") else "photo_tracer"
    parts = NETWORKS[-2:] if preset == "tracer" else NETWORKS
    pages_dir = tmp_path / "pages"
    render_dataset(
        RenderConfig(str(pages_dir), 2, images=("0001", "0004"), maps=True)
    )
    config = TrainConfig(
        data_dir=str(pages_dir),
        output_dir=str(tmp_path / "run"),
        model=name,
        weights=preset,
        images=("0001", "0004"),
        batch_size=2,
        epochs=1,
        tracer_steps=2,
        train_split=0.5,
        learning_rate=1e-6,
    )
    if name == "tracer":
        config = dataclasses.replace(
            config, tracer_columns=64, freeze_norms=True
        )
    run = loop.train(config)
    before, after = load(preset).model, load(run).model
    if name == "tracer":
        norm = "encode_0_norm"
        for one, two in zip(
            before.get_layer("row_network").get_layer(norm).get_weights(),
            after.get_layer("row_network").get_layer(norm).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(one, two)
    # Weights alone, without an optimizer's moments.
    size = (run / "best_model.keras").stat().st_size
    assert size < 1.3 * 4 * after.count_params()
    changed = {
        part: any(
            (one != two).any()
            for one, two in zip(
                before.get_layer(part).get_weights(),
                after.get_layer(part).get_weights(),
                strict=True,
            )
        )
        for part in parts
    }
    trained = {"tracer": "row_network", "pose": "pose_network"}
    assert [part for part, new in changed.items() if new] == [
        trained.get(name, "frame_network")
    ]
    history = pd.read_csv(run / "history.csv")
    if name == "tracer":
        assert history["val_competition_snr"][0] > 15
    else:
        # After one look: measured 0.87, 0.58, 0.15. Pages that lie anyhow take
        # more than one.
        least = {"frame": 0.6, "photo_frame": 0.5, "pose": 0.1}[name]
        assert history["val_found"][0] > least


def test_layers_that_a_trained_tracer_lacks_begin_anew_and_are_named(
    monkeypatch, capsys, tmp_path
):
    # A file that says how its networks are built, whatever is built now.
    path = str(tmp_path / "tracer.keras")
    packaged = load("tracer").model
    save_slim(packaged, path)
    monkeypatch.setattr(row_network, "CONTEXT_DILATIONS", (1, 2, 4, 8, 3))
    config = TrainConfig(model="tracer", weights=path)
    network = TracerTask(config).build()
    assert "tracer.keras: context_3_conv, " in capsys.readouterr().out
    # What is new adds nothing yet.
    strip = np.random.default_rng(0).integers(0, 256, (1, 800, 64, 3))
    trained = packaged.get_layer("row_network")
    np.testing.assert_allclose(
        network.predict_on_batch(strip),
        trained.predict_on_batch(strip),
        atol=1e-3,
    )
    other = dataclasses.replace(config, tracer_filters=(8, 8, 8, 8, 8))
    with pytest.raises(InputError, match="expected a tracer whose row_network"):
        TracerTask(other).build()


def test_a_pose_network_begins_with_a_frame_network_where_there_is_no_other(
    capsys,
):
    config = TrainConfig(model="pose", weights="tracer")
    network = PoseTask(config).build()
    assert "new beside tracer: placed_conv, " in capsys.readouterr().out
    trained = load("tracer").model.get_layer("frame_network")
    for name in ("down_0_conv", "encode_2_norm"):
        for one, two in zip(
            network.get_layer(name).get_weights(),
            trained.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(one, two)
    own = dataclasses.replace(config, weights="photo_tracer")
    PoseTask(own).build()
    assert "new beside" not in capsys.readouterr().out
