"""Curves of a training: loss, SNR, score and learning rate."""

import numpy as np
from matplotlib.figure import Figure

from ecg_keras.ecg.plotting import save_figure


def plot_curves(path, history):
    """Draw loss, SNR, competition score and learning rate over the epochs.

    Args:
        path: PNG to write.
        history: list of dicts of logs, one for each epoch.
    """
    panels = (
        ("loss", ("loss", "val_loss")),
        ("SNR in dB", ("snr", "val_snr")),
        ("competition score in dB", ("val_competition_snr",)),
        ("learning rate", ("learning_rate",)),
    )
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    epochs = np.arange(1, len(history) + 1)
    for axes, (label, names) in zip(
        figure.subplots(2, 2).flat, panels, strict=True
    ):
        for name in names:
            values = np.array([e.get(name, np.nan) for e in history], float)
            shown = np.isfinite(values)
            label_text = "validation" if name.startswith("val") else "training"
            axes.plot(
                epochs[shown], values[shown], "o-", ms=3, label=label_text
            )
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if len(names) > 1:
            axes.legend()
    save_figure(figure, path)
