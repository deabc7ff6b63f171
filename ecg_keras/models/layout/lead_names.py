"""Names of leads, speeds and gains that a page prints, and where."""

import dataclasses
import functools

import cv2
import numpy as np

from ecg_keras.ecg.leads import LEADS
from ecg_keras.models.layout.known_layouts import ANY
from ecg_keras.models.layout.name_classes import (
    CELL_PX,
    CLASSES,
    LEAD_CLASSES,
    SCALES,
)

# Parts of a page that are read at once, and what of them is read by the next
# part, too: the network sees no further.
PART_PX, MARGIN_PX = 640, 32
# Where a name's middle may be, mm right of where its lead begins and below its
# zero line; all names of a page stand the same way, to so much.
RIGHT_MM, BELOW_MM = (-16.0, 28.0), (-24.0, 20.0)
SAME_RIGHT_MM, SAME_BELOW_MM = 3.0, 4.5
# A name this likely is there.
SURE = 0.6
# A speed and a gain this likely, each, on one line and so near to each other;
# another gain of that line.
LIKELY_SCALE, LINE_MM, BESIDE_MM, SURE_SCALE = 0.7, 2.0, 60.0, 0.8
# So many names above each other tell where a column is.
LEAST_ALIGNED = 2
# What another lead's name counts, where one of the right lead counts 1; what
# tells more than this is the right one's.
WRONG, LEAST_TOLD = -1.5, 0.3
# Cells that are this likely of some name, side by side, are one.
LEAST_LIKELY = 0.3


@dataclasses.dataclass(frozen=True)
class FoundName:
    """A lead's name on a page, or a speed or a gain.

    Attributes:
        x_mm, y_mm: its middle on the paper, or where its number ends.
        shares: for each of `CLASSES` how likely it is that.
    """

    x_mm: float
    y_mm: float
    shares: tuple

    @property
    def word(self):
        """The likeliest of all `CLASSES` but none."""
        return CLASSES[1 + int(np.argmax(self.shares[1:]))]

    @property
    def word_probability(self):
        """That it is this word."""
        return max(self.shares[1:])

    @property
    def lead(self):
        """The likeliest: one of the twelve, or "other" for another lead."""
        return LEAD_CLASSES[int(np.argmax(self._lead_shares))]

    @property
    def probability(self):
        """That it is this lead's."""
        return max(self._lead_shares)

    @property
    def _lead_shares(self):
        return self.shares[1 : 1 + len(LEAD_CLASSES)]

    @property
    def of_leads(self):
        """{lead: how likely it is its name} of the twelve."""
        return dict(zip(LEADS, self.shares[1:], strict=False))

    def told(self, lead):
        """What it tells for a lead (above 0) or against it."""
        own = self.shares[CLASSES.index(class_name(lead))]
        return own + WRONG * (self.probability - own)


