"""Folders of rendered pages in the competition's layout: the `render` command.

output_dir/train.csv                   id, fs, sig_len; written last
output_dir/train/{id}/{id}.csv         mV; what the page shows, no more
output_dir/train/{id}/{id}-{type}.png
output_dir/train/{id}/{id}-{type}.json where its pixels lie on the page
output_dir/sources.csv                 id, source of the signals, layout

With `--variety any`, pages of any maker, in a folder of their own kind:

output_dir/{id}.png   or .jpg
output_dir/{id}.csv   mV at 500 Hz; what the page shows, no more
output_dir/{id}.json  `paper_map`, `layout`, and how the picture was taken
output_dir/pages.csv  id, source, layout, speed, gain, capture; written last
"""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from ecg_keras.drawing.any_page import draw, random_page
from ecg_keras.drawing.clean_page import (
    MAX_INK_GREY,
    Header,
    Style,
    render_page,
)
from ecg_keras.drawing.image_types import degrade
from ecg_keras.drawing.styles import random_style
from ecg_keras.ecg.leads import DURATION_S
from ecg_keras.ecg.records import (
    ALL_TYPES,
    IMAGE_TYPES,
    PAGES_FILE,
    write_table,
)
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.signal_files import read_signals_file
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.errors import InputError
from ecg_keras.files import check_output_dir, replacing, write_csv, write_json
from ecg_keras.settings import load_json, save_json, setting

RATES_HZ = (250, 256, 500, 512, 1000, 1025)
# Decimals of mV in a csv: the page is drawn from what the csv says.
TABLE_DECIMALS = 3
# The fastest level writes 6 times faster than the default, 30 % larger.
PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1)
SETTINGS_FILE = "render.json"
SIMULATED = "simulated"
VARIETIES = ("off", "looks", "layouts", "any")
# With variety, voltages differ by this deviation of their logarithm: traces of
# neighbouring rows then cross more often.
AMPLITUDE_SPREAD = 0.35
# Where a seed is used for more than one purpose.
_ORDER, _IDS, _RECORD, _STYLE, _PICTURE, _ANY = range(6)


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
    rate_hz: tuple[int, ...] = setting(
        RATES_HZ,
        "samples a second of the tables; each record has one of these rates",
        metavar="HZ",
        old_name="fs",
    )
    images: tuple[str, ...] = setting(
        ("0001",),
        "image types to draw, or all",
        metavar="TYPE",
        old_name="types",
    )
    variety: str = setting(
        "off",
        "looks: other grids, fonts, lines and marks than the competition's; "
        "layouts: other arrangements of the leads as well; any: pages of any "
        "maker, each a picture with a csv and a json beside it",
        choices=VARIETIES,
    )
    maps: bool = setting(
        False, "also write where each image's pixels lie on the page, as JSON"
    )
    seed: int = setting(0, "seed of all that is random")


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
    of_any_maker = config.variety == "any"
    write = _write_any_page if of_any_maker else _write_record
    written = []
    with concurrent.futures.ProcessPoolExecutor(
        min(os.cpu_count(), len(jobs)), spawn
    ) as pool:
        done = pool.map(write, jobs, chunksize=4)
        for record in tqdm(done, "drawing pages", len(jobs)):
            written.append(record)
    if of_any_maker:
        table = pd.DataFrame(written)
        table.insert(0, "source", sources)
        table.insert(0, "id", ids)
        write_csv(table, output_dir / PAGES_FILE)
        print(f"wrote {len(ids)} pages to {output_dir}")
        return
    rates_hz, layouts = zip(*written, strict=True)
    write_csv(
        pd.DataFrame({"id": ids, "source": sources, "layout": layouts}),
        output_dir / "sources.csv",
    )
    lengths = [round(DURATION_S * rate) for rate in rates_hz]
    write_csv(
        pd.DataFrame({"id": ids, "fs": rates_hz, "sig_len": lengths}),
        output_dir / "train.csv",
    )
    print(f"wrote {len(ids)} records to {output_dir}")


def _check(config):
    if config.records < 1:
        raise InputError(
            f"expected --records of 1 or more. Received: {config.records}"
        )
    unknown = set(config.images) - {*IMAGE_TYPES, ALL_TYPES}
    if unknown or not config.images:
        raise InputError(
            f"expected --images from {[*IMAGE_TYPES, ALL_TYPES]}. Received: "
            f"{sorted(config.images)}"
        )
    slow = [rate for rate in config.rate_hz if rate < 50]
    if slow or not config.rate_hz:
        raise InputError(f"expected --rate-hz of 50 or more. Received: {slow}")
    if config.variety == "any":
        fixed = RenderConfig()
        for name in ("images", "rate_hz", "maps"):
            value = getattr(config, name)
            if value != getattr(fixed, name):
                raise InputError(
                    f"--{name.replace('_', '-')} says nothing of pages of "
                    "`--variety any`, whose csv is at 500 Hz and whose map is "
                    f"always written. Received: {value}"
                )
    if _is_unfinished(config):
        return Path(config.output_dir)
    return check_output_dir(config.output_dir)


def _is_unfinished(config):
    """Whether the folder is the beginning of what is asked for."""
    output_dir = Path(config.output_dir or "")
    settings = output_dir / SETTINGS_FILE
    done = [(output_dir / name).exists() for name in ("train.csv", PAGES_FILE)]
    if any(done) or not settings.is_file():
        return False
    return load_json(RenderConfig, settings) == config


