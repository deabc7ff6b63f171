"""From a lattice seen at one place to the whole sheet.

The sheet is straightened by what is known of it, the phase of the grid says how
far it is off wherever it is in step with its neighbours, all the way from the
seed, and a better map is fitted to that: first affine, then a homography, then
a smooth sheet, then what columns and rows of the scanner did. Each step must
find the grid where the one before left it, to less than half a period.
"""

import dataclasses

import cv2
import numpy as np
from scipy.ndimage import median_filter
from scipy.spatial import cKDTree

from ecg_keras.page.paper import COARSE_GRID_MM, FINE_GRID_MM
from ecg_keras.registration.phases import Scale, measure, torn, unwrapped
from ecg_keras.registration.sheet import Sheet, Spline2, fit_homography

# The largest sheet that is looked at, from the seed to each side.
_REACH_MM = 420.0
_MAX_GROWTHS = 10
# A homography has eight unknowns: it needs a part of the sheet this large.
_PERSPECTIVE_MM = 45.0
_MIN_WINDOWS = 6
# A displacement of less than this, root mean square, is the lines' own noise.
_LEAST_CHANGE_MM = 0.03
# The least scale of outliers, where lines were followed without a gap.
_CURL_SCALE_MM = 0.15
# A finer look that loses more than this of the sheet is not believed.
_KEPT = 0.7
# An offset beyond this share of the period may as well be one the other way.
_ALMOST_HALF = 0.4
# So many windows beyond what is known are looked at next.
_GROWTH_WINDOWS = 14


_BOX = (1, 2, 3, 4, 6)
_BETWEEN_BOXES = (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)
COARSE = Scale(COARSE_GRID_MM, 3.0, 6.0, 5.0, _BOX, _BETWEEN_BOXES, 2.5)
# Where there are no 5 mm lines.
FINE_ALONE = Scale(FINE_GRID_MM, 4.0, 2.5, 3.0, (1,), (0.71, 1.31), 8.0)
FINE = Scale(FINE_GRID_MM, 4.0, 3.5, 4.0, (1,), (0.7, 0.9, 1.1, 1.3), 5.0)

_WHOLE_MM = 1e4
# What the windows must be off, root mean square, for columns to be asked; and
# by which share of the period columns may say something else than they.
_FEED_SEEN_MM, _FEED_SHARPER, _FEED_SHARPER_END = 0.04, 0.15, 0.04
# What a feed did holds for so long, mm; a beat is a third of it long.
_FEED_KEEPS_MM = 10.0
# Of columns: narrow in x, as high as the sheet; of 5 mm, then of 1 mm lines.
COLUMNS = tuple(
    tuple(
        dataclasses.replace(
            scale,
            sigma_mm=(sigma, _WHOLE_MM)[:: 1 - 2 * axis],
            step_mm=(step, _WHOLE_MM)[:: 1 - 2 * axis],
            least_snr=3.0,
        )
        for scale, sigma, step in (
            (COARSE, 2.5, 1.0),
            (FINE, 1.5, 0.5),
        )
    )
    for axis in (0, 1)
)


@dataclasses.dataclass(frozen=True)
class Found:
    """A sheet and the windows that it was fitted to.

    Attributes:
        sheet: `Sheet`, mm to px of the contrast picture.
        places_mm: (n, 2) windows in which the grid was found.
        step_mm: between them.
    """

    sheet: Sheet
    places_mm: np.ndarray
    step_mm: float
    # What `residuals` found, by scale: it is asked several times.
    measured: dict = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def area_mm2(self):
        """Of the part of the sheet on which the grid was found."""
        return len(self.places_mm) * self.step_mm**2


