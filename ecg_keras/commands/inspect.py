"""What was found on a page, drawn over it: the `inspect` command.

What a person looks at when a page was misread: its millimetres, and its rows,
pulses and words, before these tell its leads.

output_dir/<stem>.json  px_per_mm_x, px_per_mm_y, rotation_deg (clockwise) at
                        the middle of the grid, quality, reasons, residuals;
                        `rows`, `pulses` and `words`, in px of the picture
output_dir/<stem>.png   all of it over the picture
"""

import collections
import dataclasses
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ecg_keras.commands.page_flags import (
    known_scale,
    output_folder,
    page_files,
    said,
)
from ecg_keras.documents.pages import find_pages
from ecg_keras.documents.sources import find_files
from ecg_keras.ecg.digitized import doubted
from ecg_keras.errors import InputError, UsageError
from ecg_keras.files import replacing, write_json
from ecg_keras.models.layout.lead_names import LEAST_LIKELY
from ecg_keras.page.paper import COARSE_GRID_MM
from ecg_keras.page_reader import load_page_looker
from ecg_keras.registration.register import register
from ecg_keras.settings import setting

# The longer side of the pictures that are written, at most.
MAX_PICTURE_PX = 2400
# RGB of a crossing whose place is known to so many mm, and of all others.
_SURE_MM, _SURE = 0.15, (0, 150, 0)
_FAIR_MM, _FAIR = 0.4, (255, 140, 0)
_UNSURE = (220, 0, 0)
# RGB of rows, of pulses and of words.
_ROW, _PULSE, _WORD = (255, 120, 0), (200, 0, 200), (0, 60, 220)
# Words that are less likely are written, but not drawn.
DRAWN_WORD = 0.5
_SUBPIXEL_BITS = 3


@dataclasses.dataclass(frozen=True)
class InspectConfig:
    """Settings of `python -m ecg_keras inspect`."""

    images: tuple[str, ...] = page_files()
    output_dir: str | None = output_folder()
    px_per_mm: float | None = known_scale()
    map: bool = setting(
        False, "also write `paper_map`: nodes in mm with their px"
    )


def inspect(config):
    """Draw and write where pages' millimetres are.

    Args:
        config: an `InspectConfig`.

    Returns:
        dict of stems to "good", "doubtful" or "refused".

    Raises:
        UsageError: a flag or a name is no good.
        InputError: none of the pages could be opened.
    """
    if not config.output_dir:
        raise UsageError("--output-dir is missing: the folder for the files")
    px_per_mm = said(px_per_mm=config.px_per_mm).px_per_mm
    output_dir = Path(config.output_dir)
    files, _ = find_files(config.images, leave_out=output_dir)
    reader = load_page_looker()
    found, problems = {}, []
    for page in tqdm(find_pages(files), "inspecting"):
        try:
            image = page.read()
        except InputError as error:
            problems.append(f"left out: {error}")
            continue
        registration = register(image, px_per_mm=px_per_mm)
        registration = doubted(registration, page.damage())
        found[page.stem] = registration.quality
        printed = found_print(image, registration.paper_map, reader)
        write_json(
            {**description(registration, with_map=config.map), **printed},
            output_dir / f"{page.stem}.json",
        )
        _write_picture(
            output_dir / f"{page.stem}.png",
            overlay(image, registration, printed),
        )
        if registration.reasons:
            problems.append(
                f"{page.label}: {registration.quality}: "
                f"{'; '.join(registration.reasons)}"
            )
    for problem in problems:
        print(problem)
    counts = collections.Counter(found.values())
    print(
        ", ".join(
            f"{counts[quality]} {quality}"
            for quality in ("good", "doubtful", "refused")
        )
        + f"; written to {output_dir}"
    )
    if not found:
        raise InputError("none of the pages could be opened")
    return found


def description(registration, with_map=False):
    """What `inspect` writes of a `Registration`, plain values for JSON."""
    values = {
        "px_per_mm_x": registration.px_per_mm_x,
        "px_per_mm_y": registration.px_per_mm_y,
        "rotation_deg": registration.rotation_deg,
        "quality": registration.quality,
        "reasons": list(registration.reasons),
        "residuals": registration.residuals,
    }
    if with_map:
        paper_map = registration.paper_map
        values["paper_map"] = paper_map and paper_map.to_dict()
    return values


