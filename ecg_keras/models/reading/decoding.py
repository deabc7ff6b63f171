"""From distributions of voltage to voltages and their standard deviations.

In a column where two traces are as likely, such as the nadirs of two deep S
waves one below the other, the distribution alone does not tell whose is whose;
the columns before and after do. So each column's distribution is reduced to its
`N_MODES` most likely modes, and a Viterbi path through them maximises

    sum over samples of log P(mode) - SMOOTHNESS |change of voltage|

The second term is a prior on the path's total variation. A wave costs the same
however steep it is; an excursion to another trace and back costs twice its way.

Voltages are a soft-argmax in a window around the path: the mean of the
distribution there. Variances have three terms:

    variance within the window
    - that of the Gaussians that the network was trained towards
    + sum over the other modes of P(best path through it) (its distance)^2
"""

import numpy as np
from keras import ops

from ecg_keras.ecg.leads import N_QUARTERS, N_SAMPLES, QUARTER_SAMPLES
from ecg_keras.page.paper import N_ROWS
from ecg_keras.page.row_images import MARGIN_SAMPLES, N_BINS, bins_mv

# Bins on each side of the mode that count: 0.2 mV at 0 mV. A full expectation
# is drawn away by probability far off, such as a neighbour's trace. Scores with
# half and twice of it, and without the path: docs/tracer.md.
WINDOW_BINS = 8
# Nats for a mV of the path's variation; 0 for the mode of each column.
SMOOTHNESS = 6.0
# Modes of a column that a path may take: no more traces cross one than the page
# has rows.
N_MODES = 4
# Added to the probability of a mode: one of 0 would rule out all its paths.
MIN_PROBABILITY = 1e-4
# Deviation, in bins, of the Gaussians that distributions are trained to be.
TARGET_STD_BINS = 0.8
# Of a sample, however narrow its distribution is: a quarter of a bin at 0 mV.
MIN_STD_MV = 0.006


def soft_argmax(logits, window_bins=WINDOW_BINS, smoothness=0.0):
    """Means and deviations of distributions in windows around their modes.

    Args:
        logits: (B, N_BINS, T).
        window_bins: bins on each side of the mode that count; None for all.
        smoothness: nats for a mV by which the path through the modes changes,
            see above; 0 for the most likely mode of each column.

    Returns:
        (mean_mv, std_mv), each (B, T) float32 mV.
    """
    probability = ops.softmax(ops.cast(logits, "float32"), axis=1)
    inside, others = probability, None
    columns = np.arange(N_BINS, dtype=np.int32)[None, :, None]
    if window_bins is not None:
        bins = ops.convert_to_tensor(columns)
        if smoothness:
            mode, others = viterbi_path(
                probability, bins, window_bins, smoothness
            )
        else:
            mode = _mode(probability, bins)
        # Only the window's bins from here on: they are few.
        columns = np.arange(-window_bins, window_bins + 1, dtype=np.int32)
        columns = mode + ops.convert_to_tensor(columns[None, :, None])
        held = ops.clip(columns, 0, N_BINS - 1)
        inside = ops.take_along_axis(probability, held, axis=1)
        inside = inside * ops.cast(columns == held, "float32")
        columns = held
    target_std_mv = TARGET_STD_BINS * np.gradient(bins_mv())
    voltage, target = (
        ops.take(ops.convert_to_tensor(values), columns)
        for values in (bins_mv(), np.square(target_std_mv))
    )
    total = ops.sum(inside, axis=1)
    mean = ops.sum(inside * voltage, axis=1) / total
    excess = ops.square(voltage - mean[:, None]) - target
    variance = ops.sum(inside * excess, axis=1) / total
    variance = ops.maximum(variance, MIN_STD_MV**2)
    if others is not None:
        others_mv, likelihood = others
        distance = ops.square(others_mv - mean[..., None])
        variance = variance + ops.sum(likelihood * distance, axis=-1)
    return mean, ops.sqrt(variance)


