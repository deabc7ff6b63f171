"""Pictures with known maps to batches for the pose and the frame network.

Batches are `small` (B, 213, 275, 3) uint8 and targets (B, 27, 35, 3): x and y
of the page point in each cell less those of the cell, in boxes of 5 mm, NaN
beyond the page; 1 for a page that can be read (3x4+1), else 0.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from ecg_keras.data.augmentation import vary_light
from ecg_keras.data.pictures import (
    find_pictures,
    for_each_record,
    read_picture,
)
from ecg_keras.data.tensorflow_devices import keep_off_the_accelerator
from ecg_keras.page.cells import (
    CELL_PX,
    SHRINK,
    UNIT_PX,
    cell_centres_px,
    cell_counts,
)
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

# How pages lie, see `example`. All ranges below were chosen to hold the drawn
# scans and photos with room to spare (`drawing.image_types`); none was fitted.
FLAT, PLACED, ANY = "flat", "placed", "any"


class Moves(NamedTuple):
    """Standard deviations of random moves of a page.

    Attributes:
        turn_deg: rotation.
        scale: of both axes, about 1.
        shift_px: right and down, page px.
        corner_px: of each corner, as in perspective, page px.
    """

    turn_deg: float
    scale: float
    shift_px: float
    corner_px: float


MOVED = Moves(1.5, 0.025, 25.0, 15.0)
STRAIGHTENED = Moves(0.8, 0.012, 15.0, 12.0)
STRETCH = 0.006  # of one axis
# The pose network sees each photo several times, straightened by its own answer
# before: this share of its examples are pages that are straight but for MOVED.
PLACED_SHARE = 0.4
# Of the other examples, this share begin with the picture as it was taken, the
# rest with the page straightened.
AS_TAKEN_SHARE = 0.5
AS_TAKEN_SCALE = (0.9, 1.05)
ANY_TURN_DEG = 6.0
ANY_SCALE = (0.5, 1.05)
ANY_STRETCH = 0.12
ANY_CORNER_PX = 80.0
# Portrait pictures are squeezed into landscape: that much higher than wide.
SQUEEZED = 1.7
SQUEEZED_SHARE = 0.3
# Share of pictures that are made unreadable: far too small or too large.
SPOILT_SHARE = {FLAT: 0.1, PLACED: 0.1, ANY: 0.06}
SPOILT_SMALL, SPOILT_LARGE = (0.15, 0.4), (1.4, 2.0)
SPOILT_SHIFT_PX = 4 * CELL_PX


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

    def load(record):
        found = find_pictures(record)
        pairs = [read_picture(picture) for picture in found]
        images.extend(shrunk(image) for image, _ in pairs)
        maps.extend(page_map for _, page_map in pairs)
        readable.extend(picture.readable for picture in found)

    for_each_record(records, load, on_bad)
    return SmallPictures(np.stack(images), tuple(maps), np.array(readable))


def shrunk(image):
    """A picture as the frame network sees it: means of 8 x 8 px."""
    rows = -(-PAGE_HEIGHT_PX // SHRINK) * SHRINK - PAGE_HEIGHT_PX
    image = cv2.copyMakeBorder(image, 0, rows, 0, 0, cv2.BORDER_REPLICATE)
    size = image.shape[1] // SHRINK, image.shape[0] // SHRINK
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def example(pictures, seed, position, pose=FLAT):
    """A picture, moved and varied: a pure function of its arguments.

    Args:
        pictures: `SmallPictures`.
        seed, position: of the stream of examples.
        pose: how pages lie. FLAT: as in the picture, moved by `MOVED`; turned
            pages cannot be read. PLACED: straightened, then moved by
            `STRAIGHTENED`. ANY: turned, small, or seen from aside.

    Returns:
        (213, 275, 3) uint8 and (27, 35, 3) float32.
    """
    rounds, position_in_round = divmod(position, len(pictures))
    order = np.random.default_rng([seed, 0, rounds]).permutation(len(pictures))
    index = order[position_in_round]
    rng = np.random.default_rng([seed, 1, position])
    spoilt = rng.random() < SPOILT_SHARE[pose]
    page_map = pictures.maps[index]
    if spoilt:
        move = _spoiling_move(rng, turned=pose == FLAT)
    elif pose == FLAT:
        move = _move(rng)
    elif pose == PLACED:
        move = _placing_move(rng, page_map.homography, STRAIGHTENED)
    elif rng.random() < PLACED_SHARE:
        move = _placing_move(rng, page_map.homography, MOVED)
    else:
        move = _any_move(rng, page_map.homography)
    readable = pictures.readable[index] and not spoilt
    page_map = dataclasses.replace(
        page_map, homography=page_map.homography @ np.linalg.inv(move)
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
    known = readable or pose != FLAT
    return vary_light(image, rng), cell_targets(page_map, readable, known)


def cell_targets(page_map, readable, known=True):
    """Targets of a registration network, (27, 35, 3) float32.

    Args:
        page_map: `PageMap` of the picture.
        readable: whether the page is 3x4+1.
        known: whether the page points are given; False: all are NaN.
    """
    centres = cell_centres_px().astype(float)
    points = page_map.to_page(centres)
    offsets = (points - centres) / UNIT_PX
    inside = np.all(
        (points > 0) & (points < (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)), axis=-1
    )
    offsets[~inside | (not known)] = np.nan
    label = np.full((*cell_counts(), 1), float(readable))
    return np.concatenate([offsets, label], axis=-1).astype(np.float32)


def frame_batches(pictures, batch_size, steps, seed, first_epoch=0, pose=FLAT):
    """An endless stream of training batches of (small, target)."""

    def load(position):
        image, target = tf.numpy_function(
            lambda p: example(pictures, seed, int(p), pose),
            [position],
            (tf.uint8, tf.float32),
        )
        image = tf.ensure_shape(image, pictures.images.shape[1:])
        return image, tf.ensure_shape(target, (*cell_counts(), 3))

    keep_off_the_accelerator()
    first = first_epoch * steps * batch_size
    stream = tf.data.Dataset.range(first, np.iinfo("int64").max)
    stream = stream.map(load, num_parallel_calls=2, deterministic=True)
    stream = stream.batch(batch_size, drop_remainder=True)
    return stream.prefetch(tf.data.AUTOTUNE)


def _move(rng, moves=MOVED):
    """(3, 3) picture px to picture px: turn, scale, shift."""
    turn = np.deg2rad(rng.normal(0, moves.turn_deg))
    scale = 1 + rng.normal(0, moves.scale) + rng.normal(0, STRETCH, 2)
    return _about_middle(turn, scale, rng.normal(0, moves.shift_px, 2))


def _placing_move(rng, homography, moves):
    """(3, 3) picture px to picture px: the page straightened, then moved.

    Args:
        rng: numpy Generator.
        homography: (3, 3), picture px to page px.
        moves: `Moves`.
    """
    return _perspective(rng, moves.corner_px) @ _move(rng, moves) @ homography


def _any_move(rng, homography):
    """(3, 3) picture px to picture px: the page turned, small or aside."""
    quarters = np.pi / 2 * rng.integers(4)
    turn = quarters + np.deg2rad(rng.normal(0, ANY_TURN_DEG))
    stretch = np.exp(rng.normal(0, ANY_STRETCH, 2))
    if rng.random() < AS_TAKEN_SHARE:
        # A quarter turn of the picture as it was squeezed to its size.
        scale = rng.uniform(*AS_TAKEN_SCALE) * stretch
        return _about_middle(turn, scale, rng.normal(0, MOVED.shift_px, 2))
    scale = rng.uniform(*ANY_SCALE) * stretch
    if rng.random() < SQUEEZED_SHARE:
        scale[1] /= SQUEEZED
    room = np.clip(1.05 - scale, 0, None) / 2
    shift = rng.uniform(-room, room) * (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    move = _about_middle(turn, scale, shift)
    return _perspective(rng, ANY_CORNER_PX) @ move @ homography


def _perspective(rng, corner_px):
    """A homography that moves the picture's corners by about so much."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    corners *= (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)
    moved = corners + rng.normal(0, corner_px, (4, 2)).astype(np.float32)
    return cv2.getPerspectiveTransform(corners, moved)


