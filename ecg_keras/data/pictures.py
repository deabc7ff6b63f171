"""Pictures with known maps to the page: what the networks learn from."""

import dataclasses
import json
from typing import NamedTuple

import numpy as np

from ecg_keras.drawing.any_page import trace_mm
from ecg_keras.ecg.records import PageRecord, read_signals, read_table
from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED
from ecg_keras.page.images import read_image, resize
from ecg_keras.page.layouts import COMPETITION, Layout
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import (
    GAIN_MM_PER_MV,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout
from ecg_keras.page.row_images import (
    MARGIN_MM,
    SAMPLE_MM,
    SAMPLES_PER_COLUMN,
    n_columns,
)

# The competition's pages as rendered: they need no map.
AS_RENDERED = "0001"
PAGE_BOUNDS_MM = (0, 0, PAGE_WIDTH_PX / PX_PER_MM, PAGE_HEIGHT_PX / PX_PER_MM)
# Grid nodes may be this far off a trace's ends and still be on it.
_ROUNDING_MM = 1e-6


class Picture(NamedTuple):
    """An image file, and where it lies on the page.

    Attributes:
        path: the file.
        page_map: `PageMap` of the file's pixels, or `PaperMap` of those of a
            page of any maker; None where the page fills the picture, whatever
            its size.
        readable: whether the page is 3x4+1 at 25 mm/s and 10 mm/mV.
        record: index of the record that it shows.
    """

    path: str
    page_map: PageMap | PaperMap | None
    readable: bool
    record: int


@dataclasses.dataclass(frozen=True)
class KnownPage:
    """What a page shows.

    Attributes:
        layout: `PrintedLayout`, in mm of its pictures' `PaperMap`.
        signals_mv: (12, T) float32 mV at 500 Hz, NaN where nothing is printed.
        rows_mv: for each row what the row network should answer, (n,) float32:
            the trace's height in mm / `GAIN_MM_PER_MV` at each sample of
            `printed_rows.row_image`, NaN where there is no trace.
    """

    layout: PrintedLayout
    signals_mv: np.ndarray
    rows_mv: tuple


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Images, where they lie on the page, and what the page shows.

    Attributes:
        sources: tuple of `Picture`, whose `record` counts from 0 here.
        records: the `records.Record` or `PageRecord` of each page.
        pages: the `KnownPage` of each record.
    """

    sources: tuple
    records: tuple
    pages: tuple

    def __len__(self):
        return len(self.sources)


def load_pictures(records, on_bad=None):
    """Read the signals and maps of some records.

    Args:
        records: list of `records.Record` and `records.PageRecord`.
        on_bad: called with (record id, message) for what cannot be read, which
            is then left out; None raises instead.

    Raises:
        InputError: a file that cannot be used, or nothing left to use.
    """
    sources, readable, pages = [], [], []

    def load(record):
        of_any_maker = isinstance(record, PageRecord)
        read = _read_any_page if of_any_maker else _read_record
        found, page = read(record, len(readable))
        sources.extend(found)
        readable.append(record)
        pages.append(page)

    for_each_record(records, load, on_bad)
    return Pictures(tuple(sources), tuple(readable), tuple(pages))


def known_page(layout, signals_mv):
    """What a page shows, row by row.

    Args:
        layout: `PrintedLayout`.
        signals_mv: (12, T) mV at 500 Hz, NaN where nothing is printed.

    Returns:
        `KnownPage`.
    """
    signals_mv = np.asarray(signals_mv, np.float32)
    rows_mv = tuple(_row_mv(layout, row, signals_mv) for row in layout.rows)
    return KnownPage(layout, signals_mv, rows_mv)


def _row_mv(layout, row, signals_mv):
    """See `KnownPage.rows_mv`: traces are straight between their samples."""
    samples = np.arange(SAMPLES_PER_COLUMN * n_columns(row))
    x_mm = row.x_start_mm - MARGIN_MM + SAMPLE_MM * samples
    found = np.full(len(samples), np.nan, np.float32)
    for segment in row.segments:
        x, y = trace_mm(layout, row, segment, signals_mv)
        if not len(x):
            continue
        on = (x_mm > x[0] - _ROUNDING_MM) & (x_mm < x[-1] + _ROUNDING_MM)
        height_mm = row.zero_y_mm - np.interp(x_mm[on], x, y)
        found[on] = height_mm / GAIN_MM_PER_MV
    return found


def _read_record(record, index):
    """Pictures and `KnownPage` of a record of the competition's kind."""
    found = find_pictures(record, index)
    signals_mv, printed = read_signals(record)
    path = next(iter(record.image_paths.values())).with_suffix(".json")
    layout = COMPETITION
    shown = np.where(printed > 0, signals_mv, np.nan)
    try:
        if path.exists():
            described = json.loads(path.read_text()).get("layout")
            layout = Layout.from_dict(described) if described else COMPETITION
        return found, known_page(layout.printed(), shown)
    except DAMAGED as error:
        raise InputError(
            f"{path} does not say what a page shows: {error}"
        ) from None


def _read_any_page(record, index):
    """Picture and `KnownPage` of a page of any maker."""
    signals_mv = read_table(record.signals_path)
    try:
        values = json.loads(record.truth_path.read_text())
        layout = PrintedLayout.from_dict(values["layout"])
        paper_map = PaperMap.from_dict(values["paper_map"])
        page = known_page(layout, signals_mv)
    except DAMAGED as error:
        raise InputError(
            f"{record.truth_path} does not say where a page lies and what it "
            f"shows: {error}"
        ) from None
    return [Picture(str(record.image_path), paper_map, False, index)], page


def for_each_record(records, load, on_bad=None):
    """Load each record, or report it.

    Args:
        records: list of `records.Record`.
        load: function of a record.
        on_bad: see `load_pictures`.

    Raises:
        InputError: see `load_pictures`.
    """
    n_bad = 0
    for record in records:
        try:
            load(record)
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(record.id, str(error))
            n_bad += 1
    if n_bad == len(records):
        raise InputError("no record is left that can be read")


def find_pictures(record, index=0):
    """The images of a record with their maps; no image is opened.

    Args:
        record: a `records.Record`.
        index: what its pictures have as `record`.

    Returns:
        list of `Picture`.

    Raises:
        InputError: an image has no map, or one that cannot be read.
    """
    return [
        Picture(str(path), *_read_map(path, image_type), index)
        for image_type, path in record.image_paths.items()
    ]


def _read_map(image_path, image_type):
    """(map, readable) of an image: its .json, or as rendered for type 0001."""
    path = image_path.with_suffix(".json")
    if not path.exists() and image_type == AS_RENDERED:
        return None, True
    try:
        values = json.loads(path.read_text())
        return PageMap.from_dict(values), _is_readable(values.get("layout"))
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist: the tracer learns from images whose place "
            "on the page is known (`python -m ecg_keras render --maps`), and "
            f"from type {AS_RENDERED}"
        ) from None
    except DAMAGED as error:
        raise InputError(f"{path} is no map of a page: {error}") from None


