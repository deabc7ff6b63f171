"""How fast pages of each type are drawn, on one core.

    python benchmarks/rendering.py

The clean page, then each type at the competition's size and at 512 x 512,
beside the time that writing the picture as PNG takes; medians of several
pages, milliseconds.
"""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from ecg_keras.drawing.clean_page import Header, render_page
from ecg_keras.drawing.folder import PNG_OPTIONS
from ecg_keras.drawing.image_types import KINDS, degrade
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.settings import parse_flags, run_command, setting


@dataclasses.dataclass(frozen=True)
class RenderingConfig:
    """Settings of benchmarks/rendering.py."""

    pages: int = setting(5, "pages of each type")


def main():
    config = parse_flags(RenderingConfig, __doc__)
    cv2.setNumThreads(1)
    signals = simulate(np.random.default_rng(0))
    table = from_grid(signals, 500)
    header = Header(id="00001_hr", sex="Male")
    render_page(table, 500, header)  # The grid is drawn once.
    clean_ms, page = _timed(
        config.pages, lambda seed: render_page(table, 500, header)
    )
    print(f"{'type':6}{'size':>12}{'draw':>8}{'512 x 512':>11}{'as PNG':>8}")
    for kind in ("0001", *sorted(KINDS)):
        draw_ms, (picture, _) = _timed(
            config.pages,
            lambda seed, kind=kind: degrade(
                page, kind, np.random.default_rng(seed)
            ),
        )
        small_ms, _ = _timed(
            config.pages,
            lambda seed, kind=kind: degrade(
                page, kind, np.random.default_rng(seed), (512, 512)
            ),
        )
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "page.png")
            png_ms, _ = _timed(
                config.pages,
                lambda seed, picture=picture, path=path: cv2.imwrite(
                    path, picture, PNG_OPTIONS
                ),
            )
        size = f"{picture.shape[1]}x{picture.shape[0]}"
        if kind == "0001":
            draw_ms = clean_ms
        print(f"{kind:6}{size:>12}{draw_ms:8.0f}{small_ms:11.0f}{png_ms:8.0f}")
    print("0001 is the clean page; other types add to its time. Milliseconds")


def _timed(n, run):
    """(median milliseconds, the last result) of `run(seed)`."""
    times = []
    for seed in range(n):
        start = time.perf_counter()
        result = run(seed)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times)), result


if __name__ == "__main__":
    sys.exit(run_command(main))
