"""Read a page of any layout: picture -> where its mm are -> what is printed
where -> signals, and how far they are to be trusted.

Where the competition's page is found, what is printed where is known; of other
pages it is found. A page that is not read surely is looked at again, without
its grid, which may be as dark as the traces: the surer reading counts.

    reader = load_page_reader()
    reading = reader.read(image)
    reading.digitized.signals_mv, reading.digitized.layout
"""

import copy
import dataclasses
import functools

import numpy as np

from ecg_keras.ecg.digitized import DOUBTFUL, GOOD, REFUSED, DigitizedEcg
from ecg_keras.ecg.leads import N_LEADS
from ecg_keras.models.layout import find, trace_edges
from ecg_keras.models.layout.beats import rows_with_beats
from ecg_keras.models.layout.checks import check
from ecg_keras.models.layout.column_times import with_times
from ecg_keras.models.layout.columns import USUAL_ROW_MM, trace_ends
from ecg_keras.models.layout.given import Given
from ecg_keras.models.layout.known_layouts import KNOWN, known
from ecg_keras.models.layout.lead_names import (
    Names,
    find_names,
    written_scales,
)
from ecg_keras.models.layout.pulses import find_pulses, gaps_with_pulses
from ecg_keras.models.layout.row_heights import read_whole_rows
from ecg_keras.models.layout.separators import find_gaps, find_separators
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
from ecg_keras.page.paper import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout
from ecg_keras.page.row_images import not_finer_than
from ecg_keras.registration.anchor import competition_anchor
from ecg_keras.registration.register import register

