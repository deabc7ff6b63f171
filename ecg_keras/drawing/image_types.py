"""A clean page to the competition's other kinds of image, with the map back.

Each kind is a pure function of a page and a seeded generator: strength, place
and damage differ from image to image. The page is printed on a larger sheet,
with a QR code; paper wears in page coordinates; then the picture is taken in
one sampling; then light, lens and file do theirs.

Numbers without another origin were matched by eye to the competition's real
types and outlines; docs/rendering.md compares what can be counted.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.drawing import camera, wear
from ecg_keras.drawing.surfaces import surface
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX, PX_PER_MM

# Sizes of the competition's images, px.
SCAN_HEIGHT_PX = 1652
SCAN_WIDTHS_PX = (2130, 2200)
PHOTO_SIZES_PX = ((3024, 4032), (3000, 4000))
SCREEN_SIZES_PX = ((4000, 3000), (4032, 3024))

# Of a real scan: 2077 px of 2200 between the ends of the page's frame.
SCAN_SCALES = (0.935, 0.985)
# A real scanner's feed slipped by 9 px within 300 px.
SLIP_SHARE = 0.5  # of the scans
SLIP_REACH_PX = (40.0, 160.0)

# The QR code of a real scan, in page px: left, top, size; and the white that
# it stands on: from left and down to, at the page's right upper corner.
QR_PX = (2075, 18, 104)
QR_WHITE_PX = (2056, 150)

# Of the outlines of real photos: the page's part of the picture's side.
PRINT_FILL = (0.74, 0.95)
SCREEN_FILL = (0.82, 1.0)

# White paper around the printed page, mm.
MARGINS_MM = (2.0, 9.0)
_BORDER_PX = round(MARGINS_MM[1] * PX_PER_MM)
_SCREEN_BORDER_PX = 700


@dataclasses.dataclass(frozen=True)
class Kind:
    """What makes a type of image.

    Attributes:
        medium: "scan", "print" or "screen": how the picture was taken.
        wear: what befell the paper, functions of `wear` in their order.
        torn: whether parts of the sheet are missing.
        grey: in black and white.
        turns: whether it may be rotated by quarter turns.
        curl_px: page px by which a photographed sheet is curled at least, and
            how much more where it is strong.
    """

    medium: str
    wear: tuple = ()
    torn: bool = False
    grey: bool = False
    turns: bool = False
    curl_px: tuple = (3.0, 9.0)


KINDS = {
    "0003": Kind("scan"),
    "0004": Kind("scan", grey=True),
    "0005": Kind("print"),
    "0006": Kind("screen", curl_px=(0.0, 0.0)),
    "0009": Kind("print", ("stained", "soaked"), turns=True),
    "0010": Kind(
        "print", ("stained", "mouldy", "creased"), torn=True, turns=True
    ),
    "0011": Kind("scan", ("mouldy",)),
    "0012": Kind("scan", ("mouldy",), grey=True),
}


@dataclasses.dataclass(frozen=True)
class _Sheet:
    """What lies before scanner or camera.

    Attributes:
        image: (H, W, 3) uint8: the page and what is around it.
        mask: (H, W) uint8, 255 where there is sheet or screen.
        border_px: of the image beyond the page, on each side.
        scale: px of the image in a page px.
    """

    image: np.ndarray
    mask: np.ndarray
    border_px: int
    scale: float


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
    # How a picture looks depends on its size; where the page lies does not.
    pose_rng, rng = rng.spawn(2)
    page = _with_qr(page, rng)
    sheet = _on_screen(page, rng) if kind.medium == "screen" else _on_paper(
        page, kind, rng, strength
    )  # fmt: skip
    take = _scan if kind.medium == "scan" else _photo
    return take(sheet, kind, pose_rng, rng, strength, size)


def _with_qr(page, rng):
    """A copy of the page with a QR code on white in its upper right corner."""
    page = page.copy()
    scale = page.shape[1] / PAGE_WIDTH_PX
    code = cv2.QRCodeEncoder.create().encode(str(rng.integers(10**9)))
    left, bottom = (round(v * scale) for v in QR_WHITE_PX)
    page[:bottom, left:] = 255
    x, y, size = (max(1, round(v * scale)) for v in QR_PX)
    code = cv2.resize(code, (size, size), interpolation=cv2.INTER_AREA)
    page[y : y + size, x : x + size] = code[..., None]
    return page


def _on_paper(page, kind, rng, strength):
    """The page printed on a sheet with white margins, and worn."""
    scale = page.shape[1] / PAGE_WIDTH_PX
    border = max(1, round(_BORDER_PX * scale))
    image = cv2.copyMakeBorder(
        page, *[border] * 4, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
    image = wear.laser_printed(image, rng, strength)
    for name in kind.wear:
        image = getattr(wear, name)(image, rng, strength)
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    margins = rng.uniform(*MARGINS_MM, 4) * PX_PER_MM * scale
    left, top = border - margins[:2]
    right, bottom = np.array([width, height]) - border + margins[2:]
    # Edges of a used sheet are not quite straight.
    along = np.linspace(0, 1, 40)
    uneven = 3.0 * scale * strength
    bows = [
        uneven * wear.smooth_field(rng, 1, 40, 4)[0] for _ in range(4)
    ]  # fmt: skip
    outline = np.concatenate([
        np.stack([left + along * (right - left), top + bows[0]], axis=1),
        np.stack([right + bows[1], top + along * (bottom - top)], axis=1),
        np.stack([right - along * (right - left), bottom + bows[2]], axis=1),
        np.stack([left + bows[3], bottom - along * (bottom - top)], axis=1),
    ])  # fmt: skip
    cv2.fillPoly(
        mask, [(16 * outline).round().astype(np.int32)], 255, cv2.LINE_AA, 4
    )
    if kind.torn:
        mask = wear.torn(mask, rng, strength)
    return _Sheet(image, mask, border, scale)


def _on_screen(page, rng):
    """The page in a window on a screen, with the screen's frame."""
    scale = page.shape[1] / PAGE_WIDTH_PX
    border = max(4, round(_SCREEN_BORDER_PX * scale))
    window = rng.uniform(90, 255) + rng.uniform(-8, 8, 3)
    image = cv2.copyMakeBorder(
        page, *[border] * 4, cv2.BORDER_CONSTANT,
        value=[float(v) for v in np.clip(window, 0, 255)],
    )  # fmt: skip
    height, width = image.shape[:2]
    px_per_mm = PX_PER_MM * scale
    # Ends of the screen's pixels, then of its frame, in px from the page.
    glass = rng.uniform((3, 8, 3, 8), (30, 60, 30, 60)) * px_per_mm
    frame = glass + rng.uniform((5, 6, 5, 8), (18, 20, 18, 30)) * px_per_mm
    limit = border - 2
    glass, frame = np.minimum(glass, limit - 2), np.minimum(frame, limit)
    inner, outer = (
        np.array([
            border - ends[0], border - ends[1],
            width - border + ends[2], height - border + ends[3],
        ]).round().astype(int)
        for ends in (glass, frame)
    )  # fmt: skip
    bar = round(rng.uniform(4, 10) * px_per_mm)
    bar_rgb = [float(v) for v in rng.uniform(30, 250) * np.ones(3)]
    x0, y0, x1, y1 = inner.tolist()
    if glass[1] > bar + 2:
        cv2.rectangle(image, (x0, y0), (x1, y0 + bar), bar_rgb, -1)
    dark = float(rng.uniform(5, 40))
    image[:y0] = image[y1:] = dark
    image[:, :x0] = image[:, x1:] = dark
    mask = np.zeros((height, width), np.uint8)
    x0, y0, x1, y1 = outer.tolist()
    mask[y0:y1, x0:x1] = 255
    return _Sheet(image, mask, border, scale)


