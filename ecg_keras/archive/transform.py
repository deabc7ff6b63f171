"""Beam transforms: files of pages -> readings and failures.

with beam.Pipeline() as pipeline:
    rows = pipeline | beam.Create(["scans/*.pdf"]) | ReadPages()
    rows.readings | beam.Map(...)
    rows.failures | beam.Map(...)
"""

import typing

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference

from ecg_keras.archive.opening import PageKey, Unit, open_unit
from ecg_keras.archive.reading import PageModelHandler
from ecg_keras.archive.rows import failure_row, is_read, reading_row
from ecg_keras.documents.failures import DEFECT_ADVICE
from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.errors import InputError


class Rows(typing.NamedTuple):
    """What `ReadPages` gives: two PCollections of dicts.

    Attributes:
        readings: with the names of `rows.READINGS`.
        failures: with the names of `rows.FAILURES`.
    """

    readings: beam.PCollection
    failures: beam.PCollection


class ReadPages(beam.PTransform):
    """Paths or patterns of files -> `Rows`: each page is in one of the two.

    Args:
        handler: `PageModelHandler`; None: that of the default model.
        rate_hz: samples a second of the readings.
    """

    def __init__(self, handler=None, rate_hz=RATE_HZ):
        super().__init__()
        self.handler = handler or PageModelHandler()
        self.rate_hz = rate_hz

    def expand(self, patterns):
        read, failed_batches = (
            patterns
            | "Match" >> beam.FlatMap(_matched)
            | "Spread" >> beam.Reshuffle()
            | "AsUnits" >> beam.Map(lambda path: Unit(path, (path,)))
            | "Read" >> ReadUnits(self.handler)
        )
        rows = read | "Rows" >> beam.ParDo(
            _ToRows(), self.rate_hz
        ).with_outputs("failures", main="readings")
        unexpected = failed_batches | "Unexpected" >> beam.FlatMap(_failed_rows)
        failures = (rows.failures, unexpected) | beam.Flatten()
        return Rows(rows.readings, failures)


class ReadUnits(beam.PTransform):
    """`Unit`s -> (PageKey, `ArchivePage` that is read or failed).

    Also gives the batches in which the handler itself failed, as
    `RunInference.with_exception_handling` does: ([(PageKey, ArchivePage)],
    (type, text, lines of the traceback)).
    """

    def __init__(self, handler):
        super().__init__()
        self.handler = handler

    def expand(self, units):
        read, failed = (
            units
            | "Open" >> beam.FlatMap(_opened)
            | "Infer"
            >> RunInference(
                KeyedModelHandler(self.handler)
            ).with_exception_handling()
        )
        return read, failed.failed_inferences


class _ToRows(beam.DoFn):
    def process(self, keyed, rate_hz):
        _, page = keyed
        if is_read(page):
            yield reading_row(page, rate_hz)
        else:
            yield beam.pvalue.TaggedOutput("failures", failure_row(page))


def _failed_rows(failed):
    batch, (_, text, _) = failed
    for _, page in batch:
        yield failure_row(page.failed(f"unexpected {text}", DEFECT_ADVICE))


def _opened(unit):
    for page in open_unit(unit, fetch):
        yield PageKey(*page.key), page


def fetch(path, folder):
    """Copy a file from any file system that Beam knows into a local folder.

    Raises:
        FileNotFoundError: it does not exist.
    """
    if not FileSystems.exists(path):
        raise FileNotFoundError(path)
    local = folder / path.rsplit("/", 1)[-1]
    with (
        FileSystems.open(
            path, compression_type=CompressionTypes.UNCOMPRESSED
        ) as source,
        open(local, "wb") as copy,
    ):
        while block := source.read(1 << 20):
            copy.write(block)
    return local


def _matched(pattern):
    """Paths that a pattern names; one without `*`, `?`, `[` names itself."""
    if not set("*?[") & set(pattern):
        yield pattern
        return
    (found,) = FileSystems.match([pattern])
    if not found.metadata_list:
        raise InputError(f"{pattern} matches no file")
    for metadata in found.metadata_list:
        yield metadata.path
