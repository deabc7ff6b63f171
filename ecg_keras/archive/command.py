"""The `archive` command: many files -> Parquet shards, on any Beam runner.

A run that was killed is started again as it was: it reads the units of which
there is no shard (see `shards`), and the result is that of one run.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import sys
import threading
import uuid
from pathlib import Path

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    StandardOptions,
)
from tqdm import tqdm

from ecg_keras.archive.opening import Unit
from ecg_keras.archive.reading import BATCH_SIZE, PageModelHandler
from ecg_keras.archive.rows import FAILED
from ecg_keras.archive.shards import (
    FAILURES_FOLDER,
    MANIFEST_FILE,
    PARTIAL_FOLDER,
    WriteShards,
    Written,
    plan,
    read_shards,
    shard_names,
    write_whole,
)
from ecg_keras.archive.transform import ReadUnits
from ecg_keras.commands.page_flags import MODEL_HELP, GivenFlags
from ecg_keras.documents.failures import (
    ALL_READ,
    NOTHING_READ,
    SOME_FAILED,
    printable,
)
from ecg_keras.documents.sources import find_files
from ecg_keras.ecg.digitized import DOUBTFUL, GOOD, REFUSED
from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.errors import InputError, UsageError
from ecg_keras.packaged import DEFAULT_MODEL, WEIGHTS, is_packaged
from ecg_keras.reading_processes import n_cores
from ecg_keras.settings import setting
from ecg_keras.version import __version__

FILES_A_SHARD = 32
_PLAN_UNITS = 1000
_POLL_S = {True: 1.0, False: 30.0}  # whether the folder is on this machine
# How a worker's error shows in that of the run.
_INPUT_ERROR = re.compile(r"(?:InputError|UsageError): (.+)")
_DISK_FULL = os.strerror(errno.ENOSPC)
EXAMPLE = "For example: ecg-keras archive --input 'scans/*' --output archive"


@dataclasses.dataclass(frozen=True)
class ArchiveConfig(GivenFlags):
    """Settings of `python -m ecg_keras archive`."""

    input: tuple[str, ...] = setting(
        (),
        "files, folders, patterns or @LIST, as digitize takes them; also "
        "patterns of any file system that Beam knows, as gs://scans/*.pdf",
        metavar="PATTERN",
    )
    output: str | None = setting(
        None, "folder of the archive, of any file system that Beam knows"
    )
    model: tuple[str, ...] = setting(
        (DEFAULT_MODEL,),
        MODEL_HELP + "; also the folder of a SavedModel that export.py wrote",
        metavar="M",
    )
    force: bool = setting(False, "see digitize")
    rate_hz: int = setting(RATE_HZ, "samples a second of the rows")
    batch_size: int = setting(BATCH_SIZE, "pages that a model reads at once")
    files_a_shard: int = setting(
        FILES_A_SHARD,
        "files whose rows are one shard, about; so much work is lost when a "
        "worker dies",
    )
    # What is not ours goes to Beam.
    other_flags: tuple[str, ...] = setting((), None)


@dataclasses.dataclass(frozen=True)
class Summary:
    """What an archive holds of some files.

    Attributes:
        counts: quality, or "failed" -> number of pages.
        missing: paths of files that are in no shard.
        doubled: paths of files that are in several.
    """

    counts: dict
    missing: tuple
    doubled: tuple

    @property
    def n_read(self):
        return self.counts.get(GOOD, 0) + self.counts.get(DOUBTFUL, 0)

    @property
    def n_pages(self):
        return sum(self.counts.values())


def run(config):
    """Read an archive, say what it holds, and return the exit code.

    Returns:
        0 if all pages were read, 3 if some failed or are doubtful, 1 if none
        was read or files are missing.

    Raises:
        UsageError, InputError: see `archive`.
    """
    summary = archive(config)
    counts = ", ".join(
        f"{summary.counts.get(word, 0)} {word}"
        for word in (GOOD, DOUBTFUL, REFUSED, FAILED)
    )
    print(f"read {summary.n_read} of {summary.n_pages} pages: {counts}")
    for what, paths in (
        ("in no shard; run again", summary.missing),
        ("in several shards", summary.doubled),
    ):
        for path in paths[:10]:
            print(f"{what}: {path}")
        if len(paths) > 10:
            print(f"{what}: {len(paths) - 10} more")
    if summary.counts.get(REFUSED, 0) + summary.counts.get(FAILED, 0):
        folder = FileSystems.join(config.output, FAILURES_FOLDER)
        print(f"what to do: the table in {folder}")
    if summary.missing or summary.doubled or not summary.n_read:
        return NOTHING_READ
    return ALL_READ if summary.n_pages == summary.counts[GOOD] else SOME_FAILED


def archive(config, load=None):
    """Read what is missing of an archive.

    Args:
        config: an `ArchiveConfig`.
        load: see `PageModelHandler`.

    Returns:
        `Summary` of the files that `config.input` names.

    Raises:
        UsageError: a setting, a folder or a pattern is no good, or the archive
            was begun with other settings.
        InputError: the model cannot be read.
        OSError: the output cannot be written.
    """
    options = _check(config)
    paths = _find(config)
    n_buckets = _begin(config, len(paths))
    units = plan(paths, n_buckets, Written(config.output))
    n_files = sum(len(unit.paths) for unit in units)
    print(f"{len(paths)} files, {n_files} of them to be read", flush=True)
    if units:
        with _plan_files(config.output, units) as plan_files:
            _run(config, options, units, plan_files, load)
    return summarise(config.output, paths)


def summarise(folder, paths):
    """`Summary` of some files of an archive, from the shards themselves."""
    expected = {printable(path) for path in paths}
    counts, seen = {}, {}
    for shard in read_shards(folder, sorted(shard_names(folder))):
        if not expected & set(shard.files):
            continue
        for path in shard.files:
            seen[path] = seen.get(path, 0) + 1
        for quality, count in shard.counts.items():
            counts[quality] = counts.get(quality, 0) + count
    return Summary(
        counts,
        tuple(sorted(expected - set(seen))),
        tuple(sorted(path for path, times in seen.items() if times > 1)),
    )


def _check(config):
    """Raises: UsageError: see `archive`. Returns Beam's options."""
    if not config.input:
        raise UsageError(f"--input is missing: the files. {EXAMPLE}")
    if not config.output:
        raise UsageError(f"--output is missing: the folder. {EXAMPLE}")
    if Path(config.output).is_file():
        raise UsageError(
            f"--output {config.output} is a file; expected a folder"
        )
    for name, least in (
        ("rate_hz", 50),
        ("batch_size", 1),
        ("files_a_shard", 1),
    ):
        value = getattr(config, name)
        if value < least:
            flag = "--" + name.replace("_", "-")
            raise UsageError(
                f"expected {flag} of {least} or more. Received: {value}"
            )
    config.given()
    for name in config.model:
        if not is_packaged(name) and not Path(name).exists():
            raise UsageError(f"--model {name} does not exist")
    options = PipelineOptions(list(config.other_flags))
    known = options.get_all_options()
    unknown = set(options.get_all_options(retain_unknown_options=True))
    unknown -= set(known)
    if unknown:
        raise UsageError(
            "unknown flags, neither of this command nor of Beam: "
            + " ".join(f"--{name}" for name in sorted(unknown))
        )
    return _with_processes(config, options)


