"""The training loop: it learns, resumes, reports, and fails with words."""

import dataclasses
import errno
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from ecg_keras import callbacks, training
from ecg_keras.config import load_json, save_json
from ecg_keras.errors import InputError
from ecg_keras.inference import load
from ecg_keras.models import row_network
from ecg_keras.models.regressor import build_regressor
from ecg_keras.pipeline import load_pages, training_batches
from ecg_keras.records import read_records
from ecg_keras.regressor_task import RegressorTask
from ecg_keras.rendered_folder import RenderConfig, render_dataset
from ecg_keras.run_folder import WEIGHTS_FILE, latest_checkpoint
from ecg_keras.tracer_tasks import NETWORKS, TracerTask
from ecg_keras.train_config import TrainConfig
from tests.folders import write_folder

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    write_folder(path, n_records=7)
    return path


@pytest.fixture
def config(folder, tiny_encoder, tmp_path):
    """Seven records, three steps an epoch."""
    return TrainConfig(
        data_dir=str(folder),
        output_dir=str(tmp_path / "run"),
        cache_dir=str(tmp_path / "cache"),
        encoder="tiny",
        weights="none",
        image_size=(32, 48),
        head_units=(8,),
        batch_size=2,
        learning_rate=1e-3,
        epochs=3,
        precision="float32",
    )


def _killed_at(step, config, tmp_path, env=()):
    save_json(config, tmp_path / "config.json")
    return subprocess.run(
        [sys.executable, "-m", "tests.train_tiny",
         tmp_path / "config.json", str(step)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **dict(env)},
        capture_output=True,
        text=True,
    )  # fmt: skip


def test_a_killed_run_ends_where_an_uninterrupted_one_would(config, tmp_path):
    config = dataclasses.replace(config, freeze_encoder_epochs=1)
    whole_dir = training.train(config)
    killed_dir = str(tmp_path / "killed")
    killed = dataclasses.replace(config, output_dir=killed_dir)
    # Three steps an epoch: this is in the second.
    done = _killed_at(4, killed, tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert latest_checkpoint(Path(killed_dir) / "checkpoints").epochs_done == 1
    training.train(TrainConfig(resume=killed_dir))

    # Bit for bit on CPU: also the dropped units and the optimizer.
    for name in ("history.csv", "split.json"):
        whole = (whole_dir / name).read_text()
        assert (Path(killed_dir) / name).read_text() == whole
    first, second = (load(path).model for path in (whole_dir, killed_dir))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_leaves_all_that_is_promised(config, capsys):
    run_dir = training.train(config)
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
    said = capsys.readouterr().out
    best = int(history["val_snr"].argmax())
    assert f"best epoch: {best + 1} of 3" in said
    assert "6 training, 1 validation" in said
    model = load(run_dir).model
    assert f"{model.count_params() / 1e6:.2f}M parameters" in said
    assert getattr(model, "optimizer", None) is None

    # The same words again, without another epoch.
    training.train(TrainConfig(resume=str(run_dir)))
    assert f"best epoch: {best + 1} of 3" in capsys.readouterr().out
    with pytest.raises(InputError, match="--batch-size 3 differs from 2"):
        training.train(TrainConfig(resume=str(run_dir), batch_size=3))
    with pytest.raises(InputError, match="is not empty.*--resume"):
        training.train(config)


def test_val_snr_and_score_are_those_of_the_saved_model(config):
    from ecg_keras.evaluation import EvaluateConfig, evaluate

    run_dir = training.train(config)
    history = pd.read_csv(run_dir / "history.csv")
    best = history["val_competition_snr"][history["val_snr"].argmax()]
    table = evaluate(
        EvaluateConfig((str(run_dir),), config.data_dir, split="validation")
    )
    assert table.loc["all images", "model"] == pytest.approx(best, abs=1e-3)


def test_eight_records_are_learnt_to_more_than_20_db(
    config, tmp_path, tiny_encoder
):
    render_dataset(RenderConfig(str(tmp_path / "pages"), 8, fs=(250,)))
    records = read_records(tmp_path / "pages")
    pages = load_pages(records, (64, 96), config.cache_dir)
    keras.utils.set_random_seed(0)
    model = build_regressor((64, 96), "tiny", "none", (64,), dropout=0.0)
    config = dataclasses.replace(config, learning_rate=3e-3)
    RegressorTask(config).compile(model, frozen=False)
    batches = training_batches(pages, 8, seed=0, augment=False)
    model.fit(batches, steps_per_epoch=350, verbose=0, shuffle=False)
    model.optimizer.learning_rate = 3e-4
    model.fit(batches, steps_per_epoch=50, verbose=0, shuffle=False)
    history = model.fit(batches, steps_per_epoch=20, verbose=0, shuffle=False)
    assert history.history["snr"][0] > 20


@pytest.mark.parametrize("name", ["tracer", "frame", "photo_frame", "pose"])
def test_the_tracers_networks_train_to_a_whole_tracer(tmp_path, name):
    preset = "tracer" if name in ("tracer", "frame") else "photo_tracer"
    parts = NETWORKS[-2:] if preset == "tracer" else NETWORKS
    pages_dir = tmp_path / "pages"
    render_dataset(
        RenderConfig(str(pages_dir), 2, types=("0001", "0004"), maps=True)
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
        tracer_columns=64,
        train_split=0.5,
        learning_rate=1e-6,
        freeze_norms=name == "tracer",
    )
    run = training.train(config)
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
    monkeypatch, capsys
):
    monkeypatch.setattr(row_network, "CONTEXT_DILATIONS", (1, 2, 4, 8, 3))
    config = TrainConfig(model="tracer", weights="tracer")
    network = TracerTask(config).build()
    assert "new beside tracer: context_3_conv, " in capsys.readouterr().out
    # What is new adds nothing yet.
    strip = np.random.default_rng(0).integers(0, 256, (1, 800, 64, 3))
    trained = load("tracer").model.get_layer("row_network")
    np.testing.assert_allclose(
        network.predict_on_batch(strip),
        trained.predict_on_batch(strip),
        atol=1e-3,
    )
    other = dataclasses.replace(config, tracer_filters=(8, 8, 8, 8, 8))
    with pytest.raises(InputError, match="expected a tracer whose row_network"):
        TracerTask(other).build()


