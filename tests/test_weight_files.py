"""Packaged weights: arrays by name, checked when they are read."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ecg_keras.errors import InputError
from ecg_keras.models.reading.networks import sees_other_rows
from ecg_keras.models.reading.row_network import build_row_network
from ecg_keras.models.registration.frame_network import build_frame_network
from ecg_keras.models.saving import without_initialisers
from ecg_keras.models.weight_files import (
    read_packaged,
    read_packaged_network,
    write_packaged,
)
from ecg_keras.packaged import PRESETS, READER_WEIGHTS

SMALL = {"filters": (4, 4, 6, 6, 8)}


@pytest.fixture(scope="module")
def networks():
    """A tracer's networks with random weights, the row network a narrow one."""
    with without_initialisers():
        built = {
            "frame_network": build_frame_network(),
            "row_network": build_row_network(**SMALL),
        }
    rng = np.random.default_rng(0)
    for network in built.values():
        for variable in network.weights:
            variable.assign(rng.uniform(0.1, 1, variable.shape))
    return built


@pytest.fixture
def recipe(tmp_path, networks):
    """The recipe of a tracer that was written."""
    write_packaged(
        tmp_path / "small.json",
        "tracer",
        networks,
        {"row_network": SMALL},
        {"smoothness": 3.5},
    )
    return tmp_path / "small.json"


def _file(recipe, network):
    files = json.loads(recipe.read_text())["networks"]
    return recipe.parent / files[network]


def _rewrite(file, change):
    """Change a network's arrays and header, and write it again."""
    with np.load(file) as archive:
        arrays = {name: archive[name].copy() for name in archive.files}
    header = json.loads(arrays["recipe"].tobytes())
    change(arrays, header)
    arrays["recipe"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(file, **arrays)


def test_what_was_written_is_read_bit_for_bit(recipe, networks):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = read_packaged(recipe)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("read_out").smoothness == 3.5
    for name, network in networks.items():
        found = model.get_layer(name)
        # A run in 16 bits does not change what is packaged.
        assert found.compute_dtype == "float32"
        for one, other in zip(found.weights, network.weights, strict=True):
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(one),
                keras.ops.convert_to_numpy(other),
            )


def test_tracers_that_share_a_network_share_its_file(tmp_path, networks):
    for name in ("one", "two"):
        path = tmp_path / f"{name}.json"
        write_packaged(path, "tracer", networks, {"row_network": SMALL})
    assert len(list(tmp_path.glob("row_network-*.npz"))) == 1
    rows = {
        json.loads(path.read_text())["networks"]["row_network"]
        for path in PRESETS.values()
    }
    assert len(rows) == 1


def _flip_a_bit(arrays, header):
    arrays["bottom_conv/kernel"].view(np.uint32).flat[0] ^= 1


def _drop(arrays, header):
    del arrays["bottom_conv/kernel"]


def _forget(arrays, header):
    del header["arrays"]["bottom_conv/kernel"]


def _widen(arrays, header):
    header["settings"]["filters"] = [8, 8, 8, 8, 8]


def _transpose(arrays, header):
    arrays["samples/bias"] = arrays["samples/bias"][None]


def _add(arrays, header):
    name = "bottom_conv/bias"
    arrays[name] = arrays["samples/bias"]
    header["arrays"][name] = header["arrays"]["samples/bias"]


def _of_tomorrow(arrays, header):
    header["format"] = 2


@pytest.mark.parametrize(
    "change, message",
    [
        (_flip_a_bit, "the array bottom_conv/kernel is damaged"),
        (_drop, "the array bottom_conv/kernel cannot be read"),
        (_forget, "the array bottom_conv/kernel .* is missing"),
        (_widen, r"expects the array .* of shape .*8.* Received"),
        (_transpose, r"the array samples/bias of shape \[4\].*\[1, 4\]"),
        (_add, "has no array bottom_conv/bias"),
        (_of_tomorrow, "expected weights of format 1. Received: format 2"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(recipe, change, message):
    file = _file(recipe, "row_network")
    _rewrite(file, change)
    with pytest.raises(InputError, match=f"{file.name}: .*{message}"):
        read_packaged(recipe)


def test_a_damaged_or_missing_file_is_named(recipe):
    file = _file(recipe, "row_network")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"{file.name} holds no weights"):
        read_packaged(recipe)
    file.unlink()
    with pytest.raises(InputError, match=f"{file.name} holds no weights"):
        read_packaged(recipe)
    recipe.write_text(recipe.read_text().replace('"tracer"', '"tracker"'))
    with pytest.raises(InputError, match="Received: 'tracker'"):
        read_packaged(recipe)
    recipe.write_text("{}")
    with pytest.raises(InputError, match="small.json.*format None"):
        read_packaged(recipe)


def test_the_file_of_another_network_is_refused(recipe):
    _file(recipe, "frame_network").replace(_file(recipe, "row_network"))
    values = json.loads(recipe.read_text())
    del values["networks"]["frame_network"]
    recipe.write_text(json.dumps(values))
    with pytest.raises(InputError, match="expected the network row_network"):
        read_packaged(recipe)


@pytest.mark.slow
@pytest.mark.floor
def test_loading_the_tracers_imports_neither_tensorflow_nor_keras_hub():
    code = (
        "import sys, ecg_keras; "
        "[ecg_keras.load(name) for name in ('tracer', 'photo_tracer')]; "
        "print([m for m in ('tensorflow', 'keras_hub', 'torch') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(
    keras.config.backend() != "jax", reason="it is JAX that compiles"
)
def test_loading_a_network_compiles_no_program(caplog):
    import jax

    jax.clear_caches()
    with jax.log_compiles():
        network = read_packaged_network(PRESETS["tracer"], "row_network")
        compiled = [r for r in caplog.messages if r.startswith("Compiling")]
    assert not compiled and network.name == "row_network"
    (whole,) = (
        layer.get_weights()
        for layer in read_packaged(PRESETS["tracer"]).layers
        if layer.name == "row_network"
    )
    for a, b in zip(network.get_weights(), whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_reader_has_a_row_network_of_its_own():
    ours, tracers = (
        read_packaged_network(path, "row_network")
        for path in (READER_WEIGHTS, PRESETS["tracer"])
    )
    assert sees_other_rows(ours) and not sees_other_rows(tracers)
    with pytest.raises(InputError, match="expected one of the models tracer"):
        read_packaged(READER_WEIGHTS)
