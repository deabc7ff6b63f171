"""Pictures for people: twelve leads, digitised on true."""

import numpy as np
from matplotlib.figure import Figure

from ecg_keras.ecg.leads import LEADS, RATE_HZ, ROWS
from ecg_keras.files import replacing

ROW_MV = 1.6  # half the height of a row of the chart
REFERENCE_COLOUR, SIGNAL_COLOUR = "#9a9a9a", "#c1121f"


def plot_signals(
    path,
    signals_mv,
    reference_mv=None,
    title=None,
    image=None,
    rows=ROWS,
):
    """Draw signals as a chart of the page's rows.

    Args:
        path: PNG to write.
        signals_mv: (12, T) mV at 500 Hz, NaN where there is nothing to draw;
            in red.
        reference_mv: (12, T) mV of the true signals; in grey below.
        title: text above the chart.
        image: (H, W, 3) uint8, drawn beside the chart's left.
        rows: leads of each row, from left to right; without any, each lead has
            a row.
    """
    figure = Figure(figsize=(20 if image is not None else 12, 7.5))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, 2 if image is not None else 1, squeeze=False)[0]
    if image is not None:
        axes[0].imshow(image)
        axes[0].set_axis_off()
    chart = axes[-1]
    rows = rows or [(lead,) for lead in LEADS]
    duration_s = signals_mv.shape[1] / RATE_HZ
    for row, leads in enumerate(rows):
        baseline_mv = -2 * ROW_MV * row
        for lead, start_s, samples in row_segments(leads, signals_mv):
            times_s = (
                start_s + np.arange(samples.stop - samples.start) / RATE_HZ
            )
            index = LEADS.index(lead)
            if reference_mv is not None:
                chart.plot(
                    times_s,
                    baseline_mv + reference_mv[index, samples],
                    color=REFERENCE_COLOUR,
                    linewidth=2.4,
                )
            chart.plot(
                times_s,
                baseline_mv + signals_mv[index, samples],
                color=SIGNAL_COLOUR,
                linewidth=0.8,
            )
            chart.text(start_s + 0.05, baseline_mv - 0.95 * ROW_MV, lead)
            if start_s:
                chart.axvline(
                    start_s, color="black", linewidth=0.5, linestyle=":"
                )
    _draw_paper(chart, len(rows), duration_s)
    if title:
        chart.set_title(title)
    if reference_mv is not None:
        chart.plot([], [], color=REFERENCE_COLOUR, label="reference")
        chart.plot([], [], color=SIGNAL_COLOUR, label="digitised")
        chart.legend(loc="upper right", ncols=2)
    save_figure(figure, path)


def row_segments(leads, signals_mv, rate_hz=RATE_HZ):
    """Where the leads of a row stand in a chart of it, side by side.

    Args:
        leads: names, from left to right; "-aVR" stands for aVR, whose signal
            is kept, and those that are not of the twelve, as V4R, leave a gap.
        signals_mv: (12, T) mV, NaN where nothing is printed.
        rate_hz: samples a second.

    Yields:
        (lead, start_s, samples): time in the chart, and the slice of T. Columns
        begin where their lead's print does, which differs where the picture
        cuts the page. Where nothing is printed in a lead's column of time, as
        on pages whose columns show the same seconds, it is the first that is.
    """
    printed = [
        np.isfinite(signals_mv[LEADS.index(lead)]) if lead in LEADS else None
        for lead in (name.removeprefix("-") for name in leads)
    ]
    edges = _column_edges(printed, signals_mv.shape[1])
    for column, name in enumerate(leads):
        if printed[column] is None:
            continue
        samples = slice(edges[column], edges[column + 1])
        if printed[column].any() and not printed[column][samples].any():
            first = int(np.argmax(printed[column]))
            samples = slice(first, first + samples.stop - samples.start)
        lead = name.removeprefix("-")
        yield lead, edges[column] / rate_hz, samples


def _column_edges(printed, n_samples):
    """Samples between which the columns of a row lie.

    An edge is where the lead after it begins or the one before it ends, as far
    as that is near a column of even width; else it is that column's.

    Args:
        printed: for each column (T,) bool, or None where nothing is kept.
        n_samples: T.
    """
    width = n_samples // len(printed)
    edges = [0]
    for column in range(1, len(printed)):
        before, after = printed[column - 1], printed[column]
        even = column * width
        ends = []
        if after is not None and after.any():
            ends.append(int(np.argmax(after)))
        if before is not None and before.any():
            ends.append(n_samples - int(np.argmax(before[::-1])))
        near = [end for end in ends if abs(end - even) < width / 2]
        edges.append(near[0] if near else even)
    return [*edges, len(printed) * width]


def _draw_paper(chart, n_rows, duration_s):
    """The 5 mm grid of an ECG: 0.2 s and 0.5 mV."""
    bottom = -2 * ROW_MV * n_rows + ROW_MV
    chart.set(xlim=(0, duration_s), ylim=(bottom, ROW_MV), xlabel="time in s")
    chart.set_xticks(np.arange(0, duration_s + 0.1, 1))
    chart.set_xticks(np.arange(0, duration_s, 0.2), minor=True)
    chart.set_yticks(np.arange(np.ceil(bottom), ROW_MV, 0.5), labels=[])
    chart.set_ylabel("0.5 mV a division")
    chart.grid(which="both", color="#f4c9c9", linewidth=0.5)
    chart.set_axisbelow(True)
    chart.tick_params(axis="both", which="both", length=0)


def save_figure(figure, path):
    """Write a figure as PNG, moved into place when whole."""
    with replacing(path) as partial:
        figure.savefig(partial, dpi=100)