def _with_processes(config, options):
    """Beam's options, with a process for each core where it runs here."""
    runner = options.view_as(StandardOptions).runner
    given = " ".join(config.other_flags)
    flags = list(config.other_flags)
    if "--default_sdk_harness_log_level" not in given:
        flags.append("--default_sdk_harness_log_level=ERROR")
    if runner in (None, "DirectRunner") and "--direct_" not in given:
        flags.append("--direct_running_mode=multi_processing")
        flags.append(f"--direct_num_workers={n_cores()}")
    return PipelineOptions(flags)


def _find(config):
    """Paths of all files, each once, as str."""
    here, paths = [], {}
    for name in config.input:
        if "://" not in name:
            here.append(name)
            continue
        (found,) = FileSystems.match([name])
        if not found.metadata_list:
            raise UsageError(f"--input {name} matches no file")
        paths |= dict.fromkeys(data.path for data in found.metadata_list)
    if here:
        leave_out = None if "://" in config.output else config.output
        files, ignored = find_files(here, leave_out=leave_out)
        paths |= dict.fromkeys(map(str, files))
        if ignored:
            kinds = sorted({path.suffix or path.name for path in ignored})
            text = printable(" ".join(kinds[:20]))
            print(f"left out {len(ignored)} other files: {text}")
    return list(paths)


def _begin(config, n_files):
    """Write the manifest, or compare it; returns the number of buckets.

    Raises:
        UsageError: the archive was begun with other settings.
    """
    path = FileSystems.join(config.output, MANIFEST_FILE)
    begun = {
        "ecg_keras": __version__,
        "settings": {
            "model": list(config.model),
            **dataclasses.asdict(config.given()),
            "force": config.force,
            "rate_hz": config.rate_hz,
        },
        "model_sha256": _model_sha256(config.model),
    }
    inputs = list(config.input)
    found = None
    if FileSystems.exists(path):
        found = _read_json(path)
    if found is None:
        n_buckets = max(round(n_files / config.files_a_shard), 1)
        found = {**begun, "input": [], "n_buckets": n_buckets}
    for name, value in begun.items():
        if found.get(name) != value:
            raise UsageError(
                f"{path}: the archive was begun with {name} "
                f"{json.dumps(found.get(name))}. Received: "
                f"{json.dumps(value)}. Give another --output"
            )
    new = [name for name in inputs if name not in found["input"]]
    if new:
        found["input"] += new
        text = json.dumps(found, indent=2) + "\n"
        write_whole(config.output, path, text.encode())
    return found["n_buckets"]


