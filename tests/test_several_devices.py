"""Training on several devices or in several processes: as on one."""

import dataclasses
import socket

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
    config = dataclasses.replace(
        config, augment=False, dropout=0.0, epochs=2, batch_size=4
    )
    return config, loop.train(config)


@pytest.fixture(scope="module")
def four_devices(one_device, tmp_path_factory):
    """Runs in a process that takes the CPU for four, and its words.

    One shares out the batch; the other the batch over two, the head over two.
    """
    folder = tmp_path_factory.mktemp("four")
    config, _ = one_device
    shared, split = (
        dataclasses.replace(config, output_dir=str(folder / name), **settings)
        for name, settings in (("shared", {}), ("split", {"model_parallel": 2}))
    )
    devices = {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "KERAS_BACKEND": "jax",
    }
    done = train_elsewhere([shared, split], folder, devices)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def _assert_same_run(first, second, names=("loss",)):
    histories = [pd.read_csv(run / "history.csv") for run in (first, second)]
    for name in names:
        np.testing.assert_allclose(
            *(history[name] for history in histories), rtol=1e-3, atol=1e-3
        )
    weights = [load(run).model.get_weights() for run in (first, second)]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.slow
def test_four_devices_train_as_one_does(one_device, four_devices):
    folder, said = four_devices
    assert "cpu:2, cpu:3, 1 images each\n" in said
    _assert_same_run(one_device[1], folder / "shared")


@pytest.mark.slow
def test_a_head_split_over_devices_trains_as_a_whole_one(
    one_device, four_devices
):
    folder, said = four_devices
    assert "2 images each, the head over 2" in said
    # How train_tiny finds a device's share of the head and of its moments.
    assert f"largest shard: {60000 * 8} numbers" in said
    assert f"largest shard: {60000 * 8 // 2} numbers" in said
    _assert_same_run(one_device[1], folder / "split")


@pytest.mark.slow
def test_two_processes_train_and_go_on_as_one_does(one_device, tmp_path):
    """As on two hosts: an epoch, then another from its checkpoint."""
    config, one = one_device
    run_dir = tmp_path / "two"
    begun = dataclasses.replace(config, output_dir=str(run_dir), epochs=1)
    going_on = TrainConfig(resume=str(run_dir), epochs=2)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    both = []
    for index in "01":
        (tmp_path / index).mkdir()
        environment = {
            "KERAS_BACKEND": "jax",
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
            "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
            "KERAS_DISTRIBUTION_PROCESS_ID": index,
        }
        both.append(
            start_elsewhere([begun, going_on], tmp_path / index, environment)
        )
    with both[0], both[1]:
        try:
            said = [process.communicate(timeout=600) for process in both]
        finally:
            # Where one does not answer, neither goes on.
            for process in both:
                process.kill()
    assert [process.returncode for process in both] == [0, 0], said
    first, second = (out for out, _ in said)
    assert "2 images each" in first and "best epoch: 1 of 1" in first
    assert "going on after epoch 1 of 2" in first
    assert "best epoch" not in second
    _assert_same_run(one, run_dir, ("loss", "val_loss", "val_snr"))
