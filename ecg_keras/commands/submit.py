"""A competition's test set to its submission: the `submit` command.

Each batch of records becomes a part, on disk, and two are read at the most: the
memory needed does not grow with the number of records, and a command that was
killed goes on with the parts that are there. A record's values depend on its
batch alone, so the file comes out the same.
"""

import csv
import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ecg_keras.commands.page_flags import (
    MODEL_HELP,
    check_processes,
    processes,
    processes_for,
)
from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES
from ecg_keras.ecg.records import find_data_dir
from ecg_keras.ecg.submission import (
    VALUE_FORMAT,
    check_sample,
    read_test_table,
    submission_rows,
)
from ecg_keras.errors import InputError
from ecg_keras.files import alone_in, remove_partial, replacing, write_json
from ecg_keras.packaged import DEFAULT_MODEL, is_packaged
from ecg_keras.page import jpeg_damage
from ecg_keras.page.images import read_image
from ecg_keras.reading_processes import in_turn
from ecg_keras.settings import setting
from ecg_keras.user_cache import keep_compiled_programs
from ecg_keras.version import __version__

SUFFIXES = (".csv", ".parquet")


@dataclasses.dataclass(frozen=True)
class SubmitConfig:
    """Settings of `python -m ecg_keras submit`."""

    model: tuple[str, ...] = setting(
        (DEFAULT_MODEL,),
        MODEL_HELP,
        metavar="M",
    )
    data_dir: str | None = setting(
        None, "folder in the competition's layout (default: as train.py)"
    )
    output: str = setting("submission.csv", "file to write, .csv or .parquet")
    records_per_part: int = setting(
        8,
        "records in a part: a command that was killed goes on after the parts "
        "that are on disk",
        old_name="batch_size",
    )
    on_error: str = setting(
        "fail",
        "an image that cannot be read: fail, or write a baseline of 0 mV "
        "for its record and report it; a page of an unknown layout is read "
        "as well as can be, and reported",
        choices=("fail", "baseline"),
    )
    processes: int | None = processes()


def submit(config):
    """Write a submission that follows test.csv row by row.

    Args:
        config: a `SubmitConfig`.

    Returns:
        dict: record id -> message, for the records that got the baseline,
        whose layout was not found, or whose image's file is damaged.

    Raises:
        InputError: a setting, the folder, the model or an image is no good, or
            a value is not finite. The parts that are done stay.
    """
    output, data_dir = _check(config)
    table = read_test_table(data_dir)
    check_sample(data_dir, table)
    records = [(name, rows) for name, rows in table.groupby("id", sort=False)]
    parts_dir = output.with_name(output.name + ".parts")
    _open_parts(parts_dir, config, data_dir, table)
    with alone_in(parts_dir):
        if output.exists():
            raise InputError(f"{output} exists; give another --output")
        remove_partial(output.parent, output.name)
        bad = _write(output, parts_dir, records, data_dir, config)
    shutil.rmtree(parts_dir)
    n_rows = int(table["number_of_rows"].sum())
    print(f"wrote {n_rows} rows of {len(records)} records to {output}")
    for name, message in bad.items():
        print(f"trouble with {name}: {message}")
    return bad


def _write(output, parts_dir, records, data_dir, config):
    """Write the parts that are missing, and join them.

    Returns:
        See `submit`.
    """
    # Imported here: what is wrong with the data is said before Keras starts.
    keep_compiled_programs()
    from ecg_keras.predictor import load

    predictor = None
    count = processes_for(config, len(records))
    starts = range(0, len(records), config.records_per_part)
    batches = [
        (
            parts_dir / f"{number:06d}.json",
            records[start : start + config.records_per_part],
        )
        for number, start in enumerate(starts)
    ]
    if not all(part.exists() for part, _ in batches):
        predictor = load(config.model, None, count)

    def write(part_and_batch):
        part, batch = part_and_batch
        if not part.exists():
            _write_part(part, batch, data_dir, predictor, config)
        return len(batch)

    with tqdm(total=len(records), desc="digitizing") as bar:
        # The next batch keeps processes busy while one ends.
        for n_done in in_turn(write, batches, 2 if count > 1 else 1):
            bar.update(n_done)
    _join(output, parts_dir, len(batches))
    reports = [json.loads(p.read_text()) for p in sorted(_parts(parts_dir))]
    return {name: text for report in reports for name, text in report.items()}


