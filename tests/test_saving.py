"""`.keras` files: versions of Keras, and files that bring code."""

import json
import threading
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import ecg_keras
from ecg_keras.errors import InputError
from ecg_keras.models.saving import uncompiled, without_initialisers
from tests.models import build_tiny

DATA = Path(__file__).parent / "data"
# As tests/data/make_keras_files.py wrote them, with these versions.
OLDER = DATA / "regressor_keras_3.13.2.keras"
NEWER = DATA / "regressor_keras_3.15.1.keras"
# What Keras 3.13.2 answered to `_answer`, mV.
EXPECTED_MV = 1273.68


def _version(text):
    return tuple(int(part) for part in text.split(".")[:2])


def _answer(file):
    page = np.arange(32 * 48 * 3).reshape(32, 48, 3) % 256
    return ecg_keras.load(file).predict([page.astype(np.uint8)])


def test_a_file_of_the_oldest_keras_that_is_supported_reads():
    signals_mv = _answer(OLDER)
    np.testing.assert_allclose(signals_mv, EXPECTED_MV, rtol=1e-4)


def test_a_file_of_a_newer_keras_reads_or_names_both_versions():
    if _version(keras.version()) >= (3, 15):
        np.testing.assert_allclose(_answer(NEWER), EXPECTED_MV, rtol=1e-4)
        return
    with pytest.raises(InputError) as refused:
        _answer(NEWER)
    message = str(refused.value)
    assert "saved by Keras 3.15.1" in message
    assert f"Keras {keras.version()}, which is installed" in message
    assert "SavedModel" in message and "keras==3.15.1" in message


def test_a_newer_file_that_cannot_be_rebuilt_names_both_versions(tmp_path):
    """The same on any version of Keras: a setting that it does not know."""

    def change(config):
        _layer(config, "head_1")["config"]["of_tomorrow"] = 1

    file = _crafted(tmp_path / "new.keras", change, "9.8.7")
    with pytest.raises(InputError, match="saved by Keras 9.8.7.*of_tomorrow"):
        ecg_keras.load(file)


def _layer(config, name):
    return next(x for x in config["config"]["layers"] if x["name"] == name)


def _crafted(file, change, version="3.13.2"):
    """A copy of a small model whose config is changed in place."""
    with zipfile.ZipFile(OLDER) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    parts["metadata.json"] = json.dumps({"keras_version": version}).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file


def _function(module, name):
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }


# How a file asks for more than a model, and what its refusal names.
CRAFTED = {
    # CVE-2025-1550: any function of any module, as an activation.
    "os.system": lambda path: _function("os", "system"),
    "builtins.exec": lambda path: _function("builtins", "exec"),
    # CVE-2025-8747: a function of Keras that fetches or writes files.
    "keras.utils.get_file": lambda path: _function("keras.utils", "get_file"),
    "keras.src.utils.file_utils.get_file": lambda path: _function(
        "keras.src.utils.file_utils", "get_file"
    ),
    # CVE-2025-9906: a function that switches the safe mode off.
    "enable_unsafe_deserialization": lambda path: _function(
        "keras.config", "enable_unsafe_deserialization"
    ),
    "keras.layers.function_by_a_bare_name": lambda path: _function(
        "keras.layers", "function_by_a_bare_name"
    ),
    "safe_mode": lambda path: {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"units": 1, "safe_mode": False},
    },
    "keras.layers.Lambda": lambda path: {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"function": {"class_name": "__lambda__", "config": {}}},
    },
    "Lambda": lambda path: {"class_name": "Lambda", "config": {}},
    "__lambda__": lambda path: {
        "class_name": "__lambda__",
        "config": {"code": "", "defaults": None, "closure": None},
    },
    "TorchModuleWrapper": lambda path: {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "config": {"module": {"class_name": "__bytes__", "config": ""}},
    },
    "FlaxLayer": lambda path: {
        "module": "keras.layers",
        "class_name": "FlaxLayer",
        "config": {},
    },
    "JaxLayer": lambda path: {
        "module": "keras.layers",
        "class_name": "JaxLayer",
        "config": {},
    },
    "TFSMLayer": lambda path: {
        "module": "keras.layers",
        "class_name": "TFSMLayer",
        "config": {"filepath": str(path)},
    },
    "the function os.remove": lambda path: {
        "module": "keras.metrics",
        "class_name": "MeanMetricWrapper",
        "config": {"fn": "os.remove"},
    },
    "subprocess.Popen": lambda path: {
        "module": "subprocess",
        "class_name": "Popen",
        "config": {"args": ["touch", str(path / "ran")]},
    },
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_runs_nothing_and_is_refused_by_name(
    tmp_path, monkeypatch, name
):
    def change(config):
        # As a setting of a layer, which Keras deserialises before the layer.
        head = _layer(config, "head_1")["config"]
        head["activation"] = CRAFTED[name](tmp_path)

    loaded = []
    monkeypatch.setattr(
        keras.models, "load_model", lambda *args, **kw: loaded.append(args)
    )
    file = _crafted(tmp_path / "evil.keras", change)
    with pytest.raises(InputError, match=f"evil.keras was not loaded.*{name}"):
        ecg_keras.load(file)
    assert not loaded and not (tmp_path / "ran").exists()


def test_code_inside_a_lambda_layer_is_not_run(tmp_path):
    """A real file with a Lambda layer, as Keras writes it."""
    mark = str(tmp_path / "ran")
    leave_mark = eval(f"lambda x: (open({mark!r}, 'w').close(), x)[1]")
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Lambda(leave_mark)]
    )
    inner.save(tmp_path / "evil.keras")
    (tmp_path / "ran").unlink()  # Building the model ran it once.
    with zipfile.ZipFile(tmp_path / "evil.keras") as archive:
        assert "__lambda__" in archive.read("config.json").decode()
    with pytest.raises(InputError, match="evil.keras was not loaded.*Lambda"):
        ecg_keras.load(tmp_path / "evil.keras")
    assert not (tmp_path / "ran").exists()


def test_files_that_keras_reads_without_its_safe_mode_are_refused(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InputError, match="model.h5 is no model.*a .keras file"):
        ecg_keras.load(tmp_path / "model.h5")
    # HDF5 under the name of an archive.
    (tmp_path / "h5.keras").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InputError, match="h5.keras is no model"):
        ecg_keras.load(tmp_path / "h5.keras")


def test_a_copy_without_initialisers_has_the_same_weights_and_dtypes():
    model = build_tiny(0)
    copy = uncompiled(model)
    for found, expected in zip(copy.weights, model.weights, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(found),
            keras.ops.convert_to_numpy(expected),
        )


def test_another_thread_still_draws_its_random_weights():
    built = {}

    def build():
        built["other"] = keras.layers.Dense(3)
        built["other"].build((None, 2))

    with without_initialisers():
        own = keras.layers.Dense(3)
        own.build((None, 2))
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    after = keras.layers.Dense(3)
    after.build((None, 2))
    zeros = [
        not keras.ops.convert_to_numpy(layer.kernel).any()
        for layer in (own, built["other"], after)
    ]
    assert zeros == [True, False, False]
