"""What a page of a PDF holds: chains of points, straight lines, words.

Places are in points of 1/72 inch from the page's top left corner, with its text
level, x right and y down.
"""

import ctypes
import dataclasses

import numpy as np
import pypdfium2.raw as pdfium_c

from ecg_keras.documents.pdf import opened_page

POINTS_PER_MM = 72 / 25.4
# A page of more objects is a drawing of another kind: its paths are not read.
MAX_OBJECTS = 300_000
# No page is larger (ISO 32000: 14,400 points).
MAX_PT = 1e5
# Ends of paths that lie this close are one point.
_SAME_POINT_PT = 0.03


@dataclasses.dataclass(frozen=True)
class Word:
    """A word and where it begins: its left edge and its middle's height."""

    text: str
    xy_pt: tuple


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a page holds.

    Attributes:
        size_pt: width and height of the page, its text level.
        chains: list of (n, 2) points, paths that follow each other joined.
        lines: (n, 4) x0, y0, x1, y1 of lines along an axis.
        words: list of `Word`.
        text: all of it.
        turns: how often the page as it is seen was turned, anticlockwise,
            until its text was level.
    """

    size_pt: np.ndarray
    chains: list
    lines: np.ndarray
    words: list
    text: str
    turns: int = 0

    def seen_shares(self, shares):
        """Places on the page as it is seen.

        Args:
            shares: (n, 2) x and y as shares of `size_pt`.

        Returns:
            (n, 2), as shares of the width and height that are seen.
        """
        for _ in range(self.turns):
            shares = np.stack([1 - shares[:, 1], shares[:, 0]], axis=1)
        return shares


def read_contents(path, index):
    """Read a page's paths and text.

    A page whose text runs up or down is turned so that it is level.

    Args:
        path: the file.
        index: number of the page, from 0.

    Returns:
        `Contents`.

    Raises:
        InputError: see `pdf.opened_page`.
    """
    with opened_page(path, index) as page:
        to_seen, size_pt = _seen(page)
        paths = list(_paths(page, to_seen))
        letters, text = _letters(page, to_seen)
    turns = _quarter_turns(letters)
    for _ in range(turns):
        width, height = size_pt
        paths = [
            (np.stack([xy[:, 1], width - xy[:, 0]], axis=1), style)
            for xy, style in paths
        ]
        letters = [
            (char, np.stack([box[:, 1], width - box[:, 0]], axis=1))
            for char, box in letters
        ]
        size_pt = np.array([height, width])
    lines, curves = [], []
    for xy, style in paths:
        if len(xy) <= 5:  # lines, and the boxes of a grid
            pairs = np.hstack([xy[:-1], xy[1:]])
            level = np.abs(pairs[:, :2] - pairs[:, 2:]).min(axis=1) < 0.02
            lines += list(pairs[level])
        curves.append((xy, style))
    return Contents(
        size_pt,
        _joined(curves),
        np.array(lines).reshape(-1, 4),
        _words(letters),
        text,
        turns,
    )


def _seen(page):
    """(function of (n, 2) points of the page to those seen, size)."""
    left, bottom, right, top = page.get_cropbox()
    width, height = right - left, top - bottom
    turns = round(page.get_rotation() / 90) % 4

    def to_seen(xy):
        x, y = xy[:, 0] - left, top - xy[:, 1]
        if turns == 1:
            x, y = height - y, x
        elif turns == 2:
            x, y = width - x, height - y
        elif turns == 3:
            x, y = y, width - x
        return np.stack([x, y], axis=1)

    size = (width, height) if turns % 2 == 0 else (height, width)
    return to_seen, np.array(size)


def _paths(page, to_seen):
    """Stroked stretches of the page: ((n, 2), style), in order of drawing."""
    count = pdfium_c.FPDFPage_CountObjects(page)
    if count > MAX_OBJECTS:
        return
    things = [pdfium_c.FPDFPage_GetObject(page, k) for k in range(count)]
    yield from _stretches(things, np.eye(3), to_seen)


def _stretches(things, outer, to_seen):
    for thing in things:
        kind = pdfium_c.FPDFPageObj_GetType(thing)
        if kind == pdfium_c.FPDF_PAGEOBJ_FORM:
            count = pdfium_c.FPDFFormObj_CountObjects(thing)
            inside = [
                pdfium_c.FPDFFormObj_GetObject(thing, k) for k in range(count)
            ]
            matrix = _matrix(thing) @ outer
            yield from _stretches(inside, matrix, to_seen)
        elif kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            style = _style(thing)
            if style is None:
                continue
            matrix = _matrix(thing) @ outer
            for points in _points(thing):
                with np.errstate(invalid="ignore", over="ignore"):
                    xy = np.c_[points, np.ones(len(points))] @ matrix
                # Damaged numbers may be infinite.
                seen = to_seen(xy[:, :2])
                if (np.abs(seen) < MAX_PT).all():
                    yield seen, style


def _matrix(thing):
    """(3, 3), for rows (x, y, 1) from the left."""
    m = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(thing, m)
    return np.array([[m.a, m.b, 0], [m.c, m.d, 0], [m.e, m.f, 1]])


def _style(path):
    """Colour and width of a stroked path, or None for one that is filled."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDFPath_GetDrawMode(path, fill, stroke)
    if not stroke.value:
        return None
    parts = [ctypes.c_uint() for _ in range(4)]
    pdfium_c.FPDFPageObj_GetStrokeColor(path, *parts)
    width = ctypes.c_float()
    pdfium_c.FPDFPageObj_GetStrokeWidth(path, width)
    return (*(part.value for part in parts[:3]), round(width.value, 3))