def _check(config):
    output = Path(config.output)
    if output.suffix not in SUFFIXES:
        raise InputError(
            f"expected --output to end in {' or '.join(SUFFIXES)}. Received: "
            f"{output}"
        )
    if output.exists():
        raise InputError(f"{output} exists; give another --output")
    if config.records_per_part < 1:
        raise InputError(
            "expected --records-per-part of 1 or more. Received: "
            f"{config.records_per_part}"
        )
    check_processes(config.processes)
    data_dir = find_data_dir(config.data_dir)
    if data_dir is None or not data_dir.is_dir():
        raise InputError(
            f"no data folder at {data_dir}: give --data-dir or ECG_KERAS_DATA"
        )
    return output, data_dir


def _open_parts(parts_dir, config, data_dir, table):
    """Make the folder of parts, or check that it was made for this command."""
    digest = hashlib.sha256(table.to_csv().encode()).hexdigest()
    wanted = {
        "ecg_keras": __version__,
        "model": [
            path if is_packaged(path) else str(Path(path).resolve())
            for path in config.model
        ],
        "data_dir": str(data_dir.resolve()),
        "test_csv": digest,
        "records_per_part": config.records_per_part,
        "on_error": config.on_error,
    }
    path = parts_dir / "settings"
    if path.is_file():
        if json.loads(path.read_text()) != wanted:
            raise InputError(
                f"{parts_dir} was begun with other settings: "
                f"{path.read_text().strip()}. Remove it to begin again"
            )
        return
    write_json(wanted, path)


def _parts(parts_dir):
    return parts_dir.glob("*.json")


def _write_part(part, batch, data_dir, predictor, config):
    """Digitise a batch: its rows, then the report that makes it whole."""
    images, bad = {}, {}
    for name, _ in batch:
        try:
            path = data_dir / "test" / f"{name}.png"
            images[name] = read_image(path)
            damage = jpeg_damage.damage(path.read_bytes())
            if damage:
                bad[name] = f"doubtful: {'; '.join(damage)}"
        except InputError as error:
            if config.on_error == "fail":
                raise
            bad[name] = str(error)
    found = {}
    if images:
        reading = predictor.read(list(images.values()))
        found = dict(zip(images, reading.signals_mv, strict=True))
        names = list(images)
        paths = [data_dir / "test" / f"{name}.png" for name in names]
        for index, said in reading.refusals(paths).items():
            if config.on_error == "fail":
                raise InputError(said)
            bad[names[index]] = f"what could be read is written, but {said}"
    baseline = np.zeros((N_LEADS, N_SAMPLES), np.float32)
    rows = [
        submission_rows(rows, found.get(name, baseline)) for name, rows in batch
    ]
    with replacing(part.with_suffix(".parquet")) as partial:
        pd.concat(rows, ignore_index=True).to_parquet(partial, index=False)
    write_json(bad, part)


def _join(output, parts_dir, n_parts):
    """Put the parts together, one in memory at a time."""
    import pyarrow.parquet

    paths = [parts_dir / f"{k:06d}.parquet" for k in range(n_parts)]
    with replacing(output) as partial:
        if output.suffix == ".parquet":
            schema = pyarrow.parquet.read_schema(paths[0])
            with pyarrow.parquet.ParquetWriter(partial, schema) as writer:
                for path in paths:
                    writer.write_table(pyarrow.parquet.read_table(path))
            return
        with open(partial, "w", newline="") as stream:
            csv.writer(stream).writerow(("id", "value"))
            for path in paths:
                pd.read_parquet(path).to_csv(
                    stream,
                    header=False,
                    index=False,
                    float_format=VALUE_FORMAT,
                )
