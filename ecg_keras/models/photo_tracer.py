"""The tracer for photos of pages, however they lie: turned, aside, soaked.

image (B, 1700, 2200, 3), 0..255
    -> where the page lies: a homography, looked at several times
    -> the page straightened by it, and its waves (`page_waves`)
    -> strips, sampled once from the image's own pixels; then as `tracer`
"""

import keras
import numpy as np
from keras import ops

from ecg_keras.models.reading.decoding import SMOOTHNESS, WINDOW_BINS
from ecg_keras.models.registration.homography import fit_homography
from ecg_keras.models.registration.spline import bend_on_grid
from ecg_keras.models.registration.wavy_page import find_bend, flat_to_picture
from ecg_keras.models.tracer import ReadOut, Small, Strips, read_strips, sample
from ecg_keras.page.cells import SHRINK
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

# How often each network sees the small picture again, as it was straightened.
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
        window_bins, smoothness: see `readout.read_out`.
        relations: see `row_joining.join_rows`.

    Returns:
        A functional model as `tracer.build_tracer` builds.
    """
    image = keras.Input((PAGE_HEIGHT_PX, PAGE_WIDTH_PX, 3), name="image")
    small = Small(dtype="float32", name="small")(image)
    fit = Pose(dtype="float32", name="pose")
    joined = Joined(dtype="float32", name="joined_pose")
    straightened = Straightened(SHRINK, dtype="float32", name="small_again")
    pose = fit(pose_network(small))
    # Both networks are the surer, the better the page is placed already.
    for network in [pose_network] * LOOKS_AGAIN + [frame_network] * LOOKS_AGAIN:
        pose = joined([pose, fit(network(straightened([small, pose])))])
    page = Straightened(dtype="float32", name="straightened")([image, pose])
    cells = frame_network(Small(dtype="float32", name="small_page")(page))
    strips = PhotoStrips(dtype="float32", name="strips")(
        [image, pose, page, cells]
    )
    read = ReadOut(
        window_bins, smoothness, relations, dtype="float32", name="read_out"
    )
    outputs = read_strips(strips, cells, row_network, read)
    return keras.Model(image, outputs, name="photo_tracer")


@keras.saving.register_keras_serializable(package="ecg_keras")
class Pose(keras.layers.Layer):
    """Cells (B, 27, 35, 4) to the page's homography (B, 3, 3)."""

    def call(self, cells):
        return fit_homography(cells)

    def compute_output_shape(self, input_shape):
        return input_shape[0], 3, 3


@keras.saving.register_keras_serializable(package="ecg_keras")
class Joined(keras.layers.Layer):
    """One homography (B, 3, 3) for two, of which the second is used first."""

    def call(self, inputs):
        outer, inner = inputs
        joined = ops.matmul(outer, inner)
        return joined / joined[:, 2:, 2:]

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@keras.saving.register_keras_serializable(package="ecg_keras")
class Straightened(keras.layers.Layer):
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
        picture, pose = inputs
        height, width = picture.shape[1:3]
        x, y = (
            (np.arange(size, dtype=np.float32) + 0.5) * self.shrink - whole / 2
            for size, whole in (
                (width, PAGE_WIDTH_PX), (height, PAGE_HEIGHT_PX),
            )
        )  # fmt: skip
        x = ops.convert_to_tensor(x[None, None])
        y = ops.convert_to_tensor(y[None, :, None])
        x, y = (
            ops.reshape(place / self.shrink, (-1, height * width))
            for place in flat_to_picture(pose, x, y)
        )
        return ops.reshape(sample(picture, x, y), (-1, height, width, 3))

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "shrink": self.shrink}


@keras.saving.register_keras_serializable(package="ecg_keras")
class PhotoStrips(Strips):
    """`Strips` of a photo.

    Inputs: image (B, 1700, 2200, 3), its homography (B, 3, 3), the page that
    this straightens (B, 1700, 2200, 3), and what the frame network says of it
    (B, 27, 35, 4).
    """

    def places(self, inputs):
        _, pose, page, cells = inputs
        bend = find_bend(page, cells)
        x = (self._page_x - PAGE_WIDTH_PX / 2).astype(np.float32)
        y = (self._page_y - PAGE_HEIGHT_PX / 2).astype(np.float32)
        right, down = bend_on_grid(bend, x, y)
        return flat_to_picture(
            pose,
            ops.convert_to_tensor(x[None, None]) + right,
            ops.convert_to_tensor(y[None, :, None]) + down,
        )
