"""Pages without a truth, perturbed, against the same pages as they are.

    python -m benchmarks.perturbed --data-dir FOLDER
    python -m benchmarks.perturbed --data-dir FOLDER --kinds cut on_slide

Each picture of a folder is read as it is, and again smaller, cut at its sides,
photographed on a desk, in grey, longer or shorter than it is by a tenth, upside
down and askew, on a slide, as an article's figure, above itself, as two pages,
with a watermark, as a photocopy, curled, with a label stuck on it, with notes
written on it, and in a viewer's dark window. The reader is misled where it
calls such a page good though its layout is another than before, or the page was
good before and is read at less than 10 dB of what was read then; of two pages
none should be good.
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
from ecg_keras.reading_processes import (
    in_turn,
    n_processes,
    page_reader,
    threads_for,
)
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


def watermarked(image, rng):
    """With a word across it, again and again."""
    height, width = image.shape[:2]
    size = width / rng.uniform(500, 1100)
    reach = int(np.hypot(height, width))
    words = np.zeros((reach, reach), np.uint8)
    for y in range(0, reach, int(130 * size)):
        cv2.putText(
            words, "SAMPLE   " * 40, (-(y % 97), y), cv2.FONT_HERSHEY_DUPLEX,
            size, 255, max(int(3 * size), 1), cv2.LINE_AA,
        )  # fmt: skip
    turn = cv2.getRotationMatrix2D(
        (reach / 2, reach / 2), rng.uniform(20, 40), 1
    )
    words = cv2.warpAffine(words, turn, (reach, reach))[:height, :width]
    share = rng.uniform(0.15, 0.35) * words[..., None] / 255
    colour = rng.choice([(120, 120, 120), (90, 120, 200), (200, 100, 100)])
    return np.rint((1 - share) * image + share * colour).astype(np.uint8)


def photocopied(image, rng):
    """Black and white but for some greys, with specks and a dark side."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    grey = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.5, 1.0))
    middle = np.percentile(grey, 50) - rng.uniform(35, 60)
    copy = 255 / (1 + np.exp(-(grey - middle) / rng.uniform(10, 20)))
    specks = rng.random(copy.shape) < 1e-4
    copy[cv2.dilate(specks.astype(np.uint8), np.ones((2, 2))) > 0] = 20
    height, width = copy.shape
    side = int(rng.uniform(0.005, 0.02) * width)
    copy = np.pad(copy, ((0, 0), (0, side)), constant_values=25)
    copy += rng.normal(0, 4, copy.shape)
    return _as_jpeg(np.repeat(copy[..., None], 3, axis=-1), 70)


