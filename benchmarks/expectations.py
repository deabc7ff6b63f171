"""What a training of the full regressor takes at best, on devices we lack.

    python benchmarks/expectations.py

Computed, not measured: operations over the device's rate or bytes over its
bandwidth, whichever takes longer, for one step; then 50 epochs of 831 records
with one and with nine images each. A real step takes longer: small layers do
not fill a device, and several devices exchange a GB of gradients. `train.py
--profile` shows where the rest goes.
"""

import dataclasses
import math
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES
from ecg_keras.settings import parse_flags, run_command, setting

# Name: (devices, tera-operations a second of matrix units, GB/s of memory,
# bytes of an activation), each of one device, from the makers' data sheets.
DEVICES = {
    "T4, mixed_float16": (1, 65, 320, 2),
    "T4 x 2, mixed_float16": (2, 65, 320, 2),
    "P100, float32": (1, 9.3, 732, 4),
    "TPU v3-8, mixed_bfloat16": (8, 52, 450, 2),
    "TPU v5e-8, mixed_bfloat16": (8, 197, 819, 2),
}
# Forward, and backward to inputs and to weights; two operations a product.
OPERATIONS_PER_PRODUCT = 3 * 2
# Of an activation: written, read by the next layer; read again for the
# gradient; its gradient written and read.
ACTIVATION_PASSES = 5
# Of a weight: itself and both moments of AdamW read and written, gradient
# written and read, twice read by the products.
WEIGHT_BYTES = 4 * (3 * 2 + 2 + 2)


@dataclasses.dataclass(frozen=True)
class ExpectationsConfig:
    """Settings of benchmarks/expectations.py."""

    encoder: str = setting("efficientnet_b2", "image encoder")
    image_size: tuple[int, int] = setting((512, 512), "size of the images")
    batch_size: int = setting(8, "images in a batch, over all devices")
    records: int = setting(831, "records to train on")
    epochs: int = setting(50, "epochs")


def main():
    config = parse_flags(ExpectationsConfig, __doc__)
    products, activations, weights = counted(config)
    print(
        f"{config.encoder} at {config.image_size}: {products / 1e9:.2f} G "
        f"products and {activations / 1e6:.0f} M activations an image, "
        f"{weights / 1e6:.1f} M weights; batch {config.batch_size}"
    )
    print(
        f"{'computed lower bounds':28}{'step, ms':>9}{'bound by':>12}"
        f"{'1 image, h':>12}{'9 images, h':>12}"
    )
    for name, (n_devices, tera, bandwidth, n_bytes) in DEVICES.items():
        images = config.batch_size / n_devices
        compute_s = OPERATIONS_PER_PRODUCT * products * images / (tera * 1e12)
        moved = WEIGHT_BYTES * weights
        moved += ACTIVATION_PASSES * n_bytes * activations * images
        memory_s = moved / (bandwidth * 1e9)
        step_s = max(compute_s, memory_s)
        bound = "products" if compute_s > memory_s else "memory"
        hours = [
            config.epochs * (n * config.records // config.batch_size)
            * step_s / 3600
            for n in (1, 9)
        ]  # fmt: skip
        print(
            f"{name:28}{1000 * step_s:9.0f}{bound:>12}"
            f"{hours[0]:12.2f}{hours[1]:12.2f}"
        )


def counted(config):
    """(products, activations, weights) of the regressor for one image."""
    import keras

    from ecg_keras.models.architectures import HEAD_UNITS
    from ecg_keras.models.regressor import build_regressor

    # The encoder is counted from its layers, the head by hand: its weights
    # would fill a GB.
    model = build_regressor(config.image_size, config.encoder, "none", (1,))
    products = activations = 0
    backbone = model.get_layer(config.encoder)
    # The same layers, on images of one size.
    sized = keras.models.clone_model(
        keras.Model(backbone.inputs, backbone.outputs),
        input_tensors=[keras.Input((*config.image_size, 3))],
    )
    for layer in sized.layers:
        shape = layer.output.shape[1:]
        activations += math.prod(shape)
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            products += math.prod(shape[:-1]) * math.prod(kernel.shape)
    weights = backbone.count_params()
    sizes = (backbone.output.shape[-1], *HEAD_UNITS, N_LEADS * N_SAMPLES)
    for before, after in zip(sizes, sizes[1:], strict=False):
        products += before * after
        weights += (before + 1) * after
        activations += after
    return products, activations, weights


if __name__ == "__main__":
    sys.exit(run_command(main))
