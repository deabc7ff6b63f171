"""How well a model, or no model at all, digitises a folder: `evaluate`."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ecg_keras.commands.evaluate_pages import (
    MISREAD_DB,
    labelled_pages,
    score_pages,
    tables_of,
)
from ecg_keras.commands.page_flags import (
    MODEL_HELP,
    GivenFlags,
    check_processes,
    processes,
    processes_for,
)
from ecg_keras.ecg.digitized import QUALITIES, REFUSED
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
from ecg_keras.files import DAMAGED, write_csv
from ecg_keras.packaged import DEFAULT_MODEL, PAGE_READER
from ecg_keras.reading_processes import page_reader
from ecg_keras.settings import setting
from ecg_keras.user_cache import keep_compiled_programs

ALL_IMAGES = "all images"
AVERAGED = "averaged"
NO_MODEL = "none"
MODEL, READ_ONLY = "model", "read images only"


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(GivenFlags):
    """Settings of `python -m ecg_keras evaluate`."""

    model: tuple[str, ...] = setting(
        (DEFAULT_MODEL,),
        f"{MODEL_HELP}; none: only the baselines",
        metavar="M",
    )
    data_dir: str | None = setting(
        None,
        "folder in the competition's layout (default: as train.py), or of "
        "pages of any layout, each with a csv of its name",
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
    processes: int | None = processes()


def evaluate(config):
    """Print the competition's score by image type and lead, with baselines.

    Baselines: zeros, and the mean signal of all other records of the folder.
    An image that the model refuses counts as zeros; the shares of images that
    it read and refused, and the score of those that it read, stand beside. The
    score of one lead is that of pages which had only this lead.

    Args:
        config: an `EvaluateConfig`.

    Returns:
        DataFrame: one row for each image type and for all images, one column
        for each method and, for the model, each lead; dB.

    Raises:
        InputError: see `read_records` and `predictor.load`.
    """
    data_dir = find_data_dir(config.data_dir)
    if data_dir is None:
        raise InputError("no data: give --data-dir or ECG_KERAS_DATA")
    given = config.given()
    check_processes(config.processes)
    n_pages = len(labelled_pages(data_dir))
    if n_pages:
        return _evaluate_pages(data_dir, n_pages, config, given)
    bad = {}
    on_bad = bad.__setitem__ if config.skip_bad_records else None
    records = _chosen(read_records(data_dir, config.images, on_bad), config)
    # Imported here: what is wrong with the data is said before Keras starts.
    keep_compiled_programs()
    from ecg_keras.predictor import load

    model = None
    if config.model not in ((), (NO_MODEL,)):
        n_images = sum(len(record.image_paths) for record in records)
        count = processes_for(config, n_images)
        model = load(config.model, given, count)

    signals_mv = np.stack([read_signals(record)[0] for record in records])
    means_mv = _mean_of_others(signals_mv)
    pages = []
    for record, mean_mv in zip(tqdm(records, "scoring"), means_mv, strict=True):
        pages += _score_record(record, mean_mv, model, config.average_images)
    table = _table(pages, config.cap)
    print(table.to_string(float_format="%.2f"))
    if model:
        print(
            "shares of the images; read: good and doubtful ones; misread: "
            f"read under {MISREAD_DB:g} dB. {MODEL} and the leads: a refused "
            f"image counts as zeros. {READ_ONLY}: without those."
        )
    for record_id, message in bad.items():
        print(f"left out {record_id}: {message}")
    if config.output:
        write_csv(table, config.output, index=True)
    return table


@dataclasses.dataclass(frozen=True)
class _Page:
    """What is scored: an image, or all images of a record averaged.

    Attributes:
        kind: image type, or `AVERAGED`.
        quality: "good", "doubtful" or "refused"; "" without a model.
        powers: method -> (signal, noise), each (12,) mV^2: `lead_powers`.
    """

    kind: str
    quality: str
    powers: dict


def _evaluate_pages(folder, n_pages, config, given):
    """Print and return how pages of any layout were read."""
    if config.model != (PAGE_READER,):
        raise InputError(
            f"{folder} holds pages of any layout. Expected --model "
            f"{PAGE_READER}. Received: {' '.join(config.model)}"
        )
    keep_compiled_programs()
    count = processes_for(config, n_pages)
    reader = page_reader(given, count)
    scores = score_pages(folder, reader, config.cap, count)
    pages, table = tables_of(scores)
    print(pages.to_string(float_format="%.2f"))
    print(table.to_string(float_format="%.2f"))
    print(
        f"shares of the pages; misread: accepted under {MISREAD_DB:g} dB. dB: "
        "a refused page counts as zeros"
    )
    if config.output:
        write_csv(pages, config.output, index=True)
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
    try:
        ids = set(json.loads(path.read_text())["validation"])
    except DAMAGED as error:
        raise InputError(f"{path} is damaged: {error}") from None
    chosen = [record for record in records if record.id in ids]
    if not chosen:
        raise InputError(f"none of the records of {path} is in the data")
    return chosen


def _mean_of_others(signals_mv):
    """For each record the mean of all others; zeros if there is no other."""
    total = signals_mv.sum(axis=0)
    return (total - signals_mv) / max(len(signals_mv) - 1, 1)


def _score_record(record, mean_mv, model, average):
    """`_Page` of each image of a record, or of what all of them give."""
    table_mv = read_table(record.signals_path, record.n_samples)

    def powers(signals_mv):
        found_mv = from_grid(signals_mv, record.rate_hz, like=table_mv)
        return lead_powers(table_mv, found_mv, record.rate_hz)

    zeros = powers(np.zeros((N_LEADS, N_SAMPLES)))
    baselines = {"zeros": zeros, "mean of others": powers(mean_mv)}
    kinds = [AVERAGED] if average else list(record.image_paths)
    if model is None:
        return [_Page(kind, "", baselines) for kind in kinds]
    reading = model.read(list(record.image_paths.values()))
    signals_mv, qualities = reading.signals_mv, reading.quality
    if average:
        kept = signals_mv[~reading.refused]
        signals_mv = [kept.mean(axis=0) if len(kept) else None]
        # As sure as the surest.
        qualities = [min(qualities, key=QUALITIES.index)]
    pages = []
    for kind, found_mv, quality in zip(
        kinds, signals_mv, qualities, strict=True
    ):
        answer = {MODEL: zeros if quality == REFUSED else powers(found_mv)}
        pages.append(_Page(kind, quality, baselines | answer))
    return pages


def _table(pages, cap):
    """A row of scores in dB for each image type, and one for all images."""
    kinds = list(dict.fromkeys(page.kind for page in pages))
    chosen = {kind: [p for p in pages if p.kind == kind] for kind in kinds}
    rows = {}
    for kind, some in [*chosen.items(), (ALL_IMAGES, pages)]:
        row = {"images": len(some)}
        if MODEL in some[0].powers:
            shares = {
                quality: np.mean([page.quality == quality for page in some])
                for quality in QUALITIES
            }
            misread = np.mean([_is_misread(page, cap) for page in some])
            row |= {"read": 1 - shares[REFUSED], **shares, "misread": misread}
        for method in some[0].powers:
            row[method] = _score(some, method, cap)
        if MODEL in some[0].powers:
            read = [page for page in some if page.quality != REFUSED]
            row[READ_ONLY] = _score(read, MODEL, cap)
            for index, lead in enumerate(LEADS):
                row[lead] = _score(some, MODEL, cap, index)
        rows[kind] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _is_misread(page, cap):
    return page.quality != REFUSED and _score([page], MODEL, cap) < MISREAD_DB


def _score(pages, method, cap, leads=slice(None)):
    """dB of a method on some pages, NaN without a page."""
    ratios = []
    for page in pages:
        signal, noise = (np.sum(x[leads]) for x in page.powers[method])
        ratios.append(capped_ratio(signal, noise, cap))
    return score_db(ratios) if ratios else np.nan