def bounds_of(sheet, shape):
    """Left, top, right, bottom in mm of what a picture shows, in reach."""
    height, width = shape
    inverse = np.linalg.inv(sheet.homography)
    edge = np.linspace(0, 1, 9)
    rim = np.concatenate(
        [
            np.stack([edge * width, edge * 0], axis=1),
            np.stack([edge * width, edge * 0 + height], axis=1),
            np.stack([edge * 0, edge * height], axis=1),
            np.stack([edge * 0 + width, edge * height], axis=1),
        ]
    )
    mapped = rim @ inverse[:, :2].T + inverse[:, 2]
    middle = np.append([width / 2, height / 2], 1.0) @ inverse[2]
    # Behind the horizon: as far as is looked at.
    ahead = mapped[:, 2] / middle > 0.05
    mm = mapped[ahead, :2] / mapped[ahead, 2:]
    low, high = mm.min(axis=0), mm.max(axis=0)
    if not ahead.all():
        low, high = low - _REACH_MM, high + _REACH_MM
    low = np.clip(low, -_REACH_MM, _REACH_MM - 1)
    high = np.clip(high, low + 1, _REACH_MM)
    return (*low, *high)


def straightened(image, sheet, bounds_mm, px_per_mm):
    """(h, w) contrast of the straightened picture, with its x and y in mm."""
    left, top, right, bottom = bounds_mm
    step = 1 / px_per_mm
    x_mm = np.arange(left, right, step) + step / 2
    y_mm = np.arange(top, bottom, step) + step / 2
    where_x, where_y = sheet.raster_px(x_mm, y_mm)
    raster = cv2.remap(
        image,
        where_x - 0.5,
        where_y - 0.5,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return raster, x_mm, y_mm


def grow(image, lattice_matrix, centre_px, scale):
    """The flat sheet around a seed, as far as its grid is in step.

    Args:
        image: (H, W) float32 from `contrast`.
        lattice_matrix: (2, 2) px per mm at the seed.
        centre_px: (2,) the seed.
        scale: `Scale` of the lines to follow.

    Returns:
        `Found`, or None where the grid is not there.
    """
    homography = np.eye(3)
    homography[:2, :2], homography[:2, 2] = lattice_matrix, centre_px
    sheet, seed_px = Sheet(homography), np.asarray(centre_px, float)
    counted, best = 0, None
    for _ in range(_MAX_GROWTHS):
        known = np.zeros((1, 2)) if best is None else best.places_mm
        places, values, mask = _look(image, sheet, seed_px, scale, known)
        if mask.sum() < _MIN_WINDOWS:
            return best
        at, px = places[mask], sheet.to_px(places[mask])
        mm = at + values[mask]
        extent = mm.max(axis=0) - mm.min(axis=0)
        perspective = (
            extent.min() >= _PERSPECTIVE_MM * (scale.period_mm / COARSE_GRID_MM)
            and len(mm) >= 40
        )
        homography, weights = fit_homography(
            mm, px, np.ones(len(mm)), perspective
        )
        sheet = Sheet(homography)
        if not _is_plausible(sheet, mm):
            return best
        best = Found(sheet, mm, scale.step_mm)
        if counted and mask.sum() < 1.03 * counted:
            break
        counted = mask.sum()
    return best


def smoothed(image, found, scale, knot_mm, smoothness, continuous=True):
    """The sheet with a smooth displacement, measured once more.

    Args:
        continuous: follow the offsets from window to window, as far as they
            go; else each is less than half a period, as another period's lines
            have shown.

    Returns:
        `Found`; the same where much less of the grid is clear than before.
    """
    sheet = found.sheet
    seed_px = sheet.to_px(_middle_of(found.places_mm))
    places, values, mask = _look(
        image, sheet, seed_px, scale, found.places_mm, continuous
    )
    if mask.sum() < 3 * _MIN_WINDOWS or (
        mask.sum() * scale.step_mm**2 < _KEPT * found.area_mm2
    ):
        return found
    at = places[mask]
    mm = at + values[mask]
    # Displacement that the new sheet must have at `mm`, beyond columns, rows.
    bare = Sheet(sheet.homography, None, sheet.columns, sheet.rows)
    target = sheet.displaced(at) - bare.displaced(mm)
    # Offsets that were followed from window to window are no outliers: a
    # corner may curl more than all the rest.
    least = _CURL_SCALE_MM if continuous else 1e-4
    spline = Spline2(mm, target, knot_mm, smoothness, least_scale_mm=least)
    before = np.zeros(1) if sheet.smooth is None else sheet.smooth(mm)
    change = np.sqrt(((spline(mm) - before) ** 2).sum(axis=-1).mean())
    if change < _LEAST_CHANGE_MM:
        # Lines drawn on whole px beat with them: no more is worth following.
        return Found(sheet, mm, scale.step_mm)
    return Found(
        dataclasses.replace(sheet, smooth=spline),
        mm,
        scale.step_mm,
    )


def feed(image, found, scale, axis, judge):
    """What the scanner's feed did: displacements of whole columns (or rows).

    A feed that skips moves everything from one place on, over the whole height:
    so whole columns vote, in windows narrow in the feed's direction.

    Args:
        scale: `Scale`; its windows are as wide along `axis` as it says, and as
            the sheet is across.
        axis: 0 for columns (functions of x), 1 for rows.
        judge: `Scale` of windows for the same lines.

    Returns:
        `Found` with the same windows and a better sheet, or the same.
    """
    sheet = found.sheet
    low, high = found.places_mm.min(axis=0), found.places_mm.max(axis=0)
    raster, x_mm, y_mm = straightened(
        image, sheet, (*(low - 4), *(high + 4)), scale.px_per_mm
    )
    offsets = measure(raster, x_mm, y_mm, scale)
    middles = (offsets.x_mm, offsets.y_mm)[axis]
    values = offsets.offset_mm.reshape(-1, 2)
    # A window half a period wide lets other waves in: only across it does the
    # noise count. Whether the grid then fits better is for the caller to see.
    clear = offsets.snr[..., 1 - axis].ravel() >= scale.least_snr
    # Beyond the sheet's ends a window shows half of what it should.
    clear &= (middles >= low[axis]) & (middles <= high[axis])
    if clear.sum() < 0.5 * len(clear):
        return found
    # From column to column; one may not be half a period off the last.
    steps = np.diff(values[clear], axis=0)
    period = scale.period_mm
    steps -= period * np.round(steps / period)
    path = np.concatenate([[[0.0, 0.0]], np.cumsum(steps, axis=0)])
    path += values[clear][0]
    path -= period * np.round(np.median(path, axis=0) / period)
    # Beats stand above each other, near some line or other: where feeds err
    # they do not come back within so little.
    step = np.broadcast_to(scale.step_mm, 2)[axis]
    n_windows = 2 * round(_FEED_KEEPS_MM / step / 2) + 1
    path = median_filter(path, (n_windows, 1), mode="nearest")
    # What whole columns say must be what the sheet's windows say, but sharper:
    # a trace's zero line is a line as well, if whole rows are looked at.
    usual = _column_medians(image, found, judge, axis, middles[clear])
    if np.sqrt((usual**2).mean(axis=0)).max() < _FEED_SEEN_MM:
        return found
    at = middles[clear]
    # At the sheet's ends, where frames and edges of paper look like lines, a
    # jump cannot be told from them.
    to_end = np.minimum(at - low[axis], high[axis] - at)
    is_end = to_end < 2 * np.broadcast_to(scale.sigma_mm, 2)[axis]
    if not is_end.all():
        inner = at[~is_end]
        for axis_values in usual.T:
            axis_values[:] = np.interp(at, inner, axis_values[~is_end])
    sharper = np.where(is_end, _FEED_SHARPER_END, _FEED_SHARPER) * period
    believed = np.abs(path - usual).max(axis=-1) < sharper
    if believed.sum() < 0.5 * len(believed):
        return found
    path = np.stack(
        [
            np.interp(np.arange(len(path)), np.flatnonzero(believed), values)
            for values in path[believed].T
        ],
        axis=-1,
    )
    old = (sheet.columns, sheet.rows)[axis]
    before = (
        np.zeros_like(path)
        if old is None
        else np.stack([np.interp(at, old[:, 0], old[:, k]) for k in (1, 2)], 1)
    )
    place = np.maximum.accumulate(at + path[:, axis])
    knots = np.concatenate([place[:, None], before - path], axis=1)
    name = ("columns", "rows")[axis]
    return dataclasses.replace(
        found, sheet=dataclasses.replace(sheet, **{name: knots})
    )


def _column_medians(image, found, judge, axis, middles):
    """Offsets of windows, median over each column (or row), at `middles`."""
    places, offsets, snr = residuals(image, found, judge)
    clear = snr >= judge.least_snr
    at = np.round(places[clear, axis] / judge.step_mm).astype(int)
    columns = np.unique(at)
    medians = [np.median(offsets[clear][at == c], axis=0) for c in columns]
    if not medians:
        return np.zeros((len(middles), 2))
    return np.stack(
        [
            np.interp(middles, columns * judge.step_mm, values)
            for values in np.transpose(medians)
        ],
        axis=-1,
    )


def residuals(image, found, scale):
    """Places, offsets and signal-to-noise ratios of windows where a sheet is.

    Returns:
        (n, 2) mm, (n, 2) mm, (n,), of all windows near those of `found`.
    """
    if scale in found.measured:
        return found.measured[scale]
    sheet = found.sheet
    low, high = found.places_mm.min(axis=0), found.places_mm.max(axis=0)
    raster, x_mm, y_mm = straightened(
        image, sheet, (*(low - 4), *(high + 4)), scale.px_per_mm
    )
    offsets = measure(raster, x_mm, y_mm, scale)
    places = offsets.places_mm.reshape(-1, 2)
    near = cKDTree(found.places_mm).query(places)[0] <= 1.5 * COARSE.step_mm
    found.measured[scale] = (
        places[near],
        offsets.offset_mm.reshape(-1, 2)[near],
        offsets.snr.min(axis=-1).ravel()[near],
    )
    return found.measured[scale]


def _look(image, sheet, seed_px, scale, known, continuous=True):
    """Places, offsets and which count, of a straightened picture.

    Args:
        known: (n, 2) places, to look not far beyond them.
        continuous: as in `smoothed`.
    """
    bounds = bounds_of(sheet, image.shape)
    reach = _GROWTH_WINDOWS * scale.step_mm
    bounds = (
        *np.maximum(bounds[:2], known.min(axis=0) - reach),
        *np.minimum(bounds[2:], known.max(axis=0) + reach),
    )
    raster, x_mm, y_mm = straightened(image, sheet, bounds, scale.px_per_mm)
    offsets = measure(raster, x_mm, y_mm, scale)
    if not continuous:
        mask = offsets.snr.min(axis=-1) >= scale.least_snr
        size = np.abs(offsets.offset_mm).max(axis=-1)
        mask &= size < _ALMOST_HALF * scale.period_mm
        places = offsets.places_mm
        near = cKDTree(known).query(places.reshape(-1, 2))[0]
        mask &= near.reshape(mask.shape) <= 1.5 * COARSE.step_mm
        return places, offsets.offset_mm, mask
    inverse = np.linalg.inv(sheet.homography)
    seed = np.append(seed_px, 1.0) @ inverse.T
    values, mask = unwrapped(offsets, seed[:2] / seed[2], scale.least_snr)
    mask &= ~torn(offsets, values, mask)
    return offsets.places_mm, values, mask


def _is_plausible(sheet, mm):
    """Whether a sheet is no mirror and its scale varies by no more than 4."""
    corners = np.array([[x, y] for x in (0, 1) for y in (0, 1)]) * (
        mm.max(axis=0) - mm.min(axis=0)
    ) + mm.min(axis=0)
    steps = np.stack(
        [
            sheet.to_px(corners + [1.0, 0]) - sheet.to_px(corners),
            sheet.to_px(corners + [0, 1.0]) - sheet.to_px(corners),
        ],
        axis=-1,
    )
    areas = np.linalg.det(steps)
    return bool((areas > 0).all() and areas.max() < 16 * areas.min())


def _middle_of(places):
    """The place nearest to the middle of all."""
    return places[np.argmin(np.hypot(*(places - np.median(places, axis=0)).T))]
