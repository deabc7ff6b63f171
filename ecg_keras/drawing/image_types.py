"""A clean page to the competition's other kinds of image, with the map back.

Each kind is a pure function of a page and a seeded generator: strength, place
and damage differ from image to image. Paper wears in page coordinates; then
the picture is taken in one sampling; then light, lens and file do theirs.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.drawing import camera, wear
from ecg_keras.page.page_map import PageMap, warp
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX, PX_PER_MM

# Sizes of the competition's images, px.
SCAN_HEIGHT_PX = 1652
SCAN_WIDTHS_PX = (2130, 2200)
PHOTO_SIZES_PX = ((3024, 4032), (3000, 4000))
_BEZEL_MM = 15
SCREEN_SIZES_PX = ((4000, 3000), (4032, 3024))


@dataclasses.dataclass(frozen=True)
class Kind:
    """What makes a type of image.

    Attributes:
        medium: "scan", "print" or "screen": how the picture was taken.
        wear: what befell the paper, functions of `wear` in their order.
        grey: in black and white.
        turns: whether it may be rotated by quarter turns.
        curl_px: page px by which a photographed sheet is curled at least, and
            how much more where it is strong.
    """

    medium: str
    wear: tuple = ()
    grey: bool = False
    turns: bool = False
    curl_px: tuple = (3.0, 9.0)


KINDS = {
    "0003": Kind("scan"),
    "0004": Kind("scan", grey=True),
    "0005": Kind("print"),
    "0006": Kind("screen", curl_px=(0.0, 0.0)),
    "0009": Kind("print", ("stained", "soaked"), turns=True),
    "0010": Kind("print", ("stained", "folded", "torn"), turns=True),
    "0011": Kind("scan", ("mouldy",)),
    "0012": Kind("scan", ("mouldy",), grey=True),
}


def degrade(page, image_type, rng, size=None):
    """Picture a clean page as the images of a type are.

    Args:
        page: (1700, 2200, 3) uint8 RGB, as `clean_page.render_page` draws it.
        image_type: "0001" (nothing happens) or a name from `KINDS`.
        rng: numpy Generator; the picture is a function of its state.
        size: (H, W) px of the picture (default: as the competition's; each
            image then has its own). A small picture is drawn small.

    Returns:
        (picture (H, W, 3) uint8 RGB, `PageMap` from it to the page).
    """
    if image_type == "0001":
        picture, page_map = page, PageMap.identity()
        return (picture, page_map) if size is None else _shrunk(page, size)
    kind = KINDS[image_type]
    page = _no_larger_than_needed(page, size)
    strength = rng.random()
    desk = rng.uniform(20, 200, 3)
    # How a picture looks depends on its size; where the page lies does not.
    pose_rng, rng = rng.spawn(2)
    if kind.medium == "screen":
        page = page.copy()
    else:
        page = wear.laser_printed(page, rng, strength)
    for name in kind.wear:
        more = (desk,) if name == "torn" else ()
        page = getattr(wear, name)(page, rng, strength, *more)
    take = _scan if kind.medium == "scan" else _photo
    return take(page, kind, pose_rng, rng, strength, desk, size)


def _scan(page, kind, pose_rng, rng, strength, desk, size):
    """Laid on a scanner: turned a little, shifted, scaled."""
    own = (SCAN_HEIGHT_PX, int(pose_rng.integers(*SCAN_WIDTHS_PX)))
    scale = own[0] / PAGE_HEIGHT_PX * pose_rng.uniform(0.985, 1.012)
    turn = np.deg2rad(np.clip(pose_rng.normal(0, 0.4 + 0.3 * strength), -2, 2))
    stretch = 1 + pose_rng.normal(0, 0.0015)  # Paper feeds are not exact.
    linear = scale * np.array([
        [np.cos(turn) * stretch, -np.sin(turn)],
        [np.sin(turn) * stretch, np.cos(turn)],
    ])  # fmt: skip
    centre = np.array([PAGE_WIDTH_PX, PAGE_HEIGHT_PX]) / 2
    shift = np.array(own[::-1]) / 2 + pose_rng.normal(0, 8, 2) - linear @ centre
    to_picture = np.eye(3)
    to_picture[:2] = np.column_stack([linear, shift])
    waves = _waves(pose_rng, 1.2 * strength, 1)
    page_map = PageMap(np.linalg.inv(to_picture), waves)
    bed = [int(pose_rng.uniform(215, 255))] * 3
    picture, page_map = _taken(page, page_map, own, size, bed)
    height = picture.shape[0]
    blur = rng.uniform(0.2, 0.5 + 0.5 * strength) * height / own[0]
    noise = rng.uniform(0.5, 2 + 4 * strength)
    if kind.grey:
        picture = camera.black_and_white(picture, rng, strength)
    quality = rng.integers(95 - round(35 * strength), 98)
    return camera.sensed(picture, rng, blur, noise, quality), page_map


def _photo(page, kind, pose_rng, rng, strength, desk, size):
    """Held before a camera: perspective, curl, light, lens."""
    screen = kind.medium == "screen"
    sizes = SCREEN_SIZES_PX if screen else PHOTO_SIZES_PX
    own = sizes[pose_rng.integers(len(sizes))]
    landscape = (min(own), max(own))
    to_picture = _perspective(pose_rng, strength, *landscape)
    quarter_turns = 0
    if screen and own != landscape:
        # A page on a laptop, taken upright: it fills only the middle.
        shrink = own[1] / landscape[1]
        move = (own[0] - landscape[0] * shrink) / 2
        middle = np.array([[shrink, 0, 0], [0, shrink, move], [0, 0, 1.0]])
        to_picture = middle @ to_picture
    elif kind.turns:
        quarter_turns = int(pose_rng.choice(4, p=(0.55, 0.15, 0.15, 0.15)))
    for _ in range(quarter_turns):  # a quarter turn clockwise each
        turn = np.array([[0, -1, own[0]], [1, 0, 0], [0, 0, 1.0]])
        to_picture, own = turn @ to_picture, own[::-1]
    least_px, more_px = kind.curl_px
    waves = _waves(pose_rng, least_px + more_px * strength, 3)
    page_map = PageMap(np.linalg.inv(to_picture), waves)
    border_px = 0
    if screen:
        border_px = round(_BEZEL_MM * PX_PER_MM * page.shape[1] / PAGE_WIDTH_PX)
        page = _bezel(page, desk, border_px)
    desk = [int(v) for v in desk]
    picture, page_map = _taken(page, page_map, own, size, desk, border_px)
    if screen:
        picture = camera.moire(picture, rng, strength)
        picture = camera.glared(picture, rng, strength)
    else:
        picture = camera.lit(picture, rng, strength)
    blur = rng.uniform(0.4, 0.8 + 1.6 * strength) * picture.shape[0] / own[0]
    noise = rng.uniform(1, 3 + 6 * strength)
    quality = rng.integers(92 - round(30 * strength), 96)
    return camera.sensed(picture, rng, blur, noise, quality), page_map


def _bezel(page, desk, border_px):
    """The page on a screen, in its frame; a window bar above it."""
    bar = [int(v) for v in 40 + 0.2 * desk]
    border = [border_px // 2] * 4
    page = cv2.copyMakeBorder(page, *border, cv2.BORDER_CONSTANT, value=bar)
    border = [border_px - border_px // 2] * 4
    return cv2.copyMakeBorder(
        page, *border, cv2.BORDER_CONSTANT, value=(14, 14, 16)
    )


def _perspective(rng, strength, height, width):
    """(3, 3) page px to picture px of a hand-held camera."""
    page = np.array([
        [0, 0], [PAGE_WIDTH_PX, 0],
        [PAGE_WIDTH_PX, PAGE_HEIGHT_PX], [0, PAGE_HEIGHT_PX],
    ], np.float32)  # fmt: skip
    fill = rng.uniform(0.82, 0.96)
    scale = fill * min(width / PAGE_WIDTH_PX, height / PAGE_HEIGHT_PX)
    corners = (page - page.mean(axis=0)) * scale
    turn = np.deg2rad(rng.normal(0, 1 + 2.5 * strength))
    rotation = np.array([
        [np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)],
    ])  # fmt: skip
    corners = corners @ rotation.T + (width / 2, height / 2)
    corners += rng.normal(0, (0.005 + 0.02 * strength) * height, (4, 2))
    return cv2.getPerspectiveTransform(page, corners.astype(np.float32))


def _waves(rng, height_px, n):
    """`PageMap.waves` of up to a height, each a third to two pages long."""
    waves = []
    for _ in range(n if height_px else 0):
        cycles = rng.uniform(0.5, 3) / PAGE_WIDTH_PX
        angle = rng.uniform(0, np.pi)
        # Paper bends; it does not stretch: shifts of one picture half a px.
        shift = rng.normal(0, height_px / 2, 2).clip(-height_px, height_px)
        waves.append([
            *shift, cycles * np.cos(angle), cycles * np.sin(angle),
            rng.uniform(0, 2 * np.pi),
        ])  # fmt: skip
    return np.array(waves, float).reshape(-1, 5)


def _taken(page, page_map, own_size, size, colour, border_px=0):
    """The picture at its own or another size, and its map.

    Args:
        page: of any size, with a border of `border_px` around it.
        colour: RGB of what lies around.
    """
    if size is None:
        size = own_size
    page_map = page_map.scaled(size[1] / own_size[1], size[0] / own_size[0])
    return warp(page, page_map, *size, colour, border_px), page_map


def _no_larger_than_needed(page, size):
    """The page, about as coarse as a small picture of it will be.

    It saves time, and sampling a fine page far apart would alias.
    """
    factor = 1.0 if size is None else size[0] / SCAN_HEIGHT_PX
    if factor > 0.75:
        return page
    small = round(page.shape[1] * factor), round(page.shape[0] * factor)
    return cv2.resize(page, small, interpolation=cv2.INTER_AREA)


def _shrunk(page, size):
    height, width = size
    picture = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)
    factors = width / page.shape[1], height / page.shape[0]
    return picture, PageMap.identity().scaled(*factors)
