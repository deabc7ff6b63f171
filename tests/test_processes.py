"""Several hosts: who takes part, what they need. Training: test_training."""

import keras
import pytest

from ecg_keras.errors import InputError
from ecg_keras.training import processes
from ecg_keras.training.config import TrainConfig

NAMES = (*processes.ADDRESSES, processes.POD)


@pytest.fixture(autouse=True)
def nobody_named(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_nobody_is_met_where_nobody_is_named(monkeypatch):
    monkeypatch.setenv(processes.POD, "localhost")  # as on a single TPU host
    processes.join()
    assert processes.count() == 1 and processes.is_first()


@pytest.mark.parametrize("name", NAMES)
def test_other_backends_cannot_train_on_several_hosts(name, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setenv(name, "10.0.0.1:1234,10.0.0.2:1234")
    with pytest.raises(InputError, match="needs JAX. .*torch"):
        processes.join()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX can")
def test_an_incomplete_environment_says_so(monkeypatch):
    """An address alone, in no cluster that JAX knows."""
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "localhost:1")
    with pytest.raises(InputError, match="hosts cannot be met .*COORDINATOR"):
        processes.join()


@pytest.mark.parametrize(
    "settings",
    [
        dict(output_dir="run"),
        dict(data_dir="data"),
        dict(output_dir="run", data_dir="data", model_parallel=2),
        dict(output_dir="run", data_dir="data", tfds="ecg_pages/folder"),
    ],
)
def test_processes_need_folders_that_all_see(settings, monkeypatch):
    config = TrainConfig(**settings)
    processes.check(config)
    monkeypatch.setattr(processes, "count", lambda: 2)
    with pytest.raises(InputError, match="several hosts needs --output-dir"):
        processes.check(config)


def test_enough_is_enough(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 2)
    processes.check(TrainConfig(output_dir="run", data_dir="data"))
    processes.check(TrainConfig(resume="run"))
