"""Pictures with known maps to the page: what the networks learn from."""

import dataclasses
import json

import numpy as np

from ecg_keras.ecg.records import read_signals
from ecg_keras.errors import InputError
from ecg_keras.page.images import read_image, resize
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from ecg_keras.page.row_images import row_signals


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Images, where they lie on the page, and what the page shows.

    Attributes:
        sources: (path, `PageMap`, index into `rows_mv`) of each image.
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
    for record in records:
        try:
            maps = [
                (str(path), read_map(path, kind))
                for kind, path in record.image_paths.items()
            ]
            signals_mv, printed = read_signals(record)
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(record.id, str(error))
            continue
        sources += [(*pair, len(readable)) for pair in maps]
        readable.append(record)
        targets.append(np.where(printed > 0, signals_mv, np.nan))
    if not readable:
        raise InputError("no record is left that can be read")
    return Pictures(
        tuple(sources),
        tuple(readable),
        np.stack(targets).astype(np.float32),
        np.stack([row_signals(target) for target in targets]),
    )


def read_map(image_path, image_type):
    """Where an image lies on the page: its .json, or as rendered for 0001.

    Raises:
        InputError: there is no map, or it cannot be read.
    """
    path = image_path.with_suffix(".json")
    if not path.exists() and image_type == "0001":
        return PageMap.identity()
    try:
        return PageMap.from_dict(json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist: the tracer learns from images whose place "
            "on the page is known (`python -m ecg_keras render --maps`), and "
            "from type 0001"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no map of a page: {error}") from None


def read_picture(path, page_map):
    """An image as the tracer gets it: (1700, 2200, 3), and its map."""
    image = read_image(path)
    height, width = image.shape[:2]
    factors = PAGE_WIDTH_PX / width, PAGE_HEIGHT_PX / height
    image = resize(image, PAGE_HEIGHT_PX, PAGE_WIDTH_PX)
    return image, page_map.scaled(*factors)
