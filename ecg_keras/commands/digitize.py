"""Pages to files of signals: the `digitize` command.

Pages are opened and written one by one, in their order, and some are read at
once: a page that cannot be read is a row of `failures.csv`, a run that was
killed goes on after the pages whose `<stem>.json`, which is written last, is
there, and two runs into one folder take turns at writing.
"""

import contextlib
import csv
import dataclasses
import importlib.util
import json
import traceback
from pathlib import Path

import filelock
import numpy as np
from tqdm import tqdm

from ecg_keras.commands.page_flags import (
    MODEL_HELP,
    GivenFlags,
    check_processes,
    output_folder,
    page_files,
    processes,
    processes_for,
)
from ecg_keras.commands.report import write_report
from ecg_keras.documents.failures import (
    ALL_READ,
    FAILURE_COLUMNS,
    NOTHING_READ,
    REFUSED_ADVICE,
    SOME_FAILED,
    printable,
    told,
)
from ecg_keras.documents.pages import find_pages, shown_part
from ecg_keras.documents.sources import find_files
from ecg_keras.ecg.digitized import (
    DOUBTFUL,
    FROM_IMAGE,
    GOOD,
    QUALITIES,
    REFUSED,
)
from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.ecg.plotting import plot_signals
from ecg_keras.ecg.signal_files import (
    FORMATS,
    deviations_table,
    signals_table,
    write_signals,
)
from ecg_keras.errors import InputError, UsageError, is_disk_full
from ecg_keras.files import (
    DAMAGED,
    LOCK_FILE,
    check_output_dir,
    remove_partial,
    replacing,
    write_json,
)
from ecg_keras.packaged import DEFAULT_MODEL
from ecg_keras.reading_processes import in_turn, threads_for
from ecg_keras.settings import setting
from ecg_keras.user_cache import keep_compiled_programs
from ecg_keras.version import __version__

FAILURES_FILE = "failures.csv"
NOT_OVERWRITTEN = "give another --output-dir, or --overwrite"
PICTURE_SUFFIX = ".png"
EXAMPLE = (
    "For example: ecg-keras digitize page.png --output-dir out. Pictures, "
    "PDFs, folders, patterns and @LIST are read; --help says more"
)
# What each format writes for a page, after its stem.
SUFFIXES = {
    "csv": ".csv",
    "parquet": ".parquet",
    "wfdb": "_wfdb",
    "dicom": ".dcm",
}