def curled(image, rng):
    """As a photo of paper that bends: x and y move by waves."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(2):
        waves = rng.uniform(0.4, 1.2, 2)
        turns = rng.uniform(0, 2 * np.pi, 2)
        much = rng.uniform(0.003, 0.008, 2) * width
        moved_x = much[0] * np.sin(2 * np.pi * waves[0] * x / width + turns[0])
        moved_y = much[1] * np.sin(2 * np.pi * waves[1] * x / width + turns[1])
        x, y = x + moved_x, y + moved_y
    bent = cv2.remap(
        image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(90, 80, 70),
    )  # fmt: skip
    return _as_jpeg(bent, 80)


def labelled(image, rng):
    """With a white label stuck on it, which hides what is below."""
    height, width = image.shape[:2]
    label = np.array([rng.uniform(0.08, 0.14), rng.uniform(0.15, 0.25)])
    label = (label * (height, width)).astype(int)
    top, left = (rng.uniform(0, 1, 2) * ((height, width) - label)).astype(int)
    page = image.copy()
    stuck = page[top : top + label[0], left : left + label[1]]
    stuck[:] = 250
    size = label[1] / 330
    texts = "Ward 7  Bed 3", "12345 67890", "|| ||| | ||"
    for line, text in enumerate(texts):
        at = (np.array([0.05, 0.3 + 0.28 * line]) * label[::-1]).astype(int)
        cv2.putText(
            stuck, text, at.tolist(), cv2.FONT_HERSHEY_SIMPLEX, size,
            (10, 10, 10), max(int(2 * size), 1), cv2.LINE_AA,
        )  # fmt: skip
    cv2.rectangle(stuck, (0, 0), tuple(label[::-1] - 1), (120, 120, 120))
    return page


def annotated(image, rng):
    """With rings and arrows round beats, and words beside, by a pen."""
    height, width = image.shape[:2]
    page = image.copy()
    pen = int(max(width / 600, 1))
    colour = tuple(map(int, rng.choice([(200, 20, 30), (20, 40, 180)])))
    for _ in range(4):
        x, y = (rng.uniform(0.1, 0.9, 2) * (width, height)).astype(int).tolist()
        ring = (int(0.03 * width), int(0.04 * height))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(page, (x, y), ring, turn, 0, 350, colour, pen, cv2.LINE_AA)
        to = (rng.uniform(-0.1, 0.1, 2) * (width, height)).astype(int)
        end = int(x + to[0]), int(y + to[1])
        cv2.arrowedLine(page, end, (x, y), colour, pen, cv2.LINE_AA)
        cv2.putText(
            page, rng.choice(["ST!", "P?", "old", "QT 440"]), end,
            cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, width / 1100, colour, pen,
            cv2.LINE_AA,
        )  # fmt: skip
    return page


def in_viewer(image, rng):
    """In a window with dark bars, buttons and a list of studies."""
    height, width = image.shape[:2]
    bar, side = int(0.07 * height), int(rng.uniform(0.1, 0.25) * width)
    grey = int(rng.integers(20, 70))
    window = np.full((height + 2 * bar, width + side, 3), grey, np.uint8)
    window[bar : bar + height, side:] = image
    size = width / 2200
    for line in range(1, int(0.9 * height / (60 * size))):
        at = 8, bar + int(60 * size * line)
        cv2.putText(
            window, f"Study {line}  ECG", at, cv2.FONT_HERSHEY_SIMPLEX, size,
            (220, 220, 220), 1, cv2.LINE_AA,
        )  # fmt: skip
    for button in range(6):
        left = side + int((0.02 + 0.06 * button) * width)
        corners = (left, bar // 4), (left + int(0.04 * width), 3 * bar // 4)
        cv2.rectangle(window, *corners, (150, 150, 160), -1)
    return window


KINDS = (
    smaller, cut, photographed, in_grey, stretched, askew, on_slide, in_article,
    twice, watermarked, photocopied, curled, labelled, annotated, in_viewer,
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
    outcomes = {kind.__name__: [] for kind in kinds}
    pictures = sorted(
        path
        for path in Path(config.data_dir).iterdir()
        if path.suffix.lower() in SUFFIXES
    )
    if not pictures:
        raise InputError(f"{config.data_dir} has no picture of a page")
    processes = n_processes(len(pictures) * (1 + len(kinds)))
    reader = page_reader(None, processes)
    images = _images(pictures, kinds, config.seed)
    readings = in_turn(reader.read, images, threads_for(processes))
    for path in tqdm(pictures):
        whole = next(readings)
        for kind in kinds:
            reading = next(readings)
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


def _images(pictures, kinds, seed):
    """Yield each picture as it is, and then as each kind."""
    for path in pictures:
        image = read_image(path)
        yield image
        for kind in kinds:
            name = f"{kind.__name__} {path.stem}"
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            yield kind(image, rng)


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
    return reading.digitized.layout or "nothing"


def _as_jpeg(image, quality):
    """What is left of an RGB picture in a JPEG."""
    pixels = np.rint(image).clip(0, 255).astype(np.uint8)[..., ::-1]
    flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    coded = cv2.imencode(".jpg", pixels, flags)[1]
    return np.ascontiguousarray(cv2.imdecode(coded, 1)[..., ::-1])


if __name__ == "__main__":
    sys.exit(run_command(main))
