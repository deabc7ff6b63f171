"""Image encoders by name: keras-hub backbones, their weights and normalisation.

An encoder takes images (B, H, W, 3) normalised by the layer that comes with it
and gives a feature map. Weights come from a keras-hub preset: by its name where
there is a network, or from a folder written by `save_to_preset`, which is also
what a model attached to a Kaggle notebook is.
"""

import json
import os
from pathlib import Path

import keras

from ecg_keras.errors import InputError
from ecg_keras.models.architectures import find_encoder

# Means and deviations of ImageNet's pixels, for values scaled to 0..1: the
# normalisation with which all presets below were trained.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Where Kaggle mounts attached models, and a variable to look elsewhere.
KAGGLE_INPUT_DIR = "/kaggle/input"
PRESETS_VARIABLE = "ECG_KERAS_PRESETS"


def build_encoder(name, weights="imagenet"):
    """Build an encoder and the normalisation its weights were trained with.

    Args:
        name: a key of `ENCODERS`.
        weights: "imagenet" for the encoder's preset, the folder of a preset
            (as `save_to_preset` writes it), or "none" for random weights.

    Returns:
        (normalisation, encoder): a layer that takes values 0..255, and a
        keras-hub backbone.

    Raises:
        InputError: unknown encoder, or weights that cannot be had or belong
            to another encoder.
    """
    import keras_hub  # Imports TensorFlow where it is installed: late.

    spec = find_encoder(name)
    backbone_class = getattr(keras_hub.models, spec.class_name)
    if weights == "none":
        return _normalisation(), backbone_class(name=name, **spec.config)
    if weights == "imagenet":
        preset = find_attached_preset(spec.preset) or spec.preset
    else:
        preset = str(weights)
        if not Path(preset).is_dir():
            raise InputError(
                f"{preset}: no such folder. Expected `weights` to be "
                "'imagenet', 'none' or the folder of a keras-hub preset"
            )
    if Path(preset).is_dir():
        check_preset(preset, name)
    try:
        encoder = backbone_class.from_preset(preset, name=name)
    except Exception as error:
        # keras-hub's downloaders raise errors of several libraries.
        if Path(preset).is_dir():
            raise InputError(
                f"{preset}: the weights of {name} cannot be read: {error}"
            ) from error
        raise InputError(
            f"the preset {spec.preset!r} of {name} could not be downloaded "
            f"({type(error).__name__}). Without a network, attach keras-hub's "
            f"model {spec.preset!r} (on Kaggle: Add Input > Models > "
            f"keras/{spec.preset.split('_')[0]}), or give the folder of a "
            f"preset with --weights or in {PRESETS_VARIABLE}, or start from "
            "random weights with --weights none"
        ) from error
    return _normalisation(_converter(preset)), encoder


def find_attached_preset(preset):
    """Folder of a preset among the models attached to a notebook, or None.

    Looks below the folder in ECG_KERAS_PRESETS, else Kaggle's input folder,
    for `<preset>` or `<preset>/<version>`; the highest version wins.
    """
    root = Path(os.environ.get(PRESETS_VARIABLE, KAGGLE_INPUT_DIR))
    patterns = [f"{'*/' * depth}{preset}" for depth in range(4)]
    versions = [
        config.parent
        for pattern in patterns
        for tail in ("config.json", "*/config.json")
        for config in root.glob(f"{pattern}/{tail}")
    ]
    if not versions:
        return None

    def version(folder):
        return int(folder.name) if folder.name.isdigit() else 0

    return str(max(versions, key=version))


def check_preset(folder, name):
    """Check that a preset's folder holds the encoder of that name.

    Raises:
        InputError: the folder is no preset, or of another encoder.
    """
    path = Path(folder) / "config.json"
    try:
        found = json.loads(path.read_text())
        class_name, config = found["class_name"], found["config"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{folder} is no keras-hub preset of a backbone: expected a "
            "config.json with `class_name` and `config`, as "
            "`backbone.save_to_preset(folder)` writes it"
        ) from None
    spec = find_encoder(name)
    wanted = {key: spec.config[key] for key in spec.identity}
    given = {key: _saved_setting(config, key) for key in spec.identity}
    if (class_name, given) != (spec.class_name, wanted):
        raise InputError(
            f"{folder} holds weights of another encoder. Expected {name} "
            f"({spec.class_name}, {wanted}). "
            f"Received: {class_name}, {given}"
        )


def _saved_setting(config, key):
    """A setting of a saved backbone: one value, or the same for each stage."""
    if key in config:
        return config[key]
    stages = config.get(f"stackwise_{key}s") or [None]
    return stages[0] if len(set(stages)) == 1 else stages


def _converter(preset):
    """The preset's own image converter, or None where it brings none."""
    import keras_hub

    try:
        return keras_hub.layers.ImageConverter.from_preset(preset)
    except (ValueError, OSError):
        # A bare `backbone.save_to_preset` writes no converter.
        return None


def _normalisation(converter=None):
    """0..255 to what the encoder expects; in float32 under any policy."""
    if converter is not None and converter.scale is not None:
        scale, offset = converter.scale, converter.offset or 0.0
    else:
        scale = [1 / (255 * std) for std in IMAGENET_STD]
        pairs = zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)
        offset = [-mean / std for mean, std in pairs]
    # 8 bits of pixels do not fit bfloat16's 8 bits once an offset is added.
    return keras.layers.Rescaling(
        scale, offset, dtype="float32", name="normalisation"
    )