def read_rows(logits, window_bins=WINDOW_BINS, smoothness=SMOOTHNESS):
    """Means and deviations of the rows of pages.

    Quarter by quarter: where one lead ends and another begins, or the
    calibration pulse ends and a row begins, a step costs nothing.

    Args:
        logits: (4 B, N_BINS, SAMPLES_IN_STRIP), row by row of each page.
        window_bins, smoothness: see `soft_argmax`.

    Returns:
        (mean_mv, std_mv), each (B, 4, 5000) float32 mV.
    """
    inside = logits[..., MARGIN_SAMPLES : MARGIN_SAMPLES + N_SAMPLES]
    inside = ops.reshape(inside, (-1, N_BINS, N_QUARTERS, QUARTER_SAMPLES))
    quarters = ops.transpose(inside, (0, 2, 1, 3))
    quarters = ops.reshape(quarters, (-1, N_BINS, QUARTER_SAMPLES))
    return tuple(
        ops.reshape(x, (-1, N_ROWS, N_SAMPLES))
        for x in soft_argmax(quarters, window_bins, smoothness)
    )


def viterbi_path(probability, bins, window_bins, smoothness):
    """Of each column's modes the one on the likeliest path.

    Args:
        probability: (B, N_BINS, T).
        bins: (1, N_BINS, 1) int32, their numbers.
        window_bins, smoothness: see `soft_argmax`.

    Returns:
        (mode, (voltages, likelihoods)): (B, 1, T) int32 bins, and
        (B, T, N_MODES) mV of all modes, and the likelihood of the best path
        through each of them, 0 for the mode that was chosen.
    """
    modes, totals, rest = [], [], probability
    for _ in range(N_MODES):
        mode = _mode(rest, bins)
        inside = _windowed(rest, bins, mode, window_bins)
        rest = rest - inside
        modes.append(mode[:, 0])
        totals.append(ops.sum(inside, axis=1))
    modes = ops.stack(modes, axis=-1)  # (B, T, K)
    score = ops.log(ops.stack(totals, axis=-1) + MIN_PROBABILITY)
    voltage = ops.take(ops.convert_to_tensor(bins_mv()), modes)
    change = ops.abs(voltage[:, :-1, :, None] - voltage[:, 1:, None, :])
    # Scores of the best path that ends, and that begins, at each mode.
    before = max_plus_scan(score, -smoothness * change)
    after = max_plus_scan(
        ops.flip(score, axis=1),
        -smoothness * ops.flip(ops.transpose(change, (0, 1, 3, 2)), axis=1),
    )
    through = before + ops.flip(after, axis=1) - score
    best = through >= ops.max(through, axis=-1, keepdims=True)
    # The first, as more than one mode may be on a best path.
    order = ops.convert_to_tensor(np.arange(N_MODES, dtype=np.int32))
    first = ops.where(best, order, ops.full_like(order, N_MODES))
    chosen = order == ops.min(first, axis=-1, keepdims=True)
    mode = ops.sum(modes * ops.cast(chosen, "int32"), axis=-1)
    others = 1 - ops.cast(chosen, "float32")
    likelihood = others * ops.softmax(through, axis=-1)
    return mode[:, None], (voltage, likelihood)


def max_plus_scan(score, step):
    """The best score of a path that ends at each state.

    A path's score is the sum of its states' and of its steps'. All prefixes at
    once, in log2 T rounds (Hillis and Steele's scan): in the algebra of max and
    +, a step is a matrix (from, to), and paths are products of such matrices.

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


def _mode(probability, bins):
    """The first of the most likely bins, (B, 1, T) int32."""
    # Not by argmax: what JAX makes of that, ONNX Runtime cannot run.
    best = probability >= ops.max(probability, axis=1, keepdims=True)
    index = ops.where(best, bins, ops.full_like(bins, N_BINS))
    return ops.min(index, axis=1, keepdims=True)


def _windowed(probability, bins, mode, window_bins):
    """Probabilities (B, N_BINS, T), 0 beyond the window around a mode."""
    inside = ops.abs(bins - mode) <= window_bins
    return probability * ops.cast(inside, "float32")
