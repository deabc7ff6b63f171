"""The dense regressor: encoder, global average pooling, a three-layer head.

    image (B, H, W, 3), 0..255 -> encoder -> pooled (B, C)
        -> Dense 2048 -> Dense 4096 -> Dense 60000 -> signals (B, 12, 5000), mV

Pooling forgets where on the page a trace lies, so the head can only recall
what signals look like, not read them: `docs/training_guide.md` says what this
reaches. It is the baseline against which everything else is measured.
"""

import keras

from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES
from ecg_keras.models.architectures import DROPOUT, HEAD_UNITS
from ecg_keras.models.backbone import build_encoder

# How the head's weights are split over the devices of one axis of a mesh, for
# `keras.distribution.LayoutMap`: by their units.
HEAD_LAYOUT = {"head_.*kernel": (None, "model"), "head_.*bias": ("model",)}


def build_regressor(
    image_size,
    encoder="efficientnet_b2",
    weights="imagenet",
    head_units=HEAD_UNITS,
    dropout=DROPOUT,
):
    """Build the dense model.

    Args:
        image_size: (H, W) of the images in px.
        encoder: a name from `architectures.ENCODERS`.
        weights: see `backbone.build_encoder`.
        head_units: widths of the hidden layers of the head.
        dropout: share of a hidden layer's units dropped in training, 0..1.

    Returns:
        A functional model: `image` (B, H, W, 3), values 0..255, to `signals`
        (B, 12, 5000), mV, float32 under any dtype policy.

    Raises:
        InputError: see `backbone.build_encoder`.
    """
    # === Layers ===
    normalisation, backbone = build_encoder(encoder, weights)
    layers = [
        normalisation,
        backbone,
        keras.layers.GlobalAveragePooling2D(name="pooling"),
    ]
    for index, units in enumerate(head_units, start=1):
        layers += [
            keras.layers.Dense(units, "relu", name=f"head_{index}"),
            keras.layers.Dropout(dropout, name=f"head_{index}_dropout"),
        ]
    # Millivolts need more than 16 bits; a Reshape would cast back to them.
    layers += [
        keras.layers.Dense(
            N_LEADS * N_SAMPLES, dtype="float32", name="head_signals"
        ),
        keras.layers.Reshape(
            (N_LEADS, N_SAMPLES), dtype="float32", name="signals"
        ),
    ]

    # === Functional model ===
    image = keras.Input((*image_size, 3), name="image")
    x = image
    for layer in layers:
        x = layer(x)
    return keras.Model(image, x, name=f"regressor_{encoder}")


def parameters_by_part(model):
    """Number of parameters of each part of a model that has any.

    Returns:
        dict: name of the layer -> parameters, in the order of the data flow.
    """
    counts = {layer.name: layer.count_params() for layer in model.layers}
    return {name: count for name, count in counts.items() if count}
