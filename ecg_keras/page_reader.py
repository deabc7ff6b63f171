"""Read a page of any layout: picture -> where its mm are -> what is printed
where -> signals, and how far they are to be trusted.

    reader = load_page_reader()
    reading = reader.read(image)
    reading.digitized.signals_mv, reading.digitized.layout
"""

import dataclasses

import numpy as np

from ecg_keras.ecg.digitized import DOUBTFUL, GOOD, REFUSED, DigitizedEcg
from ecg_keras.ecg.leads import N_LEADS
from ecg_keras.errors import InputError
from ecg_keras.models.layout import find
from ecg_keras.models.layout.checks import check
from ecg_keras.models.layout.known_layouts import KNOWN, LAYOUT_NAMES, known
from ecg_keras.models.layout.pulses import find_pulses
from ecg_keras.models.layout.row_heights import read_whole_rows
from ecg_keras.models.layout.straight_page import straighten
from ecg_keras.models.layout.trace_rows import find_rows
from ecg_keras.models.reading.leads_from_segments import join_segments
from ecg_keras.models.reading.printed_rows import (
    not_finer_than,
    read_segments,
)
from ecg_keras.models.weight_files import read_packaged
from ecg_keras.packaged import PAGE_READER, PRESETS
from ecg_keras.page.paper import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout
from ecg_keras.registration.register import register

SPEEDS_MM_PER_S = (12.5, 25.0, 50.0)
GAINS_MM_PER_MV = (2.5, 5.0, 10.0, 20.0)
# Rows beyond this are no ECG's.
MOST_ROWS = 16
# Leads that agree less than this may lie upside down.
SURE_AGREEMENT = 3.0


@dataclasses.dataclass(frozen=True)
class Given:
    """What a user says of a page; None for what is to be found.

    Attributes:
        layout: a name of `known_layouts.LAYOUT_NAMES`.
        speed_mm_per_s, gain_mm_per_mv: of the paper.
    """

    layout: str | None = None
    speed_mm_per_s: float | None = None
    gain_mm_per_mv: float | None = None

    def __post_init__(self):
        if self.layout is not None and not known(self.layout):
            raise InputError(
                f"--layout: expected one of {', '.join(LAYOUT_NAMES)}. "
                f"Received: {self.layout}"
            )
        for what, value, usual in (
            ("--speed", self.speed_mm_per_s, SPEEDS_MM_PER_S),
            ("--gain", self.gain_mm_per_mv, GAINS_MM_PER_MV),
        ):
            if value is not None and value not in usual:
                raise InputError(
                    f"{what}: expected one of {usual}. Received: {value}"
                )


@dataclasses.dataclass(frozen=True, eq=False)
class PageReading:
    """What was read on a page, and where.

    Attributes:
        digitized: `DigitizedEcg`.
        printed: the `PrintedLayout`, in mm of `paper_map`; None where no
            layout was found.
        paper_map: `PaperMap` of the picture; None where it has no grid.
        heights: for each segment of `printed`, row by row, (n,) mm above its
            row's zero line, every 0.05 mm.
        numbers: dict, what the checks measured.
    """

    digitized: DigitizedEcg
    printed: PrintedLayout | None = None
    paper_map: PaperMap | None = None
    heights: tuple = ()
    numbers: dict = dataclasses.field(default_factory=dict)


class PageReader:
    """Reads pages of any layout.

    Args:
        row_network: see `row_network.build_row_network`.
        register: function of an image that finds its `Registration`.
        given: `Given`, what the user says of all pages.
    """

    def __init__(self, row_network, register, given=None):
        self.row_network = row_network
        self.register = register
        self.given = given or Given()

    def read(self, image):
        """Read a picture.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            `PageReading`.
        """
        registration = self.register(image)
        if registration.paper_map is None:
            return _refused(registration.reasons)
        doubts = ()
        if registration.quality != GOOD:
            doubts = tuple(registration.reasons)
        return self.read_mapped(image, registration.paper_map, doubts)

    def read_mapped(self, image, paper_map, doubts=()):
        """Read a picture whose mm are known.

        Args:
            image: (H, W, 3) uint8 RGB.
            paper_map: its `PaperMap`.
            doubts: reasons to doubt the map.

        Returns:
            `PageReading`.
        """
        looks = {0: _Look(image, paper_map, self)}
        if not looks[0].is_likely:
            for quarters in (1, 2, 3):
                turned = paper_map.turned(quarters)
                looks[quarters] = _Look(image, turned, self)
        best = max(looks, key=lambda quarters: looks[quarters].likely)
        over = looks.get((best + 2) % 4)
        best = looks[best]
        if not best.rows:
            return _refused(("no rows of traces were found",), paper_map)
        if len(best.rows) > MOST_ROWS:
            return _refused(
                (f"{len(best.rows)} rows of traces are no ECG's",), paper_map
            )
        kinds = self.kinds(len(best.rows))
        if not kinds:
            what = self.given.layout or "any layout known here"
            return _refused(
                (f"{len(best.rows)} rows of traces are not {what}",), paper_map
            )
        best.match(kinds)
        # Upside down, rows are rows, too; without pulses only leads tell.
        unsure = best.agreement < SURE_AGREEMENT and not best.pulses
        if unsure and over is not None and self.kinds(len(over.rows)):
            over.match(self.kinds(len(over.rows)))
            if over.agreement > best.agreement + SURE_AGREEMENT:
                best = over
        return best.reading(doubts)

    def kinds(self, n_rows):
        """The kinds of pages that so many rows may be."""
        given = self.given.layout
        return [
            kind
            for kind in (known(given) if given else KNOWN)
            if 0 < len(kind.rows) <= n_rows
        ]


