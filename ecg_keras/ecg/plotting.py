"""Pictures for people: twelve leads, predicted on true."""

import numpy as np
from matplotlib.figure import Figure

from ecg_keras.ecg.leads import (
    DURATION_S,
    LEADS,
    N_QUARTERS,
    PAGE_ROWS,
    QUARTER_S,
    RATE_HZ,
    RHYTHM_LEAD,
)
from ecg_keras.files import replacing

ROW_MV = 1.6  # half the height of a row of the chart
TRUE_COLOUR, FOUND_COLOUR = "#9a9a9a", "#c1121f"


def plot_signals(path, signals_mv, reference_mv=None, title=None, image=None):
    """Draw what a page prints as a 12-lead chart, 3 x 4 and a rhythm strip.

    Args:
        path: PNG to write.
        signals_mv: (12, 5000) mV; drawn in red.
        reference_mv: (12, 5000) mV of the true signals; drawn in grey below.
        title: text above the chart.
        image: (H, W, 3) uint8, drawn beside the chart's left.
    """
    figure = Figure(figsize=(20 if image is not None else 12, 7.5))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, 2 if image is not None else 1, squeeze=False)[0]
    if image is not None:
        axes[0].imshow(image)
        axes[0].set_axis_off()
    chart = axes[-1]
    for row, leads in enumerate((*PAGE_ROWS, (RHYTHM_LEAD,))):
        zero_mv = -2 * ROW_MV * row
        for column, lead in enumerate(leads):
            whole = len(leads) == 1
            start_s = 0.0 if whole else column * QUARTER_S
            stop_s = DURATION_S if whole else start_s + QUARTER_S
            samples = slice(int(start_s * RATE_HZ), int(stop_s * RATE_HZ))
            times_s = np.arange(samples.start, samples.stop) / RATE_HZ
            index = LEADS.index(lead)
            if reference_mv is not None:
                chart.plot(
                    times_s,
                    zero_mv + reference_mv[index, samples],
                    color=TRUE_COLOUR,
                    linewidth=2.4,
                )
            chart.plot(
                times_s,
                zero_mv + signals_mv[index, samples],
                color=FOUND_COLOUR,
                linewidth=0.8,
            )
            chart.text(start_s + 0.05, zero_mv - 0.95 * ROW_MV, lead)
    for quarter in range(1, N_QUARTERS):
        chart.axvline(
            quarter * QUARTER_S, color="black", linewidth=0.5, linestyle=":"
        )
    _draw_paper(chart, n_rows=len(PAGE_ROWS) + 1)
    if title:
        chart.set_title(title)
    if reference_mv is not None:
        chart.plot([], [], color=TRUE_COLOUR, label="true")
        chart.plot([], [], color=FOUND_COLOUR, label="found")
        chart.legend(loc="upper right", ncols=2)
    save_figure(figure, path)


def _draw_paper(chart, n_rows):
    """The 5 mm grid of an ECG: 0.2 s and 0.5 mV."""
    bottom = -2 * ROW_MV * n_rows + ROW_MV
    chart.set(xlim=(0, DURATION_S), ylim=(bottom, ROW_MV), xlabel="time in s")
    chart.set_xticks(np.arange(0, DURATION_S + 0.1, 1))
    chart.set_xticks(np.arange(0, DURATION_S, 0.2), minor=True)
    chart.set_yticks(np.arange(np.ceil(bottom), ROW_MV, 0.5), labels=[])
    chart.set_ylabel("0.5 mV a division")
    chart.grid(which="both", color="#f4c9c9", linewidth=0.5)
    chart.set_axisbelow(True)
    chart.tick_params(axis="both", which="both", length=0)


def save_figure(figure, path):
    """Write a figure as PNG, moved into place when whole."""
    with replacing(path) as partial:
        figure.savefig(partial, dpi=100)
