"""Training the networks of the tracers: each becomes part of a whole tracer."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from ecg_keras.data.pictures import load_pictures, read_on_paper
from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.ecg.records import read_page_records, read_records
from ecg_keras.errors import InputError
from ecg_keras.models.reading import row_network
from ecg_keras.models.reading.printed_rows import not_finer_than, row_image
from ecg_keras.models.saving import save_slim
from ecg_keras.models.weight_files import read_packaged_network
from ecg_keras.packaged import READER_WEIGHTS
from ecg_keras.page.row_images import bins_mv
from ecg_keras.predictor import load
from ecg_keras.training import loop
from ecg_keras.training.config import TrainConfig
from ecg_keras.training.losses import TraceLoss
from ecg_keras.training.tasks import TASKS
from ecg_keras.training.tracer_tasks import NETWORKS, PoseTask, TracerTask
from ecg_keras.training.validation import FrameValidation, StripValidation

pytestmark = [
    # TensorFlow's own use of NumPy.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("quick_compilation"),
]


@pytest.fixture(scope="module")
def pages_dir(tmp_path_factory):
    """Two records, each as rendered and as a scan, with maps."""
    path = tmp_path_factory.mktemp("pages")
    render_dataset(
        RenderConfig(str(path), 2, images=("0001", "0004"), maps=True)
    )
    return path


def _config(pages_dir, name, preset, **settings):
    return TrainConfig(
        data_dir=str(pages_dir),
        model=name,
        weights=preset,
        images=("0001", "0004"),
        batch_size=2,
        epochs=1,
        tracer_steps=2,
        train_split=0.5,
        learning_rate=1e-6,
        **settings,
    )


def _changed(before, after):
    """Names of the networks in which two tracers differ."""
    return [
        name
        for name in NETWORKS
        if name in {layer.name for layer in before.layers}
        and any(
            (one != two).any()
            for one, two in zip(
                before.get_layer(name).get_weights(),
                after.get_layer(name).get_weights(),
                strict=True,
            )
        )
    ]


@pytest.mark.slow
def test_a_row_network_is_trained_to_a_whole_tracer(
    pages_dir, any_pages_dir, tmp_path
):
    config = _config(
        pages_dir,
        "tracer",
        "tracer",
        output_dir=str(tmp_path / "run"),
        more_data_dirs=(str(any_pages_dir),),
        tracer_columns=64,
        freeze_norms=True,
    )
    run = loop.train(config)
    before, after = load("tracer").model, load(run).model
    history = pd.read_csv(run / "history.csv")
    # Weights alone, without an optimizer's moments.
    size = (run / "best_model.keras").stat().st_size
    assert size < 1.3 * 4 * after.count_params()
    assert _changed(before, after) == ["row_network"]
    assert history["val_competition_snr"][0] > 15
    norms = [
        model.get_layer("row_network").get_layer("encode_0_norm").get_weights()
        for model in (before, after)
    ]
    for one, two in zip(*norms, strict=True):
        np.testing.assert_array_equal(one, two)


def test_registration_networks_learn_from_no_pages_of_any_maker(any_pages_dir):
    config = _config(any_pages_dir, "pose", "photo_tracer")
    with pytest.raises(InputError, match="only --model tracer and names"):
        loop.train(config)


def test_rows_are_validated_as_they_are_read(any_pages_dir):
    """A network that is sure of the truth scores well, of any page.

    It is told of a row of each page by the row's image alone.
    """
    records = read_page_records(any_pages_dir)
    pictures = load_pictures(records)
    known = {}
    for picture in pictures.sources:
        page = pictures.pages[picture.record]
        place = not_finer_than(*read_on_paper(picture))
        for row, row_mv in zip(page.layout.rows, page.rows_mv, strict=True):
            known[row_image(*place, row).tobytes()] = row_mv

    class Sure:
        input_shape = (None, 800, None, 3)

        def predict_on_batch(self, strips):
            row_mv = np.nan_to_num(known[strips[0].tobytes()])
            off = (bins_mv()[:, None] - row_mv) / 0.02
            return (-0.5 * off**2)[None].astype(np.float32)

    validation = StripValidation(pictures, TraceLoss())
    validation._model = Sure()
    logs = {}
    validation.on_epoch_end(0, logs)
    assert logs["val_competition_snr"] > 25 and logs["val_snr"] > 20
    assert np.isfinite(logs["val_loss"])


@pytest.mark.slow  # Ten to thirty seconds of compilation for a step.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("frame", marks=pytest.mark.floor),
        pytest.param("photo_frame", marks=pytest.mark.floor),
        "pose",
    ],
)
def test_a_registration_network_replaces_its_own_in_a_tracer(
    pages_dir, monkeypatch, name
):
    monkeypatch.setattr(FrameValidation, "N_PICTURES", 16)
    preset = "tracer" if name == "frame" else "photo_tracer"
    task = TASKS[name](_config(pages_dir, name, preset))
    records = read_records(pages_dir, ("0001", "0004"))
    task.load(records, records)
    network = task.build()
    task.compile(network, frozen=False)
    network.fit(task.batches(0), steps_per_epoch=1, verbose=0, shuffle=False)
    changed = _changed(load(preset).model, task.assembled(network))
    assert changed == ["pose_network" if name == "pose" else "frame_network"]
    if name == "pose":
        return  # It finds a page in several looks, not in this one.
    validation = task.validation()
    validation.set_model(network)
    logs = {}
    validation.on_epoch_end(0, logs)
    assert logs["val_found"] > 0.4 and np.isfinite(logs["val_loss"])


@pytest.mark.slow
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


def test_a_network_that_is_told_of_other_rows_begins_with_one_that_is_not():
    config = TrainConfig(model="tracer", weights="tracer", other_rows=True)
    network = TracerTask(config).build()
    rng = np.random.default_rng(0)
    strip = rng.integers(0, 256, (1, 800, 64, 4))
    trained = load("tracer").model.get_layer("row_network")
    np.testing.assert_allclose(
        network.predict_on_batch(strip),
        trained.predict_on_batch(strip[..., :3]),
        atol=1e-3,
    )
    # The reader's own is one, too.
    own = TracerTask(dataclasses.replace(config, weights="reader")).build()
    assert own.input_shape == (None, 800, None, 4)


@pytest.mark.slow
def test_a_network_that_is_told_of_other_rows_is_saved_and_trained_on(
    pages_dir, tmp_path
):
    config = _config(
        pages_dir,
        "tracer",
        "reader",
        output_dir=str(tmp_path / "run"),
        tracer_columns=64,
        other_rows=True,
        freeze_norms=True,
    )
    file = loop.train(config) / "best_model.keras"
    saved = keras.saving.load_model(file, compile=False)
    assert saved.name == "row_network"
    packaged = read_packaged_network(READER_WEIGHTS, "row_network")
    assert any(
        (one != two).any()
        for one, two in zip(
            saved.get_weights(), packaged.get_weights(), strict=True
        )
    )
    again = TracerTask(
        dataclasses.replace(config, weights=str(file), output_dir=None)
    ).build()
    for one, two in zip(again.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


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


@pytest.mark.slow
def test_the_name_network_is_trained_and_saved_as_it_is(
    any_pages_dir, tmp_path
):
    config = _config(
        any_pages_dir, "names", "none", output_dir=str(tmp_path / "run")
    )
    run = loop.train(config)
    history = pd.read_csv(run / "history.csv")
    assert np.isfinite(history[["loss", "val_loss", "val_found"]]).all(None)
    trained, packaged = (
        [weight.shape for weight in network.weights]
        for network in (
            keras.saving.load_model(run / "best_model.keras"),
            read_packaged_network(READER_WEIGHTS, "name_network"),
        )
    )
    assert trained == packaged


def test_the_name_network_learns_from_pages_of_any_maker_alone(pages_dir):
    config = _config(pages_dir, "names", "none")
    with pytest.raises(InputError, match="expected pages of any maker"):
        loop.train(config)