class _Look:
    """A picture, looked at with its paper turned some way."""

    def __init__(self, image, paper_map, reader):
        self.image, self.paper_map, self.reader = image, paper_map, reader
        self.page = straighten(image, paper_map)
        self.rows = find_rows(self.page)
        self.pulses = []
        if len(self.rows) <= MOST_ROWS:
            self.pulses = find_pulses(self.page, self.rows)
        self.candidates = []

    @property
    def likely(self):
        """How likely this is upright, by rows and pulses alone."""
        shown = sum(
            row.coverage * (row.x_end_mm - row.x_start_mm) for row in self.rows
        )
        return shown / 250 + 2 * len(self.pulses)

    @property
    def is_likely(self):
        """Whether other ways to turn the paper need not be looked at."""
        return bool(self.rows) and bool(self.pulses)

    @property
    def agreement(self):
        return self.candidates[0].agreement if self.candidates else -np.inf

    def match(self, kinds):
        """Read the rows and find which of some kinds of pages they may be."""
        image, paper_map = not_finer_than(self.image, self.paper_map)
        self.heights = read_whole_rows(
            image,
            paper_map,
            self.rows,
            self.pulses,
            self.reader.row_network,
        )
        ends = find.trace_ends(self.rows, self.pulses, self.page)
        self.candidates = find.candidates(self.heights, ends, kinds)

    def reading(self, doubts):
        given = self.reader.given
        best = self.candidates[0]
        gain, speed = find.gain_and_speed(self.pulses)
        layout = find.printed_layout(
            best,
            self.heights,
            self.pulses,
            given.speed_mm_per_s or speed or PAPER_SPEED_MM_PER_S,
            given.gain_mm_per_mv or gain or GAIN_MM_PER_MV,
        )
        seen = [
            self.heights[best.first_row + k].seen
            for k in range(len(layout.rows))
        ]
        readings = read_segments(layout, seen)
        signals, std = join_segments(layout, readings)
        checks = check(
            self.page, layout, readings, self.candidates, self.pulses
        )
        quality, reasons = GOOD, (*doubts, *checks.doubts)
        if reasons:
            quality = DOUBTFUL
        if checks.faults:
            quality, reasons = REFUSED, (*checks.faults, *reasons)
        digitized = DigitizedEcg(
            signals,
            std,
            layout=layout.name,
            speed_mm_per_s=layout.speed_mm_per_s,
            gain_mm_per_mv=layout.rows[0].gain_mm_per_mv,
            rows=tuple(
                tuple(segment.lead for segment in row.segments)
                for row in layout.rows
            ),
            traces_box=self._traces_box(layout),
            quality=quality,
            reasons=reasons,
            read_by=PAGE_READER,
        )
        heights = tuple(reading.height_mm for reading in readings)
        numbers = {
            **checks.numbers,
            "score": round(float(best.score), 2),
            "agreement": round(float(best.agreement), 2),
        }
        return PageReading(digitized, layout, self.paper_map, heights, numbers)

    def _traces_box(self, layout):
        """Left, top, right, bottom of the traces, as shares of the picture."""
        left, top, right, bottom = layout.bounds_mm
        corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
        px = self.paper_map.to_px(np.array(corners, float))
        height, width = self.image.shape[:2]
        shares = (px / np.array([width, height])).clip(0, 1)
        return (*shares.min(axis=0).tolist(), *shares.max(axis=0).tolist())


def load_page_reader(given=None):
    """The `PageReader` with the networks that come with the package.

    Args:
        given: `Given`, what is known of all pages.
    """
    tracer = read_packaged(PRESETS["tracer"])
    return PageReader(tracer.get_layer("row_network"), register, given)


def _refused(reasons, paper_map=None):
    """A page on which nothing was read."""
    nothing = np.full((N_LEADS, 0), np.nan, np.float32)
    return PageReading(
        DigitizedEcg(
            nothing, nothing, quality=REFUSED, reasons=tuple(reasons),
            read_by=PAGE_READER,
        ),
        paper_map=paper_map,
    )  # fmt: skip
