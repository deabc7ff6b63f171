"""Folders of rendered pages in the competition's layout: the `render` command.

output_dir/train.csv                   id, fs, sig_len; written last
output_dir/train/{id}/{id}.csv         mV; what the page shows, no more
output_dir/train/{id}/{id}-0001.png
output_dir/sources.csv                 id, and where its signals come from
"""

import concurrent.futures
import dataclasses
import multiprocessing
import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from ecg_keras.config import load_json, save_json, setting
from ecg_keras.errors import InputError
from ecg_keras.files import replacing
from ecg_keras.leads import DURATION_S, LEADS, N_LEADS, N_SAMPLES
from ecg_keras.records import write_table
from ecg_keras.rendering import MAX_INK_GREY, Header, render_page
from ecg_keras.resampling import from_grid
from ecg_keras.synthesis import simulate

RATES_HZ = (250, 256, 500, 512, 1000, 1025)
# Decimals of mV in a csv: the page is drawn from what the csv says.
TABLE_DECIMALS = 3
# The fastest level writes 6 times faster than the default, 30 % larger.
PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1)
SETTINGS_FILE = "render.json"
SIMULATED = "simulated"
# Where a seed is used for more than one purpose.
_ORDER, _IDS, _RECORD = range(3)


@dataclasses.dataclass(frozen=True)
class RenderConfig:
    """Settings of `python -m ecg_keras render`."""

    output_dir: str | None = setting(None, "new folder to write")
    records: int = setting(100, "number of records")
    signals: str | None = setting(
        None,
        "npz file with ids, leads, and signals_uv or signals_mv at 500 Hz "
        "(default: simulated signals)",
    )
    fs: tuple[int, ...] = setting(
        RATES_HZ, "rates in Hz; each record has one of them", metavar="HZ"
    )
    seed: int = setting(0, "seed of signals, rates and headers")


def render_dataset(config):
    """Draw a folder of pages, on all cores; go on with one that was killed.

    Args:
        config: a `RenderConfig`. The result does not depend on the number of
            cores.

    Raises:
        InputError: a setting, the folder or the file of signals is no good.
    """
    output_dir = _check(config)
    save_json(config, output_dir / SETTINGS_FILE)
    signals = None
    sources = [SIMULATED] * config.records
    if config.signals:
        names, all_signals_mv = read_signals_file(config.signals)
        if config.records > len(names):
            raise InputError(
                f"--records {config.records}: {config.signals} holds only "
                f"{len(names)}"
            )
        order = np.random.default_rng([config.seed, _ORDER])
        chosen = order.permutation(len(names))[: config.records]
        sources = [names[i] for i in chosen]
        signals = [all_signals_mv[i] for i in chosen]
    ids = _ids(config)
    jobs = [
        (output_dir, record_id, config, index, signals and signals[index])
        for index, record_id in enumerate(ids)
    ]
    # Spawned processes: a fork of a process with JAX's threads may hang.
    spawn = multiprocessing.get_context("spawn")
    rates_hz = []
    with concurrent.futures.ProcessPoolExecutor(
        min(os.cpu_count(), len(jobs)), spawn
    ) as pool:
        done = pool.map(_write_record, jobs, chunksize=4)
        for rate_hz in tqdm(done, "drawing pages", len(jobs)):
            rates_hz.append(rate_hz)
    _write_csv(
        output_dir / "sources.csv", pd.DataFrame({"id": ids, "source": sources})
    )
    lengths = [round(DURATION_S * rate) for rate in rates_hz]
    _write_csv(
        output_dir / "train.csv",
        pd.DataFrame({"id": ids, "fs": rates_hz, "sig_len": lengths}),
    )
    print(f"wrote {len(ids)} records to {output_dir}")