@dataclasses.dataclass(frozen=True)
class DigitizeConfig(GivenFlags):
    """Settings of `python -m ecg_keras digitize`."""

    images: tuple[str, ...] = page_files()
    model: tuple[str, ...] = setting(
        (DEFAULT_MODEL,),
        MODEL_HELP,
        metavar="M",
    )
    output_dir: str | None = output_folder()
    rate_hz: int = setting(RATE_HZ, "samples a second of the tables")
    format: tuple[str, ...] = setting(
        ("csv",), "kinds of files to write", choices=FORMATS
    )
    picture: bool = setting(
        True, "also write a picture of the page and what was found"
    )
    average_images: bool = setting(
        False, "the images show one record: average what they give"
    )
    force: bool = setting(
        False, "also write what was read on a page of an unknown layout"
    )
    std: bool = setting(
        False, "add columns with the standard deviation of each sample, in mV"
    )
    overwrite: bool = setting(
        False, "replace files of other pages, and read again what was read"
    )
    whole_page: bool = setting(
        False,
        "the pictures show the whole page; else its header and footer, which "
        "may name the patient, are left out",
    )
    report: bool = setting(
        False, "also write report.html: all pages in one file, worst first"
    )
    processes: int | None = processes()
    # Of the version before: bad pages no longer stop the others.
    skip_bad_images: bool = setting(True, None)


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a page.

    Attributes:
        page: `documents.pages.Page`.
        quality: "good", "doubtful" or "refused"; None: it could not be opened,
            or what it gave could not be written.
        reasons: tuple of str.
        advice: what to do about it.
    """

    page: object
    quality: str | None
    reasons: tuple = ()
    advice: str = ""

    @property
    def is_read(self):
        return self.quality in (GOOD, DOUBTFUL)


def run(config):
    """Digitise pages, say what became of them, and return the exit code.

    Returns:
        0 if all pages were read, 3 if some failed or are doubtful, 1 if none
        was read.

    Raises:
        UsageError: see `digitize`.
    """
    results = digitize(config)
    failed = [result for result in results if not result.is_read]
    doubtful = [result for result in results if result.quality == DOUBTFUL]
    n_read = len(results) - len(failed)
    print(f"read {n_read} of {len(results)} pages to {config.output_dir}")
    for result in (*doubtful, *failed):
        word = result.quality or "failed"
        print(f"{word}: {result.page.label}: {'; '.join(result.reasons)}")
    if failed:
        print(f"what to do: {Path(config.output_dir) / FAILURES_FILE}")
    if not n_read:
        return NOTHING_READ
    return SOME_FAILED if failed or doubtful else ALL_READ


def digitize(config):
    """Write the signals of some pages.

    For each page `<stem>.json` says what was read, beside `<stem>.csv` and
    `<stem>.png`; `failures.csv` has a row for each page that was not. With
    `average_images` there is one answer, under the first page's name.

    Args:
        config: a `DigitizeConfig`.

    Returns:
        list of `Result`, one for each page.

    Raises:
        UsageError: a setting, a folder or a pattern is no good.
        InputError: the model cannot be read.
        OSError: the output folder cannot be written.
    """
    output_dir = _check(config)
    files, ignored = find_files(config.images, leave_out=output_dir)
    pages = find_pages(files)
    if ignored:
        kinds = sorted({path.suffix or path.name for path in ignored})
        print(f"left out {len(ignored)} other files: {' '.join(kinds)}")
    output_dir.mkdir(parents=True, exist_ok=True)
    # Runs write here only under the lock: what there is now, a kill left.
    with filelock.FileLock(output_dir / LOCK_FILE):
        remove_partial(output_dir)
    groups = [pages] if config.average_images else [[page] for page in pages]
    reader = _Reader(config, output_dir, len(groups))
    results = []
    with tqdm(total=len(pages), desc="digitizing") as bar:
        opened = map(reader.open, groups)
        threads = threads_for(reader.processes)
        for read in in_turn(reader.read, opened, threads):
            done = reader.write(read)
            _note_failures(output_dir, done)
            results += done
            bar.update(len(read.pages))
    if config.report:
        with filelock.FileLock(output_dir / LOCK_FILE):
            path = write_report(output_dir, results, config.whole_page)
        print(f"report: {path}")
    return results


@dataclasses.dataclass
class _Group:
    """Pages that give one answer together, on their way.

    Attributes:
        pages: list of `documents.pages.Page`.
        images: {page: its image}, of those that are to be read.
        results: list of `Result`, of those whose end is known.
        digitized: what was read, a `DigitizedEcg`.
    """

    pages: list
    images: dict = dataclasses.field(default_factory=dict)
    results: list = dataclasses.field(default_factory=list)
    digitized: object = None

    @property
    def is_to_be_read(self):
        """Whether there are images, and no PDF that holds the traces."""
        return bool(self.images) and self.digitized is None

    @property
    def first(self):
        """The page under whose name the answer is written."""
        return next(iter(self.images))


class _Reader:
    """Reads pages and writes their files; it loads the model when needed."""

    def __init__(self, config, output_dir, n_groups=1):
        self.config, self.output_dir = config, output_dir
        self.digitizer = None
        self.processes = processes_for(config, n_groups)

    def open(self, pages):
        """`_Group` of pages that give one answer together."""
        group = _Group(pages)
        for page in pages:
            with _failures_in(page, group.results):
                if page.problem:
                    raise page.problem
                known = self._known(page)
                if known:
                    same = known.quality, known.reasons
                    group.images.clear()
                    group.results = [_result_of(page, *same) for page in pages]
                    return group
                # A device's PDF may hold the traces as paths.
                taken = page.read_paths() if len(pages) == 1 else None
                group.images[page] = page.read()
                group.digitized = taken
        if group.is_to_be_read and not self.digitizer:
            # Imported here: it brings Keras, which takes seconds.
            keep_compiled_programs()
            from ecg_keras.digitizer import load_digitizer

            config = self.config
            self.digitizer = load_digitizer(
                config.model, config.given(), config.force, self.processes
            )
        return group

    def read(self, group):
        """Read an opened group; returns it."""
        if group.is_to_be_read:
            with _failures_in(group.first, group.results):
                group.digitized = self.digitizer.read(
                    list(group.images.values())
                )
        return group

    def write(self, group):
        """Write the files of a group that was read; returns its `Result`s."""
        digitized = group.digitized
        if digitized is None:
            return group.results
        with _failures_in(group.first, group.results):
            if digitized.source == FROM_IMAGE:
                damage = [s for page in group.images for s in page.damage()]
                digitized = digitized.doubted(list(dict.fromkeys(damage)))
            self._write(group.first, digitized, group.images[group.first])
            group.results += [_result(page, digitized) for page in group.images]
        return group.results

    def _known(self, page):
        """`Result` of a page whose files are there already, or None.

        Raises:
            InputError: other files stand in its place.
        """
        if self.config.overwrite:
            return None
        summary_file = self.output_dir / f"{page.stem}.json"
        if not summary_file.exists():
            for path in self._targets(page.stem):
                if path.exists():
                    raise InputError(f"{path} exists already", NOT_OVERWRITTEN)
            return None
        try:
            summary = json.loads(summary_file.read_text())
            file, settings = summary["file"], summary["settings"]
            origin = file["sha256"], file["page"], file["path"]
            ended = summary["complete"], summary["quality"], summary["reasons"]
        except DAMAGED:
            raise InputError(
                f"{summary_file} exists already and is not of this version",
                NOT_OVERWRITTEN,
            ) from None
        sha256, number, path = origin
        if sha256 != page.sha256() or number != page.index + 1:
            raise InputError(
                f"{summary_file} exists already, of {path}, page {number}",
                NOT_OVERWRITTEN,
            )
        complete, quality, reasons = ended
        if settings != self._settings() and quality != REFUSED:
            raise InputError(
                f"{summary_file} exists already, written with {settings}",
                NOT_OVERWRITTEN,
            )
        if complete is not True or settings != self._settings():
            return None
        if quality not in QUALITIES or not isinstance(reasons, list):
            raise InputError(f"{summary_file} is damaged", NOT_OVERWRITTEN)
        return _result_of(page, quality, map(str, reasons))

    def _settings(self):
        """The settings on which a page's files depend, as JSON has them."""
        config = self.config
        return {
            "ecg_keras": __version__,
            "model": list(config.model),
            "rate_hz": config.rate_hz,
            "format": sorted(config.format),
            "std": config.std,
            "force": config.force,
            "picture": config.picture,
            "whole_page": config.whole_page,
            "average_images": config.average_images,
            "layout": config.layout,
            "speed": config.speed,
            "gain": config.gain,
            "px_per_mm": config.px_per_mm,
        }

    def _targets(self, stem):
        """The files that are written for a page, beside its JSON."""
        suffixes = [SUFFIXES[name] for name in self.config.format]
        if self.config.picture:
            suffixes.append(PICTURE_SUFFIX)
        return [self.output_dir / (stem + suffix) for suffix in suffixes]

    def _write(self, page, digitized, image):
        """Write a page's files, in turn with other runs into the folder."""
        for path in self._targets(page.stem):
            if path.exists() and path.samefile(page.path):
                raise InputError(
                    f"{path} is the page itself", "give another --output-dir"
                )
        with filelock.FileLock(self.output_dir / LOCK_FILE):
            if self._known(page):
                return
            summary_file = self.output_dir / f"{page.stem}.json"
            summary = {
                "complete": False,
                **digitized.summary(),
                "rate_hz": self.config.rate_hz,
                "file": {
                    "path": printable(page.path),
                    "page": page.index + 1,
                    "sha256": page.sha256(),
                },
                "settings": self._settings(),
            }
            write_json(summary, summary_file)
            if digitized.quality != REFUSED:
                self._write_signals(page, digitized, image, summary)
            write_json({**summary, "complete": True}, summary_file)

    def _write_signals(self, page, digitized, image, summary):
        config = self.config
        table = signals_table(digitized.signals_mv, config.rate_hz)
        if config.std:
            std_mv = digitized.std_mv
            if std_mv is None:
                std_mv = np.full_like(digitized.signals_mv, np.nan)
            std = deviations_table(std_mv, config.rate_hz)
            table = table.join(std)
        if config.picture:
            plot_signals(
                self.output_dir / (page.stem + PICTURE_SUFFIX),
                digitized.signals_mv,
                title=page.stem,
                image=shown_part(
                    image, digitized.traces_box, config.whole_page
                ),
                rows=digitized.rows,
            )
        for file_format in config.format:
            write_signals(
                self.output_dir / page.stem, table, file_format, summary
            )