def _points(path):
    """(n, 2) of each stretch of a path; of curves the ends."""
    points, curve = [], 0
    x, y = ctypes.c_float(), ctypes.c_float()
    for k in range(pdfium_c.FPDFPath_CountSegments(path)):
        segment = pdfium_c.FPDFPath_GetPathSegment(path, k)
        kind = pdfium_c.FPDFPathSegment_GetType(segment)
        pdfium_c.FPDFPathSegment_GetPoint(segment, x, y)
        if kind == pdfium_c.FPDF_SEGMENT_BEZIERTO:
            curve += 1
            if curve % 3:
                continue  # a control point
        elif kind == pdfium_c.FPDF_SEGMENT_MOVETO:
            if len(points) > 1:
                yield np.array(points)
            points = []
        points.append((x.value, y.value))
        if pdfium_c.FPDFPathSegment_GetClose(segment):
            points.append(points[0])
    if len(points) > 1:
        yield np.array(points)


def _joined(paths):
    """Chains of paths of one style, each of which begins where one ends."""
    chains, ends = [], {}
    for xy, style in paths:
        x, y = np.round(xy[0] / _SAME_POINT_PT).astype(int)
        keys = [
            (style, x + dx, y + dy) for dx in (0, -1, 1) for dy in (0, -1, 1)
        ]
        key = next((key for key in keys if key in ends), None)
        if key:
            chain = ends.pop(key)
            chain.append(xy[1:])
        else:
            chain = [xy]
            chains.append(chain)
        end = np.round(xy[-1] / _SAME_POINT_PT).astype(int)
        ends[style, *end] = chain
    return [np.concatenate(chain) for chain in chains]


def _letters(page, to_seen):
    """[(character, (2, 2) corners)] and the text of a page."""
    textpage = page.get_textpage()
    letters = []
    for k in range(textpage.count_chars()):
        char = chr(pdfium_c.FPDFText_GetUnicode(textpage, k) or 32)
        left, bottom, right, top = textpage.get_charbox(k, loose=True)
        box = to_seen(np.array([[left, bottom], [right, top]]))
        letters.append((char, box))
    return letters, textpage.get_text_range()


def _quarter_turns(letters):
    """How often a page is turned, anticlockwise, until its text is level."""
    steps = np.zeros(2)
    for (one, a), (two, b) in zip(letters, letters[1:], strict=False):
        if not one.isspace() and not two.isspace():
            step = b.mean(axis=0) - a.mean(axis=0)
            if np.abs(step).max() < 20:
                steps += step
    if abs(steps[0]) >= abs(steps[1]):
        return 0 if steps[0] >= 0 else 2
    return 1 if steps[1] > 0 else 3


def _words(letters):
    """Letters that stand close to each other on one line, as `Word`s."""
    words, text, box = [], "", None
    for char, corners in [*letters, (" ", np.zeros((2, 2)))]:
        low, high = corners.min(axis=0), corners.max(axis=0)
        height = max(high[1] - low[1], 1e-3)
        joins = (
            text
            and not char.isspace()
            and abs(low[0] - box[1][0]) < 0.45 * height
            and abs(low[1] - box[0][1]) < 0.5 * height
        )
        if joins:
            text += char
            box = np.minimum(box[0], low), np.maximum(box[1], high)
            continue
        if text:
            middle = (box[0][1] + box[1][1]) / 2
            words.append(Word(text, (float(box[0][0]), float(middle))))
        text = "" if char.isspace() else char
        box = low, high
    return words
