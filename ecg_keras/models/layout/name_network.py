"""The network that finds names of leads, speed and gain in a page's print.

    print (B, H, W, 1), 0..255, 4 px a mm -> logits (B, H / 4, W / 4, classes):
    for each mm of the page, which name has its middle there, or of which speed
    or gain the number ends there

A small fully convolutional network: it sees 14 mm around each place, which is
more than a name is long, or a number and what tells its unit.
"""

import keras

from ecg_keras.models.layers import conv_block
from ecg_keras.models.layout.name_classes import CLASSES

FILTERS = (24, 48)
CONTEXT_DILATIONS = (1, 2, 2)


def build_name_network(filters=FILTERS):
    """Build the network.

    Args:
        filters: channels at 2 px and at 1 px a mm.

    Returns:
        A functional model: `ink` (B, H, W, 1), 0..255, where H and W are
        multiples of `name_classes.CELL_PX`, to `logits` (B, H / 4, W / 4,
        `CLASSES`) float32.
    """
    ink = keras.Input((None, None, 1), name="ink")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(ink)
    x = conv_block(x, filters[0], "stem", kernel=5, strides=2)
    x = conv_block(x, filters[0], "fine")
    x = conv_block(x, filters[1], "down", strides=2)
    x = conv_block(x, filters[1], "coarse")
    for index, dilation in enumerate(CONTEXT_DILATIONS):
        near = conv_block(x, filters[1], f"context_{index}", dilation=dilation)
        x = keras.layers.Add(name=f"join_{index}")([x, near])
    x = conv_block(x, 2 * filters[1], "hidden", kernel=1)
    logits = keras.layers.Conv2D(
        len(CLASSES), 1, dtype="float32", name="logits"
    )(x)
    return keras.Model(ink, logits, name="name_network")
