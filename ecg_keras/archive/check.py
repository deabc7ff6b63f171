"""The `archive-check` command: what an archive holds, from its rows alone.

    readings of 300 pages in 290 files, 10 shards
    quality: good 280 (93.3 %), doubtful 10 (3.3 %), failed 10 (3.3 %)
    ...

Exit code 0; 1 where rows are doubled, a shard is damaged or a page of a file is
in no row.
"""

import collections
import dataclasses
from pathlib import Path

import numpy as np

from ecg_keras.archive.rows import FAILURES
from ecg_keras.archive.shards import (
    FAILURES_FOLDER,
    READINGS_FOLDER,
    read_table,
    shard_names,
)
from ecg_keras.documents.pages import find_pages, shown_part
from ecg_keras.ecg.digitized import DOUBTFUL, GOOD
from ecg_keras.ecg.leads import LEADS, RATE_HZ
from ecg_keras.ecg.plotting import plot_signals
from ecg_keras.ecg.signal_files import STD_PREFIX
from ecg_keras.errors import InputError, UsageError
from ecg_keras.files import DAMAGED
from ecg_keras.settings import positional, setting

PICTURES_FOLDER = "worst"
N_REASONS = 10
_KEYS = ("path", "page", "pages")
_TOLD = (*_KEYS, "quality", "layout", "reasons")
_STDS = tuple(STD_PREFIX + lead for lead in LEADS)


@dataclasses.dataclass(frozen=True)
class CheckConfig:
    """Settings of `python -m ecg_keras archive-check`."""

    archive: tuple[str, ...] = positional("the archive's folder", metavar="DIR")
    worst: int = setting(10, "pages of which pictures are drawn, worst first")
    output_dir: str | None = setting(
        None, "folder for the pictures; by default `worst` in the archive"
    )
    whole_page: bool = setting(
        False, "show header and footer of the pages, which may name the patient"
    )


@dataclasses.dataclass(frozen=True)
class Contents:
    """What an archive's rows say.

    Attributes:
        n_shards: number of shards.
        files: number of files.
        quality: word -> number of pages.
        layouts: name -> number of readings.
        reasons: text -> number of pages that are not good for it.
        doubled: (path, page) that are in several rows.
        missing: (path, page) that are in no row, though others of the file are.
        damaged: what cannot be read, a line each.
        worst: the worst readings' rows, as dicts, and the name of their shard.
    """

    n_shards: int
    files: int
    quality: dict
    layouts: dict
    reasons: dict
    doubled: tuple
    missing: tuple
    damaged: tuple
    worst: tuple

    @property
    def is_whole(self):
        return not (self.doubled or self.missing or self.damaged)


def check(config):
    """Say what an archive holds, draw its worst pages, return the exit code.

    Raises:
        UsageError: no folder is given, or it is no archive.
    """
    if len(config.archive) != 1:
        raise UsageError(
            "expected one archive. For example: ecg-keras archive-check DIR"
        )
    folder = config.archive[0]
    contents = contents_of(folder, config.worst)
    for line in _lines(contents):
        print(line)
    output_dir = config.output_dir
    if output_dir is None and "://" not in folder:
        output_dir = Path(folder) / PICTURES_FOLDER
    if contents.worst and output_dir:
        draw_worst(contents.worst, output_dir, config.whole_page)
        print(f"pictures of the worst pages: {output_dir}")
    return 0 if contents.is_whole else 1


def contents_of(folder, n_worst=0):
    """`Contents` of an archive.

    Args:
        folder: of the archive.
        n_worst: how many of the worst readings to keep.

    Raises:
        UsageError: there is no shard in it.
    """
    names = sorted(shard_names(folder))
    if not names:
        raise UsageError(f"{folder} is no archive: no shard in it")
    seen, pages_of = collections.Counter(), {}
    quality, layouts = collections.Counter(), collections.Counter()
    reasons, damaged, worst = collections.Counter(), [], []
    for name in names:
        try:
            told, doubts, failures = _rows_of(folder, name)
        except DAMAGED as error:
            damaged.append(f"{name}: {error}")
            continue
        for row, doubt in zip(told, doubts, strict=True):
            layouts[row["layout"] or "unknown"] += 1
            reasons.update(row["reasons"])
            worst.append((row["quality"] == GOOD, -doubt, row, name))
        reasons.update(row["reason"] for row in failures)
        for row in (*told, *failures):
            seen[row["path"], row["page"]] += 1
            pages_of[row["path"]] = row["pages"]
            quality[row["quality"]] += 1
        worst = sorted(worst, key=lambda item: item[:2])[:n_worst]
    return Contents(
        n_shards=len(names),
        files=len(pages_of),
        quality=dict(quality),
        layouts=dict(layouts),
        reasons=dict(reasons),
        doubled=tuple(key for key, times in seen.items() if times > 1),
        missing=tuple(
            (path, page)
            for path, count in pages_of.items()
            for page in range(1, count + 1)
            if (path, page) not in seen
        ),
        damaged=tuple(damaged),
        worst=tuple(
            {**_row(folder, name, told), "shard": name}
            for _, _, told, name in worst
        ),
    )


