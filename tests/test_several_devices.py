"""Training on several devices or in several processes: as on one."""

import dataclasses
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_keras.predictor import load
from ecg_keras.training import loop
from ecg_keras.training.config import TrainConfig
from tests.conftest import tiny_config
from tests.elsewhere import start_elsewhere, train_elsewhere

pytestmark = [
    # TensorFlow's own use of NumPy.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("quick_compilation"),
]


@pytest.fixture(scope="module")
def one_device(seven_records, tiny_encoder, tmp_path_factory):
    """A run on one device: its config and its folder."""
    config = tiny_config(seven_records, tmp_path_factory.mktemp("one"))
    config = dataclasses.replace(config, augment=False, dropout=0.0, epochs=2)
    return config, loop.train(config)


def _on_forced_devices(n_devices, config, tmp_path):
    """Train in a process that takes the CPU for several; returns its words."""
    devices = {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={n_devices}",
        "KERAS_BACKEND": "jax",
    }
    done = train_elsewhere(config, tmp_path / "forced.json", devices)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_devices_train_as_one_does(one_device, tmp_path):
    config, one = one_device
    two = dataclasses.replace(config, output_dir=str(tmp_path / "two"))
    said = _on_forced_devices(2, two, tmp_path)
    assert "cpu:0, cpu:1, 1 images each" in said
    first, second = (
        pd.read_csv(Path(run) / "history.csv") for run in (one, two.output_dir)
    )
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-3)


@pytest.mark.slow
def test_a_head_split_over_devices_trains_as_a_whole_one(one_device, tmp_path):
    """Four devices: the batch over two, the head over two."""
    config, one = one_device
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
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    both = [
        start_elsewhere(
            config,
            config_file,
            {
                "KERAS_BACKEND": "jax",
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
                "KERAS_DISTRIBUTION_PROCESS_ID": index,
            },
        )
        for index in "01"
    ]
    with both[0], both[1]:
        try:
            said = [process.communicate(timeout=600) for process in both]
        finally:
            # Where one does not answer, neither goes on.
            for process in both:
                process.kill()
    assert [process.returncode for process in both] == [0, 0], said
    return [out for out, _ in said]


@pytest.mark.slow
def test_two_processes_train_and_go_on_as_one_does(one_device, tmp_path):
    config, one = one_device
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