def test_lion_keeps_one_moment_and_goes_on(config, tmp_path):
    """Two thirds of AdamW's file; a resumed run ends as a whole one."""
    little = dataclasses.replace(
        config, optimizer="Lion", dropout=0.0, epochs=2
    )
    whole = training.train(little)
    begun = dataclasses.replace(
        little, output_dir=str(tmp_path / "begun"), epochs=1
    )
    training.train(begun)
    training.train(TrainConfig(resume=begun.output_dir, epochs=2))
    histories = [
        pd.read_csv(Path(run) / "history.csv")
        for run in (whole, begun.output_dir)
    ]
    pd.testing.assert_frame_equal(*histories)
    with_moments = dataclasses.replace(
        begun, optimizer="AdamW", output_dir=str(tmp_path / "adamw")
    )
    sizes = [
        (latest_checkpoint(Path(run) / "checkpoints").folder / WEIGHTS_FILE)
        .stat()
        .st_size
        for run in (whole, training.train(with_moments))
    ]
    assert sizes[0] < 0.7 * sizes[1]


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras traces no torch"
)
def test_a_profile_holds_a_trace_of_some_steps(config):
    """Six steps, of which the last three are traced."""
    config = dataclasses.replace(config, profile=True, batch_size=1, epochs=1)
    logs = training.train(config) / "tensorboard"
    assert len(list(logs.rglob("*.xplane.pb"))) == 1
    if keras.backend.backend() == "jax":
        (trace,) = logs.rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
        assert any("train_step" in str(e.get("name")) for e in events)


def _on_forced_devices(n_devices, config, tmp_path):
    """Train in a process that takes the CPU for several; returns its words."""
    devices = {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={n_devices}",
        "KERAS_BACKEND": "jax",
    }
    done = _killed_at(10**6, config, tmp_path, devices.items())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_devices_train_as_one_does(config, tmp_path):
    config = dataclasses.replace(config, augment=False, dropout=0.0, epochs=2)
    one = training.train(config)
    two = dataclasses.replace(config, output_dir=str(tmp_path / "two"))
    said = _on_forced_devices(2, two, tmp_path)
    assert "cpu:0, cpu:1, 1 images each" in said
    first, second = (
        pd.read_csv(Path(run) / "history.csv") for run in (one, two.output_dir)
    )
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-3)