def _is_readable(layout):
    """Whether a map's layout is 3x4+1 at the usual scale; None: it is."""
    return layout is None or (
        layout["name"] == COMPETITION.name
        and layout["speed_mm_per_s"] == COMPETITION.speed_mm_per_s
        and layout["gain_mm_per_mv"] == COMPETITION.gain_mm_per_mv
    )


def read_picture(picture):
    """An image of the competition's kind, as the tracer gets it.

    Args:
        picture: a `Picture`.

    Returns:
        (image, page_map): (1700, 2200, 3) uint8, and the `PageMap` of its
        pixels.
    """
    image = read_image(picture.path)
    height, width = image.shape[:2]
    factors = PAGE_WIDTH_PX / width, PAGE_HEIGHT_PX / height
    image = resize(image, PAGE_HEIGHT_PX, PAGE_WIDTH_PX)
    if picture.page_map is None:
        return image, PageMap.identity()
    return image, picture.page_map.scaled(*factors)


def read_on_paper(picture):
    """An image at its own pixels, as pages of any layout are read.

    Args:
        picture: a `Picture`.

    Returns:
        (image, paper_map): (H, W, 3) uint8, and the `PaperMap` of its pixels.
    """
    image = read_image(picture.path)
    where = picture.page_map
    if isinstance(where, PaperMap):
        return image, where
    if where is None:
        height, width = image.shape[:2]
        where = PageMap.identity().scaled(
            width / PAGE_WIDTH_PX, height / PAGE_HEIGHT_PX
        )
    return image, PaperMap.from_page_map(where, PAGE_BOUNDS_MM)
