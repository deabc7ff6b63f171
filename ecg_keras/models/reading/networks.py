"""What pages are read with: Keras' models, or what was exported of them.

Whatever reads pages asks these alone, and needs no Keras.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from ecg_keras.page.paper import GAIN_MM_PER_MV


@dataclasses.dataclass(frozen=True)
class Networks:
    """What a page reader asks.

    Attributes:
        rows: has `input_shape` and `predict_on_batch`, see
            `row_network.build_row_network`; None: no row is read.
        likely_path: function of (bins, n) logits: heights in mm and their
            deviations, each (n,), see `likely_path.likely_path`.
        names: has `predict_on_batch`, see `name_network.build_name_network`;
            None: names of leads, and speed and gain, are not read.
    """

    rows: object | None
    likely_path: Callable | None
    names: object | None = None


def sees_other_rows(network):
    """Whether a row network was built with `other_rows`."""
    return network.input_shape[-1] > 3


def filled_to(length, logits):
    """Logits (bins, n) as a batch of one, (1, bins, length) float32.

    The path goes straight on where nothing changes.
    """
    more = length - logits.shape[1]
    return np.pad(logits.astype(np.float32), ((0, 0), (0, more)), "edge")[None]


def heights_mm(found, n_samples):
    """What a decoder finds, each (1, length) mV, as (n,) mm of paper."""
    return tuple(
        np.asarray(values)[0, :n_samples] * GAIN_MM_PER_MV for values in found
    )
