"""Rows of a page, compared as leads: as they are read, and moved along x.

Beats are at one time in all leads, but a page's map may be off by a mm between
rows.
"""

import functools

import numpy as np

from ecg_keras.models.layout.relations import most_evidence
from ecg_keras.models.layout.row_heights import PER_MM
from ecg_keras.models.layout.strip_leads import STRIP_LEADS, strip_evidence

# Long columns are compared piece by piece, of about so many mm.
PIECE_MM = 62.5
# A map may be so far off between rows; rows are moved if that fits better by
# this factor.
MOST_OFF_MM = 2.0
SURER = 1.03


class ComparedRows:
    """Rows and leads, compared once: kinds of pages ask much the same.

    Args:
        rows: list of `row_heights.RowHeights`.
    """

    def __init__(self, rows):
        self.rows = rows
        self.heights = functools.cache(self._heights)
        self.agreement = functools.cache(self._agreement)
        self.strip = functools.cache(self._strip)

    def _heights(self, left_mm, right_mm):
        """(2, rows, n) heights between two x: as they are, and aligned."""
        x = np.arange(left_mm, right_mm, 1 / PER_MM)
        heights = np.stack([row.at(x) for row in self.rows])
        return np.stack([heights, aligned(heights)])

    def _pieces(self, left_mm, right_mm):
        n_pieces = max(round((right_mm - left_mm) / PIECE_MM), 1)
        return np.array_split(self.heights(left_mm, right_mm), n_pieces, axis=2)

    def _agreement(self, left_mm, right_mm, indices, leads, below):
        """For or against some rows being some leads between two x."""
        return sum(
            most_evidence(leads, piece[:, list(indices)], below)
            for piece in self._pieces(left_mm, right_mm)
        )

    def _strip(self, left_mm, right_mm, strip_mm, index, indices, leads):
        """Of each lead what tells for a row being a strip of it.

        Args:
            left_mm, right_mm: of a column.
            strip_mm: where the strip shows the same seconds.
            index: of the row of the strip.
            indices, leads: of the column's rows, and what they would show.

        Returns:
            {lead: list of (evidence, weight)}, see `strip_evidence`.
        """
        told = {lead: [] for lead in STRIP_LEADS}
        pieces = self._pieces(left_mm, right_mm)
        there = pieces
        if strip_mm != left_mm:
            there = self._pieces(strip_mm, strip_mm + right_mm - left_mm)
        for piece, with_strip in zip(pieces, there, strict=True):
            n = min(piece.shape[-1], with_strip.shape[-1])
            own = strip_evidence(
                with_strip[:, index, :n], leads, piece[:, list(indices), :n]
            )
            for lead, more in own.items():
                told[lead].append(more)
        return told


def aligned(heights):
    """Rows moved along x to where their steep parts stand below each other.

    Args:
        heights: (rows, n), `PER_MM` a mm.

    Returns:
        The same shape; rows moved by no more than `MOST_OFF_MM`.
    """
    most = round(MOST_OFF_MM * PER_MM)
    n = heights.shape[1]
    if n <= 4 * most:
        return heights
    steep = np.abs(np.gradient(heights, axis=1))
    steep = np.minimum(steep, 4 * steep.mean(axis=1, keepdims=True) + 1e-6)
    box = np.ones(PER_MM) / PER_MM
    steep = np.stack([np.convolve(row, box, "same") for row in steep])
    steep /= np.linalg.norm(steep, axis=1, keepdims=True) + 1e-9
    moved = heights.copy()
    for k in range(len(heights)):
        others = steep.sum(axis=0) - steep[k]
        inside = others[most : n - most]
        alike = [
            inside @ steep[k, most + lag : n - most + lag]
            for lag in range(-most, most + 1)
        ]
        lag = int(np.argmax(alike)) - most
        if alike[lag + most] > SURER * alike[most]:
            moved[k] = np.roll(heights[k], -lag)
    return moved
