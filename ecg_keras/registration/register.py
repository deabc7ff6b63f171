"""Where the paper's millimetres are in any picture, or that they are not there.

picture -> contrast of its lines -> candidates for the lattice (`lattice`)
  -> each grown over the sheet (`growth`), 5 mm lines first -> the best
  -> smooth sheet, the feed's skips, 1 mm lines -> PaperMap, quality
"""

import dataclasses
import functools

import numpy as np
from scipy.spatial import cKDTree

from ecg_keras.page.images import darkest_channel
from ecg_keras.page.paper import COARSE_GRID_MM
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.registration import growth
from ecg_keras.registration.contrast import contrast, reduced
from ecg_keras.registration.lattice import facing_right, find_lattices
from ecg_keras.registration.pulse_scale import pulse_scale

# What the work is done at: 1 mm lines are 4.5 px apart, if the picture has it.
_WORKING_PX_PER_MM = 4.5
_MAX_CANDIDATES = 5
_DISTINCT = 1.15
# A candidate whose grid covers this share of the picture is taken: one whose
# 5 mm teeth stand out so much, or any.
_ENOUGH, _CLEAR_BOXES = 0.25, 1.0
_ALONE = 0.5
# Steps of the lattice whose diagonals are the steps of another.
_DIAGONALS = np.array([[1.0, -1.0], [1.0, 1.0]])
# Longer sides in mm of what pictures of ECGs show; a grid seen on less than
# these sides is none.
_PLAUSIBLE_MM = (100.0, 450.0)
# A grid of which less is clear, of its 5 mm and of its 1 mm lines, is none, and
# counts for so much.
_CLEAR_SHARE, _UNCLEAR_COUNTS = 0.3, 0.3
# One that is larger counts for so much, and one too small to be used: where all
# lines are alike, each of 1 mm passes for one of 5 mm, and each third of 5 mm.
_NO_PAGE_COUNTS = 0.4
# And one whose 5 mm lines are seen on less than this share of the picture: the
# diagonals of lines of 1 mm pass for such lines.
_BOXES_SHARE, _WITHOUT_BOXES_COUNTS = 0.25, 0.8
_LEAST_MM = (60.0, 25.0)
_MAX_ASPECT = 1.2
# By how much nine of ten windows may be off.
_FITS_MM = 0.3
NO_GRID = "no grid was found"
# A scale that is given holds to this factor.
_AS_GIVEN = 1.2
# Without a grid nothing tells where the paper's mm are, only how large.
_STRAIGHT_STD_MM = 1.0
# How often a sheet may grow; by 1 mm lines it does by a box and a half.
_WIDENINGS, _FINE_WIDENINGS = 4, 8
# What columns or rows must explain of the offsets to be believed.
_FEED_MM = 0.02
# Share of the period that a window without clear lines counts as off.
_UNCLEAR = 0.2
_NODE_STEP_MM = 2.5
# A map goes on so far beyond the grid that was found.
MARGIN_MM = 20.0
# How fast a place is lost, mm per mm, farther than this from all windows with
# clear lines: on 42 drawn pages maps were off by 0.02 mm (root mean square) 30
# to 50 mm further.
_KNOWN_MM, _LOST_PER_MM = 4.0, 0.01
# Scale and rotation are told over this distance, around the middle.
_SCALE_OVER_MM = 50.0


@dataclasses.dataclass(frozen=True)
class Registration:
    """Where a picture's millimetres are, and how well that is known.

    Attributes:
        paper_map: `PaperMap`, or None where `quality` is "refused".
        quality: "good", "doubtful" or "refused".
        reasons: why it is not good, in words.
        residuals: dict of numbers: see `_residuals`.
        px_per_mm_x, px_per_mm_y, rotation_deg: at the middle of the grid;
            clockwise; None where refused.
    """

    paper_map: PaperMap | None
    quality: str
    reasons: tuple[str, ...]
    residuals: dict
    px_per_mm_x: float | None = None
    px_per_mm_y: float | None = None
    rotation_deg: float | None = None


