"""The tracer: it finds the page, straightens its rows, and follows the traces.

    image (B, 1700, 2200, 3), 0..255
        -> where the page lies (`registration.flat_page`)
        -> four row images, sampled once from the image's own pixels
        -> for each of 5120 samples a distribution of voltage (`row_network`)
        -> mean and deviation along the Viterbi path (`decoding`)
        -> twelve leads from four rows (`leads_from_rows`)

The row network gives two columns of logits for each column of a row image, one
for each sample of the 500 Hz grid: nothing is resampled in time.
"""

import keras
import numpy as np
from keras import ops

from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES
from ecg_keras.models.layers import ShrinkPage, sample
from ecg_keras.models.reading.decoding import SMOOTHNESS, WINDOW_BINS, read_rows
from ecg_keras.models.reading.leads_from_rows import (
    join_rows,
    lead_ii_difference,
)
from ecg_keras.models.registration.flat_page import (
    fit_affine,
    refine,
    to_picture,
)
from ecg_keras.page.cells import layout_logit
from ecg_keras.page.paper import N_ROWS, PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from ecg_keras.page.row_images import (
    N_BINS,
    SAMPLES_IN_STRIP,
    STRIP_HEIGHT,
    STRIP_WIDTH,
    columns_x_px,
    pixels_y_px,
)

# A page is refused whose two prints of lead II differ by more
# (`lead_ii_difference`: 0 if they are alike, 1 if they are unrelated). Pages
# that this was held against: docs/tracer.md.
MAX_DIFFERENCE = 0.4
# Per unit of the difference: 0.3 is accepted with 0.88, 0.5 with 0.12.
DIFFERENCE_STEEPNESS = 20.0


def build_tracer(
    frame_network,
    row_network,
    window_bins=WINDOW_BINS,
    smoothness=SMOOTHNESS,
    relations=True,
):
    """Put the tracer together from its two networks.

    Args:
        frame_network: see `frame_network.build_frame_network`.
        row_network: see `row_network.build_row_network`.
        window_bins, smoothness: see `decoding.soft_argmax`.
        relations: see `leads_from_rows.join_rows`.

    Returns:
        A functional model: `image` (B, 1700, 2200, 3), 0..255, to a dict of
        `signals` (B, 12, 5000) mV; `std_mv`, the same shape, the standard
        deviation of each sample; `layout_found` (B,), 0 to 1, whether the image
        is a page of the competition's layout.
    """
    image = keras.Input((PAGE_HEIGHT_PX, PAGE_WIDTH_PX, 3), name="image")
    small = ShrinkPage(dtype="float32", name="small")(image)
    cells = frame_network(small)
    rows = SampleRows(dtype="float32", name="strips")([image, cells])
    decode = DecodeRows(
        window_bins, smoothness, relations, dtype="float32", name="read_out"
    )
    outputs = read_rows_of(rows, cells, row_network, decode)
    return keras.Model(image, outputs, name="tracer")


def read_rows_of(rows, cells, row_network, decode):
    """The outputs of a tracer, from its row images on.

    Args:
        rows: (4 B, STRIP_HEIGHT, STRIP_WIDTH, 3).
        cells: (B, 27, 35, 4) of the frame network.
        row_network: see `row_network.build_row_network`.
        decode: a `DecodeRows`.

    Returns:
        The dict that `build_tracer` describes.
    """
    signals, std_mv, difference = decode(row_network(rows))
    found = JudgeLayout(dtype="float32", name="found")([cells, difference])
    return {"signals": signals, "std_mv": std_mv, "layout_found": found}


@keras.saving.register_keras_serializable(package="ecg_keras")
class SampleRows(keras.layers.Layer):
    """Finds the page exactly and samples its four rows, bilinearly.

    Inputs: image (B, 1700, 2200, 3) and cells (B, 27, 35, 4) of the frame
    network. Output: (4 B, STRIP_HEIGHT, STRIP_WIDTH, 3), row by row of each
    page; pixels beyond the image are black.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._page_x_px = columns_x_px(np.arange(STRIP_WIDTH))
        self._page_y_px = np.concatenate([
            pixels_y_px(np.arange(STRIP_HEIGHT), row) for row in range(N_ROWS)
        ])  # fmt: skip

    def call(self, inputs):
        n_points = len(self._page_x_px) * len(self._page_y_px)
        x, y = (ops.reshape(v, (-1, n_points)) for v in self.picture_px(inputs))
        rows = sample(inputs[0], x, y)
        return ops.reshape(rows, (-1, STRIP_HEIGHT, STRIP_WIDTH, 3))

    def picture_px(self, inputs):
        """Where the row images' pixels are in the picture: x, y, (B, m, n)."""
        image, cells = inputs
        affine, cubic = refine(image, fit_affine(cells))
        return to_picture(affine, cubic, self._page_x_px, self._page_y_px)

    def compute_output_shape(self, input_shape):
        batch = input_shape[0][0]
        batch = None if batch is None else N_ROWS * batch
        return batch, STRIP_HEIGHT, STRIP_WIDTH, 3


@keras.saving.register_keras_serializable(package="ecg_keras")
class DecodeRows(keras.layers.Layer):
    """Logits of row images (4 B, bins, T) to signals and deviations of pages.

    The third output is `leads_from_rows.lead_ii_difference`.

    Args:
        window_bins, smoothness: see `decoding.soft_argmax`.
        relations: see `leads_from_rows.join_rows`.
    """

    def __init__(
        self,
        window_bins=WINDOW_BINS,
        smoothness=SMOOTHNESS,
        relations=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.window_bins = window_bins
        self.smoothness = smoothness
        self.relations = relations

    def call(self, logits):
        logits = ops.reshape(logits, (-1, N_BINS, SAMPLES_IN_STRIP))
        mean, std = read_rows(logits, self.window_bins, self.smoothness)
        signals, std_mv = join_rows(mean, std, self.relations)
        return signals, std_mv, lead_ii_difference(mean)

    def compute_output_shape(self, input_shape):
        shape = None, N_LEADS, N_SAMPLES
        return shape, shape, (None,)

    def get_config(self):
        own = {
            "window_bins": self.window_bins,
            "smoothness": self.smoothness,
            "relations": self.relations,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="ecg_keras")
class JudgeLayout(keras.layers.Layer):
    """Whether the page can be read, (B,) from 0 to 1.

    Inputs: the cells of the frame network (B, 27, 35, 4), whose logit judges
    the picture; and the difference of the two prints of lead II (B,), which
    is large on a page of another layout: two other leads stand there.
    """

    def call(self, inputs):
        cells, difference = inputs
        looks_right = ops.sigmoid(layout_logit(cells))
        agrees = ops.sigmoid(
            DIFFERENCE_STEEPNESS * (MAX_DIFFERENCE - difference)
        )
        return looks_right * agrees

    def compute_output_shape(self, input_shape):
        return input_shape[1]
