"""The grid's lattice, coarsely: two vectors in px per mm, from local spectra.

The picture is looked at in three sizes, in tiles of 128 px. Along a direction
in which a grid repeats, the power spectrum is a comb: 5 mm lines give teeth at
multiples of 1 / 5 mm, 1 mm lines (or dots) at multiples of 1 / mm. A candidate
is a direction, px per mm, and a second direction about a right angle away; its
score is how much its teeth stand out, those of both combs alike, so that a
lattice with both at a ratio of 5 beats one that takes one for the other.
"""

import dataclasses

import cv2
import numpy as np
from scipy import fft

from ecg_keras.registration.contrast import contrast, reduced

# The longest side of the largest size that is looked at.
WORKING_PX = 2048
TILE_PX = 128
# Tiles along one side of a picture, at most.
_MAX_TILES = 14
# Spectra are averaged over so many blocks of tiles, down and across.
_BLOCKS = (3, 4)
_MIN_SIDE_PX = 110

_ANGLES = 360  # of half a turn: half a degree each
_F_MIN, _F_MAX, _N_F = 1 / 64, 0.47, 466
# px per mm that one size shows: the 1 mm teeth below the highest frequency,
# three boxes of 5 mm in a tile.
_SCALE_MIN, _SCALE_MAX, _SCALE_STEP = 2.2, 9.2, 0.008
# The second direction: by how much it may be off a right angle, and its scale
# from the first's.
_SKEW_STEPS = 20
_ASPECT_STEPS = 18
# Amplitudes below this share of the largest are no teeth: a drawn page's lines,
# rounded to whole px, beat with its pixels.
_FLOOR = 0.05
# Least and largest ratio to the usual amplitude that counts.
_STANDS_OUT = (0.6, 55.0)


@dataclasses.dataclass(frozen=True)
class Lattice:
    """A candidate for the grid near one place of a picture.

    Attributes:
        matrix: (2, 2) px of the picture per mm: columns are the steps along
            the paper's x and y (which is which is not known yet: x is the one
            that is nearer the picture's).
        centre_px: (2,) where in the picture it was seen.
        score: how much the grid's teeth stand out.
        fine, coarse: the same of the 1 mm and of the 5 mm comb alone.
    """

    matrix: np.ndarray
    centre_px: np.ndarray
    score: float
    fine: float
    coarse: float

    @property
    def px_per_mm(self):
        """Geometric mean of the scales along both axes."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    @property
    def scales(self):
        """(2,) px per mm along the paper's x and y."""
        return np.hypot(*self.matrix)


def find_lattices(grey):
    """Candidates for a picture's grid, best first, several for a place.

    Args:
        grey: (H, W) uint8.

    Returns:
        list of `Lattice`.
    """
    found = []
    shrink = min(1.0, WORKING_PX / max(grey.shape))
    for halvings in range(3):
        factor = shrink * 0.5**halvings
        if min(grey.shape) * factor < _MIN_SIDE_PX and halvings:
            break
        small = reduced(grey, factor)
        power, corners = _tile_spectra(contrast(small, 48))
        for block, centre in _blocks(power, corners):
            for lattice in _candidates(block):
                found.append(
                    dataclasses.replace(
                        lattice,
                        matrix=lattice.matrix / factor,
                        centre_px=centre / factor,
                    )
                )
    return sorted(found, key=lambda lattice: -lattice.score)