def _spoiling_move(rng, turned):
    """Far too small or too large; or, if that is `turned`, on another side."""
    if turned and rng.random() < 0.5:
        turn = np.pi / 2 * rng.integers(1, 4)
        return _about_middle(turn, np.ones(2), rng.normal(0, MOVED.shift_px, 2))
    scale = rng.choice([rng.uniform(*SPOILT_SMALL), rng.uniform(*SPOILT_LARGE)])
    shift = rng.normal(0, SPOILT_SHIFT_PX, 2)
    return _about_middle(0, scale * np.ones(2), shift)


def _about_middle(turn, scale, shift):
    """Turn about the picture's middle, then scale right and down, then shift.

    A quarter turn also trades the picture's width for its height, as a turned
    picture that is resized to the same size does.
    """
    size = np.array([PAGE_WIDTH_PX, PAGE_HEIGHT_PX])
    middle = size / 2
    turned = np.array([
        [np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)],
    ])  # fmt: skip
    unit = np.diag(size / size.mean())
    share = np.abs(np.sin(turn))
    fitted = share * unit @ turned @ np.linalg.inv(unit) + (1 - share) * turned
    move = np.eye(3)
    move[:2, :2] = np.diag(scale) @ fitted
    move[:2, 2] = middle + shift - move[:2, :2] @ middle
    return move
