"""What is checked and said before the first epoch, rather than hours later."""

import os
import shutil
from pathlib import Path

import keras

from ecg_keras import files
from ecg_keras.errors import InputError
from ecg_keras.models.regressor import parameters_by_part
from ecg_keras.version import __version__

BYTES_PER_WEIGHT = 4
# The weights, and the moments that an optimizer keeps of each of them.
COPIES_IN_CHECKPOINT = {"AdamW": 3, "Lion": 2}
OUTPUTS = ("config.json", "history.csv", "best_model.keras", "checkpoints")
GIB = 2**30


def check_output_dir(output_dir, shared=False):
    """Refuse a folder that holds something already.

    Args:
        output_dir: folder of the run.
        shared: the folder may hold other things (Kaggle's working folder holds
            the user's files as well), but not another run.

    Raises:
        InputError: says what is there.
    """
    files.check_output_dir(
        output_dir,
        names=OUTPUTS if shared else None,
        advice="a new folder, or --resume DIR to go on with a run",
    )


def print_summary(rows):
    """Print (name, text) pairs as a table."""
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"  {name:{width}}  {text}")


def environment():
    """What decides what a run does beside its config, for its folder."""
    return {
        "ecg_keras": __version__,
        "keras": keras.version(),
        "backend": keras.backend.backend(),
        "dtype_policy": keras.config.dtype_policy().name,
    }


def describe_model(model):
    """A line with the number of parameters of a model and of its parts."""
    parts = ", ".join(
        f"{name} {count / 1e6:.2f}M"
        for name, count in parameters_by_part(model).items()
        if count > 100
    )
    return f"{model.count_params() / 1e6:.2f}M parameters ({parts})"


def check_disk(
    model, output_dir, n_checkpoints, optimizer, cache_dir, cache_bytes
):
    """Check free disk against what the run will write.

    The run needs most while a new checkpoint or best model stands beside those
    that it replaces.

    Args:
        model: keras.Model.
        output_dir: folder of the run.
        n_checkpoints: how many checkpoints stay.
        optimizer: a key of `COPIES_IN_CHECKPOINT`.
        cache_dir: folder of the cache of pages.
        cache_bytes: by which the cache will grow.

    Returns:
        A line that says what is needed and what is free.

    Raises:
        InputError: a disk is too small.
    """
    weights = BYTES_PER_WEIGHT * model.count_params()
    copies = COPIES_IN_CHECKPOINT[optimizer]
    needed = weights * (2 + copies * (n_checkpoints + 1))
    shared_disk = _disk(output_dir) == _disk(cache_dir)
    wanted = [
        (output_dir, needed + cache_bytes * shared_disk, "--keep-checkpoints"),
        (cache_dir, cache_bytes, "--cache-dir"),
    ]
    for path, n_bytes, flag in wanted:
        free = shutil.disk_usage(_existing_parent(path)).free
        if free < n_bytes:
            raise InputError(
                f"{path}: the run writes up to {n_bytes / GIB:.2f} GiB there "
                f"and {free / GIB:.2f} GiB are free. Free some, or change "
                f"{flag} or --output-dir"
            )
    free = shutil.disk_usage(_existing_parent(output_dir)).free
    return (
        f"{free / GIB:.1f} GiB free; the run needs {needed / GIB:.1f} GiB, "
        f"its image cache {cache_bytes / GIB:.1f} GiB in {cache_dir}"
    )


def _existing_parent(path):
    path = Path(path).resolve()
    while not path.exists():
        path = path.parent
    return path


def _disk(path):
    return os.stat(_existing_parent(path)).st_dev