def _scan(sheet, kind, pose_rng, rng, strength, size):
    """Laid on a scanner or fed into one: turned a little, shifted, scaled."""
    own = (SCAN_HEIGHT_PX, int(pose_rng.integers(*SCAN_WIDTHS_PX)))
    scale = pose_rng.uniform(*SCAN_SCALES)
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
    page_map = PageMap(
        np.linalg.inv(to_picture),
        _waves(pose_rng, 1.2 * strength, 1),
        _slips(pose_rng, strength),
    )
    bed = np.full(3, round(pose_rng.uniform(246, 255)), np.uint8)
    picture, page_map = _taken(sheet, page_map, own, size, bed, 0.0)
    blur = rng.uniform(0.2, 0.4 + 0.4 * strength) * picture.shape[0] / own[0]
    if kind.grey:
        picture = camera.photocopied(picture, rng, strength)
        return camera.sensed(picture, rng, 0.0, 0.0, None), page_map
    # Scanners clip the paper to white and saturate what is printed.
    picture = camera.levelled(
        picture, rng.uniform(0, 20), rng.uniform(236, 254)
    )
    noise = rng.uniform(0.5, 2 + 4 * strength)
    quality = rng.integers(95 - round(35 * strength), 98)
    return camera.sensed(picture, rng, blur, noise, quality), page_map


