"""The data of a run: which folder, which records, and how they are split."""

import dataclasses
from pathlib import Path

from ecg_keras.data.tfds_folder import unpack_tfds
from ecg_keras.ecg.records import (
    find_data_dir,
    is_folder_of_pages,
    read_page_records,
    read_records,
    split_records,
)
from ecg_keras.errors import InputError
from ecg_keras.training.config import NAMES, ROWS


def training_data(config, given=(), on_bad=None):
    """Find, read and split the records that a run learns from.

    A TFDS dataset is unpacked to a folder and brings its own split. Where there
    is no data a small demo is drawn, and the config reduced to it.

    Args:
        config: a `config.TrainConfig`, its folders filled in.
        given: names of its fields that were given; the demo keeps those.
        on_bad: see `records.read_records`.

    Returns:
        (config, training, validation): the config with the folder that was
        found, and two lists of `records.Record`; for the tracer also of
        `records.PageRecord`.

    Raises:
        InputError: a folder or dataset that cannot be used, too few records,
            or an id that is in two folders.
    """
    split = None
    if config.tfds:
        data_dir, split = unpack_tfds(config.tfds, config.cache_dir)
    else:
        data_dir = find_data_dir(config.data_dir)
    if data_dir is None:
        from ecg_keras.training.demo import demo_config  # Draws pages.

        config = demo_config(config, given)
        data_dir = Path(config.data_dir)
    more = tuple(str(Path(path).resolve()) for path in config.more_data_dirs)
    config = dataclasses.replace(
        config, data_dir=str(data_dir.resolve()), more_data_dirs=more
    )
    records = {}
    for folder in (config.data_dir, *more):
        for record in _records(folder, config, on_bad):
            if record.id in records:
                raise InputError(
                    f"--more-data-dirs {folder}: the record {record.id} is in "
                    f"{records[record.id].signals_path.parent} as well"
                )
            records[record.id] = record
    if split is None:
        chosen = list(records.values())[: config.limit_records]
        parts = split_records(chosen, config.train_split, config.seed)
    else:
        parts = [
            [records[i] for i in split[part] if i in records]
            for part in ("training", "validation")
        ]
        parts = [part[: config.limit_records] for part in parts]
    return config, *parts


def _records(folder, config, on_bad):
    """Records of a folder of either kind."""
    of_any_maker = is_folder_of_pages(folder)
    if config.model == NAMES and not of_any_maker:
        raise InputError(
            f"--model {NAMES}: expected pages of any maker (`python -m "
            f"ecg_keras render --variety any`). Received: {folder}"
        )
    if not of_any_maker:
        return read_records(folder, config.images, on_bad)
    if config.model not in (ROWS, NAMES):
        raise InputError(
            f"{folder} holds pages of any maker, from which only --model "
            f"{ROWS} and {NAMES} learn. Received: --model {config.model}"
        )
    return read_page_records(folder, on_bad)
