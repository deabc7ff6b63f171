"""Pages without a truth, perturbed, against the same pages as they are.

    python -m benchmarks.perturbed --data-dir FOLDER
    python -m benchmarks.perturbed --data-dir FOLDER --kinds cut on_slide

Each picture of a folder is read as it is, and again smaller, cut at its sides,
photographed on a desk, in grey, longer or shorter than it is by a tenth, upside
down and askew, on a slide, as an article's figure, and above itself, as two
pages. The reader is misled where it calls such a page good though its layout is
another than before, or the page was good before and is read at less than 10 dB
of what was read then; of two pages none should be good.
"""

import dataclasses
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ecg_keras.commands.evaluate_pages import MISREAD_DB, SUFFIXES
from ecg_keras.ecg.digitized import GOOD, REFUSED
from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.errors import InputError, UsageError
from ecg_keras.page.images import read_image
from ecg_keras.page_reader import load_page_reader
from ecg_keras.settings import parse_flags, run_command, setting

MOST_CUT_SHARE = 0.07
# Of an article.
WORDS = "the patient was admitted with chest pain and an ECG showed".split()


@dataclasses.dataclass(frozen=True)
class PerturbedConfig:
    """Settings of benchmarks/perturbed.py."""

    data_dir: str = setting(".", "folder of pictures of pages")
    seed: int = setting(0, "seed of all that is random")
    kinds: tuple[str, ...] = setting((), "which of these; all if none is given")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a perturbed page was read.

    Attributes:
        quality: "good", "doubtful" or "refused".
        is_same: whether its layout is that of the page as it is.
        db: of the page as it is; NaN where that is not good.
    """

    quality: str
    is_same: bool
    db: float

    @property
    def is_misled(self):
        is_other = not self.is_same or self.db < MISREAD_DB
        return self.quality == GOOD and is_other


def smaller(image, rng):
    share = rng.uniform(0.55, 0.75)
    small = cv2.resize(
        image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA
    )
    return _as_jpeg(small, rng.integers(40, 70))


def cut(image, rng):
    height, width = image.shape[:2]
    top, bottom, left, right = rng.uniform(0, MOST_CUT_SHARE, 4)
    rows = slice(int(top * height), height - int(bottom * height))
    columns = slice(int(left * width), width - int(right * width))
    return np.ascontiguousarray(image[rows, columns])


def photographed(image, rng):
    size = np.array(image.shape[1::-1])
    margin = 0.12 * size.max()
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    moved = corners + rng.uniform(-0.06, 0.06, (4, 2)) * size + margin
    width, height = (size + 2 * margin).astype(int).tolist()
    photo = cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(
            corners.astype(np.float32), moved.astype(np.float32)
        ),
        (width, height),
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=rng.integers(40, 160, 3).tolist(),
    ).astype(float)
    y, x = np.mgrid[:height, :width]
    turn = rng.uniform(0, 2 * np.pi)
    shade = np.cos(turn) * (x / width - 0.5) + np.sin(turn) * (y / height - 0.5)
    photo *= (1 + 0.35 * shade[..., None]) * rng.uniform(0.75, 0.95)
    photo = cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.4, 0.9))
    return _as_jpeg(photo + rng.normal(0, 4, photo.shape), 70)


def in_grey(image, rng):
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    grey = cv2.GaussianBlur(grey, (0, 0), 0.5)
    grey = 150 + rng.uniform(0.6, 0.9) * (grey - 128)
    grey = grey + rng.normal(0, 5, grey.shape)
    return _as_jpeg(np.repeat(grey[..., None], 3, axis=-1), 60)


def stretched(image, rng):
    share = rng.choice([0.9, 1.1])
    return cv2.resize(
        image, None, fx=share, fy=1, interpolation=cv2.INTER_CUBIC
    )


def askew(image, rng):
    """Upside down, and turned by some degrees."""
    height, width = image.shape[:2]
    degrees = 180 + rng.uniform(2, 5) * rng.choice([-1, 1])
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    moved = corners @ turn[:, :2].T
    size = np.ceil(np.ptp(moved, axis=0)).astype(int).tolist()
    turn[:, 2] = -moved.min(axis=0)
    return cv2.warpAffine(
        image, turn, size, flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255)
    )


def on_slide(image, rng):
    """With a margin of one colour, and a bar with a title above."""
    size = np.array(image.shape[:2])
    before, after = (rng.uniform(0.03, 0.15, (2, 2)) * size).astype(int)
    colour = int(rng.choice([0, 40, 240, 255]))
    margins = [*zip(before, after, strict=True), (0, 0)]
    slide = np.pad(image, margins, constant_values=colour)
    bar_px = before[0] // 2
    slide[:bar_px] = (30, 60, 120)
    cv2.putText(
        slide, "Case 12", (10, int(0.8 * bar_px)), cv2.FONT_HERSHEY_SIMPLEX,
        max(bar_px / 40, 0.3), (255, 255, 255),
    )  # fmt: skip
    return slide


def in_article(image, rng):
    """As a figure, with text above and below."""
    height, width = image.shape[:2]
    side = int(0.09 * width)
    page_height = int(max(1.5 * width, 1.5 * height))
    page = np.full((page_height, width + 2 * side, 3), 255, np.uint8)
    top = int(rng.uniform(0.1, 0.3) * page_height)
    page[top : top + height, side : side + width] = image
    size = width / 1600
    line_px = int(34 * size) + 2
    below = top + height + 2 * line_px
    for first, last in ((line_px, top - line_px), (below, page_height)):
        for y in range(first, last, line_px):
            cv2.putText(
                page, " ".join(rng.choice(WORDS, 14)), (side, y),
                cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0),
                max(int(1.6 * size), 1), cv2.LINE_AA,
            )  # fmt: skip
    return page


def twice(image, rng):
    """Two pages, one below the other."""
    gap = np.full((image.shape[1] // 20, image.shape[1], 3), 255, np.uint8)
    return np.concatenate([gap, image, gap, image, gap])


KINDS = (
    smaller, cut, photographed, in_grey, stretched, askew, on_slide, in_article,
    twice,
)  # fmt: skip


def kinds_of(names):
    """The functions of some names, all without any.

    Raises:
        UsageError: there is none of a name.
    """
    known = {kind.__name__: kind for kind in KINDS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"--kinds: expected some of {', '.join(known)}. Received: "
            f"{', '.join(unknown)}"
        )
    return [known[name] for name in names] or list(KINDS)


def main():
    config = parse_flags(PerturbedConfig, __doc__.split("\n")[0])
    kinds = kinds_of(config.kinds)
    reader = load_page_reader()
    outcomes = {kind.__name__: [] for kind in kinds}
    pictures = sorted(
        path
        for path in Path(config.data_dir).iterdir()
        if path.suffix.lower() in SUFFIXES
    )
    if not pictures:
        raise InputError(f"{config.data_dir} has no picture of a page")
    for path in tqdm(pictures):
        image = read_image(path)
        whole = reader.read(image)
        for kind in kinds:
            name = f"{kind.__name__} {path.stem}"
            rng = np.random.default_rng(
                [config.seed, zlib.crc32(name.encode())]
            )
            reading = reader.read(kind(image, rng))
            outcome = compared(whole, reading)
            outcomes[kind.__name__].append(outcome)
            tqdm.write(
                f"{path.stem:20s} {_found(whole):24s} {kind.__name__:12s} "
                f"{_found(reading):24s} {outcome.quality:8s} "
                f"{outcome.db:5.1f} dB{'  MISLED' * outcome.is_misled}"
            )
    for name, own in outcomes.items():
        print(summary(name, own))
    print(summary("all", [one for own in outcomes.values() for one in own]))


def compared(whole, reading):
    """The `Outcome` of a page, from its `PageReading` and that as it is."""
    digitized = reading.digitized
    db = np.nan
    if GOOD == whole.digitized.quality and digitized.quality != REFUSED:
        label = whole.digitized.signals_mv
        found = np.full_like(label, np.nan)
        n = min(label.shape[1], digitized.signals_mv.shape[1])
        found[:, :n] = digitized.signals_mv[:, :n]
        label = np.where(np.isfinite(found), label, np.nan)
        label[~np.isfinite(label).any(axis=1)] = 0.0
        ratio = record_ratio(label, np.nan_to_num(found), RATE_HZ)
        db = score_db([ratio])
    is_same = _found(whole) == _found(reading)
    return Outcome(digitized.quality, is_same, db)


def summary(name, outcomes):
    """A line on some outcomes."""
    n = len(outcomes)
    read = [one for one in outcomes if one.quality != REFUSED]
    good = [one for one in outcomes if one.quality == GOOD]
    return (
        f"{name:12s} {n:3d} pages, layout as before "
        f"{sum(one.is_same for one in read) / n:4.0%}, good "
        f"{len(good) / n:4.0%}, refused {1 - len(read) / n:4.0%}, misled "
        f"{sum(one.is_misled for one in outcomes)}, median of those good "
        f"before {np.nanmedian([one.db for one in outcomes]):.1f} dB"
    )


def _found(reading):
    return "nothing" if reading.printed is None else reading.printed.name


def _as_jpeg(image, quality):
    """What is left of an RGB picture in a JPEG."""
    pixels = np.rint(image).clip(0, 255).astype(np.uint8)[..., ::-1]
    flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    coded = cv2.imencode(".jpg", pixels, flags)[1]
    return np.ascontiguousarray(cv2.imdecode(coded, 1)[..., ::-1])


if __name__ == "__main__":
    sys.exit(run_command(main))
