"""An encoder small enough for tests: an EfficientNet of three narrow stages."""

from ecg_keras.models.architectures import Encoder

TINY_ENCODER = Encoder(
    "EfficientNetBackbone",
    "efficientnet_tiny_imagenet",
    dict(
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 1],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[1, 2],
        stackwise_strides=[1, 2],
        stackwise_squeeze_and_excite_ratios=[0.25] * 2,
        stackwise_block_types=["v1"] * 2,
        width_coefficient=0.5,
        depth_coefficient=0.5,
        dropout=0,
    ),
    ("width_coefficient", "depth_coefficient"),
)