def register(image, px_per_mm=None):
    """Find the paper's millimetres in a picture.

    Args:
        image: (H, W, 3) uint8 RGB.
        px_per_mm: px for each mm, where it is known: a grid must then have
            this scale, to a fifth. Without a grid the picture is taken to lie
            straight, at this scale or that of its calibration pulses, and
            doubtful.

    Returns:
        `Registration`. Its map has x along the picture's x and y down, as far
        as the grid's directions allow: whether the page lies upside down is
        not told by its grid.
    """
    grey = darkest_channel(image)
    best = None
    for lattice in _hypotheses(find_lattices(grey), px_per_mm):
        trial = _grown(grey, lattice)
        if trial is None:
            continue
        if best is None or trial.merit > best.merit:
            best = trial
        enough = _ENOUGH if lattice.coarse > _CLEAR_BOXES else _ALONE
        is_seen = trial.is_a_pages and trial.is_clear
        if best is trial and is_seen and trial.covered > enough:
            break
    if best is None:
        found = Registration(None, "refused", (NO_GRID,), {})
    else:
        found = _finished(grey, _refined(_upright(grey, best)))
    if px_per_mm is not None:
        if found.paper_map is not None:
            return found
        return _straight(grey.shape, px_per_mm, found.reasons, "as given")
    if found.quality == "good":
        return found
    # What repeats on a page may look like a grid; its pulses do not.
    px_per_mm = pulse_scale(grey) or np.nan
    longer_mm = max(grey.shape) / px_per_mm
    if not _PLAUSIBLE_MM[0] < longer_mm < _PLAUSIBLE_MM[1]:
        return found
    scales = found.px_per_mm_x, found.px_per_mm_y
    if found.paper_map is not None and all(
        1 / _AS_GIVEN < scale / px_per_mm < _AS_GIVEN for scale in scales
    ):
        return found
    told_by = "by its calibration pulses"
    return _straight(grey.shape, px_per_mm, (NO_GRID,), told_by)


def _straight(shape, px_per_mm, reasons, told_by):
    """What is said of a picture without a grid whose scale is known."""
    height_mm, width_mm = (side / px_per_mm for side in shape)
    paper_map = PaperMap.from_homography(
        np.diag([px_per_mm, px_per_mm, 1.0]),
        (0.0, 0.0, width_mm, height_mm),
        _NODE_STEP_MM,
        _STRAIGHT_STD_MM,
    )
    scale = f"taken to lie straight, {px_per_mm:.3g} px/mm {told_by}"
    reasons = (*reasons, scale)
    return Registration(
        paper_map, "doubtful", reasons, {}, px_per_mm, px_per_mm, 0.0
    )


@dataclasses.dataclass(frozen=True)
class _Trial:
    """A candidate, grown."""

    image: np.ndarray  # contrast, at the working size
    lattice: object  # `Lattice`
    factors: np.ndarray  # (2,) of the working size, from the picture's
    found: growth.Found
    scale: growth.Scale  # with which it was grown
    covered: float  # share of the picture
    has_boxes: bool  # whether its 5 mm lines are seen

    @property
    def is_a_pages(self):
        """Whether its grid is as large as a page's."""
        size_mm = np.ptp(self.found.places_mm, axis=0)
        return bool(_LEAST_MM[0] < size_mm.max() < _PLAUSIBLE_MM[1])

    @functools.cached_property
    def is_clear(self):
        """Whether its lines are seen where they should be."""
        return any(
            _clear(self.image, self.found, scale).share > _CLEAR_SHARE
            for scale in (growth.COARSE, growth.FINE)
        )

    @property
    def merit(self):
        """The share of the picture that its grid covers, if it is a page's and
        clear.
        """
        counts = 1.0 if self.is_a_pages else _NO_PAGE_COUNTS
        if not self.is_clear:
            counts *= _UNCLEAR_COUNTS
        if not self.has_boxes:
            counts *= _WITHOUT_BOXES_COUNTS
        return counts * self.covered


def _upright(grey, trial):
    """Of dots, the lattice of their rows, not that of their diagonals.

    Both are there; the diagonals' has a period shorter by a root of 2. Lines
    have no such second lattice, and those of 5 mm tell which is which.
    """
    if trial.scale is growth.COARSE or trial.has_boxes:
        return trial
    matrix = facing_right(trial.lattice.matrix @ _DIAGONALS)
    centred = dataclasses.replace(trial.lattice, matrix=matrix)
    turned = _grown(grey, centred)
    if turned is not None and turned.covered > 0.7 * trial.covered:
        return turned
    return trial


def _hypotheses(lattices, px_per_mm):
    """The best lattices, distinct along x or y, those with both combs first."""
    ranked = sorted(
        lattices, key=lambda lattice: -(lattice.fine + 2 * lattice.coarse)
    )
    chosen = []
    for lattice in ranked:
        if px_per_mm is not None and not (
            1 / _AS_GIVEN < lattice.px_per_mm / px_per_mm < _AS_GIVEN
        ):
            continue
        scales = np.log(lattice.scales)
        apart = [np.abs(scales - np.log(own.scales)).max() for own in chosen]
        if all(own > np.log(_DISTINCT) for own in apart):
            chosen.append(lattice)
    return chosen[:_MAX_CANDIDATES]