def test_a_head_split_over_devices_trains_as_a_whole_one(config, tmp_path):
    """Four devices: the batch over two, the head over two."""
    config = dataclasses.replace(config, augment=False, dropout=0.0, epochs=2)
    one = training.train(config)
    split = dataclasses.replace(
        config, output_dir=str(tmp_path / "split"), model_parallel=2
    )
    said = _on_forced_devices(4, split, tmp_path)
    assert "the head over 2" in said
    # How train_tiny finds a device's share of the head and of its moments.
    assert f"largest shard: {60000 * 8 // 2} numbers" in said
    first, second = (
        pd.read_csv(Path(run) / "history.csv")
        for run in (one, split.output_dir)
    )
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-3)
    weights = [
        load(run).model.get_weights() for run in (one, tmp_path / "split")
    ]
    for whole, joined in zip(*weights, strict=True):
        np.testing.assert_allclose(whole, joined, atol=2e-3)


def _together(config, config_file):
    """Train in two processes, as on two hosts; returns what each says."""
    save_json(config, config_file)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.train_tiny", config_file],
            cwd=Path(__file__).parents[1],
            env={
                **os.environ,
                "KERAS_BACKEND": "jax",
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
                "KERAS_DISTRIBUTION_PROCESS_ID": index,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in "01"
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    return [out for out, _ in said]


def test_two_processes_train_and_go_on_as_one_does(config, tmp_path):
    config = dataclasses.replace(config, augment=False, dropout=0.0, epochs=2)
    one = training.train(config)
    run_dir = tmp_path / "two"
    begun = dataclasses.replace(config, output_dir=str(run_dir), epochs=1)
    first, second = _together(begun, tmp_path / "begun.json")
    assert "1 images each" in first and "best epoch: 1 of 1" in first
    assert "best epoch" not in second
    going_on = TrainConfig(resume=str(run_dir), epochs=2)
    first, _ = _together(going_on, tmp_path / "going_on.json")
    assert "going on after epoch 1 of 2" in first
    alone, shared = (pd.read_csv(run / "history.csv") for run in (one, run_dir))
    for name in ("loss", "val_loss", "val_snr"):
        np.testing.assert_allclose(
            alone[name], shared[name], rtol=1e-3, atol=1e-3
        )
    weights = [load(run).model.get_weights() for run in (one, run_dir)]
    for alone, shared in zip(*weights, strict=True):
        np.testing.assert_allclose(alone, shared, atol=2e-3)


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
        (
            {"model": "tracer", "freeze_norms": True},
            "--freeze-norms needs --weights with a tracer",
        ),
        ({"resume": "nowhere"}, "--resume nowhere.*config.json"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    config, changes, message
):
    with pytest.raises(InputError, match=message):
        training.train(_replaced(config, **changes))
    assert not Path(config.output_dir).exists()


def test_a_disk_too_small_is_noticed_before_the_first_epoch(
    config, monkeypatch
):
    usage = type("Usage", (), {"free": 10_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="writes up to .* GiB .* are free"):
        training.train(config)


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
        training.train(config)
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

    monkeypatch.setattr(training, "_fit", fail)
    with pytest.raises(InputError, match=r"--batch-size \(now 2\).*32 48"):
        training.train(config)


def test_a_loss_that_is_no_number_stops_the_run_with_its_step(
    config, monkeypatch
):
    with pytest.raises(InputError, match=r"the loss is \w+ in epoch 1, step"):
        training.train(_replaced(config, learning_rate=1e30, augment=False))
    assert latest_checkpoint(Path(config.output_dir) / "checkpoints") is None


def test_mixed_precision_gives_millivolts_in_float32(tiny_encoder):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_regressor((32, 32), "tiny", "none", (8,))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("head_1").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


def test_without_data_a_demo_is_trained(
    config, monkeypatch, tmp_path, capsys, tiny_encoder
):
    from ecg_keras import demo

    monkeypatch.delenv("ECG_KERAS_DATA", raising=False)
    monkeypatch.setattr(
        "ecg_keras.records.KAGGLE_DATA_DIR", str(tmp_path / "no")
    )
    monkeypatch.setattr(demo, "DEMO_RECORDS", 4)
    run_dir = training.train(
        _replaced(config, data_dir=None, weights="imagenet", epochs=1)
    )
    said = capsys.readouterr().out
    assert "no data found: training on a demo of 4 simulated records" in said
    assert "demo with random weights instead" in said
    assert (run_dir / "best_model.keras").is_file()
