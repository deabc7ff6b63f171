"""The training loop: it learns, resumes, reports, and fails with words."""

import contextlib
import dataclasses
import errno
import gzip
import io
import json
import signal
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from ecg_keras.data.page_batches import load_pages, training_batches
from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.ecg.records import read_records
from ecg_keras.errors import InputError
from ecg_keras.models.regressor import build_regressor
from ecg_keras.predictor import load
from ecg_keras.settings import load_json
from ecg_keras.training import callbacks, loop
from ecg_keras.training.config import TrainConfig
from ecg_keras.training.regressor_task import RegressorTask
from ecg_keras.training.run_folder import WEIGHTS_FILE, latest_checkpoint
from tests.conftest import tiny_config
from tests.elsewhere import train_elsewhere

pytestmark = [
    # TensorFlow's own use of NumPy.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("quick_compilation"),
]


@pytest.fixture(scope="module")
def trained(seven_records, tiny_encoder, tmp_path_factory):
    """A run from beginning to end: its config, its folder, what it printed."""
    config = tiny_config(seven_records, tmp_path_factory.mktemp("trained"))
    config = dataclasses.replace(config, freeze_encoder_epochs=1)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        run_dir = loop.train(config)
    return config, run_dir, said.getvalue()


@pytest.mark.slow
def test_a_killed_run_ends_where_an_uninterrupted_one_would(trained, tmp_path):
    config, whole_dir, _ = trained
    killed_dir = tmp_path / "killed"
    killed = dataclasses.replace(config, output_dir=str(killed_dir))
    # Three steps an epoch: this is in the second.
    done = train_elsewhere([killed], tmp_path, kill_at_step=4)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert latest_checkpoint(killed_dir / "checkpoints").epochs_done == 1
    loop.train(TrainConfig(resume=str(killed_dir)))

    split = [
        (folder / "split.json").read_text()
        for folder in (whole_dir, killed_dir)
    ]
    assert split[0] == split[1]
    # Dropped units and the optimizer go on, too: either, begun anew, changes
    # weights by the learning rate, 1e-3. Threads may add sums in another order.
    whole, killed = (
        pd.read_csv(folder / "history.csv")
        for folder in (whole_dir, killed_dir)
    )
    pd.testing.assert_frame_equal(whole, killed, rtol=0, atol=1e-5)
    first, second = (
        np.concatenate(
            [weight.ravel() for weight in load(path).model.get_weights()]
        )
        for path in (whole_dir, killed_dir)
    )
    assert np.abs(first - second).mean() < 1e-6


def test_a_run_leaves_all_that_is_promised(trained, capsys):
    config, run_dir, said = trained
    for name in (
        "config.json", "environment.json", "split.json", "history.csv",
        "best_model.keras",
        "training_curves.png", "checkpoints/epoch_0003/state.json",
    ):  # fmt: skip
        assert (run_dir / name).stat().st_size > 0, name
    assert len(list((run_dir / "predictions").glob("*.png"))) == 1
    assert len(list((run_dir / "checkpoints").iterdir())) == 1
    history = pd.read_csv(run_dir / "history.csv")
    assert len(history) == 3
    assert np.isfinite(history.to_numpy()).all()
    assert load_json(TrainConfig, run_dir / "config.json") == config
    best = int(history["val_snr"].argmax())
    assert f"best epoch: {best + 1} of 3" in said
    assert "6 training, 1 validation" in said
    model = load(run_dir).model
    assert f"{model.count_params() / 1e6:.2f}M parameters" in said
    assert getattr(model, "optimizer", None) is None

    # The same words again, without another epoch.
    loop.train(TrainConfig(resume=str(run_dir)))
    assert f"best epoch: {best + 1} of 3" in capsys.readouterr().out
    with pytest.raises(InputError, match="--batch-size 3 differs from 2"):
        loop.train(TrainConfig(resume=str(run_dir), batch_size=3))
    with pytest.raises(InputError, match="is not empty.*--resume"):
        loop.train(config)


def test_val_snr_and_score_are_those_of_the_saved_model(trained):
    from ecg_keras.commands.evaluate import EvaluateConfig, evaluate

    config, run_dir, _ = trained
    history = pd.read_csv(run_dir / "history.csv")
    best = history["val_competition_snr"][history["val_snr"].argmax()]
    table = evaluate(
        EvaluateConfig((str(run_dir),), config.data_dir, split="validation")
    )
    assert table.loc["all images", "model"] == pytest.approx(best, abs=1e-3)


@pytest.mark.slow
def test_two_records_are_learnt_to_more_than_20_db(
    config, tmp_path, tiny_encoder
):
    render_dataset(RenderConfig(str(tmp_path / "pages"), 2, rate_hz=(250,)))
    records = read_records(tmp_path / "pages")
    pages = load_pages(records, (64, 96), config.cache_dir)
    keras.utils.set_random_seed(0)
    model = build_regressor((64, 96), "tiny", "none", (64,), dropout=0.0)
    config = dataclasses.replace(config, learning_rate=3e-3)
    RegressorTask(config).compile(model, frozen=False)
    batches = training_batches(pages, 2, seed=0, augment=False)
    model.fit(batches, steps_per_epoch=70, verbose=0, shuffle=False)
    model.optimizer.learning_rate = 3e-4
    model.fit(batches, steps_per_epoch=20, verbose=0, shuffle=False)
    history = model.fit(batches, steps_per_epoch=5, verbose=0, shuffle=False)
    assert history.history["snr"][0] > 20