def _read_json(path):
    with FileSystems.open(
        path, compression_type=CompressionTypes.UNCOMPRESSED
    ) as file:
        try:
            return json.loads(file.read())
        except ValueError as error:
            raise InputError(f"{path} is no manifest: {error}") from None


def _model_sha256(model):
    """sha256 over each model's files, by name; the package's all in one."""
    digests = {}
    for name in model:
        files = [Path(name)]
        if is_packaged(name):
            files = list(WEIGHTS.iterdir())
        elif files[0].is_dir():
            files = [f for f in files[0].rglob("*") if f.is_file()]
        total = hashlib.sha256()
        for file in sorted(files):
            with open(file, "rb") as data:
                digest = hashlib.file_digest(data, "sha256").hexdigest()
            total.update(f"{file.name} {digest}\n".encode())
        digests[name] = total.hexdigest()
    return digests


@contextlib.contextmanager
def _plan_files(folder, units):
    """Units as files that workers read: a pipeline itself must be small."""
    run_id, paths = uuid.uuid4().hex, []
    try:
        for start in range(0, len(units), _PLAN_UNITS):
            name = f"plan-{run_id}-{start}.json"
            path = FileSystems.join(folder, PARTIAL_FOLDER, name)
            part = units[start : start + _PLAN_UNITS]
            lines = [[unit.name, unit.paths] for unit in part]
            write_whole(folder, path, json.dumps(lines).encode())
            paths.append(path)
        yield paths
    finally:
        FileSystems.delete(paths)


def _planned(path):
    for name, paths in _read_json(path):
        yield Unit(name, tuple(paths))


def _run(config, options, units, plan_files, load):
    handler = PageModelHandler(
        config.model, config.given(), config.force, config.batch_size, load
    )
    local = options.view_as(DirectOptions)
    driver = None
    if local.direct_running_mode == "multi_processing":
        driver = os.getpid()
    try:
        with _progress(config.output, units), _dead_workers_told():
            with beam.Pipeline(options=options) as pipeline:
                read, failed_batches = (
                    pipeline
                    | "Plan" >> beam.Create(plan_files)
                    | "Units" >> beam.FlatMap(_planned)
                    | "Spread" >> beam.Reshuffle()
                    | "Read" >> ReadUnits(handler)
                )
                shards = WriteShards(config.output, config.rate_hz, driver)
                read | "Write" >> beam.ParDo(shards)
                failed_batches | "Tell" >> beam.Map(_tell)
    except Exception as error:
        raise _as_ours(error) from error


def _tell(failed):
    """A batch that made the handler fail: its units are in no shard."""
    batch, (_, text, trace) = failed
    labels = ", ".join(f"{key.path}, page {key.page}" for key, _ in batch)
    print(f"not read: {labels}: {text}\n{''.join(trace)}", flush=True)


def _as_ours(error):
    """What a run's error says to people, where it is one of ours."""
    text = str(error)
    if _DISK_FULL in text:
        return OSError(errno.ENOSPC, _DISK_FULL)
    told = _INPUT_ERROR.search(text)
    return InputError(told.group(1).strip()) if told else error


@contextlib.contextmanager
def _dead_workers_told():
    """End this process when one of its workers dies: Beam waits for ever.

    The other workers end with it (`WriteShards`).
    """
    told = threading.excepthook

    def end(args):
        if "Worker subprocess exited" not in str(args.exc_value):
            told(args)
            return
        print(
            "error: a worker process died, of too little memory or by a kill; "
            "what was read is kept: run again",
            file=sys.stderr,
            flush=True,
        )
        os._exit(NOTHING_READ)

    threading.excepthook = end
    try:
        yield
    finally:
        threading.excepthook = told


@contextlib.contextmanager
def _progress(folder, units):
    """A bar of files, moved on as shards appear in the folder."""
    waiting = {unit.name: len(unit.paths) for unit in units}
    finished = threading.Event()

    def look():
        for name in shard_names(folder) & waiting.keys():
            bar.update(waiting.pop(name))

    def watch():
        while not finished.wait(_POLL_S["://" not in folder]):
            look()

    with tqdm(total=sum(waiting.values()), desc="reading", unit="file") as bar:
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            finished.set()
            watcher.join()
            look()
