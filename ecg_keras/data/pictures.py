"""Pictures with known maps to the page: what the networks learn from."""

import dataclasses
import json
from typing import NamedTuple

import numpy as np

from ecg_keras.ecg.records import read_signals
from ecg_keras.errors import InputError
from ecg_keras.page.images import read_image, resize
from ecg_keras.page.layouts import COMPETITION
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from ecg_keras.page.row_images import row_signals

# The competition's pages as rendered: they need no map.
AS_RENDERED = "0001"


class Picture(NamedTuple):
    """An image file, and where it lies on the page.

    Attributes:
        path: the file.
        page_map: `PageMap` of the file's pixels; None where the page fills the
            picture, whatever its size.
        readable: whether the page is 3x4+1 at 25 mm/s and 10 mm/mV.
        record: index of the record that it shows.
    """

    path: str
    page_map: PageMap | None
    readable: bool
    record: int


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Images, where they lie on the page, and what the page shows.

    Attributes:
        sources: tuple of `Picture`, whose `record` counts from 0 here.
        records: the `records.Record` of each target.
        targets: (N records, 12, 5000) mV, NaN where nothing is printed.
        rows_mv: the same as (N records, 4, SAMPLES_IN_STRIP).
    """

    sources: tuple
    records: tuple
    targets: np.ndarray
    rows_mv: np.ndarray

    def __len__(self):
        return len(self.sources)


def load_pictures(records, on_bad=None):
    """Read the signals and maps of some records.

    Args:
        records: list of `records.Record`.
        on_bad: called with (record id, message) for what cannot be read, which
            is then left out; None raises instead.

    Raises:
        InputError: a file that cannot be used, or nothing left to use.
    """
    sources, readable, targets = [], [], []

    def load(record):
        found = find_pictures(record, len(readable))
        signals_mv, printed = read_signals(record)
        sources.extend(found)
        readable.append(record)
        targets.append(np.where(printed > 0, signals_mv, np.nan))

    for_each_record(records, load, on_bad)
    return Pictures(
        tuple(sources),
        tuple(readable),
        np.stack(targets).astype(np.float32),
        np.stack([row_signals(target) for target in targets]),
    )


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
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no map of a page: {error}") from None


def _is_readable(layout):
    """Whether a map's layout is 3x4+1 at the usual scale; None: it is."""
    return layout is None or (
        layout["name"] == COMPETITION.name
        and layout["speed_mm_per_s"] == COMPETITION.speed_mm_per_s
        and layout["gain_mm_per_mv"] == COMPETITION.gain_mm_per_mv
    )


def read_picture(picture):
    """An image as the tracer gets it.

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
