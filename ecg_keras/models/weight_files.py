"""The trained networks that come with the package, as plain arrays.

The package's code builds the networks; the files hold their weights by name.
Nothing of a layer's configuration is read from a file, so that no version of
Keras can make the weights unreadable.

    weights/tracer.json           the recipe: which networks in which files
    weights/reader.json           likewise, of the page reader, which is no
                                  Keras model: its own row network
    weights/NETWORK-HASH.npz      a network's arrays, `LAYER/VARIABLE`, and
                                  `recipe`, JSON: the format's version, the
                                  network, its settings, and of each array its
                                  shape and checksum

A network's file is named by what it holds: tracers that share one share a file.
"""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED, replacing, write_json
from ecg_keras.models.layout.name_network import build_name_network
from ecg_keras.models.photo_tracer import build_photo_tracer
from ecg_keras.models.reading.row_network import build_row_network
from ecg_keras.models.registration.frame_network import build_frame_network
from ecg_keras.models.registration.pose_network import build_pose_network
from ecg_keras.models.saving import without_initialisers
from ecg_keras.models.tracer import build_tracer

# Grows when files of now cannot be read by the code of before.
FORMAT = 1
TRACERS = {"tracer": build_tracer, "photo_tracer": build_photo_tracer}
NETWORKS = {
    "pose_network": build_pose_network,
    "frame_network": build_frame_network,
    "row_network": build_row_network,
    "name_network": build_name_network,
}
_RECIPE = "recipe"


def read_packaged(path):
    """Build a tracer and give it its weights.

    Args:
        path: its recipe, as `write_packaged` wrote it.

    Returns:
        A functional model, see `tracer.build_tracer`.

    Raises:
        InputError: a file is missing, of another format, or damaged; the
            message names the file and, where it is one, the array.
    """
    path = Path(path)
    recipe = _read_recipe(path)
    kind = recipe.get("model")
    if kind not in TRACERS:
        raise InputError(
            f"{path}: expected one of the models {', '.join(TRACERS)}. "
            f"Received: {kind!r}"
        )
    networks = {
        name: _read_network(path.parent / str(file), name)
        for name, file in recipe["networks"].items()
    }
    with without_initialisers():
        return TRACERS[kind](**networks, **recipe["settings"])


def read_packaged_network(path, name):
    """One network of a model, alone.

    Args:
        path: see `read_packaged`.
        name: of the network, as "row_network".

    Returns:
        A functional model.

    Raises:
        InputError: see `read_packaged`.
    """
    path = Path(path)
    files = _read_recipe(path)["networks"]
    return _read_network(path.parent / str(files[name]), name)


def _read_recipe(path):
    """A model's recipe: a dict."""
    try:
        recipe = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no recipe of a model: {error}") from None
    _check_format(path, recipe)
    return recipe


def write_packaged(path, kind, networks, network_settings=None, settings=None):
    """Write networks so that `read_packaged` and its like build them again.

    Args:
        path: the recipe to write, a `.json`; the networks go beside it.
        kind: a key of `TRACERS`, or "reader".
        networks: dict of a tracer's networks, by their argument's name.
        network_settings: dict of arguments for each network's builder, by the
            network's name; its defaults are used where it has none.
        settings: arguments of the tracer's builder besides its networks.
    """
    path = Path(path)
    files = {}
    for name, network in networks.items():
        arrays = _arrays(network)
        digest = hashlib.sha256()
        for key in sorted(arrays):
            digest.update(key.encode() + _checksum(arrays[key]).encode())
        files[name] = f"{name}-{digest.hexdigest()[:8]}.npz"
        recipe = {
            "format": FORMAT,
            "network": name,
            "settings": (network_settings or {}).get(name, {}),
            "arrays": {
                key: {"shape": array.shape, "sha256": _checksum(array)}
                for key, array in arrays.items()
            },
        }
        text = np.frombuffer(json.dumps(recipe).encode(), np.uint8)
        with replacing(path.parent / files[name]) as partial:
            np.savez(partial, **{_RECIPE: text}, **arrays)
    recipe = {
        "format": FORMAT,
        "model": kind,
        "networks": files,
        "settings": settings or {},
    }
    write_json(recipe, path)


def _read_network(file, name):
    """One network, built by its settings, with the arrays of its file."""
    try:
        # NumPy leaves a file open that is no archive.
        with (
            open(file, "rb") as stream,
            np.load(stream, allow_pickle=False) as archive,
        ):
            recipe = json.loads(archive[_RECIPE].tobytes())
            _check_format(file, recipe)
            if recipe.get("network") != name:
                raise InputError(
                    f"{file}: expected the network {name}. Received: "
                    f"{recipe.get('network')!r}"
                )
            arrays = {
                key: _read_array(file, archive, key, expected)
                for key, expected in recipe["arrays"].items()
            }
    except InputError:
        raise
    except (*DAMAGED, MemoryError) as error:
        raise InputError(
            f"{file} holds no weights that can be read: {error}"
        ) from error
    with without_initialisers():
        network = NETWORKS[name](**recipe["settings"])
    _assign(file, network, arrays)
    return network


def _read_array(file, archive, key, expected):
    try:
        # A member that is no array comes as bytes.
        array = np.asarray(archive[key])
    except (*DAMAGED, MemoryError) as error:
        raise InputError(
            f"{file}: the array {key} cannot be read: {error}"
        ) from error
    if list(array.shape) != expected["shape"]:
        raise InputError(
            f"{file}: expected the array {key} of shape {expected['shape']}. "
            f"Received: {list(array.shape)}"
        )
    if _checksum(array) != expected["sha256"]:
        raise InputError(
            f"{file}: the array {key} is damaged: its checksum is not that of "
            "the recipe"
        )
    return array


def _assign(file, network, arrays):
    """Give a network its arrays: all of them, and no other."""
    variables = _variables(network)
    for key in sorted(variables.keys() | arrays.keys()):
        if key not in arrays:
            raise InputError(
                f"{file}: the array {key} of the {network.name} is missing"
            )
        if key not in variables:
            raise InputError(
                f"{file}: the {network.name} has no array {key}: it was "
                "written for another version of this package"
            )
        variable, array = variables[key], arrays[key]
        if tuple(variable.shape) != array.shape:
            raise InputError(
                f"{file}: the {network.name} expects the array {key} of shape "
                f"{tuple(variable.shape)}. Received: {array.shape}"
            )
        variable.assign(array)


def _variables(network):
    """Variables of a network by name, `LAYER/VARIABLE`."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in network.layers
        for variable in layer.weights
    }


def _arrays(network):
    return {
        key: np.array(keras.ops.convert_to_numpy(variable.value))
        for key, variable in _variables(network).items()
    }


def _checksum(array):
    """SHA-256 of an array's bytes, little-endian, rows first."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(array.tobytes()).hexdigest()


def _check_format(path, recipe):
    found = recipe.get("format") if isinstance(recipe, dict) else None
    if found != FORMAT:
        raise InputError(
            f"{path}: expected weights of format {FORMAT}. Received: format "
            f"{found!r}; install the ecg_keras that wrote them"
        )
