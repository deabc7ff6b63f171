"""The tracer: it finds the page, straightens its rows, and follows the traces.

    image (B, 1700, 2200, 3), 0..255
        -> where the page lies (`page_frame`)
        -> four strips, sampled once from the image's own pixels
        -> for each of 5120 samples a distribution over voltage (`row_network`)
        -> mean and deviation along the likely path (`readout`)
        -> twelve leads, with what is known twice (`row_joining`)

Strips have two columns of logits for each column, so that each sample of the
500 Hz grid has its own: nothing is resampled in time.
"""

import keras
import numpy as np
from keras import ops

from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES
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
from ecg_keras.page.cells import SHRINK
from ecg_keras.page.paper import N_ROWS, PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from ecg_keras.page.row_images import (
    N_BINS,
    SAMPLES_IN_STRIP,
    STRIP_HEIGHT,
    STRIP_WIDTH,
    columns_x_px,
    pixels_y_px,
)

# Of two readings of lead II: 0 if they are alike, 1 if they are unrelated.
MAX_DIFFERENCE = 0.4


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
        window_bins, smoothness: see `readout.read_out`.
        relations: see `row_joining.join_rows`.

    Returns:
        A functional model: `image` (B, 1700, 2200, 3), 0..255, to a dict of
        `signals` (B, 12, 5000) mV; `std_mv`, the same shape, how sure each
        sample is; `layout_found` (B,), 0 to 1, whether the image is a page of
        the competition's layout.
    """
    image = keras.Input((PAGE_HEIGHT_PX, PAGE_WIDTH_PX, 3), name="image")
    small = Small(dtype="float32", name="small")(image)
    cells = frame_network(small)
    strips = Strips(dtype="float32", name="strips")([image, cells])
    read = ReadOut(
        window_bins, smoothness, relations, dtype="float32", name="read_out"
    )
    outputs = read_strips(strips, cells, row_network, read)
    return keras.Model(image, outputs, name="tracer")


def read_strips(strips, cells, row_network, read):
    """What a tracer answers, from its strips on.

    Args:
        strips: (4 B, STRIP_HEIGHT, STRIP_WIDTH, 3).
        cells: (B, 27, 35, 4) of the frame network.
        row_network: see `row_network.build_row_network`.
        read: a `ReadOut`.

    Returns:
        The dict that `build_tracer` describes.
    """
    signals, std_mv, difference = read(row_network(strips))
    found = LayoutFound(dtype="float32", name="found")([cells, difference])
    return {"signals": signals, "std_mv": std_mv, "layout_found": found}


@keras.saving.register_keras_serializable(package="ecg_keras")
class Small(keras.layers.Layer):
    """Pictures an eighth of their size: means of 8 x 8 px."""

    def call(self, image):
        # The last row is repeated: 1700 px are no multiple of 8.
        last = [image[:, -1:]] * (-image.shape[1] % SHRINK)
        image = ops.concatenate([image, *last], axis=1)
        return ops.average_pool(image, SHRINK, SHRINK, padding="valid")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, -(-height // SHRINK), width // SHRINK, channels


@keras.saving.register_keras_serializable(package="ecg_keras")
class Strips(keras.layers.Layer):
    """Finds the page exactly and samples its four rows, bilinearly.

    Inputs: image (B, 1700, 2200, 3) and cells (B, 27, 35, 4) of the frame
    network. Output: (4 B, STRIP_HEIGHT, STRIP_WIDTH, 3), row by row of each
    page; what lies beyond the image is black.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        pixels = [
            pixels_y_px(np.arange(STRIP_HEIGHT), row) for row in range(N_ROWS)
        ]
        columns = columns_x_px(np.arange(STRIP_WIDTH))
        self._page_x = columns
        self._page_y = np.concatenate(pixels)

    def call(self, inputs):
        n_points = len(self._page_x) * len(self._page_y)
        x, y = (
            ops.reshape(place, (-1, n_points)) for place in self.places(inputs)
        )
        strips = sample(inputs[0], x, y)
        return ops.reshape(strips, (-1, STRIP_HEIGHT, STRIP_WIDTH, 3))

    def places(self, inputs):
        """Where the strips' pixels are in the picture: x, y, (B, m, n) px."""
        image, cells = inputs
        affine, bend, _ = refine(image, fit_affine(cells))
        x, y = (
            ops.convert_to_tensor(place.astype(np.float32))
            for place in (self._page_x, self._page_y)
        )
        return to_picture(affine, bend, x, y)

    def compute_output_shape(self, input_shape):
        batch = input_shape[0][0]
        batch = None if batch is None else N_ROWS * batch
        return batch, STRIP_HEIGHT, STRIP_WIDTH, 3


@keras.saving.register_keras_serializable(package="ecg_keras")
class ReadOut(keras.layers.Layer):
    """Logits of strips (4 B, bins, T) to signals and deviations of pages.

    The third output is `row_joining.lead_ii_difference`.

    Args:
        window_bins, smoothness: see `readout.read_out`.
        relations: see `row_joining.join_rows`.
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
class LayoutFound(keras.layers.Layer):
    """Whether the page can be read, (B,) from 0 to 1.

    Inputs: the frame network's cells (B, 27, 35, 4), which judge the picture;
    and how differently both prints of lead II were read (B,), which on a page
    of another layout are not lead II at all.
    """

    def call(self, inputs):
        cells, difference = inputs
        looks_right = ops.sigmoid(cells[:, 0, 0, 3])
        steepness = 20.0
        agrees = ops.sigmoid(steepness * (MAX_DIFFERENCE - difference))
        return looks_right * agrees

    def compute_output_shape(self, input_shape):
        return input_shape[1]


def sample(image, x, y):
    """Sample images at points, bilinearly.

    Args:
        image: (B, H, W, C).
        x, y: (B, n) px, pixel centres at .5.

    Returns:
        (B, n, C) float32; 0 beyond the image.
    """
    height, width, channels = image.shape[1:]
    pixels = ops.reshape(
        ops.cast(image, "float32"), (-1, height * width, channels)
    )
    x, y = x - 0.5, y - 0.5
    left, top = ops.floor(x), ops.floor(y)
    total = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left + dx, top + dy
            weight = (1 - ops.abs(x - column)) * (1 - ops.abs(y - row))
            inside = (column >= 0) & (column < width)
            inside = inside & (row >= 0) & (row < height)
            place = ops.clip(row, 0, height - 1) * width
            place = place + ops.clip(column, 0, width - 1)
            taken = ops.take_along_axis(
                pixels, ops.cast(place, "int32")[..., None], axis=1
            )
            weight = weight * ops.cast(inside, "float32")
            total = total + weight[..., None] * taken
    return total
