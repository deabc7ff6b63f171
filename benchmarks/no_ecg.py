"""Pictures that are no ECG: how many the default reader accepts.

Words, tables, empty grids, charts of other signals on a grid, noise and
plain light, each drawn from a seed:

    python benchmarks/no_ecg.py --pictures 60 --seed 1
"""

import argparse
import collections

import cv2
import numpy as np
from tqdm import tqdm

from ecg_keras.page_reader import load_page_reader

WORDS = (
    "the patient was seen on the ward and complained of nothing new "
    "pressure rate rhythm chest left right normal report date name of"
).split()


def paper(rng):
    """(H, W, 3) uint8 of one colour, and px for each mm."""
    px = rng.uniform(5, 10)
    height, width = (
        round(px * mm) for mm in rng.uniform((150, 200), (220, 290))
    )
    return np.full((height, width, 3), rng.integers(235, 256, 3), np.uint8), px


def grid(rng, image, px):
    """Draw the mm paper of an ECG."""
    colour = np.array([(240, 150, 150), (150, 200, 150), (170, 170, 170)])
    colour = colour[rng.integers(3)]
    for every, share in ((1, 0.35), (5, 1.0)):
        shade = tuple(int(v) for v in 255 + share * (colour - 255))
        for axis in (0, 1):
            n_lines = int(image.shape[axis] / (px * every))
            for k in range(n_lines + 1):
                at = round(k * px * every)
                if axis:
                    cv2.line(image, (at, 0), (at, image.shape[0]), shade, 1)
                else:
                    cv2.line(image, (0, at), (image.shape[1], at), shade, 1)
    return image


def words(rng):
    image, px = paper(rng)
    for y in np.arange(12, image.shape[0] / px - 8, rng.uniform(5, 9)):
        line = " ".join(rng.choice(WORDS, 14))
        at = (round(12 * px), round(y * px))
        cv2.putText(image, line, at, 0, px / 14, (30, 30, 30), 1, cv2.LINE_AA)
    return image


def table(rng):
    image, px = paper(rng)
    row_mm, column_mm = rng.uniform(6, 12), rng.uniform(20, 45)
    for y in np.arange(10, image.shape[0] / px - 10, row_mm):
        at = round(y * px)
        cv2.line(image, (20, at), (image.shape[1] - 20, at), (60, 60, 60), 1)
        for x in np.arange(10, image.shape[1] / px - 20, column_mm):
            number = f"{rng.uniform(0, 300):.1f}"
            at_x = (round((x + 2) * px), round((y + row_mm - 2) * px))
            cv2.putText(image, number, at_x, 0, px / 16, (20, 20, 20), 1)
    for x in np.arange(10, image.shape[1] / px - 10, column_mm):
        at = round(x * px)
        cv2.line(image, (at, 20), (at, image.shape[0] - 20), (60, 60, 60), 1)
    return image


def empty_grid(rng):
    return grid(rng, *paper(rng))


def chart(rng):
    """Slow waves on an ECG's paper, as of breath, or of a seismograph."""
    image, px = paper(rng)
    grid(rng, image, px)
    n_rows = int(rng.integers(1, 7))
    x = np.arange(10 * px, image.shape[1] - 10 * px)
    for k in range(n_rows):
        middle = image.shape[0] * (k + 0.5) / n_rows
        high = rng.uniform(2, 8) * px
        kind = rng.integers(3)
        phase = x / px / rng.uniform(3, 25)
        if kind == 0:
            wave = np.sin(2 * np.pi * phase)
        elif kind == 1:
            wave = np.cumsum(rng.normal(0, 0.08, len(x)))
            wave -= np.linspace(wave[0], wave[-1], len(x))
        else:
            wave = 2 * np.abs(2 * (phase % 1) - 1) - 1
        points = np.stack([x, middle - high * wave], axis=-1)
        cv2.polylines(
            image, [np.round(8 * points).astype(np.int32)], False, (20, 20, 20),
            max(round(px / 4), 1), cv2.LINE_AA, 3,
        )  # fmt: skip
    return image


def noise(rng):
    image = rng.integers(0, 256, (900, 1200, 3)).astype(np.uint8)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 6))


def light(rng):
    y, x = np.mgrid[:800, :1100] / 1100
    shade = 255 * np.clip(
        rng.uniform(0, 1) + rng.normal(0, 0.5) * x + y / 3, 0, 1
    )
    return np.repeat(shade[..., None], 3, axis=-1).astype(np.uint8)


KINDS = (words, table, empty_grid, chart, noise, light)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    reader = load_page_reader()
    counts = {kind.__name__: collections.Counter() for kind in KINDS}
    for index in tqdm(range(args.pictures)):
        kind = KINDS[index % len(KINDS)]
        image = kind(np.random.default_rng((args.seed, index)))
        digitized = reader.read(image).digitized
        counts[kind.__name__][digitized.quality] += 1
        if digitized.quality != "refused":
            tqdm.write(
                f"{index} {kind.__name__} {digitized.layout} "
                f"{digitized.quality} {digitized.reasons}"
            )
    for name, count in counts.items():
        print(f"{name:12s}", dict(count))


if __name__ == "__main__":
    main()