def _ids(config):
    """Ten digits, as the competition's ids have; no two alike."""
    rng = np.random.default_rng([config.seed, _IDS])
    numbers = rng.choice(10**6, config.records, replace=False)
    prefix = rng.integers(1000, 4000, config.records)
    pairs = zip(prefix, numbers, strict=True)
    return [f"{left}{right:06d}" for left, right in pairs]


def draw_record(config, index, signals_mv=None, kinds=None):
    """Draw one record of what a config asks for.

    Args:
        config: a `RenderConfig`.
        index: which record, from 0.
        signals_mv: (12, 5000) mV to draw; simulated if None.
        kinds: the image types to draw, by default all of the config's.

    Returns:
        (rate_hz, layout, table_mv, pictures): what its csv holds, and an
        iterator of (image type, (H, W, 3) uint8, `PageMap`), drawn as they are
        asked for.
    """
    rng = np.random.default_rng([config.seed, _RECORD, index])
    rate_hz = int(rng.choice(config.rate_hz))
    style = Style(ink=float(rng.uniform(0, MAX_INK_GREY)))
    amplitude = 1.0
    if config.variety != "off":
        looks = np.random.default_rng([config.seed, _STYLE, index])
        style = random_style(looks, other_layouts=config.variety == "layouts")
        amplitude = np.exp(looks.normal(0, AMPLITUDE_SPREAD))
    if signals_mv is None:
        signals_mv = simulate(rng)
    table_mv = from_grid(
        signals_mv * amplitude, rate_hz, stretch=style.layout.stretch
    )
    table_mv = np.round(table_mv, TABLE_DECIMALS)
    header = _header(rng)

    def pictures():
        page = render_page(table_mv, rate_hz, header, style)
        for kind in types(config) if kinds is None else kinds:
            seed = [config.seed, _PICTURE, index, IMAGE_TYPES.index(kind)]
            yield kind, *degrade(page, kind, np.random.default_rng(seed))

    return rate_hz, style.layout, table_mv, pictures()


def _write_record(job):
    """Draw and write one record; returns its (rate in Hz, layout's name)."""
    output_dir, record_id, config, index, signals_mv = job
    cv2.setNumThreads(1)
    folder = output_dir / "train" / record_id
    names = {kind: folder / f"{record_id}-{kind}.png" for kind in types(config)}
    # Images are written after the csv.
    missing = [kind for kind, path in names.items() if not path.exists()]
    rate_hz, layout, table_mv, pictures = draw_record(
        config, index, signals_mv, missing
    )
    if missing:
        write_table(folder / f"{record_id}.csv", table_mv)
        for kind, picture, page_map in pictures:
            if config.maps:
                described = {"layout": dataclasses.asdict(layout)}
                write_json(
                    page_map.to_dict() | described,
                    names[kind].with_suffix(".json"),
                )
            _write_image(names[kind], picture, PNG_OPTIONS)
    return rate_hz, layout.name


def draw_any_page(config, index, signals_mv=None, wanted=None):
    """Draw one page of any maker of what a config asks for.

    Args:
        config: a `RenderConfig`.
        index: which page, from 0.
        signals_mv: (12, 5000) mV to draw; simulated if None.
        wanted: function of a `PageDescription`, whether to draw it; None: any.

    Returns:
        `any_page.DrawnPage`, or None where the page is not wanted.
    """
    rng = np.random.default_rng([config.seed, _ANY, index])
    if signals_mv is None:
        signals_mv = simulate(rng)
    signals_mv = signals_mv * np.exp(rng.normal(0, AMPLITUDE_SPREAD))
    signals_mv = np.round(signals_mv, TABLE_DECIMALS)
    description = random_page(rng)
    if wanted is not None and not wanted(description):
        return None
    return draw(description, signals_mv, rng)


def _write_any_page(job):
    """Draw and write one page of any maker; returns its row of pages.csv."""
    output_dir, page_id, config, index, signals_mv = job
    cv2.setNumThreads(1)
    path = output_dir / f"{page_id}.json"  # written last
    if path.exists():
        return json.loads(path.read_text())["taken"]
    page = draw_any_page(config, index, signals_mv)
    layout = page.layout
    gains = [row.gain_mm_per_mv for row in layout.rows]
    taken = {
        "layout": layout.name,
        "speed_mm_per_s": layout.speed_mm_per_s,
        "gain_mm_per_mv": "/".join(f"{g:g}" for g in dict.fromkeys(gains)),
        "capture": page.description.capture,
    }
    write_table(path.with_suffix(".csv"), page.signals_mv)
    quality = page.description.jpeg_quality
    suffix = ".png" if quality is None else ".jpg"
    options = PNG_OPTIONS
    if quality is not None:
        options = (cv2.IMWRITE_JPEG_QUALITY, quality)
    _write_image(path.with_suffix(suffix), page.image, options)
    truth = {
        "taken": taken,
        "layout": layout.to_dict(),
        "paper_map": page.paper_map.to_dict(),
    }
    write_json(truth, path, indent=None)
    return taken


def types(config):
    """The image types that a `RenderConfig` asks for."""
    return IMAGE_TYPES if ALL_TYPES in config.images else config.images


def _write_image(path, picture, options):
    picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    with replacing(path) as partial:
        if not cv2.imwrite(str(partial), picture, options):
            raise OSError(f"{partial} could not be written")


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
