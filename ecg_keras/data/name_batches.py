"""Straightened pages of any maker to batches for the name network, by tf.data.

What a batch holds is a pure function of (seed, epoch, step).

Batches are `ink` (B, 256, 256, 1) uint8, parts of pages without their grid, and
targets (B, 64, 64) float32: the class of what has its middle in each mm, NaN
where it is not to be learnt. To the names, speeds and gains that a page prints
others are added, anywhere, also across its traces.
"""

import dataclasses

import cv2
import numpy as np
import tensorflow as tf

from ecg_keras.data.pictures import (
    for_each_record,
    load_pictures,
    read_on_paper,
)
from ecg_keras.data.tensorflow_devices import keep_off_the_accelerator
from ecg_keras.drawing.name_stamps import EM_PX, random_stamp
from ecg_keras.models.layout.lead_names import class_name
from ecg_keras.models.layout.name_classes import CELL_PX, CLASSES, SCALES
from ecg_keras.models.layout.straight_page import PX_PER_MM, straighten

PART_PX = 256
N_CELLS = PART_PX // CELL_PX
# A cell so near to a name's middle, px, has its class; one further than the
# first and nearer than the second is not learnt.
OWN_PX, NEAR_PX = 4.5, 10.0
# Names with less ink than this are not seen.
LEAST_INK = 80
# Parts lie about a name of the page; the rest anywhere.
AT_NAMES_SHARE = 0.7
# How a part differs from its page: scale of both axes and of one, turn.
SCALE, STRETCH, TURN_DEG = 0.16, 0.06, 1.5
# Names and other words that are added to a part: how many at the most, the
# share of words, the height of an em square in mm.
MOST_ADDED, WORDS_SHARE, EM_MM = 7, 0.3, (1.9, 5.5)
# Larger ones are longer than what the network sees.
LARGEST_SCALE_EM_MM = 3.8


@dataclasses.dataclass(frozen=True)
class InkPages:
    """Straightened pages.

    Attributes:
        inks: list of (h, w) uint8, the print without the grid.
        names: list of (n, 3) float32: x and y in px of a name's middle, or
            where a speed's or a gain's number ends; the number of its class.
    """

    inks: list
    names: list

    def __len__(self):
        return len(self.inks)


def load_ink_pages(records, on_bad=None):
    """Straighten the pages of some records.

    Args:
        records: list of `records.PageRecord`.
        on_bad: see `pictures.for_each_record`.

    Returns:
        `InkPages`.
    """
    inks, names = [], []

    def load(record):
        pictures = load_pictures([record])
        layout = pictures.pages[0].layout
        page = straighten(*read_on_paper(pictures.sources[0]))
        ink = np.rint(255 * page.ink).astype(np.uint8)
        found = [
            (
                page.column(segment.name_at_mm[0]) + 0.5,
                page.row(segment.name_at_mm[1]) + 0.5,
                CLASSES.index(class_name(segment.lead)),
            )
            for row in layout.rows
            for segment in row.segments
            if segment.name_at_mm is not None
        ]
        found += [
            (
                page.column(x_mm) + 0.5,
                page.row(y_mm) + 0.5,
                CLASSES.index(words) if words in CLASSES else 0,
            )
            for words, x_mm, y_mm in layout.scales_at_mm
        ]
        inks.append(ink)
        names.append(np.array(found, np.float32).reshape(-1, 3))

    for_each_record(records, load, on_bad)
    return InkPages(inks, names)


def name_batches(pages, batch_size, steps, seed, first_epoch=0):
    """An endless stream of training batches, epoch after epoch.

    Args:
        pages: `InkPages`.
        batch_size: parts in a batch.
        steps: batches in an epoch.
        seed: order, parts and what is added follow from it.
        first_epoch: the epoch with which the stream starts.

    Returns:
        tf.data.Dataset of (ink, target) batches.
    """
    keep_off_the_accelerator()

    def part(position):
        ink, target = tf.numpy_function(
            lambda p: example(pages, seed, int(p)),
            [position],
            (tf.uint8, tf.float32),
        )
        return (
            tf.ensure_shape(ink, (PART_PX, PART_PX, 1)),
            tf.ensure_shape(target, (N_CELLS, N_CELLS)),
        )

    per_epoch = steps * batch_size
    positions = tf.data.Dataset.range(
        first_epoch * per_epoch, np.iinfo("int64").max
    )
    parts = positions.map(part, num_parallel_calls=2, deterministic=True)
    return parts.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def example(pages, seed, position):
    """A part of a page, varied: a pure function of (seed, position).

    Returns:
        (PART_PX, PART_PX, 1) uint8 and (N_CELLS, N_CELLS) float32.
    """
    rng = np.random.default_rng([seed, position])
    index = int(rng.integers(len(pages)))
    ink, names = _part(pages.inks[index], pages.names[index], rng)
    ink, names = _with_more_names(ink, names, rng)
    return _worn(ink, rng)[..., None], target_of(ink, names)


