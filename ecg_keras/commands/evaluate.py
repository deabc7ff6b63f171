"""How well a model, or no model at all, digitises a folder: `evaluate`."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ecg_keras.ecg.leads import LEADS, N_LEADS, N_SAMPLES
from ecg_keras.ecg.metrics import RATIO_CAP, capped_ratio, lead_powers, score_db
from ecg_keras.ecg.records import (
    find_data_dir,
    read_records,
    read_signals,
    read_table,
)
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.errors import InputError
from ecg_keras.files import write_csv
from ecg_keras.predictor import DEFAULT_MODEL, load
from ecg_keras.settings import setting

ALL_IMAGES = "all images"
AVERAGED = "averaged"
NO_MODEL = "none"


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `python -m ecg_keras evaluate`."""

    model: tuple[str, ...] = setting(
        (DEFAULT_MODEL,),
        "reader (the tracer; the photo tracer for what it refuses), tracer or "
        "photo_tracer, which come with the package; a run, an export or a "
        ".keras file; several are averaged; none: only the baselines",
        metavar="M",
    )
    data_dir: str | None = setting(
        None, "folder in the competition's layout (default: as train.py)"
    )
    images: tuple[str, ...] = setting(("all",), "image types", metavar="TYPE")
    split: str = setting(
        "all",
        "all records, or those that the model's run kept for validation",
        choices=("all", "validation"),
    )
    average_images: bool = setting(
        False, "average what all images of a record give: one score a record"
    )
    output: str | None = setting(None, "also write the table to this csv")
    cap: float = setting(RATIO_CAP, "largest ratio of an image")
    skip_bad_records: bool = setting(
        False, "report records that cannot be read and go on without them"
    )


def evaluate(config):
    """Print the competition's score by image type and lead, with baselines.

    Baselines: zeros, and the mean signal of all other records of the folder.
    The score of one lead is that of pages which had only this lead.

    Args:
        config: an `EvaluateConfig`.

    Returns:
        DataFrame: one row for each image type and for all images, one column
        for each method and, for the model, each lead; dB.

    Raises:
        InputError: see `read_records` and `inference.load`.
    """
    data_dir = find_data_dir(config.data_dir)
    if data_dir is None:
        raise InputError("no data: give --data-dir or ECG_KERAS_DATA")
    bad = {}
    on_bad = bad.__setitem__ if config.skip_bad_records else None
    records = _chosen(read_records(data_dir, config.images, on_bad), config)
    model = None
    if config.model not in ((), (NO_MODEL,)):
        model = load(config.model)

    signals_mv = np.stack([read_signals(record)[0] for record in records])
    mean_of_others = _mean_of_others(signals_mv)
    powers = {"zeros": {}, "mean of others": {}}
    if model:
        powers["model"] = {}
    for index, record in enumerate(tqdm(records, "scoring")):
        table_mv = read_table(record.signals_path, record.n_samples)
        found = {
            "zeros": {"": np.zeros((N_LEADS, N_SAMPLES))},
            "mean of others": {"": mean_of_others[index]},
        }
        if model:
            paths = list(record.image_paths.values())
            predicted = model.read(paths).signals_mv
            found["model"] = dict(
                zip(record.image_paths, predicted, strict=True)
            )
            if config.average_images:
                found["model"] = {AVERAGED: predicted.mean(axis=0)}
        for method, by_type in found.items():
            for kind, signals in by_type.items():
                pair = lead_powers(
                    table_mv,
                    from_grid(signals, record.rate_hz, like=table_mv),
                    record.rate_hz,
                )
                kinds = list(record.image_paths)
                if config.average_images:
                    kinds = [AVERAGED]
                for shown in [kind] if kind else kinds:
                    powers[method].setdefault(shown, []).append(pair)
    table = _table(powers, config.cap)
    print(table.to_string(float_format="%.2f"))
    for record_id, message in bad.items():
        print(f"left out {record_id}: {message}")
    if config.output:
        write_csv(table, config.output, index=True)
    return table


def _chosen(records, config):
    if config.split == "all":
        return records
    path = Path(config.model[0] if config.model else "") / "split.json"
    if not path.is_file():
        raise InputError(
            "--split validation needs --model with a run's folder, which "
            f"knows its split. Received: --model {' '.join(config.model)}"
        )
    ids = set(json.loads(path.read_text())["validation"])
    chosen = [record for record in records if record.id in ids]
    if not chosen:
        raise InputError(f"none of the records of {path} is in the data")
    return chosen


def _mean_of_others(signals_mv):
    """For each record the mean of all others; zeros if there is no other."""
    total = signals_mv.sum(axis=0)
    return (total - signals_mv) / max(len(signals_mv) - 1, 1)


def _table(powers, cap):
    """Scores in dB from (signal, noise) powers (12,) of each image."""
    rows = {}
    for method, by_type in powers.items():
        everything = [pair for pairs in by_type.values() for pair in pairs]
        for kind, pairs in [*by_type.items(), (ALL_IMAGES, everything)]:
            signal, noise = np.swapaxes(np.array(pairs), 0, 1)
            row = rows.setdefault(kind, {"images": len(pairs)})
            row[method] = _score(signal.sum(1), noise.sum(1), cap)
            if method == "model":
                for index, lead in enumerate(LEADS):
                    row[lead] = _score(signal[:, index], noise[:, index], cap)
    return pd.DataFrame.from_dict(rows, orient="index")


def _score(signal, noise, cap):
    return score_db(
        [capped_ratio(s, n, cap) for s, n in zip(signal, noise, strict=True)]
    )
