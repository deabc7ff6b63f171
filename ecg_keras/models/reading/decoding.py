"""From distributions over voltage to voltages, and how sure they are.

In a column where two traces are as likely, such as the nadirs of two deep S
waves one below the other, the distribution alone does not tell whose is whose;
the columns before and after do. So the most likely places of each column are
joined to the path that is likely as a whole: it maximises

    sum over samples of log mass(place) - SMOOTHNESS |change of voltage|

The second term is the path's total variation. A wave costs the same however
steep it is; an excursion to another trace and back costs twice its way.

A sample's variance is that of the distribution around its place, less what the
network was taught to add, and what the other places would be off, by how
likely the best path through each of them is.
"""

import numpy as np
from keras import ops

from ecg_keras.ecg.leads import N_QUARTERS, N_SAMPLES, QUARTER_SAMPLES
from ecg_keras.page.paper import N_ROWS
from ecg_keras.page.row_images import MARGIN_SAMPLES, N_BINS, bins_mv

# Bins on each side of the most likely one that count: 0.2 mV at 0 mV. A full
# expectation is drawn away by far-off mass, such as a neighbour's trace.
WINDOW_BINS = 8
# Nats for a mV of the path's variation; 0 for the mode of each column.
SMOOTHNESS = 6.0
N_PLACES = 4
# What no path can be sure about: probabilities below this are alike.
LEAST_MASS = 1e-4
# Deviation, in bins, of the Gaussians that distributions are trained to be.
TAUGHT_BINS = 0.8
# No sample is known better than this, however narrow its distribution is.
LEAST_STD_MV = 0.006


def read_out(logits, window_bins=WINDOW_BINS, smoothness=0.0):
    """Mean and deviation of distributions around their most likely places.

    Args:
        logits: (B, N_BINS, T).
        window_bins: bins on each side of the place that count; None for all.
        smoothness: nats for a mV by which the path of places changes, see
            above; 0 for the mode of each column.

    Returns:
        (mean_mv, std_mv), each (B, T) float32 mV.
    """
    share = ops.softmax(ops.cast(logits, "float32"), axis=1)
    voltage = ops.convert_to_tensor(bins_mv())[None, :, None]
    near, doubt = share, None
    if window_bins is not None:
        bins = ops.convert_to_tensor(np.arange(N_BINS, dtype=np.int32))
        bins = bins[None, :, None]
        place = _mode(share, bins)
        if smoothness:
            place, doubt = _likely_path(share, bins, window_bins, smoothness)
        near = _near(share, bins, place, window_bins)
    mass = ops.sum(near, axis=1)
    mean = ops.sum(near * voltage, axis=1) / mass
    taught_mv = TAUGHT_BINS * np.gradient(bins_mv())
    taught = ops.convert_to_tensor(np.square(taught_mv)[None, :, None])
    off = ops.square(voltage - mean[:, None]) - taught
    variance = ops.sum(near * off, axis=1) / mass
    variance = ops.maximum(variance, LEAST_STD_MV**2)
    if doubt is not None:
        others_mv, likelihood = doubt
        off = ops.square(others_mv - mean[..., None])
        variance = variance + ops.sum(likelihood * off, axis=-1)
    return mean, ops.sqrt(variance)


def read_rows(logits, window_bins=WINDOW_BINS, smoothness=SMOOTHNESS):
    """Means and deviations of the rows of pages.

    Quarter by quarter: where one lead ends and another begins, or the
    calibration pulse ends and a row begins, a step costs nothing.

    Args:
        logits: (4 B, N_BINS, SAMPLES_IN_STRIP), row by row of each page.
        window_bins, smoothness: see `read_out`.

    Returns:
        (mean_mv, std_mv), each (B, 4, 5000) float32 mV.
    """
    inside = logits[..., MARGIN_SAMPLES : MARGIN_SAMPLES + N_SAMPLES]
    inside = ops.reshape(inside, (-1, N_BINS, N_QUARTERS, QUARTER_SAMPLES))
    quarters = ops.transpose(inside, (0, 2, 1, 3))
    quarters = ops.reshape(quarters, (-1, N_BINS, QUARTER_SAMPLES))
    return tuple(
        ops.reshape(x, (-1, N_ROWS, N_SAMPLES))
        for x in read_out(quarters, window_bins, smoothness)
    )


def _mode(share, bins):
    """The first of the most likely bins, (B, 1, T) int32."""
    # Not by argmax: what JAX makes of that, ONNX Runtime cannot run.
    most = share >= ops.max(share, axis=1, keepdims=True)
    index = ops.where(most, bins, ops.full_like(bins, N_BINS))
    return ops.min(index, axis=1, keepdims=True)


def _near(share, bins, place, window_bins):
    inside = ops.abs(bins - place) <= window_bins
    return share * ops.cast(inside, "float32")


def _likely_path(share, bins, window_bins, smoothness):
    """Of each column's likely places the one on the likely path.

    Returns:
        (place, (voltages, likelihoods)): (B, 1, T) int32, and (B, T, N_PLACES)
        mV of all the places and how likely they are, 0 for the one chosen.
    """
    places, masses, rest = [], [], share
    for _ in range(N_PLACES):
        place = _mode(rest, bins)
        near = _near(rest, bins, place, window_bins)
        rest = rest - near
        places.append(place[:, 0])
        masses.append(ops.sum(near, axis=1))
    places = ops.stack(places, axis=-1)  # (B, T, K)
    score = ops.log(ops.stack(masses, axis=-1) + LEAST_MASS)
    voltage = ops.take(ops.convert_to_tensor(bins_mv()), places)
    change = ops.abs(voltage[:, :-1, :, None] - voltage[:, 1:, None, :])
    # What the best path to, and from, each place scores.
    before = _best_scores(score, -smoothness * change)
    after = _best_scores(
        ops.flip(score, axis=1),
        -smoothness * ops.flip(ops.transpose(change, (0, 1, 3, 2)), axis=1),
    )
    whole = before + ops.flip(after, axis=1) - score
    best = whole >= ops.max(whole, axis=-1, keepdims=True)
    # The first, as more than one place may be on a best path.
    order = ops.convert_to_tensor(np.arange(N_PLACES, dtype=np.int32))
    first = ops.where(best, order, ops.full_like(order, N_PLACES))
    chosen = order == ops.min(first, axis=-1, keepdims=True)
    place = ops.sum(places * ops.cast(chosen, "int32"), axis=-1)
    others = 1 - ops.cast(chosen, "float32")
    likelihood = others * ops.softmax(whole, axis=-1)
    return place[:, None], (voltage, likelihood)


def _best_scores(score, step):
    """The best score of a path that ends at each place.

    A path's score is the sum of its places' and of its steps'. All prefixes at
    once, in log2 T rounds: in the algebra of max and +, a step is a matrix
    (from, to), and paths are products of them.

    Args:
        score: (B, T, K).
        step: (B, T - 1, K, K).

    Returns:
        (B, T, K).
    """
    n_samples = score.shape[1]
    if n_samples == 1:
        return score
    # From the first column to each column; the first one leads to itself.
    paths = step + score[:, 1:, None, :]
    done = 1
    while done < n_samples - 1:
        joined = ops.max(
            paths[:, :-done, :, :, None] + paths[:, done:, None, :, :], axis=3
        )
        # Those shorter than `done` begin at the first column already.
        paths = ops.concatenate([paths[:, :done], joined], axis=1)
        done *= 2
    later = ops.max(score[:, :1, :, None] + paths, axis=2)
    return ops.concatenate([score[:, :1], later], axis=1)
