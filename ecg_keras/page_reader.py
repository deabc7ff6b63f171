"""Read a page of any layout: picture -> where its mm are -> what is printed
where -> signals, and how far they are to be trusted.

Where the competition's page is found, what is printed where is known; of other
pages it is found. A page that is not read surely is looked at again, without
its grid, which may be as dark as the traces: the surer reading counts.

    reader = load_page_reader()
    reading = reader.read(image)
    reading.digitized.signals_mv, reading.digitized.layout
"""

import dataclasses

import numpy as np

from ecg_keras.ecg.digitized import DOUBTFUL, GOOD, REFUSED, DigitizedEcg
from ecg_keras.ecg.leads import N_LEADS
from ecg_keras.models.layout.checks import check
from ecg_keras.models.layout.given import Given
from ecg_keras.models.layout.known_layouts import KNOWN, known
from ecg_keras.models.layout.look import MOST_ROWS, Look
from ecg_keras.models.layout.pulses import find_pulses
from ecg_keras.models.layout.scale import GAIN_ASSUMED, SPEED_ASSUMED
from ecg_keras.models.layout.straight_page import straighten
from ecg_keras.models.layout.trace_rows import find_rows
from ecg_keras.models.reading.leads_from_segments import join_segments
from ecg_keras.models.reading.networks import Networks
from ecg_keras.models.reading.printed_rows import (
    placed_in,
    read_printed_rows,
    read_segments,
)
from ecg_keras.packaged import PAGE_READER, READER_WEIGHTS
from ecg_keras.page.layouts import COMPETITION
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout
from ecg_keras.registration.anchor import competition_anchor
from ecg_keras.registration.other_grids import shows_other_grid
from ecg_keras.registration.register import register

# The reader's networks.
ROWS, NAMES = "row_network", "name_network"
OTHER_PAGE = (
    "the picture shows another page's grid, too: one page alone was read"
)
# Half of a picture of white traces is darker, of 255.
DARK_PAGE = 100
# The first look reads most pages better: of two that are as sure to a tenth it
# counts. On 84 pages with truth a tenth costs nothing, a third 0.1 dB.
SURER_BY = 0.9
# Leads that agree less than this may lie another way; they lie as they agree
# better by so much.
SURE_AGREEMENT, BETTER_BY = 6.0, 3.0


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

    @property
    def doubtfulness(self):
        """For comparison: the less, the surer."""
        return self.digitized.rank, self.numbers.get("unsure", np.inf)