@contextlib.contextmanager
def _failures_in(page, results):
    """Add to `results` what fails within, so that other pages go on.

    A full disk and a folder that cannot be written stop the run: they are no
    page's fault.
    """
    try:
        yield
    except InputError as error:
        results.append(_failure(page, error))
    except (OSError, filelock.Timeout):
        raise
    except Exception as error:
        if is_disk_full(error):
            raise
        traceback.print_exc()
        results.append(_failure(page, error))


def _failure(page, error):
    reason, advice = told(error)
    return Result(page, None, (printable(reason),), advice)


def _result(page, digitized):
    return _result_of(page, digitized.quality, digitized.reasons)


def _result_of(page, quality, reasons):
    advice = REFUSED_ADVICE if quality == REFUSED else ""
    return Result(page, quality, tuple(reasons), advice)


def _note_failures(output_dir, results):
    """Put pages into `failures.csv`, or take them out of it.

    Rows of other pages stay: they may be of another run into this folder.
    """
    path = output_dir / FAILURES_FILE
    with filelock.FileLock(output_dir / LOCK_FILE):
        rows = {}
        if path.exists():
            with open(path, newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    rows[row["path"], row["page"]] = row
        before = dict(rows)
        for result in results:
            key = printable(result.page.path), str(result.page.index + 1)
            rows.pop(key, None)
            if not result.is_read:
                values = (*key, "; ".join(result.reasons), result.advice)
                rows[key] = dict(zip(FAILURE_COLUMNS, values, strict=True))
        if rows == before:
            return
        with replacing(path) as partial:
            with open(partial, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, FAILURE_COLUMNS)
                writer.writeheader()
                writer.writerows(rows.values())


def _check(config):
    if not config.images:
        raise UsageError(f"no page was given. {EXAMPLE}")
    if not config.output_dir:
        raise UsageError(
            f"--output-dir is missing: the folder for the files. {EXAMPLE}"
        )
    if config.rate_hz < 50:
        raise UsageError(
            f"expected --rate-hz of 50 or more. Received: {config.rate_hz}"
        )
    if not config.model:
        raise UsageError("no model was given: --model")
    config.given()
    check_processes(config.processes)
    for name, package in (("wfdb", "wfdb"), ("dicom", "pydicom")):
        if name in config.format and not importlib.util.find_spec(package):
            raise UsageError(
                f"--format {name} needs a package: pip install "
                f"'ecg_keras[{name}]'"
            )
    if "dicom" in config.format and not 200 <= config.rate_hz <= 1000:
        raise UsageError(
            "--format dicom takes --rate-hz of 200 to 1000. Received: "
            f"{config.rate_hz}"
        )
    try:
        return check_output_dir(config.output_dir, names=())
    except InputError as error:
        raise UsageError(str(error)) from None
