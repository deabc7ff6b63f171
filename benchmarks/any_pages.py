"""How drawn pages of any maker are read: layout, speed and gain, and dB.

    python -m benchmarks.any_pages --pages 100
    python -m benchmarks.any_pages --pages 40 --layouts 6x2 12x1 --usual
    python -m benchmarks.any_pages --pages 90 --images all

Of cut pages, whose picture shows a part of the traces, only that is scored;
where the beginning is cut off, names of leads alone tell which second it is.

The pages are those of `render --variety any`, of layouts by turns, or with
`--images` those of `render --variety layouts`, of types by turns; recordings in
`--signals` are drawn, or simulated ones. With `--output-dir` each page is
written there with its traces as they were read.
"""

import collections
import dataclasses
import itertools
import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ecg_keras.app.overlay import traces_of
from ecg_keras.commands.evaluate_pages import MISREAD_DB
from ecg_keras.data.pictures import PAGE_BOUNDS_MM
from ecg_keras.drawing.any_page import printed_signals
from ecg_keras.drawing.folder import RenderConfig, draw_any_page, draw_record
from ecg_keras.ecg.digitized import GOOD, REFUSED
from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.records import IMAGE_TYPES
from ecg_keras.ecg.resampling import to_grid
from ecg_keras.ecg.signal_files import read_signals_file
from ecg_keras.page.paper import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout
from ecg_keras.page_reader import load_page_reader
from ecg_keras.settings import parse_flags, run_command, setting

LAYOUTS = ("3x4", "6x2", "12x1", "6x1", "4x3", "3x1", "3x5")
SURE_DB = 15.0
# A lead of which the picture shows less of its row is not asked for.
SHOWN_SHARE = 0.2
COLOURS = ((0, 87, 217), (194, 0, 122))


@dataclasses.dataclass(frozen=True)
class AnyPagesConfig:
    """Settings of benchmarks/any_pages.py."""

    pages: int = setting(100, "number of pages", metavar="N")
    layouts: tuple[str, ...] = setting(
        LAYOUTS, "kinds of pages, such as 3x4+1, or 3x4 for any strips"
    )
    usual: bool = setting(
        False, "pages of 25 mm/s and 10 mm/mV, as nine of ten strangers' are"
    )
    signals: str | None = setting(
        None, "npz file with the recordings to draw (default: simulated)"
    )
    seed: int = setting(1000, "seed of all that is random")
    images: tuple[str, ...] = setting(
        (),
        "image types of the competition, or all: pages of other looks and "
        "layouts in these, all of them whole",
        metavar="TYPE",
    )
    output_dir: str | None = setting(None, "folder for pictures")


@dataclasses.dataclass(frozen=True)
class Score:
    """How a page was read; whether all its traces are in the picture."""

    kind: str
    found: str
    is_whole: bool
    is_found: bool
    is_scaled: bool
    quality: str
    ratio: float

    @property
    def db(self):
        return score_db([self.ratio])


def main():
    config = parse_flags(AnyPagesConfig, __doc__.split("\n")[0])
    reader = load_page_reader()
    scores = []
    pages = typed_pages(config) if config.images else drawn_pages(config)
    for index, page, taken in tqdm(pages, total=config.pages):
        reading = reader.read(page.image)
        score = scored(page, reading)
        scores.append(score)
        printed = reading.printed
        found = "nothing" if printed is None else printed.name
        reasons = "; ".join(reading.digitized.reasons)
        tqdm.write(
            f"{index:5d} {page.layout.name:26s} {taken:6s} "
            f"{px_per_mm(page.paper_map):4.1f} px/mm -> {found:22s} "
            f"{'' if score.is_scaled else 'scale '}{score.quality:8s} "
            f"{score.db:5.1f} dB {reasons}"
        )
        if config.output_dir:
            write_overlay(
                Path(config.output_dir) / f"{index:05d}.png", page, reading
            )
    for kind in sorted({score.kind for score in scores}):
        print(summary(kind, [s for s in scores if s.kind == kind]))
    for name, is_whole in (("whole", True), ("cut", False)):
        own = [score for score in scores if score.is_whole is is_whole]
        if own:
            print(summary(name, own))
    print(summary("all", scores))
    print(confusion(scores))


def confusion(scores):
    """Kinds that are drawn, one in a line, and what they were taken for."""
    lines = ["drawn as: found as"]
    for kind in sorted({score.kind for score in scores}):
        own = collections.Counter(s.found for s in scores if s.kind == kind)
        found = ", ".join(f"{name} {n}" for name, n in own.most_common())
        lines.append(f"{kind:6s}: {found}")
    return "\n".join(lines)


def drawn_pages(config):
    """(index, `DrawnPage`, capture) of as many pages as are asked for."""
    render = RenderConfig(variety="any", seed=config.seed)
    recordings = recordings_of(config)
    turns = itertools.cycle(config.layouts)
    wanted, n_drawn = next(turns), 0

    def is_wanted(description):
        layout = description.layout
        kind = kind_of(layout)
        if wanted not in (kind, kind.split("+")[0]):
            return False
        return not config.usual or (
            layout.speed_mm_per_s == PAPER_SPEED_MM_PER_S
            and gains_of(layout) == {GAIN_MM_PER_MV}
        )

    for index in itertools.count():
        if n_drawn == config.pages:
            return
        signals_mv = recordings[index % len(recordings)]
        page = draw_any_page(render, index, signals_mv, is_wanted)
        if page is not None:
            yield index, page, page.description.capture
            wanted, n_drawn = next(turns), n_drawn + 1


