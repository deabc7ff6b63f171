"""How well a folder of pages of any layout is read: `evaluate`.

Beside each picture `<stem>.png` stands `<stem>.csv`, mV at 500 Hz of what the
page shows, blank where it shows nothing, a column for each of the twelve leads.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from ecg_keras.ecg.digitized import QUALITIES, REFUSED
from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.records import read_table
from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED
from ecg_keras.page.images import read_image
from ecg_keras.page.jpeg_damage import damage
from ecg_keras.reading_processes import in_turn, threads_for

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
# An accepted page under this is misread.
MISREAD_DB = 10.0
ALL_PAGES = "all pages"


@dataclasses.dataclass(frozen=True)
class PageScore:
    """How a page was read.

    Attributes:
        stem: of its file.
        layout: what it shows, where that is known, else what was found.
        found: the layout that was found.
        quality: "good", "doubtful" or "refused".
        ratio: of signal to noise power; a refused page's is that of zeros.
        reasons: tuple of str.
    """

    stem: str
    layout: str
    found: str
    quality: str
    ratio: float
    reasons: tuple

    @property
    def is_misread(self):
        return self.quality != REFUSED and self.ratio < 10 ** (MISREAD_DB / 10)


def labelled_pages(folder):
    """[(picture, csv)] of a folder of pages, by name."""
    found = []
    for table in sorted(Path(folder).glob("*.csv")):
        for suffix in SUFFIXES:
            picture = table.with_suffix(suffix)
            if picture.exists():
                found.append((picture, table))
                break
    return found


def score_pages(folder, reader, cap, processes=1):
    """Read and score the pages of a folder.

    Args:
        folder: see above.
        reader: `page_reader.PageReader`.
        cap: largest ratio of a page.
        processes: how many pages the reader reads at once.

    Returns:
        list of `PageScore`.

    Raises:
        InputError: there is no page with a csv, or a csv is no table of leads.
    """
    files = labelled_pages(folder)
    if not files:
        raise InputError(
            f"{folder}: expected pictures with a csv of the same name beside "
            "them; there is none"
        )

    def score(file):
        return _score(*file, reader, cap)

    scored = in_turn(score, files, threads_for(processes))
    return list(tqdm(scored, "scoring", len(files)))


def _score(picture, table, reader, cap):
    """`PageScore` of a picture and its table; see `score_pages`."""
    label_mv = read_table(table)
    digitized = reader.read(read_image(picture)).digitized
    digitized = digitized.doubted(damage(picture.read_bytes()))
    found_mv = np.zeros(label_mv.shape)
    if digitized.quality != REFUSED:
        n = min(label_mv.shape[1], digitized.signals_mv.shape[1])
        found_mv[:, :n] = np.nan_to_num(digitized.signals_mv[:, :n])
    return PageScore(
        picture.stem,
        _layout(picture) or digitized.layout or "unknown",
        digitized.layout or "unknown",
        digitized.quality,
        record_ratio(label_mv, found_mv, RATE_HZ, cap),
        digitized.reasons,
    )


def tables_of(scores):
    """Tables of pages, and of layouts.

    Args:
        scores: list of `PageScore`.

    Returns:
        (pages, layouts): DataFrames; of each page what was found and its dB; of
        each layout and of all pages the shares read, doubtful, refused and
        misread, and the score of all, refused pages as zeros, and of those
        read, in dB.
    """
    pages = pd.DataFrame(
        {
            "layout": [score.layout for score in scores],
            "found": [score.found for score in scores],
            "quality": [score.quality for score in scores],
            "dB": [score_db([score.ratio]) for score in scores],
        },
        index=[score.stem for score in scores],
    )
    rows = {}
    for layout in [*sorted({score.layout for score in scores}), ALL_PAGES]:
        own = [s for s in scores if layout in (s.layout, ALL_PAGES)]
        read = [s for s in own if s.quality != REFUSED]
        rows[layout] = {
            "pages": len(own),
            "read": len(read) / len(own),
            **{
                quality: sum(s.quality == quality for s in own) / len(own)
                for quality in QUALITIES
            },
            "misread": sum(s.is_misread for s in own) / len(own),
            "dB": score_db([s.ratio for s in own]),
            "dB read": score_db([s.ratio for s in read]) if read else np.nan,
        }
    return pages, pd.DataFrame.from_dict(rows, orient="index")


def _layout(picture):
    """The layout that a page's json says, or None."""
    path = picture.with_suffix(".json")
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text())
        layout = values.get("layout")
        layout = layout.get("name") if isinstance(layout, dict) else layout
    except DAMAGED as error:
        raise InputError(f"{path} is damaged: {error}") from None
    return None if layout is None else str(layout)
