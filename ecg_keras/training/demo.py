"""A small rendered dataset, for a machine that has no data."""

import dataclasses
from pathlib import Path

from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.errors import InputError
from ecg_keras.models.backbone import build_encoder
from ecg_keras.settings import is_used
from ecg_keras.training.config import FIELDS, REGRESSOR
from ecg_keras.version import __version__

# Two epochs of the full-size model take some minutes on two CPU cores.
DEMO_RECORDS = 24
DEMO_SETTINGS = {
    "image_size": (96, 128), "batch_size": 4, "epochs": 2, "tracer_steps": 50,
}  # fmt: skip


def demo_config(config, given=()):
    """A config that trains on simulated records, rendered to the cache.

    Settings that were not given are reduced to what two CPU cores manage in
    minutes. Where ImageNet weights cannot be had, the demo, and only
    the demo, goes on with random ones.

    Args:
        config: a `TrainConfig` with its folders filled in.
        given: names of its fields that were given.

    Returns:
        another `TrainConfig`.
    """
    data_dir = Path(config.cache_dir) / f"demo-{__version__}"
    print(
        "no data found: training on a demo of "
        f"{DEMO_RECORDS} simulated records. Give the competition's folder "
        "with --data-dir or ECG_KERAS_DATA"
    )
    if not (data_dir / "train.csv").is_file():
        render_dataset(RenderConfig(str(data_dir), records=DEMO_RECORDS))
    reduced = {
        name: value
        for name, value in DEMO_SETTINGS.items()
        if name not in given and is_used(FIELDS[name], config.model)
    }
    if config.model == REGRESSOR and config.weights == "imagenet":
        try:
            build_encoder(config.encoder, "imagenet")
        except InputError as error:
            print(f"demo with random weights instead: {error}")
            reduced["weights"] = "none"
    return dataclasses.replace(config, data_dir=str(data_dir), **reduced)
