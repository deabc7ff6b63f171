"""The same results on JAX, torch and TensorFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests import backend_run
from tests.backend_run import cases
from tests.models import build_tiny
from tests.test_losses import numpy_loss

pytestmark = [
    pytest.mark.slow,
    pytest.mark.floor,
    # TensorFlow's own use of NumPy.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

# Without torch, as under constraints/kaggle.txt, the other two are compared.
HAS_TORCH = importlib.util.find_spec("torch") is not None
BACKENDS = (
    ("jax", "torch", "tensorflow") if HAS_TORCH else ("jax", "tensorflow")
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each backend computed, from one model file."""
    folder = tmp_path_factory.mktemp("backends")
    model = build_tiny()
    model.save(folder / "model.keras")
    processes = {
        backend: subprocess.Popen(
            [sys.executable, "-m", "tests.backend_run",
             folder / "model.keras", folder / f"{backend}.npz"],
            env={**os.environ, "KERAS_BACKEND": backend},
            cwd=Path(__file__).parents[1],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for backend in BACKENDS
        if backend != keras.backend.backend()
    }  # fmt: skip
    # This process has its own backend imported.
    own = keras.backend.backend()
    backend_run.main(folder / "model.keras", folder / f"{own}.npz")
    found = {own: dict(np.load(folder / f"{own}.npz"))}
    for backend, process in processes.items():
        _, said = process.communicate()
        assert process.returncode == 0, said
        found[backend] = dict(np.load(folder / f"{backend}.npz"))
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_checkpoint_predicts_the_same_on_every_backend(results, backend):
    expected = results["jax"]["prediction"]
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        results[backend]["prediction"], expected, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_tracer_reads_the_same_on_every_backend(results, backend):
    expected = results["jax"]["tracer"]
    assert expected.std() > 0.05
    difference = np.abs(results[backend]["tracer"] - expected)
    assert np.quantile(difference, 0.999) < 1e-3
    # Where two modes are as likely, rounding may decide between them.
    assert np.mean(difference > 1e-3) < 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_loss_is_the_same_on_every_backend(results, backend):
    expected = numpy_loss(*(x.astype("float64") for x in cases()))
    assert results[backend]["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_those_of_a_finite_difference(results, backend):
    target, found = (x.astype("float64") for x in cases())
    step = 1e-6
    rng = np.random.default_rng(0)
    # The last record is met exactly: its noise is the floor, where a step is
    # no longer small; its gradient is 0.
    assert np.abs(results[backend]["gradient"][3]).max() < 1e-3
    for index in zip(
        *(rng.integers(0, n, 60) for n in (3, 3, 20)), strict=True
    ):
        values = []
        for sign in (1, -1):
            moved = found.copy()
            moved[index] += sign * step
            values.append(len(found) * numpy_loss(target, moved))
        slope = (values[0] - values[1]) / (2 * step)
        assert results[backend]["gradient"][index] == pytest.approx(
            slope, rel=1e-3, abs=1e-5
        )


@pytest.mark.parametrize("backend", BACKENDS[:-1])
def test_tensorflow_leaves_the_accelerator_to_the_backend(results, backend):
    assert results[backend]["tensorflow_gpus"] == 0


@pytest.mark.parametrize(
    "part, size_m",
    [
        # The feature extractors of the papers' implementations.
        ("efficientnet_b0", 4.05),
        ("efficientnet_b2", 7.77),
        ("efficientnet_b4", 17.67),
        ("resnet50", 23.56),
        # 7.77 M, and Dense 2048, 4096 and 60000 by hand.
        ("regressor", 264.87),
    ],
)
def test_models_have_their_published_sizes(results, part, size_m):
    assert results["jax"][part] == pytest.approx(size_m, abs=0.005)