def _grown(grey, lattice):
    scale_px = lattice.px_per_mm
    factor = min(1.0, _WORKING_PX_PER_MM / scale_px)
    small = reduced(grey, factor)
    image = contrast(small, max(12, round(10 * scale_px * factor)))
    # Whole px: what the sides really were multiplied by, x and y.
    factors = np.array(small.shape[::-1]) / grey.shape[::-1]
    total = image.size
    best, has_boxes = None, False
    for scale in (growth.COARSE, growth.FINE_ALONE):
        found = growth.grow(
            image,
            lattice.matrix * factors[:, None],
            lattice.centre_px * factors,
            scale,
        )
        if found is None:
            continue
        cell = (scale.step_mm * scale_px * factor) ** 2
        covered = len(found.places_mm) * cell / total
        has_boxes |= scale is growth.COARSE and covered > _BOXES_SHARE
        trial = _Trial(
            image, lattice, factors, found, scale, covered, has_boxes
        )
        if best is None or trial.merit > 1.3 * best.merit:
            best = trial
        if covered > _ALONE:
            break
    return best


def _refined(trial):
    image, found = trial.image, trial.found
    if trial.scale is not growth.COARSE:
        found = growth.smoothed(image, found, growth.FINE_ALONE, 15.0, 1.0)
    boxes = _clear(image, found, growth.COARSE).share > _CLEAR_SHARE
    if boxes:
        found = _widened(image, found, growth.COARSE, 25.0, _WIDENINGS)
        found = _fed(image, found, 0, growth.COARSE)
        found = growth.smoothed(image, found, growth.COARSE, 20.0, 0.5)
    lines = _clear(image, found, growth.FINE)
    if lines.share > _CLEAR_SHARE and lines.median_mm < 0.2:
        if boxes:
            found = _fed(image, found, 1, growth.FINE)
        found = _widened(
            image, found, growth.FINE, 15.0, _FINE_WIDENINGS, not boxes
        )
        found = _fed(image, found, 1, growth.FINE)
    return dataclasses.replace(trial, found=found)


def _widened(image, found, scale, knot_mm, most, continuous=True):
    """The smooth sheet, as far as it goes on, over folds as well.

    Args:
        image, found, scale, knot_mm, continuous: see `growth.smoothed`.
        most: how often it may grow.
    """
    for _ in range(most):
        wider = growth.smoothed(image, found, scale, knot_mm, 1.0, continuous)
        if wider.area_mm2 < 1.03 * found.area_mm2:
            return wider
        found = wider
    return found


@dataclasses.dataclass(frozen=True)
class _Clear:
    """The windows of a sheet in which lines of one period are clear."""

    places_mm: np.ndarray
    offsets_mm: np.ndarray
    share: float
    period_mm: float

    @property
    def median_mm(self):
        return np.median(np.abs(self.offsets_mm)) if self.share else np.inf

    @property
    def spread_mm(self):
        """Root mean square; what is not clear counts as far off."""
        squares = (self.offsets_mm**2).mean() if self.share else 0.0
        unclear = (_UNCLEAR * self.period_mm) ** 2
        return np.sqrt(self.share * squares + (1 - self.share) * unclear)


def _clear(image, found, scale):
    places, offsets, snr = growth.residuals(image, found, scale)
    clear = snr >= scale.least_snr
    share = float(clear.mean())
    return _Clear(places[clear], offsets[clear], share, scale.period_mm)


def _fed(image, found, which, judge):
    """`growth.feed` along x and y, where the grid then fits better."""
    spread = _clear(image, found, judge).spread_mm
    for axis in (0, 1):
        scale = growth.COLUMNS[axis][which]
        fed = growth.feed(image, found, scale, axis, judge)
        if fed is found:
            continue
        then = _clear(image, fed, judge).spread_mm
        if spread**2 - then**2 > _FEED_MM**2:
            found, spread = fed, then
    return found


def _finished(grey, trial):
    image, found, factors = trial.image, trial.found, trial.factors
    sheet = found.sheet
    numbers, shift, per_place = _residuals(image, found)
    low = found.places_mm.min(axis=0) - MARGIN_MM
    high = found.places_mm.max(axis=0) + MARGIN_MM
    low = np.floor(low / 5) * 5
    nodes = PaperMap.from_function(
        lambda points: sheet.to_px(points) / factors,
        (*low, *high),
        (_NODE_STEP_MM, _NODE_STEP_MM),
    )
    points = np.stack(
        np.meshgrid(
            low[0] + _NODE_STEP_MM * np.arange(nodes.std_mm.shape[1]),
            low[1] + _NODE_STEP_MM * np.arange(nodes.std_mm.shape[0]),
        ),
        axis=-1,
    )
    distance, nearest = cKDTree(found.places_mm).query(points.reshape(-1, 2))
    beyond = np.maximum(distance - _KNOWN_MM, 0)
    std = np.hypot(per_place[nearest], _LOST_PER_MM * beyond)
    paper_map = dataclasses.replace(
        nodes, std_mm=std.reshape(nodes.std_mm.shape)
    )
    middle = np.median(found.places_mm, axis=0)
    scale_x, scale_y, degrees = mean_scale(paper_map, middle)
    paper_map = paper_map.from_origin(-shift)
    quality, reasons = _judged(numbers, scale_x, scale_y, trial)
    if quality == "refused":
        return Registration(None, quality, reasons, numbers)
    return Registration(
        paper_map, quality, reasons, numbers, scale_x, scale_y, degrees
    )


