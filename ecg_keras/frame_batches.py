"""Pictures with known maps to batches for the frame network, by tf.data.

Batches are `small` (B, 213, 275, 3) uint8 and targets (B, 27, 35, 3): x and y
of the page point in each cell less those of the cell, in boxes of 5 mm, NaN
beyond the page; 1 for a page that can be read (3x4+1, upright), else 0.
"""

import dataclasses
import json
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from ecg_keras.frame_cells import (
    CELL_PX,
    SHRINK,
    UNIT_PX,
    cell_centres_px,
    cell_counts,
)
from ecg_keras.layouts import COMPETITION
from ecg_keras.page_map import PageMap
from ecg_keras.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from ecg_keras.strip_batches import load_pictures, read_picture, vary

if keras.backend.backend() != "tensorflow":
    # The accelerator belongs to the backend that trains.
    tf.config.set_visible_devices([], "GPU")

# How differently from the training pictures a page may lie.
TURN_DEG = 1.5
SCALE = 0.025
STRETCH = 0.006
SHIFT_PX = 25.0
# Share of pictures that are made unreadable: turned over, or far too small.
SPOILT_SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class SmallPictures:
    """Pictures of an eighth of the size, and what they show.

    Attributes:
        images: (n, 213, 275, 3) uint8.
        maps: n `PageMap`, of pictures of the page's size.
        readable: (n,) whether they are 3x4+1.
    """

    images: np.ndarray
    maps: tuple
    readable: np.ndarray

    def __len__(self):
        return len(self.images)


def load_small_pictures(records, on_bad=None):
    """Read and shrink the pictures of some records; see `load_pictures`."""
    images, maps, readable = [], [], []
    for path, page_map, _ in load_pictures(records, on_bad).sources:
        image, page_map = read_picture(path, page_map)
        images.append(shrunk(image))
        maps.append(page_map)
        readable.append(_is_competition(Path(path).with_suffix(".json")))
    return SmallPictures(np.stack(images), tuple(maps), np.array(readable))


def shrunk(image):
    """A picture as the frame network sees it: means of 8 x 8 px."""
    rows = -(-PAGE_HEIGHT_PX // SHRINK) * SHRINK - PAGE_HEIGHT_PX
    image = cv2.copyMakeBorder(image, 0, rows, 0, 0, cv2.BORDER_REPLICATE)
    size = image.shape[1] // SHRINK, image.shape[0] // SHRINK
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def example(pictures, seed, position):
    """A picture, moved and varied: a pure function of (seed, position).

    Returns:
        (213, 275, 3) uint8 and (27, 35, 3) float32.
    """
    rounds, place = divmod(position, len(pictures))
    order = np.random.default_rng([seed, 0, rounds]).permutation(len(pictures))
    index = order[place]
    rng = np.random.default_rng([seed, 1, position])
    spoilt = rng.random() < SPOILT_SHARE
    move = _spoiling_move(rng) if spoilt else _move(rng)
    readable = pictures.readable[index] and not spoilt
    page_map = pictures.maps[index]
    page_map = PageMap(
        page_map.homography @ np.linalg.inv(move), page_map.waves
    )
    shrink = np.diag([SHRINK, SHRINK, 1.0])
    # OpenCV counts pixel centres from 0, we from .5.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    small = np.linalg.inv(shrink @ half) @ move @ shrink @ half
    image = cv2.warpPerspective(
        pictures.images[index],
        small,
        pictures.images.shape[2:0:-1],
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=rng.uniform(0, 255, 3).round().tolist(),
    )
    return vary(image, rng), cell_targets(page_map, readable)


def cell_targets(page_map, readable):
    """What the frame network should say, (27, 35, 3) float32."""
    centres = cell_centres_px().astype(float)
    points = page_map.to_page(centres)
    offsets = (points - centres) / UNIT_PX
    inside = np.all(
        (points > 0) & (points < (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)), axis=-1
    )
    offsets[~inside | (not readable)] = np.nan
    label = np.full((*cell_counts(), 1), float(readable))
    return np.concatenate([offsets, label], axis=-1).astype(np.float32)


def frame_batches(pictures, batch_size, steps, seed, first_epoch=0):
    """An endless stream of training batches of (small, target)."""

    def load(position):
        image, target = tf.numpy_function(
            lambda p: example(pictures, seed, int(p)),
            [position],
            (tf.uint8, tf.float32),
        )
        image = tf.ensure_shape(image, pictures.images.shape[1:])
        return image, tf.ensure_shape(target, (*cell_counts(), 3))

    first = first_epoch * steps * batch_size
    stream = tf.data.Dataset.range(first, np.iinfo("int64").max)
    stream = stream.map(load, num_parallel_calls=2, deterministic=True)
    stream = stream.batch(batch_size, drop_remainder=True)
    return stream.prefetch(tf.data.AUTOTUNE)


def _move(rng):
    """(3, 3) picture px to picture px: turn, scale, shift."""
    turn = np.deg2rad(rng.normal(0, TURN_DEG))
    scale = 1 + rng.normal(0, SCALE) + rng.normal(0, STRETCH, 2)
    return _about_middle(turn, scale, rng.normal(0, SHIFT_PX, 2))


def _spoiling_move(rng):
    if rng.random() < 0.5:
        turn = np.pi / 2 * rng.integers(1, 4)
        return _about_middle(turn, np.ones(2), rng.normal(0, SHIFT_PX, 2))
    scale = rng.choice([rng.uniform(0.3, 0.75), rng.uniform(1.3, 2)])
    return _about_middle(0, scale * np.ones(2), rng.normal(0, 4 * CELL_PX, 2))


def _about_middle(turn, scale, shift):
    linear = np.array([
        [np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)],
    ]) * scale  # fmt: skip
    middle = np.array([PAGE_WIDTH_PX, PAGE_HEIGHT_PX]) / 2
    move = np.eye(3)
    move[:2, :2] = linear
    move[:2, 2] = middle + shift - linear @ middle
    return move


def _is_competition(path):
    """Whether a page's map says that it is 3x4+1 at the usual scale."""
    if not path.exists():
        return True  # Type 0001 of the competition.
    layout = json.loads(path.read_text()).get("layout")
    return layout is None or (
        layout["name"] == COMPETITION.name
        and layout["speed_mm_per_s"] == COMPETITION.speed_mm_per_s
        and layout["gain_mm_per_mv"] == COMPETITION.gain_mm_per_mv
    )