class PageReader:
    """Reads pages of any layout.

    Args:
        networks: `networks.Networks`.
        register: function of an image and of its px for each mm, or None, that
            finds its `Registration`.
        given: `Given`, what the user says of all pages.
    """

    def __init__(self, networks, register, given=None):
        self.networks = networks
        self.register = register
        self.given = given or Given()

    def read(self, image):
        """Read a picture.

        Args:
            image: (H, W, 3) uint8 RGB.

        White traces on black paper, as viewers and films show, are read as
        black ones on white.

        Returns:
            `PageReading`.
        """
        found = self.read_as_it_is(image)
        if found.digitized.quality == REFUSED and np.median(image) < DARK_PAGE:
            turned = self.read_as_it_is(255 - image)
            if turned.digitized.quality != REFUSED:
                return turned
        return found

    def read_as_it_is(self, image):
        """Read a picture of dark traces on bright paper; see `read`."""
        registration = self.register(image, self.given.px_per_mm)
        if registration.paper_map is None:
            return _refused(registration.reasons)
        found = self.read_registered(image, registration)
        if found.digitized.quality == GOOD and shows_other_grid(
            image, registration, self.register
        ):
            doubtful = found.digitized.doubted((OTHER_PAGE,))
            return dataclasses.replace(found, digitized=doubtful)
        return found

    def read_registered(self, image, registration):
        """Read a picture whose `Registration` has a map; see `read`."""
        doubts = ()
        if registration.quality != GOOD:
            doubts = tuple(registration.reasons)
        known = self.read_competition(image, registration.paper_map, doubts)
        if known is not None and known.digitized.quality != REFUSED:
            return known
        found = self.read_mapped(image, registration.paper_map, doubts)
        if known is None:
            return found
        return _surer(known, found)

    def read_competition(self, image, paper_map, doubts=()):
        """Read a picture of the competition's page, which is always the same.

        Args:
            image, paper_map, doubts: see `read_mapped`.

        Returns:
            `PageReading`, or None where the picture does not show that page,
            or the user says that it shows another.
        """
        layout = COMPETITION.printed()
        given = self.given
        for said, own in (
            (given.layout, layout.name),
            (given.speed_mm_per_s, layout.speed_mm_per_s),
            (given.gain_mm_per_mv, layout.rows[0].gain_mm_per_mv),
        ):
            if said not in (None, own):
                return None
        anchor = competition_anchor(image, paper_map)
        if not anchor.is_sure:
            return None
        if not anchor.tells_gain and given.gain_mm_per_mv is None:
            doubts = (*doubts, GAIN_ASSUMED)
        paper_map = anchor.paper_map
        page = straighten(image, paper_map)
        pulses = find_pulses(page, find_rows(page))

        def read(picture, map_of_it):
            readings = read_printed_rows(
                picture, map_of_it, layout, self.networks
            )
            return _reading(
                image, paper_map, page, layout, readings, pulses, doubts
            )

        return self.surest_of_pictures(read, image, paper_map, page, doubts)

    def read_mapped(self, image, paper_map, doubts=()):
        """Read a picture whose mm are known.

        Args:
            image: (H, W, 3) uint8 RGB.
            paper_map: its `PaperMap`.
            doubts: reasons to doubt the map.

        Returns:
            `PageReading`.
        """
        best, *others = self.looks(image, paper_map)
        if not best.rows:
            return _refused(("no rows of traces were found",), paper_map)
        if len(best.rows) > MOST_ROWS:
            return _refused(
                (f"{len(best.rows)} rows of traces are no ECG's",), paper_map
            )
        if not self.may_be_known(best.rows):
            what = self.given.layout or "any layout known here"
            return _refused(
                (f"{len(best.rows)} rows of traces are not {what}",), paper_map
            )
        best.match(self.kinds, image, best.paper_map)
        # However the paper is turned, there are rows; without pulses only
        # leads tell.
        if best.agreement < SURE_AGREEMENT and not best.pulses:
            best = self.other_way(image, best, others)

        best = best.with_whole_rows(image)

        def read(picture, map_of_it):
            if picture is not image:
                best.match(self.kinds, picture, map_of_it)
            return self.reading_of(best, doubts)

        return self.surest_of_pictures(
            read, image, best.paper_map, best.page, doubts
        )

    def looks(self, image, paper_map):
        """Look at a picture with its paper turned as it may lie.

        Args:
            image, paper_map: see `read_mapped`.

        Returns:
            list of `Look`s, the likeliest first.
        """
        asked = self.networks, self.given
        looks = [Look(image, paper_map, *asked)]
        if not looks[0].is_likely:
            looks += [
                Look(image, paper_map.turned(quarters), *asked)
                for quarters in (1, 2, 3)
            ]
        elif looks[0].may_be_upside_down:
            turned = Look(image, paper_map.turned(2), *asked)
            if turned.is_more_upright_than(looks[0]):
                looks = [turned]
        return sorted(looks, key=lambda look: -look.likely)

    def other_way(self, image, best, others):
        """A look at paper that is turned another way, if its leads agree.

        Args:
            image: the picture.
            best: the likeliest `Look`, matched.
            others: other `Look`s.

        Returns:
            `Look`.
        """
        least = best.agreement + BETTER_BY
        for look in others:
            if not self.may_be_known(look.rows) or len(look.rows) > MOST_ROWS:
                continue
            look.match(self.kinds, image, look.paper_map)
            if look.agreement > least:
                best, least = look, look.agreement
        return best

    def surest_of_pictures(self, read, image, paper_map, page, doubts):
        """What is read of a picture, or by a second look at it.

        That is at its page without its grid, which is coarser: that loses what
        is fine, and noise.

        Args:
            read: function of an image and its `PaperMap`, a `PageReading`.
            image, paper_map, doubts: see `read_mapped`.
            page: `StraightPage` of the picture.

        Returns:
            `PageReading`, the surer one.
        """
        reading = read(image, paper_map)
        # Another look tells nothing of these.
        settled = {*doubts, SPEED_ASSUMED, GAIN_ASSUMED}
        if set(reading.digitized.reasons) <= settled:
            return reading
        # Tables and charts have rows, too: without a pulse they are no ECG.
        if reading.digitized.quality == REFUSED and not reading.printed.pulses:
            return reading
        return _surer(reading, read(*page.without_grid()))

    def reading_of(self, look, doubts):
        """The `PageReading` of a matched `Look`; see `read_mapped`."""
        layout, more_doubts = look.printed_layout()
        readings = read_segments(
            layout,
            [row.seen for row in look.leads_heights],
            self.networks.likely_path,
        )
        return _reading(
            look.image,
            look.paper_map,
            look.page,
            layout,
            readings,
            look.pulses,
            (*doubts, *more_doubts),
            look.candidates,
            self.given.layout is not None,
        )

    @property
    def kinds(self):
        """The kinds of pages that are looked for."""
        return known(self.given.layout) if self.given.layout else KNOWN

    def may_be_known(self, rows):
        """Whether some kind of page has as few rows."""
        return any(len(kind.rows) <= len(rows) for kind in self.kinds)


