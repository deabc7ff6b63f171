"""Settings shared by all tests; fixtures that several modules use."""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What JAX compiles is kept for the tests that follow, the processes that they
# start, and the next run.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    str(Path(__file__).parents[1] / ".pytest_cache" / "xla"),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import numpy as np
import pytest


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that no worker is left with one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module")
def quick_compilation():
    """Programs of JAX compile in half the time, and run slower.

    For modules that train small networks for a few steps, here and in the
    processes that they start: they wait for the compiler, not for the steps.
    """
    if os.environ["KERAS_BACKEND"] != "jax":
        yield
        return
    import jax

    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name.upper(), "1")
        jax.config.update(name, True)
        yield
        jax.config.update(name, before)
    # The modules that follow get programs as a user has them.
    jax.clear_caches()


@pytest.fixture(scope="session")
def tiny_encoder():
    """Adds the encoder "tiny" for the rest of the session."""
    from ecg_keras.models.architectures import ENCODERS
    from tests.tiny import TINY_ENCODER

    ENCODERS["tiny"] = TINY_ENCODER


@pytest.fixture(scope="session")
def signals_mv():
    """A simulated recording, (12, 5000) mV."""
    from ecg_keras.ecg.synthesis import simulate

    return simulate(np.random.default_rng(11))


@pytest.fixture(scope="session")
def table_mv(signals_mv):
    """What the competition's page shows of it."""
    from ecg_keras.ecg.leads import RATE_HZ
    from ecg_keras.ecg.resampling import from_grid

    return from_grid(signals_mv, RATE_HZ)


@pytest.fixture(scope="session")
def page(table_mv):
    """That page, as the competition renders it."""
    from ecg_keras.drawing.clean_page import Header, render_page
    from ecg_keras.ecg.leads import RATE_HZ

    return render_page(table_mv, RATE_HZ, Header(id="00042_hr", sex="Female"))


@pytest.fixture(scope="session")
def any_pages_dir(tmp_path_factory):
    """Two pages of any maker."""
    from ecg_keras.drawing.folder import RenderConfig, render_dataset

    path = tmp_path_factory.mktemp("any_pages")
    render_dataset(RenderConfig(str(path), 2, variety="any", seed=1))
    return path


@pytest.fixture(scope="module")
def seven_records(tmp_path_factory):
    from tests.folders import write_folder

    path = tmp_path_factory.mktemp("data")
    write_folder(path, n_records=7)
    return path


def tiny_config(data_dir, folder):
    """A training of seven records, three steps an epoch."""
    from ecg_keras.training.config import TrainConfig

    return TrainConfig(
        data_dir=str(data_dir),
        output_dir=str(folder / "run"),
        cache_dir=str(folder / "cache"),
        encoder="tiny",
        weights="none",
        image_size=(32, 48),
        head_units=(8,),
        batch_size=2,
        learning_rate=1e-3,
        epochs=3,
        precision="float32",
    )


@pytest.fixture
def config(seven_records, tiny_encoder, tmp_path):
    return tiny_config(seven_records, tmp_path)