def mean_scale(paper_map, middle_mm):
    """px per mm in x and y, and degrees clockwise, over some boxes."""
    half = np.eye(2) * _SCALE_OVER_MM / 2
    along = [
        paper_map.to_px(middle_mm + step) - paper_map.to_px(middle_mm - step)
        for step in half
    ]
    return (
        *(float(np.hypot(*px)) / _SCALE_OVER_MM for px in along),
        float(np.degrees(np.arctan2(along[0][1], along[0][0]))),
    )


def _residuals(image, found):
    """What is left of the grid's offsets, and local standard deviations.

    Returns:
        dict of numbers, (2,) mm by which 5 mm lines are off multiples of 5 mm
        of the map, (n,) mm of the places of `found`.
    """
    numbers, shift = {}, np.zeros(2)
    local = {}
    lines = _clear(image, found, growth.FINE)
    boxes = _clear(image, found, growth.COARSE)
    numbers["clear_1mm"], numbers["clear_5mm"] = lines.share, boxes.share
    if boxes.share:
        turns = np.exp(2j * np.pi * boxes.offsets_mm / COARSE_GRID_MM)
        shift = np.angle(turns.mean(axis=0)) * COARSE_GRID_MM / (2 * np.pi)
        if lines.share > _CLEAR_SHARE:
            shift = np.round(shift)
        left = boxes.offsets_mm - shift
        left -= COARSE_GRID_MM * np.round(left / COARSE_GRID_MM)
        boxes = dataclasses.replace(boxes, offsets_mm=left)
    for name, clear in (("5mm", boxes), ("1mm", lines)):
        if not clear.share:
            continue
        size = np.abs(clear.offsets_mm)
        numbers[f"median_{name}_mm"] = float(np.median(size))
        numbers[f"p90_{name}_mm"] = float(np.percentile(size, 90))
        if clear.share > _CLEAR_SHARE and len(size) >= 5:
            near = cKDTree(clear.places_mm).query(found.places_mm, k=5)[1]
            squares = (clear.offsets_mm**2)[near]
            local[name] = np.sqrt(squares.mean(axis=(1, 2)))
    numbers["width_mm"], numbers["height_mm"] = (
        float(v) for v in np.ptp(found.places_mm, axis=0)
    )
    std = local.get("1mm", local.get("5mm", np.full(len(found.places_mm), 0.1)))
    if len(local) == 2:
        # 1 mm lines are sharper, but fit a whole mm off as well.
        std = np.where(local["5mm"] < _FITS_MM, std, local["5mm"])
    return numbers, shift, np.maximum(std, 0.02)


def _judged(numbers, scale_x, scale_y, trial):
    """Quality and reasons, from what the grid itself tells."""
    numbers["covered"] = trial.covered
    width, height = numbers["width_mm"], numbers["height_mm"]
    size = f"a grid is seen on {width:.0f} x {height:.0f} mm only"
    if max(width, height) < _LEAST_MM[0] or min(width, height) < _LEAST_MM[1]:
        return "refused", (size,)
    reasons = []
    if max(width, height) < _PLAUSIBLE_MM[0]:
        reasons.append(size)
    if max(width, height) > _PLAUSIBLE_MM[1]:
        reasons.append(f"the grid would be {width:.0f} x {height:.0f} mm large")
    ratio = scale_x / scale_y
    if max(ratio, 1 / ratio) > _MAX_ASPECT:
        reasons.append(
            f"{scale_x:.2f} px/mm along x, {scale_y:.2f} along y differ much"
        )
    seen = [
        name
        for name in ("1mm", "5mm")
        if numbers[f"clear_{name}"] > _CLEAR_SHARE
    ]
    if not seen:
        reasons.append("neither 1 mm nor 5 mm lines are clear")
    for name in seen:
        if numbers[f"p90_{name}_mm"] > _FITS_MM:
            reasons.append(
                f"{name[0]} mm lines are {numbers[f'p90_{name}_mm']:.2f} mm "
                "off the map in places"
            )
    return ("doubtful" if reasons else "good"), tuple(reasons)
