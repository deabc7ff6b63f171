"""Draw docs/types.png and docs/variety.png: python docs/contact_sheets.py"""

from pathlib import Path

import cv2
import numpy as np

from ecg_keras.degradation import KINDS, degrade
from ecg_keras.rendering import Header, render_page
from ecg_keras.resampling import from_grid
from ecg_keras.synthesis import simulate
from ecg_keras.variety import style_of

DOCS = Path(__file__).parent
CELL = (300, 400)
COLUMNS = 5


def main():
    rng = np.random.default_rng(4)
    signals = simulate(rng)
    page = render_page(from_grid(signals, 500), 500, Header(id="00042_hr"))
    pictures = [("0001", page)]
    for kind in KINDS:
        for seed in range(2 if kind == "0012" else 1):
            picture, _ = degrade(page, kind, np.random.default_rng(20 + seed))
            pictures.append((kind, picture))
    _write("types.png", pictures)
    styled = []
    for seed in range(10):
        rng = np.random.default_rng(100 + seed)
        signals, style = simulate(rng), style_of(rng)
        table = from_grid(signals, 500, stretch=style.layout.stretch)
        name = style.layout.name
        styled.append((name, render_page(table, 500, style=style)))
    _write("variety.png", styled)


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
    cv2.imwrite(str(DOCS / name), sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