def target_of(ink, names):
    """The classes of a part's cells, see the module."""
    target = np.zeros((N_CELLS, N_CELLS), np.float32)
    centres = (np.arange(N_CELLS) + 0.5) * CELL_PX
    aways = [
        np.maximum(np.abs(centres[:, None] - y), np.abs(centres[None] - x))
        for x, y, _ in names
    ]
    for (x, y, number), away in zip(names, aways, strict=True):
        low = np.maximum(np.array([y, x]) - NEAR_PX, 0).astype(int)
        high = np.maximum(np.array([y, x]) + NEAR_PX, 0).astype(int)
        shown = ink[low[0] : high[0], low[1] : high[1]]
        if shown.size and shown.max() >= LEAST_INK:
            target[(away < NEAR_PX) & (target == 0)] = np.nan
            target[away < OWN_PX] = number
        else:
            target[away < NEAR_PX] = np.nan
    # What is cut off need not be read.
    for (x, y, _), away in zip(names, aways, strict=True):
        if min(x, y, PART_PX - x, PART_PX - y) < NEAR_PX:
            target[away < 2 * NEAR_PX] = np.nan
    return target


def _part(ink, names, rng):
    """A part of a page, turned and stretched, and the names in it."""
    height, width = ink.shape
    middle = rng.uniform(0, 1, 2) * [width, height]
    if len(names) and rng.random() < AT_NAMES_SHARE:
        middle = names[rng.integers(len(names)), :2]
        middle = middle + rng.uniform(-0.45, 0.45, 2) * PART_PX
    scale = np.exp(rng.uniform(-SCALE, SCALE))
    stretch = np.exp(rng.uniform(-STRETCH, STRETCH))
    turn = np.deg2rad(rng.uniform(-TURN_DEG, TURN_DEG))
    rotation = np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    to_part = rotation * (scale * np.array([[stretch], [1 / stretch]]))
    shift = PART_PX / 2 - to_part @ middle
    part = cv2.warpAffine(
        ink, np.column_stack([to_part, shift - 0.5 + to_part @ [0.5, 0.5]]),
        (PART_PX, PART_PX), flags=cv2.INTER_LINEAR,
    )  # fmt: skip
    moved = names[:, :2] @ to_part.T + shift
    near = ((moved > -NEAR_PX) & (moved < PART_PX + NEAR_PX)).all(axis=1)
    return part, np.column_stack([moved, names[:, 2]])[near]


def _with_more_names(ink, names, rng):
    """Print more names on a part, and words that are none."""
    ink, names = ink.copy(), [tuple(name) for name in names]
    strength = rng.uniform(0.5, 1.0) * 255
    all_em_px = np.exp(rng.uniform(*np.log(EM_MM))) * PX_PER_MM
    for _ in range(rng.integers(MOST_ADDED + 1)):
        number, word = 0, None
        if rng.random() > WORDS_SHARE:
            number = int(rng.integers(1, len(CLASSES)))
            word = CLASSES[number]
        stamp, middle = random_stamp(rng, word)
        em_px = all_em_px
        if word in SCALES:
            em_px = min(em_px, LARGEST_SCALE_EM_MM * PX_PER_MM)
        factors = em_px / EM_PX * np.exp(rng.uniform(-0.15, 0.15, 2))
        size = np.maximum(np.array(stamp.shape[::-1]) * factors, 1).round()
        stamp = cv2.resize(
            stamp, size.astype(int).tolist(), interpolation=cv2.INTER_AREA
        )
        room = PART_PX - np.array(stamp.shape[::-1])
        if room.min() <= 0:
            continue
        left, top = (int(v) for v in rng.integers(0, room))
        x, y = left + middle * factors[0], top + stamp.shape[0] / 2
        reach = max(10 * PX_PER_MM, stamp.shape[1])
        if any(
            abs(x - other[0]) < reach and abs(y - other[1]) < 4 * PX_PER_MM
            for other in names
        ):
            continue
        below = ink[top : top + stamp.shape[0], left : left + stamp.shape[1]]
        np.maximum(below, (strength * stamp).astype(np.uint8), out=below)
        if number:
            names.append((x, y, number))
    return ink, names


def _worn(ink, rng):
    """Blur, lines left of a grid, speckle, and other contrast."""
    ink = ink.astype(np.float32)
    if rng.random() < 0.25:
        share = rng.uniform(0.5, 0.9)
        small = cv2.resize(
            ink, None, fx=share, fy=share, interpolation=cv2.INTER_AREA
        )
        ink = cv2.resize(small, (PART_PX, PART_PX))
    if rng.random() < 0.4:
        ink = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.3, 1.0))
    if rng.random() < 0.2:
        kernel = np.ones((2, 2), np.uint8)
        ink = cv2.dilate(ink, kernel) if rng.random() < 0.6 else (
            cv2.erode(ink, kernel)
        )  # fmt: skip
    if rng.random() < 0.15:
        every = int(rng.integers(4, 21))
        level = rng.uniform(20, 120)
        lines = np.zeros_like(ink)
        lines[int(rng.integers(every)) :: every] = level
        lines[:, int(rng.integers(every)) :: every] = level
        ink = np.maximum(ink, lines)
    ink = ink * rng.uniform(0.6, 1.3)
    if rng.random() < 0.5:
        ink += rng.normal(0, rng.uniform(2, 20), ink.shape)
    if rng.random() < 0.2:
        dots = rng.random(ink.shape) < rng.uniform(0.001, 0.03)
        ink[dots] = rng.uniform(60, 255)
    return np.rint(ink.clip(0, 255)).astype(np.uint8)