def _rows_of(folder, name):
    """What a shard tells of its readings, their doubts, and its failures."""
    rows = read_table(folder, READINGS_FOLDER, name, [*_TOLD, *_STDS])
    failed = read_table(
        folder, FAILURES_FOLDER, name, [*_KEYS, "quality", "reason"]
    )
    failures = (failed or FAILURES.empty_table()).to_pylist()
    return rows.select(_TOLD).to_pylist(), _doubts(rows), failures


def _doubts(rows):
    """Mean standard deviation of each reading in mV; 0 where it is unknown."""
    totals = []
    for leads in zip(*(rows[name] for name in _STDS), strict=True):
        values = np.concatenate(
            [np.asarray(lead.values, np.float32) for lead in leads]
        )
        values = values[np.isfinite(values)]
        totals.append(float(values.mean()) if values.size else 0.0)
    return totals


def _row(folder, name, told):
    """The whole row of a page."""
    for row in read_table(folder, READINGS_FOLDER, name).to_pylist():
        if (row["path"], row["page"]) == (told["path"], told["page"]):
            return row
    raise InputError(f"{name}: {told['path']} is no longer in it")


def _lines(contents):
    n_pages = sum(contents.quality.values())
    yield (
        f"{n_pages} pages of {contents.files} files in {contents.n_shards} "
        "shards"
    )
    yield "quality: " + _shares(contents.quality, n_pages)
    yield "layouts: " + _shares(
        contents.layouts, sum(contents.layouts.values())
    )
    most = collections.Counter(contents.reasons).most_common(N_REASONS)
    for reason, count in most:
        yield f"{count} x {reason}"
    for what, found in (
        ("in several rows", contents.doubled),
        ("in no row", contents.missing),
        ("damaged", contents.damaged),
    ):
        yield f"{what}: {len(found)}"
        for one in found[:N_REASONS]:
            yield f"    {one}"


def _shares(counts, total):
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(
        f"{name} {count} ({100 * count / total:.1f} %)"
        for name, count in ordered
    )


def draw_worst(rows, output_dir, whole_page=False):
    """A chart of each reading, beside its page where the file is still here.

    Args:
        rows: dicts with the names of `rows.READINGS`.
        output_dir: folder for `01.png`, `02.png`, ...
        whole_page: see `documents.pages.shown_part`.
    """
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows, start=1):
        title = f"{row['path']}, page {row['page']}: {row['quality']}"
        if row["quality"] == DOUBTFUL:
            title += f": {'; '.join(row['reasons'])}"
        plot_signals(
            output_dir / f"{number:02d}.png",
            at_500_hz(row),
            title=title,
            image=_picture(row, whole_page),
            rows=(),
        )


def at_500_hz(row):
    """(12, T) mV of a row, each of 500 Hz' samples the nearest of the row's."""
    signals_mv = np.array([row[lead] for lead in LEADS], np.float32)
    n_samples = signals_mv.shape[1] * RATE_HZ // row["rate_hz"]
    nearest = np.arange(n_samples) * row["rate_hz"] // RATE_HZ
    return signals_mv[:, nearest]


def _picture(row, whole_page):
    path = Path(row["path"])
    if not path.is_file():
        return None
    pages = find_pages([path])
    if len(pages) < row["page"]:
        return None
    try:
        image = pages[row["page"] - 1].read()
    except InputError:
        return None
    return shown_part(image, row["traces_box"], whole_page)
