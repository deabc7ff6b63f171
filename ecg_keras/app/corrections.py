"""What a person says of a page, and the picture that it makes of it."""

import copy
import dataclasses
import functools

import cv2
import numpy as np

from ecg_keras.errors import InputError
from ecg_keras.models.layout.given import Given

# Around the corners that were marked, as a share of each side.
MARGIN = 0.03
# A picture is flattened to no more than this.
MAX_SIDE_PX, MAX_PX_PER_MM = 6000, 12.0
# A quadrilateral whose smallest side is below this is a slip of the hand.
LEAST_SIDE_PX = 40


@dataclasses.dataclass(frozen=True)
class Corrections:
    """What a person says of a page; None for what is to be found.

    Attributes:
        layout, speed_mm_per_s, gain_mm_per_mv: see `given.Given`.
        px_per_mm: px of the picture for each mm of the paper.
        corners_px: x and y in px of the four corners of the sheet, or of any
            rectangle on it that holds all traces, in any order.
        sides_mm: width and height of that rectangle.
    """

    layout: str | None = None
    speed_mm_per_s: float | None = None
    gain_mm_per_mv: float | None = None
    px_per_mm: float | None = None
    corners_px: tuple | None = None
    sides_mm: tuple | None = None

    def __post_init__(self):
        if self.px_per_mm is not None and not 1 <= self.px_per_mm <= 60:
            raise InputError(
                f"px/mm: expected 1 to 60. Received: {self.px_per_mm}"
            )
        if self.corners_px is not None:
            corners = np.array(self.corners_px, float)
            if corners.shape != (4, 2) or not np.isfinite(corners).all():
                raise InputError("expected four corners, x and y each")
            object.__setattr__(self, "corners_px", _in_order(corners))
        if self.sides_mm is not None:
            if self.corners_px is None:
                raise InputError(
                    "the size of a rectangle is of use with its corners alone"
                )
            if len(self.sides_mm) != 2 or not all(
                20 <= side <= 1000 for side in self.sides_mm
            ):
                raise InputError(
                    "expected a rectangle of 20 to 1000 mm. Received: "
                    f"{self.sides_mm}"
                )

    @classmethod
    def from_dict(cls, values):
        """Corrections as a page's form sends them; empty ones are None.

        Raises:
            InputError: a field or a value is no good.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) - known:
            raise InputError(f"expected {sorted(known)}. Received: {values}")
        said = {k: v for k, v in values.items() if v not in (None, "", [])}
        try:
            for name in ("speed_mm_per_s", "gain_mm_per_mv", "px_per_mm"):
                if name in said:
                    said[name] = float(said[name])
            if "sides_mm" in said:
                said["sides_mm"] = tuple(float(v) for v in said["sides_mm"])
            if "corners_px" in said:
                said["corners_px"] = tuple(
                    (float(x), float(y)) for x, y in said["corners_px"]
                )
        except (TypeError, ValueError):
            raise InputError(f"expected numbers. Received: {values}") from None
        return cls(**said)

    def to_dict(self):
        """Those that were said, for JSON."""
        values = dataclasses.asdict(self)
        return {k: v for k, v in values.items() if v is not None}


def read_corrected(reader, image, said):
    """Read a picture as a person says that it is.

    Args:
        reader: `page_reader.PageReader`.
        image: (H, W, 3) uint8 RGB.
        said: `Corrections`.

    Returns:
        (`PageReading`, function of px of the picture that was read to those of
        `image`, or None where they are the same).

    Raises:
        InputError: a correction is no good.
    """
    reader = copy.copy(reader)
    px_per_mm, to_picture = said.px_per_mm, None
    if said.corners_px is not None:
        image, matrix, flat_px_per_mm = flattened(
            image, said.corners_px, said.sides_mm
        )
        px_per_mm = flat_px_per_mm or px_per_mm
        to_picture = functools.partial(_moved, np.linalg.inv(matrix))
    reader.given = Given(
        said.layout, said.speed_mm_per_s, said.gain_mm_per_mv, px_per_mm
    )
    return reader.read(image), to_picture


def flattened(image, corners_px, sides_mm=None):
    """The picture of a rectangle of the paper, seen straight from above.

    Args:
        image: (H, W, 3) uint8.
        corners_px: (4, 2) x and y, clockwise from the top left.
        sides_mm: its width and height; else it is as wide and high as its
            longer sides are in the picture.

    Returns:
        ((h, w, 3) uint8, with `MARGIN` around the rectangle; (3, 3) from px of
        `image` to its px; px for each mm, or None without `sides_mm`).

    Raises:
        InputError: the corners are too close, or not those of a rectangle.
    """
    corners = np.array(corners_px, float)
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    if sides.min() < LEAST_SIDE_PX or not cv2.isContourConvex(
        corners.astype(np.float32)
    ):
        raise InputError(
            "the four corners are no rectangle seen from somewhere: mark each "
            "of the sheet's corners once"
        )
    size = np.array([max(sides[0], sides[2]), max(sides[1], sides[3])])
    px_per_mm = None
    if sides_mm is not None:
        # The picture may lie on its side.
        sides_mm = np.array(sides_mm, float)
        if (sides_mm[0] > sides_mm[1]) != (size[0] > size[1]):
            sides_mm = sides_mm[::-1]
        px_per_mm = min((size / sides_mm).max(), MAX_PX_PER_MM)
        size = sides_mm * px_per_mm
    shrink = min(1.0, MAX_SIDE_PX / size.max())
    size = size * shrink
    px_per_mm = px_per_mm and float(px_per_mm * shrink)
    left, top = MARGIN * size
    right, bottom = size * (1 + MARGIN)
    target = [(left, top), (right, top), (right, bottom), (left, bottom)]
    matrix = cv2.getPerspectiveTransform(
        corners.astype(np.float32), np.array(target, np.float32)
    ).astype(float)
    width, height = np.ceil(size * (1 + 2 * MARGIN)).astype(int).tolist()
    # OpenCV counts the centres of pixels from 0, the package from 0.5.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    flat = cv2.warpPerspective(
        image,
        np.linalg.inv(half) @ matrix @ half,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return flat, matrix, px_per_mm


def _moved(matrix, points):
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[:, :2] / moved[:, 2:]


def _in_order(corners):
    """Corners clockwise, y down, from the one nearest to the top left."""
    off = corners - corners.mean(axis=0)
    corners = corners[np.argsort(np.arctan2(off[:, 1], off[:, 0]))]
    first = int(np.argmin(corners.sum(axis=1)))
    return tuple(map(tuple, np.roll(corners, -first, axis=0).tolist()))
