"""The dense regressor in plain PyTorch with timm, as such guides have it.

    python benchmarks/torch_original.py '{"batch_size": 8, ...}'

Only for `train_step.py`, which times it beside ours: it needs torch, timm and
NumPy, not this package. Prints a line of JSON.
"""

import contextlib
import json
import resource
import sys
import time

import numpy as np
import timm
import torch
from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FLOOR = 1e-8


class Regressor(nn.Module):
    def __init__(self, encoder, head_units, dropout=0.3):
        super().__init__()
        self.encoder = timm.create_model(
            encoder, pretrained=False, num_classes=0, global_pool="avg"
        )
        sizes = [self.encoder.num_features, *head_units]
        layers = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.head = nn.Sequential(*layers, nn.Linear(sizes[-1], 60000))
        mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, image):
        x = image.permute(0, 3, 1, 2).float() / 255
        x = self.head(self.encoder((x - self.mean) / self.std))
        return x.view(-1, 12, 5000).float()


def loss_of(target, found):
    """0.5 MSE - 0.5 SNR in dB over what is not NaN."""
    known = ~torch.isnan(target)
    signal = torch.nan_to_num(target)
    error = (found - signal) * known
    count = known.sum(2).clamp(min=1)
    squared = error.square().sum((1, 2)) / known.sum((1, 2)).clamp(min=1)
    ratio = torch.log10(signal.square().sum(2) / count + FLOOR) - torch.log10(
        error.square().sum(2) / count + FLOOR
    )
    return (0.5 * squared - 0.5 * 10 * ratio.mean(1)).mean()


def main(settings):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model = Regressor(settings["encoder"], settings["head_units"])
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=1e-5)
    precision = settings["precision"]
    dtype = {"mixed_float16": torch.float16, "mixed_bfloat16": torch.bfloat16}
    cast = contextlib.nullcontext()
    if precision in dtype:
        cast = torch.autocast(device, dtype[precision])
    scaler = torch.amp.GradScaler(
        device, enabled=precision == "mixed_float16" and device == "cuda"
    )
    rng = np.random.default_rng(0)
    shape = (settings["batch_size"], *settings["image_size"], 3)
    image = torch.from_numpy(rng.integers(0, 256, shape, np.uint8))
    target = torch.from_numpy(
        rng.standard_normal((shape[0], 12, 5000), np.float32)
    )

    def steps(n):
        start = time.perf_counter()
        for _ in range(n):
            x = image.to(device, non_blocking=True)
            y = target.to(device, non_blocking=True)
            optimizer.zero_grad(set_to_none=True)
            with cast:
                loss = loss_of(y, model(x))
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / n

    first_s = steps(1)
    steps(2)
    step_s = sorted(steps(settings["steps"]) for _ in range(3))[1]
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    print(json.dumps({
        "first_s": first_s, "step_s": step_s, "peak_bytes": peak,
        "version": f"torch {torch.__version__}, timm {timm.__version__}",
    }))  # fmt: skip


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
