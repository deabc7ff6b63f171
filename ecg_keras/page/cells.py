"""The cells in which the frame network says where a picture lies.

It sees the picture an eighth of its size, and answers for cells of 64 px: which
point of the page each cell's centre shows, counted in boxes of 5 mm.
"""

import math

import numpy as np

from ecg_keras.page.paper import (
    COARSE_GRID_MM,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)

SHRINK = 8
CELL_PX = 64
UNIT_PX = COARSE_GRID_MM * PX_PER_MM


def cell_counts():
    """(rows, columns) of the frame network's cells."""
    return (
        math.ceil(math.ceil(PAGE_HEIGHT_PX / SHRINK) / 8),
        math.ceil(math.ceil(PAGE_WIDTH_PX / SHRINK) / 8),
    )


def cell_centres_px():
    """Picture coordinates of the cells' centres, (rows, columns, 2) float32."""
    rows, columns = cell_counts()
    x = (np.arange(columns) + 0.5) * CELL_PX
    y = (np.arange(rows) + 0.5) * CELL_PX
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)