def _tile_spectra(image):
    """Power spectra of tiles, zero frequency in the middle.

    Returns:
        (ny, nx, TILE_PX, TILE_PX) float32 and the tiles' corners, (ny,) y and
        (nx,) x.
    """
    down = max(0, TILE_PX - image.shape[0])
    right = max(0, TILE_PX - image.shape[1])
    image = np.pad(image, [(0, down), (0, right)])
    corners = [
        np.linspace(
            0,
            size - TILE_PX,
            min(_MAX_TILES, -(-(size - TILE_PX) * 2 // TILE_PX) + 1),
        ).astype(int)
        for size in image.shape
    ]
    every = np.lib.stride_tricks.sliding_window_view(image, (TILE_PX,) * 2)
    tiles = every[np.ix_(*corners)] * _HANN
    half = fft.rfft2(tiles, workers=2)
    power = half.real**2 + half.imag**2
    # The other half by symmetry: f and -f have the same power.
    whole = np.empty(tiles.shape, np.float32)
    middle = TILE_PX // 2
    whole[..., middle:] = np.roll(power, middle, axis=-2)[..., :middle]
    whole[..., 1 : middle + 1] = np.roll(
        np.roll(power[..., ::-1, ::-1], 1, axis=-2), middle, axis=-2
    )[..., :middle]
    whole[..., 0] = np.roll(power, middle, axis=-2)[..., middle]
    return whole, corners


def _blocks(power, corners):
    """Mean spectra of all tiles and of blocks of them, with their middles."""
    ny, nx = power.shape[:2]
    cuts_y, cuts_x = (
        np.linspace(0, n, max(1, min(most, n // 3)) + 1).astype(int)
        for n, most in zip((ny, nx), _BLOCKS, strict=True)
    )
    parts = [(0, ny, 0, nx)]
    if len(cuts_y) * len(cuts_x) > 4:
        parts += [
            (top, bottom, left, right)
            for top, bottom in zip(cuts_y, cuts_y[1:], strict=False)
            for left, right in zip(cuts_x, cuts_x[1:], strict=False)
        ]
    for top, bottom, left, right in parts:
        middle = [
            (c[first] + c[last - 1] + TILE_PX) / 2
            for c, first, last in zip(
                corners[::-1], (left, top), (right, bottom), strict=True
            )
        ]
        yield power[top:bottom, left:right].mean((0, 1)), np.array(middle)


def _candidates(power, most=3):
    """Lattices of one spectrum, in its own px: the best of distinct scales."""
    polar = cv2.remap(
        np.sqrt(power), _POLAR_X, _POLAR_Y, interpolation=cv2.INTER_LINEAR
    )
    usual = cv2.blur(np.median(polar, axis=0)[None], (25, 1))[0]
    usual = np.maximum(usual, _FLOOR * polar.max()) + 1e-12
    stands_out = np.log(np.clip(polar / usual, *_STANDS_OUT))
    fine, coarse = stands_out @ _FINE_TEETH, stands_out @ _COARSE_TEETH
    score = fine + coarse
    # For each direction and scale the best partner, a right angle away.
    around = np.concatenate([score[-_SKEW_STEPS:], score, score[:_SKEW_STEPS]])
    window = np.ones((2 * _SKEW_STEPS + 1, 2 * _ASPECT_STEPS + 1), np.uint8)
    partner = cv2.dilate(around, window)[_SKEW_STEPS:-_SKEW_STEPS]
    partner = np.roll(partner, _ANGLES // 2, axis=0)
    # A strong comb one way is no grid if there is little the other way.
    both = np.minimum(score, 2 * partner) + np.minimum(partner, 2 * score)
    found = []
    for _ in range(most):
        angle, scale = np.unravel_index(both.argmax(), both.shape)
        if both[angle, scale] <= 0:
            break
        others = angle + _ANGLES // 2 + np.arange(-_SKEW_STEPS, _SKEW_STEPS + 1)
        low = max(0, scale - _ASPECT_STEPS)
        part = score[others % _ANGLES, low : scale + _ASPECT_STEPS + 1]
        i, j = np.unravel_index(part.argmax(), part.shape)
        axes = [(angle, scale), (int(others[i] % _ANGLES), low + int(j))]
        found.append(
            Lattice(
                matrix=_step_matrix(axes),
                centre_px=np.zeros(2),
                score=float(both[angle, scale]),
                fine=float(sum(fine[a, s] for a, s in axes)),
                coarse=float(sum(coarse[a, s] for a, s in axes)),
            )
        )
        both[:, max(0, scale - 12) : scale + 13] = -np.inf
    return found


def _step_matrix(axes):
    """Steps in px per mm of two frequencies, each angle and scale indices."""
    frequencies = np.array(
        [
            [
                np.cos(np.pi * angle / _ANGLES) / _SCALES[scale],
                np.sin(np.pi * angle / _ANGLES) / _SCALES[scale],
            ]
            for angle, scale in axes
        ]
    )
    # mm = frequencies @ px, so px = inverse @ mm.
    return facing_right(np.linalg.inv(frequencies))


def facing_right(matrix):
    """Steps of a lattice, (2, 2) columns, with x nearest to the picture's x.

    The four quarter turns, and mirrors, of a lattice are the same lattice.
    """
    if abs(matrix[0, 0]) < abs(matrix[0, 1]):
        matrix = matrix[:, ::-1]
    return matrix * np.where(np.diag(matrix) < 0, -1.0, 1.0)


def _teeth(multiples, highest):
    """(N_F, scales): weights whose sum is how much teeth stand out, on mean.

    Each tooth counts against the middles between it and the next 5 mm teeth.
    """
    frequency = np.array(multiples)[:, None] / (5 * _SCALES)
    counts = (frequency >= _F_MIN) & (frequency <= _F_MAX)
    counts &= np.cumsum(counts, axis=0) <= highest
    share = counts / counts.sum(axis=0)
    weights = np.zeros((_N_F, len(_SCALES)), np.float32)
    column = np.broadcast_to(np.arange(len(_SCALES)), frequency.shape)
    for shift, weight in ((0.0, 1.0), (-0.5, -0.5), (0.5, -0.5)):
        place = frequency + shift / (5 * _SCALES) - _F_MIN
        place = place / (_F_MAX - _F_MIN) * (_N_F - 1)
        place = np.clip(place, 0, _N_F - 1.001)
        first = place.astype(int)
        part = place - first
        np.add.at(weights, (first, column), weight * share * (1 - part))
        np.add.at(weights, (first + 1, column), weight * share * part)
    return weights


_HANN = np.outer(np.hanning(TILE_PX), np.hanning(TILE_PX)).astype(np.float32)
_SCALES = np.exp(np.arange(np.log(_SCALE_MIN), np.log(_SCALE_MAX), _SCALE_STEP))
_FINE_TEETH = _teeth([5 * k for k in range(1, 9)], 3)
_COARSE_TEETH = _teeth([k for k in range(1, 30) if k % 5], 8)
_TURN = np.pi * np.arange(_ANGLES)[:, None] / _ANGLES
_RADIUS = np.linspace(_F_MIN, _F_MAX, _N_F)[None] * TILE_PX
_POLAR_X = (np.cos(_TURN) * _RADIUS + TILE_PX // 2).astype(np.float32)
_POLAR_Y = (np.sin(_TURN) * _RADIUS + TILE_PX // 2).astype(np.float32)
