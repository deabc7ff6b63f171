"""The tracer for photos of pages, however they lie: turned, aside, soaked.

image (B, 1700, 2200, 3), 0..255
    -> where the page lies: a homography, corrected several times
    -> the page straightened by it, and its waves (`registration.wavy_page`)
    -> row images, sampled once from the image's own pixels; then as `tracer`
"""

import keras
import numpy as np
from keras import ops

from ecg_keras.models.layers import ShrinkPage, sample
from ecg_keras.models.reading.decoding import SMOOTHNESS, WINDOW_BINS
from ecg_keras.models.registration.homography import (
    compose,
    fit_homography,
    page_to_picture_px,
)
from ecg_keras.models.registration.spline import displacement_on_grid
from ecg_keras.models.registration.wavy_page import find_displacement
from ecg_keras.models.tracer import DecodeRows, SampleRows, read_rows_of
from ecg_keras.page.cells import SHRINK
from ecg_keras.page.coordinates import (
    MIDDLE_X_PX,
    MIDDLE_Y_PX,
    pixels_from_middle_px,
)
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

# How often each network sees the small picture again, straightened by the
# homography that was found until then.
LOOKS_AGAIN = 2


def build_photo_tracer(
    pose_network,
    frame_network,
    row_network,
    window_bins=WINDOW_BINS,
    smoothness=SMOOTHNESS,
    relations=True,
):
    """Put the tracer of photos together from its three networks.

    Args:
        pose_network: see `pose_network.build_pose_network`.
        frame_network: see `frame_network.build_frame_network`.
        row_network: see `row_network.build_row_network`.
        window_bins, smoothness: see `decoding.soft_argmax`.
        relations: see `leads_from_rows.join_rows`.

    Returns:
        A functional model as `tracer.build_tracer` builds.
    """
    image = keras.Input((PAGE_HEIGHT_PX, PAGE_WIDTH_PX, 3), name="image")
    small = ShrinkPage(dtype="float32", name="small")(image)
    fit = FitHomography(dtype="float32", name="pose")
    composed = ComposeHomographies(dtype="float32", name="joined_pose")
    straightened = StraightenPage(SHRINK, dtype="float32", name="small_again")
    pose = fit(pose_network(small))
    # Both networks err the less, the closer the page lies to where a flat one
    # would; the frame network was trained on such pages alone.
    for network in [pose_network] * LOOKS_AGAIN + [frame_network] * LOOKS_AGAIN:
        pose = composed([pose, fit(network(straightened([small, pose])))])
    page = StraightenPage(dtype="float32", name="straightened")([image, pose])
    cells = frame_network(ShrinkPage(dtype="float32", name="small_page")(page))
    rows = SamplePhotoRows(dtype="float32", name="strips")(
        [image, pose, page, cells]
    )
    decode = DecodeRows(
        window_bins, smoothness, relations, dtype="float32", name="read_out"
    )
    outputs = read_rows_of(rows, cells, row_network, decode)
    return keras.Model(image, outputs, name="photo_tracer")


@keras.saving.register_keras_serializable(package="ecg_keras")
class FitHomography(keras.layers.Layer):
    """Cells (B, 27, 35, 4) to the page's homography (B, 3, 3)."""

    def call(self, cells):
        return fit_homography(cells)

    def compute_output_shape(self, input_shape):
        return input_shape[0], 3, 3


@keras.saving.register_keras_serializable(package="ecg_keras")
class ComposeHomographies(keras.layers.Layer):
    """Two homographies (B, 3, 3), outer and inner, to one.

    The inner one is applied to points first.
    """

    def call(self, inputs):
        outer, inner = inputs
        return compose(outer, inner)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@keras.saving.register_keras_serializable(package="ecg_keras")
class StraightenPage(keras.layers.Layer):
    """The page as a flat one would lie, sampled bilinearly.

    Inputs: a picture (B, H, W, 3) and its homography (B, 3, 3). Output: of the
    picture's shape; black where the page is beyond it.

    Args:
        shrink: how many times smaller than 2200 x 1700 px the picture is.
    """

    def __init__(self, shrink=1, **kwargs):
        super().__init__(**kwargs)
        self.shrink = shrink

    def call(self, inputs):
        picture, homography = inputs
        height, width = picture.shape[1:3]
        x, y = pixels_from_middle_px(self.shrink)
        x, y = page_to_picture_px(
            homography,
            ops.convert_to_tensor(x[None, None]),
            ops.convert_to_tensor(y[None, :, None]),
        )
        x, y = (
            ops.reshape(v / self.shrink, (-1, height * width)) for v in (x, y)
        )
        return ops.reshape(sample(picture, x, y), (-1, height, width, 3))

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "shrink": self.shrink}


@keras.saving.register_keras_serializable(package="ecg_keras")
class SamplePhotoRows(SampleRows):
    """`SampleRows` of a photo.

    Inputs: image (B, 1700, 2200, 3), its homography (B, 3, 3), the page that
    this straightens (B, 1700, 2200, 3), and that page's cells by the frame
    network (B, 27, 35, 4).
    """

    def picture_px(self, inputs):
        _, homography, page, cells = inputs
        displacement = find_displacement(page, cells)
        x = (self._page_x_px - MIDDLE_X_PX).astype(np.float32)
        y = (self._page_y_px - MIDDLE_Y_PX).astype(np.float32)
        right, down = displacement_on_grid(displacement, x, y)
        return page_to_picture_px(
            homography,
            ops.convert_to_tensor(x[None, None]) + right,
            ops.convert_to_tensor(y[None, :, None]) + down,
        )
