"""The competition's page, once it is found, by its own lines, to 0.03 mm.

Its generator rounds each line of the grid to a whole pixel, so that lines are
up to 0.06 mm off their millimetre. On a page whose place is known so are they:
whole columns of the picture are compared with where each line was printed, and
a Markov chain along the page, from line to line, finds what a scanner's feed
did, be it smooth or a jump.

    page x of what lies at map x + shift(x) is x
"""

import cv2
import numpy as np

from ecg_keras.page.images import darkest_channel
from ecg_keras.page.paper import (
    COARSE_GRID_MM,
    FINE_GRID_MM,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)
from ecg_keras.registration.contrast import contrast

# Of the straightened page: columns are finer than rows.
_X_PER_MM, _Y_PER_MM = 10, 8
# Columns are cut into pieces as high: a trace covers few of them.
_PIECE_MM = 5.0
# In coarser pictures lines are where the picture's own pixels are.
_LEAST_PX_PER_MM = 6.0
# A line's profile, standard deviation; and how far from it is looked at.
_LINE_MM, _REACH_MM = 0.1, 1.5
_SHIFTS_MM = np.arange(-70, 71) / 100
# Noise of neighbouring columns is correlated: their variance counts so often.
_CORRELATED = 2.0
# No line of 1 mm, or of 5 mm, says more than this against a shift: traces and
# ticks look like lines as well.
_LEAST_LOG, _LEAST_LOG_COARSE = -6.0, -15.0
# From line to line shifts differ by so much; jumps are rare, not impossible
# (a Cauchy distribution).
_STEP_MM = 0.008
# The largest shift that is usual: of it lines tell how dark they are.
_USUAL_MM = 0.3
_NODE_STEP_Y_MM = 2.5


def line_numbers():
    """Of the 1 mm lines across the page: the n-th is at about n mm."""
    return np.arange(1, int(PAGE_WIDTH_PX / PX_PER_MM))


def line_x_mm(numbers):
    """Page x in mm of the middle of vertical lines, as they are printed."""
    return (np.round(numbers * FINE_GRID_MM * PX_PER_MM) + 0.5) / PX_PER_MM


def refined(image, page_map):
    """A page's map, moved along x to where the lines are.

    Args:
        image: (H, W, 3) uint8 RGB.
        page_map: `PaperMap` of it in mm from the page's top left corner, good
            to half a millimetre.

    Returns:
        `PaperMap`; the same for pictures of less than 6 px a mm.
    """
    middle_mm = np.array([PAGE_WIDTH_PX, PAGE_HEIGHT_PX]) / PX_PER_MM / 2
    if page_map.local_scale(middle_mm)[0] < _LEAST_PX_PER_MM:
        return page_map
    numbers = line_numbers()
    lines_mm = line_x_mm(numbers)
    x_mm, profile = _profile(image, page_map)
    log_likelihood = _likelihood(x_mm, profile, numbers, lines_mm)
    shifts_mm = _chain_means(log_likelihood)

    def to_px(points_mm):
        moved = np.array(points_mm, float)
        moved[..., 0] += np.interp(moved[..., 0], lines_mm, shifts_mm)
        return page_map.to_px(moved)

    return page_map.resampled(to_px, (FINE_GRID_MM, _NODE_STEP_Y_MM))


def _profile(image, page_map):
    """x in mm and the darkness of columns, (n,): median over pieces."""
    width_mm, height_mm = PAGE_WIDTH_PX / PX_PER_MM, PAGE_HEIGHT_PX / PX_PER_MM
    x_mm = (np.arange(int(width_mm * _X_PER_MM)) + 0.5) / _X_PER_MM
    y_mm = (np.arange(int(height_mm * _Y_PER_MM)) + 0.5) / _Y_PER_MM
    straight = page_map.sampled(
        darkest_channel(image), x_mm, y_mm, borderMode=cv2.BORDER_REPLICATE
    )
    dark = contrast(straight, round(2 * COARSE_GRID_MM * _X_PER_MM))
    height = round(_PIECE_MM * _Y_PER_MM)
    n_pieces = len(dark) // height
    pieces = dark[: n_pieces * height].reshape(n_pieces, height, -1)
    return x_mm, np.median(pieces.mean(axis=1), axis=0)


def _likelihood(x_mm, profile, numbers, lines_mm):
    """Log likelihood of shifts of lines, (lines, shifts), 0 for the likeliest.

    A line's profile is a Gaussian; its darkness, and the noise, are the same
    for all lines of 5 mm, and for all others.
    """
    surroundings = (round(FINE_GRID_MM * _X_PER_MM) + 1, 1)
    above = profile - cv2.blur(profile[None], surroundings)[0]
    size = round(2 * _REACH_MM * _X_PER_MM)
    # Darkness of each line if it were shifted so.
    darkness = np.empty((len(numbers), len(_SHIFTS_MM)))
    for row, line in enumerate(lines_mm):
        first = round((line - _REACH_MM) * _X_PER_MM)
        first = min(max(first, 0), len(x_mm) - size)
        part = slice(first, first + size)
        off = x_mm[part] - line - _SHIFTS_MM[:, None]
        shape = np.exp(-0.5 * (off / _LINE_MM) ** 2)
        shape -= shape.mean(axis=1, keepdims=True)
        darkness[row] = shape @ above[part] / (shape**2).sum(axis=1)
    highest = darkness[:, np.abs(_SHIFTS_MM) < _USUAL_MM].max(axis=1)
    is_coarse = numbers % round(COARSE_GRID_MM / FINE_GRID_MM) == 0
    usual = np.where(
        is_coarse, np.median(highest[is_coarse]), np.median(highest[~is_coarse])
    )[:, None]
    # Between lines there is noise.
    off = np.abs(x_mm - lines_mm[np.abs(x_mm[:, None] - lines_mm).argmin(1)])
    noise = above[off > 0.2 * FINE_GRID_MM]
    deviation = 1.4826 * np.median(np.abs(noise - np.median(noise)))
    # Of the sum of a Gaussian's squares, in columns.
    columns = np.sqrt(np.pi) * _LINE_MM * _X_PER_MM
    variance = _CORRELATED * deviation**2 / columns + 1e-9
    log = usual * (darkness - usual / 2) / variance
    least = np.where(is_coarse, _LEAST_LOG_COARSE, _LEAST_LOG)[:, None]
    return np.maximum(log - log.max(axis=1, keepdims=True), least)


def _chain_means(log_likelihood):
    """Mean shift of each line in mm, (lines,), given all lines.

    The forward-backward algorithm.
    """
    steps = _SHIFTS_MM[:, None] - _SHIFTS_MM
    transition = 1 / (1 + (steps / _STEP_MM) ** 2 / 2)
    likelihood = np.exp(log_likelihood)
    forward, backward = likelihood.copy(), np.ones_like(likelihood)
    for k in range(1, len(likelihood)):
        forward[k] = likelihood[k] * (transition @ forward[k - 1])
        forward[k] /= forward[k].sum()
    for k in range(len(likelihood) - 2, -1, -1):
        backward[k] = transition @ (likelihood[k + 1] * backward[k + 1])
        backward[k] /= backward[k].sum()
    posterior = forward * backward
    return posterior @ _SHIFTS_MM / posterior.sum(axis=1)