@pytest.mark.slow
def test_lion_keeps_one_moment_and_goes_on(trained, config, tmp_path):
    """Two thirds of AdamW's file; a resumed run ends as a whole one."""
    little = dataclasses.replace(
        config, optimizer="Lion", dropout=0.0, epochs=2
    )
    whole = loop.train(little)
    begun = dataclasses.replace(
        little, output_dir=str(tmp_path / "begun"), epochs=1
    )
    loop.train(begun)
    loop.train(TrainConfig(resume=begun.output_dir, epochs=2))
    histories = [
        pd.read_csv(Path(run) / "history.csv")
        for run in (whole, begun.output_dir)
    ]
    pd.testing.assert_frame_equal(*histories)
    sizes = [
        (latest_checkpoint(Path(run) / "checkpoints").folder / WEIGHTS_FILE)
        .stat()
        .st_size
        for run in (whole, trained[1])
    ]
    assert sizes[0] < 0.7 * sizes[1]


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras traces no torch"
)
def test_a_profile_holds_a_trace_of_some_steps(config, monkeypatch):
    """Three steps, of which the last two are traced."""
    for module in (callbacks, loop):
        monkeypatch.setattr(module, "PROFILED_STEPS", (2, 4))
    config = dataclasses.replace(config, profile=True, epochs=1)
    logs = loop.train(config) / "tensorboard"
    assert len(list(logs.rglob("*.xplane.pb"))) == 1
    if keras.backend.backend() == "jax":
        (trace,) = logs.rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
        assert any("train_step" in str(e.get("name")) for e in events)


def test_early_stopping_and_plateau_remember_what_they_saw():
    """`Replay` against callbacks that were never interrupted."""
    history = [{"val_snr": s, "val_loss": -s} for s in (1, 3, 2, 2, 2, 2)]

    def built(past):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.8), "mse")
        stop = keras.callbacks.EarlyStopping("val_snr", mode="max", patience=5)
        plateau = keras.callbacks.ReduceLROnPlateau("val_loss", 0.5, 2)
        replay = callbacks.Replay([stop, plateau], past, 0.8)
        for callback in (stop, plateau, replay):
            callback.set_model(model)
        for callback in (stop, plateau, replay):
            callback.on_train_begin()
        return model, stop, plateau

    whole, stop, plateau = built([])
    for epoch, logs in enumerate(history):
        stop.on_epoch_end(epoch, logs)
        plateau.on_epoch_end(epoch, logs)
    resumed, stop_again, plateau_again = built(history)
    assert float(resumed.optimizer.learning_rate) == pytest.approx(0.2)
    assert whole.optimizer.learning_rate == resumed.optimizer.learning_rate
    assert stop.wait == stop_again.wait == 4
    assert plateau.wait == plateau_again.wait


def _replaced(config, **changes):
    return dataclasses.replace(config, **changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"batch_size": 7}, "--batch-size 7 is larger .* 6 images"),
        ({"encoder": "vgg"}, "Unknown encoder.*vgg"),
        ({"weights": "nowhere"}, "--weights nowhere: no such folder"),
        ({"data_dir": "nowhere"}, "nowhere: no such data folder"),
        ({"images": ("0005",)}, "000-0005.png .* does not exist"),
        ({"limit_records": 1}, "--limit-records .* 2 or more.*1"),
        ({"epochs": 0}, "--epochs .* 1 or more.*0"),
        ({"image_size": (16, 600)}, "--image-size .* 32 px"),
        ({"model": "tracer"}, "--encoder is not used by --model tracer"),
        ({"resume": "nowhere"}, "--resume nowhere.*config.json"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    config, changes, message
):
    with pytest.raises(InputError, match=message):
        loop.train(_replaced(config, **changes))
    assert not Path(config.output_dir).exists()


def test_a_disk_too_small_is_noticed_before_the_first_epoch(
    config, monkeypatch
):
    usage = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="writes up to .* GiB .* are free"):
        loop.train(config)


def test_a_full_disk_is_explained_and_leaves_whole_checkpoints(
    config, monkeypatch
):
    save_weights = keras.Model.save_weights

    def full(model, path):
        if "epoch_0002" in str(path):
            Path(path).write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save_weights(model, path)

    monkeypatch.setattr(keras.Model, "save_weights", full)
    with pytest.raises(InputError, match="disk of .*run is full.*--resume"):
        loop.train(config)
    left = [p.name for p in Path(config.output_dir, "checkpoints").iterdir()]
    assert left == ["epoch_0001"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_lack_of_memory_names_the_flags_to_lower(config, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(loop, "_fit", fail)
    with pytest.raises(InputError, match=r"--batch-size \(now 2\).*32 48"):
        loop.train(config)


def test_a_loss_that_is_no_number_stops_the_run_with_its_step(
    config, monkeypatch
):
    with pytest.raises(InputError, match=r"the loss is \w+ in epoch 1, step"):
        loop.train(_replaced(config, learning_rate=1e30, augment=False))
    assert latest_checkpoint(Path(config.output_dir) / "checkpoints") is None


def test_mixed_precision_gives_millivolts_in_float32(tiny_encoder):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_regressor((32, 32), "tiny", "none", (8,))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("head_1").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


@pytest.mark.slow
@pytest.mark.floor
def test_without_data_a_demo_is_trained(
    config, monkeypatch, tmp_path, capsys, tiny_encoder
):
    from ecg_keras.training import demo

    monkeypatch.delenv("ECG_KERAS_DATA", raising=False)
    monkeypatch.setattr(
        "ecg_keras.ecg.records.KAGGLE_DATA_DIR", str(tmp_path / "no")
    )
    monkeypatch.setattr(demo, "DEMO_RECORDS", 4)
    run_dir = loop.train(
        _replaced(config, data_dir=None, weights="imagenet", epochs=1)
    )
    said = capsys.readouterr().out
    assert "no data found: training on a demo of 4 simulated records" in said
    assert "demo with random weights instead" in said
    assert (run_dir / "best_model.keras").is_file()