def _photo(sheet, kind, pose_rng, rng, strength, size):
    """Held before a camera: perspective, curl, light, lens."""
    screen = kind.medium == "screen"
    sizes = SCREEN_SIZES_PX if screen else PHOTO_SIZES_PX
    own = sizes[pose_rng.integers(len(sizes))]
    landscape = (min(own), max(own))
    fill = pose_rng.uniform(*(SCREEN_FILL if screen else PRINT_FILL))
    to_picture = _perspective(pose_rng, strength, fill, *landscape)
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
    height, width = own if size is None else size
    around = "plain"
    if not screen:
        around = str(rng.choice(["wood", "steel", "cloth", "plain"]))
    behind = surface(rng, height, width, around)
    shadow = 0.0 if screen else rng.uniform(0.2, 0.7)
    picture, page_map = _taken(sheet, page_map, own, size, behind, shadow)
    if screen:
        picture = camera.moire(picture, rng, strength)
        picture = camera.glared(picture, rng, strength)
    picture = camera.lit(picture, rng, strength)
    blur = rng.uniform(0.4, 0.8 + 1.6 * strength) * picture.shape[0] / own[0]
    noise = rng.uniform(1, 3 + 6 * strength)
    quality = rng.integers(92 - round(30 * strength), 96)
    return camera.sensed(picture, rng, blur, noise, quality), page_map


def _perspective(rng, strength, fill, height, width):
    """(3, 3) page px to picture px of a hand-held camera.

    Args:
        fill: share of the picture's height or width that the page fills.
    """
    page = np.array([
        [0, 0], [PAGE_WIDTH_PX, 0],
        [PAGE_WIDTH_PX, PAGE_HEIGHT_PX], [0, PAGE_HEIGHT_PX],
    ], np.float32)  # fmt: skip
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
    """`PageMap.waves` of up to some px, each a third to two pages long.

    `registration.spline` places its splines' knots for such waves.
    """
    waves = []
    for _ in range(n if height_px else 0):
        cycles = rng.uniform(0.5, 3) / PAGE_WIDTH_PX
        angle = rng.uniform(0, np.pi)
        shift = rng.normal(0, height_px / 2, 2).clip(-height_px, height_px)
        waves.append([
            *shift, cycles * np.cos(angle), cycles * np.sin(angle),
            rng.uniform(0, 2 * np.pi),
        ])  # fmt: skip
    return np.array(waves, float).reshape(-1, 5)


def _slips(rng, strength):
    """`PageMap.slips` of a scanner's feed; none in some scans.

    A real one slipped along x; others are thought to do so along y.
    """
    if rng.random() > SLIP_SHARE:
        return np.zeros((0, 4))
    axis = int(rng.random() < 0.3)
    length_px = (PAGE_WIDTH_PX, PAGE_HEIGHT_PX)[axis]
    slips = []
    for _ in range(rng.integers(1, 3)):
        shift_px = rng.normal(0, 2 + 5 * strength)
        reach_px = max(rng.uniform(*SLIP_REACH_PX), 4 * abs(shift_px))
        where_px = rng.uniform(0.05, 0.95) * length_px
        slips.append([axis, where_px, reach_px, shift_px])
    return np.array(slips)


def _taken(sheet, page_map, own_size, size, behind, shadow):
    """The picture at its own or another size, and its map.

    Args:
        sheet: `_Sheet`.
        page_map: of a picture of `own_size`.
        own_size, size: (H, W) px; None for a picture of its own size.
        behind: (H, W, 3) or (3,) uint8, what lies around the sheet.
        shadow: how dark the sheet's shadow on it is, 0 to 1.
    """
    height, width = own_size if size is None else size
    page_map = page_map.scaled(width / own_size[1], height / own_size[0])
    where = page_map.dense(height, width)
    where *= np.float32(sheet.scale)
    where += sheet.border_px - 0.5  # OpenCV counts pixel centres from 0.
    picture = cv2.remap(
        sheet.image, where, None, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    mask = cv2.remap(
        sheet.mask, where, None, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    if mask.min() == 255:
        return picture, page_map
    if behind.ndim == 1:
        colour, behind = behind, np.empty_like(picture)
        behind[:] = colour
    weight = mask.astype(np.float32) / 255
    if shadow:
        # Edges lift: their shadow is soft and wide. A coarse one will do.
        coarse = cv2.resize(weight, (max(1, width // 8), max(1, height // 8)))
        coarse = cv2.GaussianBlur(coarse, (0, 0), max(0.3, height / 1000))
        coarse = 1 - np.float32(shadow) * cv2.resize(coarse, (width, height))
        behind = wear.shaded(behind, coarse)
    return cv2.blendLinear(picture, behind, weight, 1 - weight), page_map


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