@dataclasses.dataclass(frozen=True)
class TypedPage:
    """What `DrawnPage` holds, of a page of the competition's types."""

    image: np.ndarray
    paper_map: PaperMap
    layout: PrintedLayout
    signals_mv: np.ndarray


def typed_pages(config):
    """(index, `TypedPage`, image type) of as many pages as are asked for."""
    render = RenderConfig(
        variety="layouts", seed=config.seed, rate_hz=(RATE_HZ,)
    )
    kinds = IMAGE_TYPES if config.images == ("all",) else config.images
    recordings = recordings_of(config)
    for index in range(config.pages):
        kind = kinds[index % len(kinds)]
        signals_mv = recordings[index % len(recordings)]
        _, layout, table_mv, pictures = draw_record(
            render, index, signals_mv, (kind,)
        )
        _, image, page_map = next(pictures)
        drawn_mv, printed = to_grid(table_mv, RATE_HZ)
        page = TypedPage(
            image,
            PaperMap.from_page_map(page_map, PAGE_BOUNDS_MM),
            layout.printed(),
            np.where(printed > 0, drawn_mv, np.nan).astype(np.float32),
        )
        yield index, page, kind


def recordings_of(config):
    """(12, 5000) mV each, or None for one that is simulated."""
    if config.signals is None:
        return [None]
    return read_signals_file(config.signals)[1]


def scored(page, reading):
    """The `Score` of a `PageReading` of a `DrawnPage` or `TypedPage`."""
    layout, printed = page.layout, reading.printed
    digitized = reading.digitized
    found_mv = np.zeros_like(page.signals_mv)
    if digitized.quality != REFUSED:
        n = min(found_mv.shape[1], digitized.signals_mv.shape[1])
        found_mv[:, :n] = np.nan_to_num(digitized.signals_mv[:, :n])
    printed_too = printed_signals(layout, np.zeros_like(page.signals_mv))
    shown = np.isfinite(page.signals_mv)
    return Score(
        kind_of(layout),
        digitized.quality if printed is None else kind_of(printed),
        np.array_equal(shown, np.isfinite(printed_too)),
        printed is not None
        and leads_of(printed, reading.paper_map, page.image.shape)
        == leads_of(layout, page.paper_map, page.image.shape),
        printed is not None
        and printed.speed_mm_per_s == layout.speed_mm_per_s
        and gains_of(printed) == gains_of(layout),
        digitized.quality,
        record_ratio(page.signals_mv, found_mv, RATE_HZ),
    )


def px_per_mm(paper_map):
    """Along x, in the middle of the page."""
    left, top, right, bottom = paper_map.bounds_mm
    return paper_map.local_scale([(left + right) / 2, (top + bottom) / 2])[0]


def kind_of(layout):
    """As 3x4+1, without the strips' leads."""
    return layout.name.split(" ")[0]


def leads_of(layout, paper_map, shape):
    """Leads of each row, as far as a picture shows them."""
    leads = []
    for row in layout.rows:
        own = []
        for segment in row.segments:
            x_mm = np.linspace(segment.x_start_mm, segment.x_end_mm, 50)
            line = np.stack([x_mm, np.full(50, row.zero_y_mm)], axis=-1)
            if paper_map.in_picture(line, shape).mean() > SHOWN_SHARE:
                own.append(segment.lead)
        if own:
            leads.append(own)
    return leads


def gains_of(layout):
    return {row.gain_mm_per_mv for row in layout.rows}


def summary(name, scores):
    """A line on some scores."""
    n = len(scores)
    read = [score for score in scores if score.quality != REFUSED]
    good = [score for score in scores if score.quality == GOOD]
    right = [score for score in read if score.is_found and score.is_scaled]
    return (
        f"{name:5s} {n:3d} pages, layout right "
        f"{sum(score.is_found for score in scores) / n:4.0%}, with speed and "
        f"gain {len(right) / n:4.0%}, good {len(good) / n:4.0%}, refused "
        f"{1 - len(read) / n:4.0%}, read under {MISREAD_DB:g} dB "
        f"{sum(score.db < MISREAD_DB for score in read) / n:4.0%}, good under "
        f"{SURE_DB:g} {sum(score.db < SURE_DB for score in good)}, median "
        f"{np.median([score.db for score in scores]):.1f} dB"
    )


def write_overlay(path, page, reading):
    """A page with its traces as they were read."""
    picture = page.image.copy()
    size_px = np.array(picture.shape[1::-1])
    for number, trace in enumerate(traces_of(reading, size_px)):
        points = np.round(trace.shares * size_px * 8).astype(np.int32)
        cv2.polylines(
            picture, [points], False, COLOURS[number % 2], 1, cv2.LINE_AA, 3
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])


if __name__ == "__main__":
    sys.exit(run_command(main))
