"""An archive's folder: which files are read together, their rows as Parquet.

    DIR/archive.json                      the manifest: settings and models
    DIR/readings/00012-3fa9c2d1e0b4.parquet
    DIR/failures/00012-3fa9c2d1e0b4.parquet   where one of its pages failed

A file belongs to a bucket by the hash of its path, and the files of a bucket
that are not read yet are a unit. A shard is named by its bucket and the hash of
its files' names, and holds all rows of its unit. It is moved into place whole,
the failures first. So a unit that is read twice, by a worker that was thought
lost or by another run, replaces its shard by an equal one: nothing is doubled,
and what is in no shard is missing.
"""

import collections
import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import pyarrow
import pyarrow.parquet
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from ecg_keras.archive.opening import Unit
from ecg_keras.archive.rows import (
    FAILED,
    FAILURES,
    READINGS,
    failure_row,
    is_read,
    reading_row,
)
from ecg_keras.documents.failures import printable
from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED

MANIFEST_FILE = "archive.json"
READINGS_FOLDER, FAILURES_FOLDER = "readings", "failures"
# Shards that are being written, and the units of a run that goes on.
PARTIAL_FOLDER = ".partial"
SUFFIX = ".parquet"
# In a shard's schema: the files that it holds.
FOOTER_KEY = b"ecg_keras"
# Files of other places answer slowly: so many at once.
_AT_ONCE = 32
_LOOK_S = 0.5


@dataclasses.dataclass(frozen=True)
class Shard:
    """What a shard of readings says of itself.

    Attributes:
        name: without suffix.
        files: path -> number of pages.
        counts: quality -> number of pages; also "failed" and "refused".
    """

    name: str
    files: dict
    counts: dict


def bucket_of(path, n_buckets):
    """The bucket of a file, from 0."""
    digest = hashlib.sha256(os.fsencode(path)).digest()
    return int.from_bytes(digest[:8], "big") % n_buckets


def plan(paths, n_buckets, written):
    """What is to be read.

    Args:
        paths: str, each once.
        n_buckets: of the archive.
        written: function that gives the shards of a bucket that are there; and
            of these, see `Shard`, it gives only what `names` cannot tell.

    Returns:
        list of `Unit`, by name.
    """
    buckets = collections.defaultdict(list)
    for path in sorted(paths):
        buckets[bucket_of(path, n_buckets)].append(path)
    units = []
    for bucket, files in sorted(buckets.items()):
        name = _shard_name(bucket, files)
        if name in written.names:
            continue
        known = written.files_of(bucket)
        files = [path for path in files if printable(path) not in known]
        if files:
            units.append(Unit(_shard_name(bucket, files), tuple(files)))
    return units


def _shard_name(bucket, files):
    names = b"\n".join(os.fsencode(path) for path in files)
    return f"{bucket:05d}-{hashlib.sha256(names).hexdigest()[:12]}"


class Written:
    """The shards that are in a folder when it is asked.

    Args:
        folder: of the archive.

    Attributes:
        names: frozenset of the names of all shards of readings.
    """

    def __init__(self, folder):
        self.folder = folder
        self.names = shard_names(folder)
        self._of_bucket = collections.defaultdict(list)
        for name in sorted(self.names):
            self._of_bucket[int(name.split("-")[0])].append(name)

    def files_of(self, bucket):
        """Paths of all files that the shards of a bucket hold."""
        names = self._of_bucket.get(bucket, ())
        return {
            path
            for name in names
            for path in read_shard(self.folder, name).files
        }


def shard_names(folder):
    """frozenset of the names of an archive's shards of readings."""
    pattern = FileSystems.join(folder, READINGS_FOLDER, "*" + SUFFIX)
    try:
        (found,) = FileSystems.match([pattern])
    except BeamIOError:
        return frozenset()
    names = (data.path.rsplit("/", 1)[-1] for data in found.metadata_list)
    return frozenset(name.removesuffix(SUFFIX) for name in names)


def shard_path(folder, table, name):
    """Path of a shard; `table`: `READINGS_FOLDER` or `FAILURES_FOLDER`."""
    return FileSystems.join(folder, table, name + SUFFIX)


def read_shard(folder, name):
    """`Shard` of a name.

    Raises:
        InputError: it is damaged.
    """
    path = shard_path(folder, READINGS_FOLDER, name)
    with _opened(path) as file:
        schema = pyarrow.parquet.read_schema(file)
        footer = json.loads(schema.metadata[FOOTER_KEY])
        return Shard(name, footer["files"], footer["counts"])