# The reader's networks.
ROWS, NAMES = "row_network", "name_network"
# Rows beyond this are no ECG's.
MOST_ROWS = 16
SPEED_ASSUMED = (
    "neither print nor pulses nor columns tell the paper speed: taken as "
    f"{PAPER_SPEED_MM_PER_S:g} mm/s"
)
GAIN_ASSUMED = (
    "neither a calibration pulse nor print tells the gain: taken as "
    f"{GAIN_MM_PER_MV:g} mm/mV"
)
BEGINNING_LOST = (
    "the picture begins within the traces: how much was before is not known"
)
COLUMNS_UNUSUAL = (
    "columns begin with a pulse and are of no usual width: when each begins is "
    "not sure"
)
# Devices print two columns either way.
SAME_SECONDS_UNKNOWN = (
    "nothing tells whether both columns show the same seconds: the second is "
    "taken to follow the first"
)
# Traces that go on for more mm after their leads show more than these.
MOST_UNREAD_MM = 8.0
# The first look reads most pages better: of two that are as sure to a tenth it
# counts. On 84 pages with truth a tenth costs nothing, a third 0.1 dB.
SURER_BY = 0.9
# Of a page that is the right way up so many leads' names are read, where they
# are printed.
UPRIGHT_NAMES = 3
# And its pulses stand so near to their rows' zero lines, mm.
UPRIGHT_OFF_MM = 3.0
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

        Returns:
            `PageReading`.
        """
        registration = self.register(image, self.given.px_per_mm)
        if registration.paper_map is None:
            return _refused(registration.reasons)
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
            return best.reading(doubts)

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
        looks = [Look(image, paper_map, self)]
        if not looks[0].is_likely:
            looks += [
                Look(image, paper_map.turned(quarters), self)
                for quarters in (1, 2, 3)
            ]
        elif looks[0].may_be_upside_down:
            turned = Look(image, paper_map.turned(2), self)
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

    @property
    def kinds(self):
        """The kinds of pages that are looked for."""
        return known(self.given.layout) if self.given.layout else KNOWN

    def may_be_known(self, rows):
        """Whether some kind of page has as few rows."""
        return any(len(kind.rows) <= len(rows) for kind in self.kinds)


class Look:
    """A picture, looked at with its paper turned some way.

    Args:
        image, paper_map: see `PageReader.read_mapped`.
        reader: the `PageReader`.

    Attributes:
        page: its `StraightPage`.
        rows: list of `trace_rows.TraceRow`.
        pulses: list of `pulses.FoundPulse`.
        pulse_gaps: see `pulses.gaps_with_pulses`.
    """

    def __init__(self, image, paper_map, reader):
        self.image, self.paper_map, self.reader = image, paper_map, reader
        self.page = straighten(image, paper_map)
        self.rows = find_rows(self.page)
        self.pulses = []
        if len(self.rows) <= MOST_ROWS:
            self.pulses = find_pulses(self.page, self.rows)
        self.pulse_gaps = gaps_with_pulses(self.page, self.pulses)
        self.candidates = []

    @functools.cached_property
    def names(self):
        """The `Names` of leads that are printed."""
        return Names(self.words)

    @functools.cached_property
    def words(self):
        """`FoundName`s of all that the name network reads."""
        if self.reader.networks.names is None:
            return []
        return find_names(self.page, self.reader.networks.names)

    @property
    def likely(self):
        """How likely this is upright, by rows, pulses and names alone."""
        shown = sum(
            row.coverage * (row.x_end_mm - row.x_start_mm) for row in self.rows
        )
        return shown / 250 + 2 * len(self.pulses) + self.n_named / 2

    @property
    def n_named(self):
        """Of how many leads the names are read."""
        return len(self.names.sure_leads)

    @property
    def feet_off_mm(self):
        """How far pulses stand off their rows' zero lines."""
        off = [p.foot_y_mm - self.rows[p.row].zero_y_mm for p in self.pulses]
        return float(np.median(np.abs(off))) if off else np.inf

    @property
    def may_be_upside_down(self):
        """Whether pulses alone tell which way up it is: they are pulses
        upside down, too, though of other rows.
        """
        return self.n_named < UPRIGHT_NAMES or self.feet_off_mm > UPRIGHT_OFF_MM

    def is_more_upright_than(self, look):
        """Whether names, or the feet of pulses, tell for this one of two."""
        if self.n_named >= look.n_named + UPRIGHT_NAMES:
            return True
        return self.feet_off_mm < min(UPRIGHT_OFF_MM, look.feet_off_mm / 2)

    @property
    def is_likely(self):
        """Whether other ways to turn the paper need not be looked at."""
        return bool(self.rows) and bool(self.pulses)

    @property
    def agreement(self):
        return self.candidates[0].agreement if self.candidates else -np.inf

    def match(self, kinds, image, paper_map):
        """Read the rows and find which of some kinds of pages they may be.

        Args:
            kinds: `known_layouts.KnownLayout`s.
            image, paper_map: where rows are read: the picture, or its page
                without its grid.
        """
        self.read_rows(image, paper_map)
        self.leave_out_lines()
        self.ends = trace_ends(self.rows, self.pulses, self.page)
        marks = find_separators(self.page, self.heights, self.pulses)
        gaps = self.pulse_gaps or find_gaps(self.page, self.heights)
        self.candidates = find.candidates(
            self.heights, self.ends, kinds, marks, gaps, self.names
        )

    def read_rows(self, image, paper_map):
        """Read the rows, each as if it were one lead; see `match`."""
        self.heights = read_whole_rows(
            *not_finer_than(image, paper_map),
            self.rows,
            self.pulses,
            self.reader.networks,
        )

    def leave_out_lines(self):
        """Leave out rows that show no beats: frames, letters, paper's edges."""
        sure = {pulse.row for pulse in self.pulses}
        kept = rows_with_beats(self.heights, sure)
        if len(kept) == len(self.rows):
            return
        self.rows = [self.rows[k] for k in kept]
        self.heights = [self.heights[k] for k in kept]
        self.pulses = [
            dataclasses.replace(pulse, row=kept.index(pulse.row))
            for pulse in self.pulses
        ]

    def with_whole_rows(self, image):
        """The same look, where rows are 250 mm long; see `trace_edges`."""
        best = self.candidates[0]
        rows = self.heights[best.first_row :][: len(best.rows)]
        whole = [
            row
            for row, leads in zip(rows, best.rows, strict=True)
            if len(leads) == 1
        ]
        first_mm, length_mm = best.x_start_mm, best.marked_row_mm
        if length_mm is None:
            found = trace_edges.whole_rows(
                image, self.paper_map, rows, whole, first_mm, best.x_end_mm
            )
            if found is None:
                return self
            first_mm, length_mm = found
        look = copy.copy(self)
        as_printed = dataclasses.replace(best, x_start_mm=first_mm)
        if length_mm is not None:
            as_printed = dataclasses.replace(
                as_printed, x_end_mm=first_mm + USUAL_ROW_MM
            )
        if length_mm in (None, USUAL_ROW_MM):
            look.candidates = [as_printed, *self.candidates[1:]]
            return look
        factor = length_mm / USUAL_ROW_MM
        look.paper_map = self.paper_map.stretched(first_mm, factor)
        look.page = straighten(image, look.paper_map)

        def moved(found, **more):
            start, end = (
                first_mm + (x - first_mm) / factor
                for x in (found.x_start_mm, found.x_end_mm)
            )
            return dataclasses.replace(
                found, x_start_mm=start, x_end_mm=end, **more
            )

        look.names = self.names.stretched(first_mm, factor)
        look.rows = [moved(row) for row in self.rows]
        look.pulses = [moved(pulse) for pulse in self.pulses]
        look.pulse_gaps = gaps_with_pulses(look.page, look.pulses)
        look.candidates = [
            moved(candidate, column_mm=candidate.column_mm / factor)
            for candidate in self.candidates
        ]
        if best.marked_row_mm is None:
            # Its columns are as wide as devices print them by these mm.
            look.candidates[0] = as_printed
        look.read_rows(image, look.paper_map)
        return look

    def reading(self, doubts):
        given = self.reader.given
        best = self.candidates[0]
        gain, speed = find.gain_and_speed(self.pulses)
        if speed is None and best.tells_speed:
            speed = PAPER_SPEED_MM_PER_S
        speeds, gains = written_scales(self.words)
        measured = speed
        speed, no_speed = _settled(
            given.speed_mm_per_s, speeds, measured, "mm/s", SPEED_ASSUMED
        )
        gain, no_gain = _settled(
            given.gain_mm_per_mv, gains, gain, "mm/mV", GAIN_ASSUMED
        )
        doubts = (*doubts, *no_gain, *no_speed)
        speed = speed or PAPER_SPEED_MM_PER_S
        if given.speed_mm_per_s is None:
            unlikely = functools.partial(
                find.unlikely_beats,
                self.heights,
                best.x_start_mm,
                best.x_end_mm,
            )
            reason = unlikely(speed)
            if reason and measured is not None and not unlikely(measured):
                # What is written was misread.
                speed = measured
            elif reason:
                doubts = (*doubts, reason)
        if given.gain_mm_per_mv is None and not gains:
            rare = find.rare_gain(self.pulses, len(best.rows))
            doubts = (*doubts, *filter(None, [rare]))
        if find.lost_beginning(best, self.ends):
            doubts = (*doubts, BEGINNING_LOST)
        layout = find.printed_layout(
            best, self.heights, self.pulses, speed, gain or GAIN_MM_PER_MV
        )
        if layout.simultaneous is None and best.kind.n_columns == 2:
            doubts = (*doubts, SAME_SECONDS_UNKNOWN)
        unread_mm = self.ends.x_end_mm - max(r.x_end_mm for r in layout.rows)
        if unread_mm > MOST_UNREAD_MM:
            doubts = (
                *doubts,
                f"traces go on for {unread_mm:.0f} mm after the leads end",
            )
        rows = self.heights[best.first_row :][: len(layout.rows)]
        layout = trace_edges.with_gaps(
            self.image,
            self.paper_map,
            layout,
            rows,
            best.gap_mm,
            self.pulse_gaps,
        )
        layout = with_times(layout, rows)
        if self.pulse_gaps and not trace_edges.shows_usual_columns(layout):
            doubts = (*doubts, COLUMNS_UNUSUAL)
        return _reading(
            self.image,
            self.paper_map,
            self.page,
            layout,
            read_segments(
                layout,
                [row.seen for row in rows],
                self.reader.networks.likely_path,
            ),
            self.pulses,
            doubts,
            self.candidates,
            given.layout is not None,
        )


def _settled(given, written, measured, unit, assumed):
    """A speed or a gain by what the user, print and measurements say.

    Args:
        given: of the user, or None.
        written: tuple of all that the page says.
        measured: by pulses or columns, or None.
        unit: of these.
        assumed: the doubt where nothing tells it.

    Returns:
        (number or None, tuple of doubts).
    """
    if given is not None:
        return given, ()
    told = {*written, measured} - {None}
    if not told:
        return None, (assumed,)
    found = written[0] if len(written) == 1 else measured
    if len(told) == 1:
        return found, ()
    says = " and ".join(f"{number:g}" for number in written)
    doubt = f"{says} {unit} is written on the page"
    if measured is not None:
        doubt += f", pulses or columns tell {measured:g}"
    return found, (doubt,)


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