def find_names(page, network):
    """Find the names of leads, and speeds and gains, on a page.

    Args:
        page: `straight_page.StraightPage`.
        network: see `name_network.build_name_network`.

    Returns:
        list of `FoundName`.
    """
    ink = np.rint(255 * page.ink).astype(np.uint8)
    height, width = ink.shape
    inner = PART_PX - 2 * MARGIN_PX
    n_y, n_x = -(-height // inner), -(-width // inner)
    ink = np.pad(
        ink,
        (
            (MARGIN_PX, n_y * inner - height + MARGIN_PX),
            (MARGIN_PX, n_x * inner - width + MARGIN_PX),
        ),
    )
    margin = MARGIN_PX // CELL_PX
    rows = []
    for y in range(n_y):
        parts = [
            ink[y * inner :, x * inner :][:PART_PX, :PART_PX]
            for x in range(n_x)
        ]
        logits = [
            np.asarray(network.predict_on_batch(part[None, ..., None]))[
                0, margin:-margin, margin:-margin
            ]
            for part in parts
        ]
        rows.append(np.concatenate(logits, axis=1))
    return [
        FoundName(
            float(page.x_mm(x * CELL_PX - 0.5)),
            float(page.y_mm(y * CELL_PX - 0.5)),
            tuple(shares.tolist()),
        )
        for x, y, shares in names_in(np.concatenate(rows))
    ]


def written_scales(found):
    """Speeds and gains that are written on a page, side by side on one line.

    One without the other is often another word, misread. Of several gains on a
    line the one nearest to the speed counts, others only where they are sure.

    Args:
        found: list of `FoundName`.

    Returns:
        (speeds in mm/s, gains in mm/mV): tuples of floats, each once.
    """
    scales = [name for name in found if name.word in SCALES]
    scales = [name for name in scales if name.word_probability > LIKELY_SCALE]
    speeds, gains = set(), set()
    for speed in scales:
        beside = [
            name
            for name in scales
            if speed.word.endswith("/s") and name.word.endswith("/mV")
            and abs(name.y_mm - speed.y_mm) < LINE_MM
            and abs(name.x_mm - speed.x_mm) < BESIDE_MM
        ]  # fmt: skip
        beside.sort(key=lambda name: abs(name.x_mm - speed.x_mm))
        if beside:
            speeds.add(_number(speed))
        for index, gain in enumerate(beside):
            if index == 0 or gain.word_probability > SURE_SCALE:
                gains.add(_number(gain))
    return tuple(sorted(speeds)), tuple(sorted(gains))


def _number(scale):
    """A speed in mm/s or a gain in mm/mV."""
    return float(scale.word.split(" ")[0])


def class_name(lead):
    """Under which name a lead is found; turned over it has the same."""
    lead = lead.removeprefix("-")
    return lead if lead in LEAD_CLASSES or lead == ANY else "other"


def names_in(logits):
    """Names in the cells of a page or of a part of one.

    Args:
        logits: (H, W, classes), see `build_name_network`.

    Returns:
        list of (x, y, (classes,) shares): x and y in cells from the corner,
        middles at .5, and how likely it is of each class.
    """
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    is_name = (1 - shares[..., 0]).astype(np.float32)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(
        (is_name > LEAST_LIKELY).astype(np.uint8)
    )
    found = []
    for label, (left, top, width, height, _) in enumerate(boxes[1:], 1):
        cells = np.s_[top : top + height, left : left + width]
        # A name's middle is where its cells are, its lead what they say.
        weights = np.where(labels[cells] == label, is_name[cells], 0)
        weights = weights / weights.sum()
        y, x = np.indices(weights.shape) + 0.5
        found.append(
            (
                float(left + (x * weights).sum()),
                float(top + (y * weights).sum()),
                np.einsum("yx,yxc->c", weights, shares[cells]),
            )
        )
    return found


def _is_sure(name):
    """Whether a name is a lead's; strokes are read as I, too."""
    return name.probability > SURE and name.lead not in ("I", "other")


class Names:
    """Names on a page, to compare with where leads may be printed.

    Args:
        found: list of `FoundName`; those of leads count.
    """

    def __init__(self, found=()):
        found = tuple(name for name in found if name.word in LEAD_CLASSES)
        self.found = found
        self._leads = np.array([name.lead for name in found], dtype=object)
        at_mm = [(name.x_mm, name.y_mm) for name in found]
        self._at_mm = np.array(at_mm, float).reshape(-1, 2)
        # For each lead what each name tells.
        self._told = {
            lead: np.array([name.told(lead) for name in found])
            for lead in LEAD_CLASSES
        }
        self._told[ANY] = np.array([name.probability for name in found])

    @functools.cached_property
    def sure_leads(self):
        """Leads whose names are printed."""
        return {name.lead for name in self.found if _is_sure(name)}

    def sure_between(self, left_mm, right_mm):
        """The names between two x that are surely a lead's.

        Returns:
            ((n,) leads, (2, n) x and y in mm).
        """
        x_mm = self._at_mm[:, 0]
        own = np.array([_is_sure(name) for name in self.found], bool)
        own &= (x_mm > left_mm) & (x_mm < right_mm)
        return self._leads[own], self._at_mm[own].T

    def stretched(self, x_mm, factor):
        """The same where the paper is `factor` as long from an x on."""
        return Names(
            dataclasses.replace(name, x_mm=x_mm + (name.x_mm - x_mm) / factor)
            for name in self.found
        )

    def named_rows(self, at_mm):
        """Which rows have a lead's name beside their beginning, as most have.

        Args:
            at_mm: (n, 2) where each begins, on its zero line.

        Returns:
            set of indices.
        """
        beside = self.beside([ANY] * len(at_mm), at_mm)
        return {
            k
            for k, name in enumerate(beside)
            if name is not None and _is_sure(name)
        }

    def x_of(self, leads):
        """Where names of most of some leads are above each other, or None.

        One of them is sure: strokes above each other are read as I, II and III.
        """
        own = np.isin(self._leads, [class_name(lead) for lead in leads])
        names, x_mm = self._leads[own], self._at_mm[own, 0]
        is_sure = np.array([_is_sure(name) for name in self.found], bool)[own]
        most, found = min(len(leads), LEAST_ALIGNED) - 1, None
        for x in x_mm:
            near = np.abs(x_mm - x) < SAME_RIGHT_MM
            n_leads = len(set(names[near]))
            if n_leads > most and is_sure[near].any():
                most, found = n_leads, float(np.median(x_mm[near]))
        return found

    def beside(self, leads, at_mm):
        """The names that stand beside leads of a page.

        All stand the same way beside where their leads begin: the way in which
        most of them are right, or most are where none is.

        Args:
            leads: n names of leads, turned over or not; `ANY` fits all.
            at_mm: (n, 2) where each begins, on its zero line.

        Returns:
            list of n `FoundName`s, None where there is none.
        """
        nothing = [None] * len(leads)
        if not self.found:
            return nothing
        told = np.stack([self._told[class_name(lead)] for lead in leads])
        away = self._at_mm[None] - np.asarray(at_mm)[:, None]
        low, high = np.array([RIGHT_MM, BELOW_MM]).T
        near = ((away > low) & (away < high)).all(axis=-1)
        if not (near & (told > LEAST_TOLD)).any():
            # None is right: most names tell most against these leads.
            told = np.broadcast_to(self._told[ANY], told.shape)
        ways = away[near & (told > LEAST_TOLD)]
        if not len(ways):
            return nothing
        # (ways, leads, names): how far from where it would stand.
        off = np.abs(away[None] - ways[:, None, None])
        off = (off / [SAME_RIGHT_MM, SAME_BELOW_MM]).max(axis=-1)
        off = np.where(near[None], off, np.inf)
        nearest = off.argmin(axis=-1)
        there = np.take_along_axis(off, nearest[..., None], -1)[..., 0] < 1
        told = told[np.arange(len(leads))[None], nearest] * there
        best = int(told.sum(axis=-1).argmax())
        return [
            self.found[index] if is_there else None
            for index, is_there in zip(nearest[best], there[best], strict=True)
        ]
