"""The cells in which a network says where a picture lies on the page.

The network sees the picture an eighth of its size, and answers for cells of
64 px: which point of the page each cell's centre shows. Its answer is an array
(B, rows, columns, 4); all that reads one takes its channels from here. So does
all that reads a target, (B, rows, columns, 3).
"""

import math

import numpy as np

from ecg_keras.page.paper import (
    COARSE_GRID_MM,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)

SHRINK = 8  # from the picture to what the network sees
CELL_PX = 64
# A network's features are as wide as its cells: three strides of 2.
NETWORK_STRIDE = CELL_PX // SHRINK
UNIT_PX = COARSE_GRID_MM * PX_PER_MM
# The logarithm of an uncertainty counts up to here, in the loss and in fits:
# exp(-6) boxes are 0.1 px, closer than a cell can know.
MAX_ABS_LOG_B = 6.0


def cell_counts():
    """(rows, columns) of the network's cells."""
    return tuple(
        math.ceil(math.ceil(size / SHRINK) / NETWORK_STRIDE)
        for size in (PAGE_HEIGHT_PX, PAGE_WIDTH_PX)
    )


def cell_centres_px():
    """Picture coordinates of the cells' centres, (rows, columns, 2) float32."""
    rows, columns = cell_counts()
    x = (np.arange(columns) + 0.5) * CELL_PX
    y = (np.arange(rows) + 0.5) * CELL_PX
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)


# === The channels of an answer and of a target: arrays or tensors ===


def offsets(cells):
    """Page point less the cell's own, x and y in boxes of 5 mm: (..., 2)."""
    return cells[..., :2]


def log_b(cells):
    """Logarithm of the uncertainty b of an answer's offsets, in boxes."""
    return cells[..., 2]


def layout_logit(cells):
    """Of an answer, whether the page can be read (3x4+1): (B,).

    It is of the whole picture, and the same in all cells.
    """
    return cells[:, 0, 0, 3]


def layout_label(targets):
    """Of a target, 1 for a page that can be read, else 0: (B,)."""
    return targets[:, 0, 0, 2]