def read_shards(folder, names):
    """list of `Shard`, several at a time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda name: read_shard(folder, name), names))


def read_table(folder, table, name, columns=None):
    """pyarrow.Table of a shard, or None where there is none.

    Raises:
        InputError: it is damaged.
    """
    path = shard_path(folder, table, name)
    if not FileSystems.exists(path):
        return None
    with _opened(path) as file:
        return pyarrow.parquet.read_table(
            file, columns=columns, page_checksum_verification=True
        )


@contextlib.contextmanager
def _opened(path):
    """A shard's file; what it holds is read within."""
    with FileSystems.open(
        path, compression_type=CompressionTypes.UNCOMPRESSED
    ) as file:
        try:
            yield file
        except (*DAMAGED, MemoryError) as error:
            raise InputError(
                f"{path} is damaged: {error}",
                "delete it, and run the archive again",
            ) from None


class WriteShards(beam.DoFn):
    """(PageKey, `ArchivePage`) of whole `Unit`s -> shards.

    The pages of a unit come in any order, and between those of others, but in
    one bundle: no step between the unit and this one keeps or groups them. A
    unit of which a page is missing when the bundle ends is not written, and is
    missing in the archive.

    Args:
        folder: of the archive.
        rate_hz: samples a second.
        driver: number of the process that started this one on this machine,
            without which it is to end; Beam's workers would read on.
    """

    def __init__(self, folder, rate_hz, driver=None):
        self.folder, self.rate_hz, self.driver = folder, rate_hz, driver

    def setup(self):
        if self.driver is not None and self.driver != os.getpid():
            threading.Thread(
                target=_end_with, args=(self.driver,), daemon=True
            ).start()

    def start_bundle(self):
        self.pages = collections.defaultdict(list)

    def process(self, keyed):
        _, page = keyed
        pages = self.pages[page.unit]
        pages.append(page)
        if len(pages) == page.n_in_unit:
            del self.pages[page.unit]
            write_shard(self.folder, page.unit, pages, self.rate_hz)
            yield page.unit, len(pages)

    def finish_bundle(self):
        for name, pages in self.pages.items():
            logging.error(
                "shard %s is not written: %d of its %d pages came",
                name,
                len(pages),
                pages[0].n_in_unit,
            )


def _end_with(process):
    """End this process when another one is gone."""
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(_LOOK_S)


def write_shard(folder, name, pages, rate_hz):
    """Write all rows of a unit.

    Args:
        folder: of the archive.
        name: of the unit.
        pages: list of its `ArchivePage`, read or failed.
        rate_hz: samples a second.

    Raises:
        OSError, BeamIOError: from the file system, such as a full disk.
    """
    pages = sorted(pages, key=lambda page: page.key)
    read = [page for page in pages if is_read(page)]
    failed = [page for page in pages if not is_read(page)]
    counts = collections.Counter(
        FAILED if page.failure is not None else page.digitized.quality
        for page in pages
    )
    footer = {
        "files": {page.key.path: page.n_in_file for page in pages},
        "counts": counts,
    }
    if failed:
        rows = [failure_row(page) for page in failed]
        path = shard_path(folder, FAILURES_FOLDER, name)
        _write(folder, path, rows, FAILURES)
    schema = READINGS.with_metadata({FOOTER_KEY: json.dumps(footer)})
    rows = [reading_row(page, rate_hz) for page in read]
    _write(folder, shard_path(folder, READINGS_FOLDER, name), rows, schema)


def _write(folder, path, rows, schema):
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(rows, schema),
        buffer,
        compression="zstd",
        write_page_checksum=True,
    )
    write_whole(folder, path, buffer.getvalue())


def write_whole(folder, path, data):
    """Write a file so that no other process sees a part of it.

    Args:
        folder: of the archive.
        path: the file.
        data: bytes.
    """
    name = f"{uuid.uuid4().hex}-{path.rsplit('/', 1)[-1]}"
    partial = FileSystems.join(folder, PARTIAL_FOLDER, name)
    try:
        with FileSystems.create(
            partial, compression_type=CompressionTypes.UNCOMPRESSED
        ) as file:
            file.write(data)
        if "://" not in path:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        FileSystems.rename([partial], [path])
    except BaseException:
        if FileSystems.exists(partial):
            FileSystems.delete([partial])
        raise
