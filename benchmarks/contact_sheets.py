"""Draw docs/types.jpg, docs/variety.png and docs/any_page.jpg.

python benchmarks/contact_sheets.py
"""

import itertools
from pathlib import Path

import cv2
import numpy as np

from ecg_keras.drawing.any_page import draw, random_page
from ecg_keras.drawing.clean_page import Header, render_page
from ecg_keras.drawing.image_types import KINDS, degrade
from ecg_keras.drawing.styles import random_style
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.page.layouts import COMPETITION, OTHERS

DOCS = Path(__file__).parents[1] / "docs"
CELL = (300, 400)
COLUMNS = 5
PAGES_OF_A_LAYOUT = 2


def main():
    rng = np.random.default_rng(4)
    signals = simulate(rng)
    page = render_page(from_grid(signals, 500), 500, Header(id="00042_hr"))
    pictures = [("0001", page)]
    for kind in KINDS:
        for seed in range(2 if kind == "0012" else 1):
            rng = np.random.default_rng([20 + seed, int(kind)])
            picture, _ = degrade(page, kind, rng)
            pictures.append((kind, picture))
    _write("types.jpg", pictures)
    styled = {layout.name: [] for layout in (COMPETITION, *OTHERS)}
    for seed in itertools.count(100):
        if min(map(len, styled.values())) == PAGES_OF_A_LAYOUT:
            break
        rng = np.random.default_rng(seed)
        signals, style = simulate(rng), random_style(rng)
        layout = style.layout
        if len(styled[layout.name]) == PAGES_OF_A_LAYOUT:
            continue
        label = (
            f"{layout.name}, {layout.speed_mm_per_s:g} mm/s, "
            f"{layout.gain_mm_per_mv:g} mm/mV"
        )
        table = from_grid(signals, 500, stretch=layout.stretch)
        picture = render_page(table, 500, style=style)
        styled[layout.name].append((label, picture))
    pages = []
    for seed in range(4 * COLUMNS):
        rng = np.random.default_rng([3, seed])
        drawn = draw(random_page(rng, max_px=10**6), simulate(rng), rng)
        label = (
            f"{drawn.layout.name[:22]}, {drawn.layout.speed_mm_per_s:g} mm/s"
        )
        pages.append((f"{label}, {drawn.description.capture}", drawn.image))
    _write("any_page.jpg", pages)
    by_row = zip(*styled.values(), strict=True)
    _write("variety.png", [page for row in by_row for page in row])


def _write(name, pictures):
    """A sheet of pictures, each fitted into a cell and named."""
    cells = []
    for label, picture in pictures:
        factor = min(CELL[0] / picture.shape[0], CELL[1] / picture.shape[1])
        size = [max(1, int(side * factor)) for side in picture.shape[1::-1]]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        cell = np.full((CELL[0] + 24, CELL[1] + 8, 3), 255, np.uint8)
        cell[20 : 20 + size[1], 4 : 4 + size[0]] = small
        cv2.putText(
            cell, label, (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1,
            cv2.LINE_AA,
        )  # fmt: skip
        cells.append(cell)
    rows = [
        np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)
    ]
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    if name.endswith(".jpg"):
        options = [cv2.IMWRITE_JPEG_QUALITY, 80]
    cv2.imwrite(str(DOCS / name), sheet, options)


if __name__ == "__main__":
    main()