def read_signals_file(path):
    """Read an npz file of signals.

    Args:
        path: file with `ids` (n,), `leads` (12,), in any order, and
            `signals_uv` or `signals_mv` (n, 12, 5000) at 500 Hz.

    Returns:
        (list of n ids as str, (n, 12, 5000) float32 mV in the order of LEADS).

    Raises:
        InputError: names the file, the value and what was expected.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            arrays = dict(arrays)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no npz file: {error}") from None
    units = [name for name in ("signals_mv", "signals_uv") if name in arrays]
    if not units or not {"ids", "leads"} <= set(arrays):
        raise InputError(
            f"{path}: expected arrays ids, leads, and signals_uv or "
            f"signals_mv. Received: {sorted(arrays)}"
        )
    ids = [str(name) for name in arrays["ids"]]
    leads = [str(name) for name in arrays["leads"]]
    if sorted(leads) != sorted(LEADS):
        raise InputError(f"{path}: expected leads {LEADS}. Received: {leads}")
    signals_mv = arrays[units[0]].astype(np.float32)
    if units[0] == "signals_uv":
        signals_mv /= 1000
    expected = (len(ids), N_LEADS, N_SAMPLES)
    if signals_mv.shape != expected:
        raise InputError(
            f"{path}: expected {units[0]} of shape {expected}. Received: "
            f"{signals_mv.shape}"
        )
    bad = ~np.isfinite(signals_mv).all(axis=(1, 2))
    if bad.any():
        raise InputError(
            f"{path}: the signals of {ids[int(np.argmax(bad))]} are not finite"
        )
    return ids, signals_mv[:, [leads.index(lead) for lead in LEADS]]


def _check(config):
    if not config.output_dir:
        raise InputError("--output-dir is missing: the folder to write")
    if config.records < 1:
        raise InputError(
            f"expected --records of 1 or more. Received: {config.records}"
        )
    slow = [rate for rate in config.fs if rate < 50]
    if slow or not config.fs:
        raise InputError(f"expected --fs of 50 Hz or more. Received: {slow}")
    output_dir = Path(config.output_dir)
    used = output_dir.is_dir() and any(output_dir.iterdir())
    if output_dir.is_file() or (
        used and not _is_unfinished(output_dir, config)
    ):
        raise InputError(
            f"{output_dir} exists and is not empty; expected a new folder"
        )
    return output_dir


def _is_unfinished(output_dir, config):
    """Whether the folder is the beginning of what is asked for."""
    settings = output_dir / SETTINGS_FILE
    if (output_dir / "train.csv").exists() or not settings.is_file():
        return False
    return load_json(RenderConfig, settings) == config


def _ids(config):
    """Ten digits, as the competition's ids have; no two alike."""
    rng = np.random.default_rng([config.seed, _IDS])
    numbers = rng.choice(10**6, config.records, replace=False)
    prefix = rng.integers(1000, 4000, config.records)
    pairs = zip(prefix, numbers, strict=True)
    return [f"{left}{right:06d}" for left, right in pairs]


def _write_record(job):
    """Draw and write one record; returns its rate in Hz."""
    output_dir, record_id, config, index, signals_mv = job
    rng = np.random.default_rng([config.seed, _RECORD, index])
    cv2.setNumThreads(1)
    rate_hz = int(rng.choice(config.fs))
    folder = output_dir / "train" / record_id
    image_path = folder / f"{record_id}-0001.png"
    if image_path.exists():  # It is written after the csv.
        return rate_hz
    if signals_mv is None:
        signals_mv = simulate(rng)
    table_mv = np.round(from_grid(signals_mv, rate_hz), TABLE_DECIMALS)
    page = render_page(
        table_mv, rate_hz, _header(rng), rng.uniform(0, MAX_INK_GREY)
    )
    write_table(folder / f"{record_id}.csv", table_mv)
    with replacing(image_path) as partial:
        if not cv2.imwrite(
            str(partial), cv2.cvtColor(page, cv2.COLOR_RGB2BGR), PNG_OPTIONS
        ):
            raise OSError(f"{partial} could not be written")
    return rate_hz


def _header(rng):
    """An invented patient."""
    year, month, day = rng.integers((1984, 1, 1), (2002, 13, 29))
    hour, minute, second = rng.integers(0, (24, 60, 60))
    return Header(
        id=f"{rng.integers(22000):05d}_hr",
        date=f"{year}-{month:02d}-{day:02d}, "
        f"{hour:02d}:{minute:02d}:{second:02d}",
        age_years=int(rng.integers(18, 90)),
        height_cm=int(rng.integers(150, 200)) if rng.random() < 0.5 else None,
        sex=str(rng.choice(["Male", "Female"])),
    )


def _write_csv(path, table):
    with replacing(path) as partial:
        table.to_csv(partial, index=False)
