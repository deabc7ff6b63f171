"""Trained models on disk: `.keras` files, written slim and read with care.

A `.keras` file is a program: its config names classes and functions, which
Keras looks up and calls. Keras's safe mode has been got round more than once
(CVE-2025-1550, -8747, -9906), so that the config is read here first, and only
layers and the like of Keras, keras-hub and this package are let through.
"""

import contextlib
import json
import threading
import zipfile

import keras
import numpy as np

from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED, replacing

# The best model of a training run, in its folder.
RUN_FILE = "best_model.keras"

# Modules whose classes a file may name, in `keras`, `keras.src`, `keras_hub`
# and `keras_hub.src`.
_KERAS_MODULES = (
    "activations",
    "constraints",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "quantizers",
    "random",
    "regularizers",
)
# The public names that Keras itself writes with the bare module `keras`.
_KERAS_CLASSES = ("DTypePolicy", "FloatDTypePolicy", "Model", "Sequential")
# Classes of Keras that hold or call code which a file brings.
_WRAPPERS = (
    "FlaxLayer",
    "JaxLayer",
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "__lambda__",
)
# Settings and functions by which files have switched Keras's safe mode off.
_SWITCHES = ("safe_mode", "enable_unsafe_deserialization")


def uncompiled(model):
    """A copy of a model without its optimizer.

    Saving a compiled model, or one that has a compiled one inside, always
    writes the optimizer as well: three times the size.
    """
    with without_initialisers():
        copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def save_slim(model, path):
    """Save a model as .keras without its optimizer."""
    with replacing(path) as partial:
        uncompiled(model).save(partial)


def read_keras_file(file):
    """Read a `.keras` file, which runs no code of its own.

    Args:
        file: its path.

    Returns:
        keras.Model, not compiled.

    Raises:
        InputError: it is no `.keras` file, names anything else than what a
            model of Keras, keras-hub and this package is made of, or cannot be
            read by this version of Keras; both versions are named then.
    """
    config, saved_by = _read_config(file)
    found = _forbidden(config)
    if found:
        raise InputError(
            f"{file} was not loaded: it names {found}. Expected a model made "
            "of layers of keras, keras_hub and ecg_keras alone"
        )
    if "keras_hub" in json.dumps(config):
        # Registers its layers when imported; imports TensorFlow: late.
        import keras_hub  # noqa: F401
    try:
        with without_initialisers():
            return keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        # What cannot be rebuilt raises errors of any type, from any layer.
        if _numbers(saved_by) > _numbers(keras.version()):
            raise InputError(
                f"{file} was saved by Keras {saved_by}, and Keras "
                f"{keras.version()}, which is installed, cannot read it: "
                f"{_first_line(error)}. Either install keras=={saved_by}, or "
                "use the SavedModel that export.py makes of it there: it "
                "needs no Keras"
            ) from error
        raise InputError(
            f"{file}, saved by Keras {saved_by}, is no model that Keras "
            f"{keras.version()} can read: {error}"
        ) from error


_BUILDING = threading.RLock()


@contextlib.contextmanager
def without_initialisers():
    """Layers that this thread builds begin with zeros, and in float32.

    For models whose weights are all set afterwards. On JAX, initialisers took
    nine tenths of the time of loading: each shape of random weights is a
    program to compile. Layers whose config says their dtype keep it.
    """
    thread = threading.get_ident()
    with _BUILDING:
        original = keras.layers.Layer.add_weight
        policy = keras.config.dtype_policy()

        def add_weight(layer, *args, **options):
            if threading.get_ident() == thread:
                options["initializer"] = _zeros
            return original(layer, *args, **options)

        keras.layers.Layer.add_weight = add_weight
        # A run in 16 bits leaves the packaged networks as they are.
        keras.config.set_dtype_policy("float32")
        try:
            yield
        finally:
            keras.config.set_dtype_policy(policy)
            keras.layers.Layer.add_weight = original


def _zeros(shape, dtype=None):
    # By NumPy: `ops.zeros` compiles a program for each shape as well, and so
    # does JAX for an array whose type it is not told.
    zeros = np.broadcast_to(np.float32(0), shape)
    return keras.ops.convert_to_tensor(zeros, dtype=dtype or "float32")


def _read_config(file):
    """The config of a `.keras` file, and the version of Keras that wrote it."""
    if not str(file).endswith(".keras"):
        # Keras reads other suffixes as HDF5, where it has no safe mode.
        raise InputError(f"{file} is no model: expected a .keras file")
    try:
        with zipfile.ZipFile(file) as archive:
            config = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json"))
        # Losses and metrics, which are not loaded.
        config.pop("compile_config", None)
        return config, str(metadata["keras_version"])
    except DAMAGED as error:
        raise InputError(
            f"{file} is no model that can be read: {error}"
        ) from error


def _forbidden(value):
    """The first name in a config that may not be loaded, or None."""
    if isinstance(value, list):
        return next(filter(None, map(_forbidden, value)), None)
    if isinstance(value, str):
        return value if value in _SWITCHES else None
    if not isinstance(value, dict):
        return None
    for key in value:
        if key in _SWITCHES:
            return f"the setting {key}"
    if isinstance(value.get("fn"), str):
        return f"the function {value['fn']}"
    if "class_name" in value or "module" in value:
        name, module = value.get("class_name"), value.get("module")
        if name in _WRAPPERS:
            return f"{module}.{name}" if module else name
        if not _is_allowed(module, name):
            if name == "function":
                name = value.get("config")
            return f"{module}.{name}"
    return _forbidden(list(value.values()))


def _is_allowed(module, name):
    """Whether a file may name a class or a function of a module.

    Without a module Keras looks in its own objects and the registered ones.
    """
    if module is None:
        return name != "function"
    if not isinstance(module, str) or not isinstance(name, str):
        return False
    root, *rest = module.split(".")
    if root == "ecg_keras":
        return name != "function"
    if root not in ("keras", "keras_hub"):
        return False
    if rest[:1] == ["src"]:
        rest = rest[1:]
    if not rest:
        return root == "keras" and name in _KERAS_CLASSES
    if name == "function":
        return rest[0] == "activations"
    return rest[0] in _KERAS_MODULES


def _numbers(version):
    """Version "3.15.1" to (3, 15, 1); what is no number counts as 0."""
    return tuple(
        int(part) if part.isdigit() else 0 for part in version.split(".")[:3]
    )


def _first_line(error):
    """What an error of Keras says happened, without the config it shows."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    mark = "Exception encountered: "
    named = [line.partition(mark)[2] for line in lines if mark in line]
    return (named or lines)[-1 if named else 0].strip().rstrip(".")
