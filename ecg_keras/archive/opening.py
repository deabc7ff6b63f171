"""Files of an archive -> pages with their pixels, one at a time."""

import dataclasses
import shutil
import tempfile
import time
import typing
from pathlib import Path

import numpy as np

from ecg_keras.documents.failures import (
    is_of_the_machine,
    printable,
    told,
)
from ecg_keras.documents.pages import Page, find_pages
from ecg_keras.ecg.digitized import DigitizedEcg
from ecg_keras.errors import InputError


class PageKey(typing.NamedTuple):
    """What names a page in an archive: its file, and its number from 1."""

    path: str
    page: int


@dataclasses.dataclass(frozen=True)
class Unit:
    """Files that are read by one worker and whose rows are one shard.

    Attributes:
        name: of the shard.
        paths: of the files, as `plan` sorts them.
    """

    name: str
    paths: tuple


@dataclasses.dataclass(frozen=True, eq=False)
class ArchivePage:
    """A page on its way: opened, then read, or failed.

    Attributes:
        key: `PageKey`.
        unit: name of its `Unit`.
        n_in_unit: number of pages in it.
        n_in_file: number of pages in its file.
        sha256: of the file; empty where it cannot be read.
        pixels: (H, W, 3) uint8 RGB, until they are read.
        damage: why they may be wrong, a tuple of str.
        digitized: `DigitizedEcg`, once it is read.
        failure: (reason, advice) where the page cannot be read.
        seconds: spent on it so far.
    """

    key: PageKey
    unit: str
    n_in_unit: int
    n_in_file: int
    sha256: str
    pixels: np.ndarray | None = None
    damage: tuple = ()
    digitized: DigitizedEcg | None = None
    failure: tuple | None = None
    seconds: float = 0.0

    def failed(self, reason, advice):
        """The same page, failed; it holds no pixels."""
        return dataclasses.replace(self, pixels=None, failure=(reason, advice))


def open_unit(unit, fetch=None):
    """All pages of a unit's files, decoded one after the other.

    Args:
        unit: `Unit`.
        fetch: function (path, folder) -> local path of a file that is not on
            this machine, copied into a folder; None: all files are here.

    Yields:
        `ArchivePage` with `pixels`; with `digitized` where a PDF holds the
        traces as paths; or with a `failure`.
    """
    with tempfile.TemporaryDirectory() as folder:
        pages = []
        for index, path in enumerate(unit.paths):
            place = Path(folder) / str(index)
            pages += _File(path, place, fetch).pages()
        for file, page in pages:
            yield _opened(unit, len(pages), file, page)
            if page.index == page.count - 1:
                shutil.rmtree(file.place, ignore_errors=True)


class _File:
    """A file, where it can be read."""

    def __init__(self, path, place, fetch):
        self.path, self.place = printable(path), place
        self.local, self.problem, self.sha256 = Path(path), None, ""
        try:
            if fetch and "://" in path:
                place.mkdir()
                self.local = Path(fetch(path, place))
        except FileNotFoundError:
            self.problem = InputError(
                f"{path} does not exist", "check its name"
            )

    def pages(self):
        """[(self, `documents.pages.Page`)], one where it cannot be opened."""
        if self.problem is None:
            try:
                found = find_pages([self.local])
                if found[0].problem is None:
                    self.sha256 = found[0].sha256()
                return [(self, page) for page in found]
            except Exception as error:
                if is_of_the_machine(error):
                    raise
                self.problem = error
        return [(self, Page(self.local, problem=self.problem))]

    def told(self, error):
        """What is said of it, by the name that people know."""
        local = printable(self.local)
        return tuple(text.replace(local, self.path) for text in told(error))


def _opened(unit, n_in_unit, file, page):
    start_s = time.perf_counter()
    pixels = digitized = failure = None
    damage = ()
    try:
        if page.problem:
            raise page.problem
        digitized = page.read_paths()
        if digitized is None:
            pixels, damage = page.read(), page.damage()
    except Exception as error:
        if is_of_the_machine(error):
            raise
        pixels, failure = None, file.told(error)
    return ArchivePage(
        PageKey(file.path, page.index + 1),
        unit.name,
        n_in_unit,
        page.count,
        file.sha256,
        pixels,
        damage,
        digitized,
        tuple(map(printable, failure)) if failure else None,
        time.perf_counter() - start_s,
    )