def found_print(image, paper_map, reader):
    """Rows, pulses and words of a page, before its layout is found.

    Args:
        image: (H, W, 3) uint8 RGB.
        paper_map: its `PaperMap`, or None.
        reader: a `PageReader` that reads words.

    Returns:
        dict for JSON, in px of the picture: `rows`, two ends each of the zero
        lines; `pulses`, four corners each from the foot of the rising edge on;
        `words`, dicts of `word`, `probability` and `at`.
    """
    if paper_map is None:
        return {"rows": [], "pulses": [], "words": []}
    look = reader.looks(image, paper_map)[0]

    def px(points_mm):
        points = look.paper_map.to_px(np.array(points_mm, float))
        return np.round(points, 1).tolist()

    rows = [
        px([(row.x_start_mm, row.zero_y_mm), (row.x_end_mm, row.zero_y_mm)])
        for row in look.rows
    ]
    pulses = []
    for pulse in look.pulses:
        foot, top = pulse.foot_y_mm, pulse.foot_y_mm - pulse.height_mm
        start, end = pulse.x_start_mm, pulse.x_end_mm
        pulses.append(
            px([(start, foot), (start, top), (end, top), (end, foot)])
        )
    words = [
        {
            "word": name.word,
            "probability": round(name.word_probability, 3),
            "at": px([(name.x_mm, name.y_mm)])[0],
        }
        for name in look.words
        if name.word_probability > LEAST_LIKELY
    ]
    return {"rows": rows, "pulses": pulses, "words": words}


def overlay(image, registration, printed):
    """The picture with all that was found over it.

    Every 5 mm crossing is a dot: green is sure, red not.

    Args:
        image: (H, W, 3) uint8 RGB.
        registration: `Registration` of it.
        printed: see `found_print`.

    Returns:
        (h, w, 3) uint8 RGB, no larger than `MAX_PICTURE_PX`.
    """
    factor = min(1.0, MAX_PICTURE_PX / max(image.shape[:2]))
    size = [max(1, round(side * factor)) for side in image.shape[1::-1]]
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    paper_map = registration.paper_map
    if paper_map is None:
        return picture
    left, top, right, bottom = paper_map.bounds_mm
    x_mm, y_mm = (
        COARSE_GRID_MM
        * np.arange(np.ceil(low / COARSE_GRID_MM), high / COARSE_GRID_MM)
        for low, high in ((left, right), (top, bottom))
    )
    points = np.stack(np.meshgrid(x_mm, y_mm), axis=-1).reshape(-1, 2)
    px = paper_map.to_px(points) * factor
    radius = 0.4 * factor * min(paper_map.local_scale(points.mean(axis=0))[:2])
    one = 1 << _SUBPIXEL_BITS
    inside = ((px > 0) & (px < size)).all(axis=1)
    for place, std in zip(
        px[inside], paper_map.std_mm_at(points[inside]), strict=True
    ):
        colour = (
            _SURE if std < _SURE_MM else _FAIR if std < _FAIR_MM else _UNSURE
        )
        cv2.circle(
            picture,
            tuple(int(v) for v in np.round((place - 0.5) * one)),
            round(max(radius, 1.5) * one),
            colour,
            cv2.FILLED,
            cv2.LINE_AA,
            _SUBPIXEL_BITS,
        )
    _draw_print(picture, printed, factor)
    return picture


def _draw_print(picture, printed, factor):
    """Draw rows, pulses and words on a picture that is `factor` as large."""
    one = 1 << _SUBPIXEL_BITS

    def scaled(points):
        places = np.array(points) * factor - 0.5
        return np.round(places * one).astype(np.int32)

    for lines, colour in ((printed["rows"], _ROW), (printed["pulses"], _PULSE)):
        for points in lines:
            cv2.polylines(
                picture, [scaled(points)], False, colour, 2, cv2.LINE_AA,
                _SUBPIXEL_BITS,
            )  # fmt: skip
    for word in printed["words"]:
        if word["probability"] < DRAWN_WORD:
            continue
        x, y = scaled(word["at"]) // one
        cv2.putText(
            picture, word["word"], (int(x) + 4, int(y) - 4),
            cv2.FONT_HERSHEY_SIMPLEX, 0.5, _WORD, 1, cv2.LINE_AA,
        )  # fmt: skip


def _write_picture(path, picture):
    with replacing(path) as partial:
        if not cv2.imwrite(str(partial), picture[..., ::-1]):
            raise OSError(f"{path} cannot be written")