def _surer(reading, again):
    """A reading, or that of another look if it is surer by enough."""
    rank, unsure = reading.doubtfulness
    is_surer = again.doubtfulness < (rank, SURER_BY * unsure)
    return again if is_surer else reading


def _reading(
    image, paper_map, page, layout, readings, pulses, doubts, *of_layout
):
    """`PageReading` of a page whose layout is known.

    Args:
        image, paper_map: of the page.
        page: its `StraightPage`.
        layout: its `PrintedLayout`.
        readings: `printed_rows.LeadReading`s of its segments.
        pulses: list of `pulses.FoundPulse`.
        doubts: reasons to doubt the map.
        of_layout: `candidates` and `is_named`, see `checks.check`.
    """
    readings = placed_in(readings, layout, paper_map, image.shape[:2])
    checks = check(page, layout, readings, pulses, *of_layout)
    signals, std = join_segments(layout, readings)
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
        traces_box=_traces_box(layout, paper_map, image.shape[:2]),
        quality=quality,
        reasons=reasons,
        read_by=PAGE_READER,
    )
    numbers = dict(checks.numbers)
    for best in of_layout[0][:1] if of_layout else ():
        numbers["score"] = round(float(best.score), 2)
        numbers["agreement"] = round(float(best.agreement), 2)
        numbers["named"], numbers["misnamed"] = best.n_named, best.n_misnamed
    heights = tuple(reading.height_mm for reading in readings)
    return PageReading(digitized, layout, paper_map, heights, numbers)


def _traces_box(layout, paper_map, shape):
    """Left, top, right, bottom of the traces, as shares of the picture."""
    left, top, right, bottom = layout.bounds_mm
    corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
    px = paper_map.to_px(np.array(corners, float))
    height, width = shape
    shares = (px / np.array([width, height])).clip(0, 1)
    return (*shares.min(axis=0).tolist(), *shares.max(axis=0).tolist())


def load_page_reader(given=None):
    """The `PageReader` with the networks that come with the package.

    Args:
        given: `Given`, what is known of all pages.
    """
    # Imported here: an exported reader has no Keras.
    from ecg_keras.models.reading.likely_path import (
        likely_path,
        start_compiling,
    )

    networks = Networks(_network(ROWS), likely_path, _network(NAMES))
    start_compiling()
    return PageReader(networks, register, given)


def load_page_looker():
    """A `PageReader` that looks at pages without reading their traces."""
    return PageReader(Networks(None, None, _network(NAMES)), register)


def _network(name):
    from ecg_keras.models.weight_files import read_packaged_network

    return read_packaged_network(READER_WEIGHTS, name)


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
