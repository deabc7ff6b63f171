"""What can be chosen about the networks, by name and number, without Keras.

Command lines show these; the modules that build the networks import them.
"""

import dataclasses

from ecg_keras.errors import InputError
from ecg_keras.page.row_images import PIXELS_PER_BIN

# The regressor's head: widths of its hidden layers, and the share of their
# units that is dropped in training. Both are those of the guide that this
# package began with (docs/training_guide.md).
HEAD_UNITS = (2048, 4096)
DROPOUT = 0.3

# The row network's channels at each scale, the finest first: what two cores of
# a CPU train in hours (docs/tracer.md).
ROW_FILTERS = (24, 32, 48, 64, 96)


def columns_multiple(filters=ROW_FILTERS):
    """Columns of a row image must be a multiple of this."""
    return PIXELS_PER_BIN * 2 ** (len(filters) - 1)


@dataclasses.dataclass(frozen=True)
class Encoder:
    """How to build an encoder, and what its pretrained weights are called.

    Attributes:
        class_name: class in `keras_hub.models`.
        preset: keras-hub's name of the ImageNet weights.
        config: arguments of the class.
        identity: names in `config` that tell it from its siblings.
    """

    class_name: str
    preset: str
    config: dict
    identity: tuple[str, ...]


def _efficientnet(preset, width, depth):
    config = dict(
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        stackwise_squeeze_and_excite_ratios=[0.25] * 7,
        stackwise_block_types=["v1"] * 7,
        width_coefficient=width,
        depth_coefficient=depth,
        min_depth=None,
        include_stem_padding=True,
        use_depth_divisor_as_min_depth=True,
        cap_round_filter_decrease=True,
        stem_conv_padding="valid",
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-5,
        dropout=0,
    )
    identity = ("width_coefficient", "depth_coefficient")
    return Encoder("EfficientNetBackbone", preset, config, identity)


ENCODERS = {
    "efficientnet_b0": _efficientnet("efficientnet_b0_ra_imagenet", 1.0, 1.0),
    "efficientnet_b2": _efficientnet("efficientnet_b2_ra_imagenet", 1.1, 1.2),
    "efficientnet_b4": _efficientnet("efficientnet_b4_ra2_imagenet", 1.4, 1.8),
    "resnet50": Encoder(
        "ResNetBackbone",
        "resnet_50_imagenet",
        dict(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 128, 256, 512],
            stackwise_num_blocks=[3, 4, 6, 3],
            stackwise_num_strides=[1, 2, 2, 2],
            block_type="bottleneck_block",
        ),
        ("stackwise_num_blocks", "block_type"),
    ),
}


def find_encoder(name):
    """The `Encoder` of a name.

    Raises:
        InputError: no encoder has that name.
    """
    if name not in ENCODERS:
        raise InputError(
            f"Unknown encoder. Expected one of {sorted(ENCODERS)}. "
            f"Received: encoder={name!r}"
        )
    return ENCODERS[name]
