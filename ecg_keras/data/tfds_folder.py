"""A TFDS dataset to a folder in the competition's layout, for training.

Images are written as they are stored, without being decoded; the pipeline's
cache decodes each once. A second call finds what the first wrote.
"""

import json
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from ecg_keras.ecg.leads import DURATION_S
from ecg_keras.ecg.records import write_table
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.errors import InputError
from ecg_keras.files import replacing, write_csv, write_json

SPLITS = ("train", "validation")
SPLIT_FILE = "split.json"


def unpack_tfds(name, cache_dir):
    """Write the records of a dataset to a folder.

    Args:
        name: of the dataset, such as "ecg_pages/folder", built with `tfds
            build`; or the folder of a built one.
        cache_dir: where the folder is made.

    Returns:
        (data_dir, split): the folder, and a dict from "training" and
        "validation" to record ids.

    Raises:
        InputError: there is no such dataset, or it is of another kind.
    """
    import tensorflow_datasets as tfds

    # Registers the builder under its name.
    import ecg_keras.datasets.ecg_pages.ecg_pages_dataset_builder  # noqa: F401

    try:
        if Path(name).is_dir():
            builder = tfds.builder_from_directory(name)
        else:
            builder = tfds.builder(name)
        missing = set(SPLITS) - set(builder.info.splits)
    except (
        tfds.core.DatasetNotFoundError, ValueError, OSError, AssertionError,
    ) as error:  # fmt: skip
        raise InputError(f"--tfds {name} cannot be opened: {error}") from error
    if missing:
        raise InputError(
            f"--tfds {name}: no {' and '.join(sorted(missing))} split. Was it "
            "built? See ecg_keras/datasets/ecg_pages"
        )
    key = builder.info.full_name.replace("/", "-")
    data_dir = Path(cache_dir) / "tfds" / key
    if not (data_dir / SPLIT_FILE).is_file():
        _unpack(tfds, builder, data_dir)
    return data_dir, json.loads((data_dir / SPLIT_FILE).read_text())


def _unpack(tfds, builder, data_dir):
    rates_hz, ids = {}, {}
    kinds = builder.info.features["type"]
    for split in SPLITS:
        ids[split] = {}
        total = builder.info.splits[split].num_examples
        for example in tqdm(_examples(tfds, builder, split), split, total):
            record_id = example["id"].decode()
            folder = data_dir / "train" / record_id
            kind = kinds.int2str(int(example["type"]))
            if record_id not in rates_hz:
                rates_hz[record_id] = rate_hz = int(example["fs"])
                table_mv = from_grid(example["signals"], rate_hz)
                write_table(folder / f"{record_id}.csv", table_mv)
            with replacing(folder / f"{record_id}-{kind}.png") as partial:
                partial.write_bytes(example["image"])
            ids[split][record_id] = None
    table = pd.DataFrame(rates_hz.items(), columns=["id", "fs"])
    table["sig_len"] = [round(DURATION_S * rate) for rate in table["fs"]]
    write_csv(table, data_dir / "train.csv")
    split = {"training": list(ids["train"]), "validation": [*ids[SPLITS[1]]]}
    write_json(split, data_dir / SPLIT_FILE)


def _examples(tfds, builder, split):
    """Examples as NumPy, images as they are stored, from either format."""
    options = {
        "split": split, "decoders": {"image": tfds.decode.SkipDecoding()},
    }  # fmt: skip
    if builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD:
        return builder.as_data_source(**options)
    return tfds.as_numpy(builder.as_dataset(**options))
