"""What can be counted of pages' looks, real ones beside drawn ones.

python benchmarks/page_looks.py --real FOLDER [--records 12] prints, for each
type of image of the competition and for pages of any maker, the range of each
number over drawn pages and, where FOLDER holds such, over real ones. FOLDER is
that of the shared data: `competition_real`, `real_pages`, `vendor_pages`.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from ecg_keras.drawing.any_page import draw, random_page
from ecg_keras.drawing.clean_page import Header, render_page
from ecg_keras.drawing.image_types import KINDS, degrade
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.page.images import read_image

# Wide enough for a period of 5 mm at 24 px a mm, small enough to be flat.
PATCH_PX = 400
MEASURES = (
    "paper grey", "paper red - blue", "ink grey", "line grey",
    "line red - blue", "line width px", "5 mm contrast", "1 mm contrast",
    "speckle share", "noise", "px per mm", "tilt deg",
)  # fmt: skip


def measured(image, px_per_mm):
    """Numbers of a picture whose scale is known about.

    Args:
        image: (H, W, 3) uint8 RGB.
        px_per_mm: of its grid, within a few percent.

    Returns:
        dict of the names in `MEASURES`.
    """
    patches = _patches(image)
    found = [_of_patch(patch, px_per_mm) for patch in patches]
    found = {
        name: float(np.median([f[name] for f in found])) for name in found[0]
    }
    found["ink grey"] = float(np.percentile(image.min(axis=2), 0.5))
    return found


def _patches(image):
    """Up to 5 squares of the middle of a picture, those with little ink."""
    height, width = image.shape[:2]
    size = min(PATCH_PX, height // 3, width // 3)
    tops = np.linspace(0.12, 0.88, 5) * (height - size)
    lefts = np.linspace(0.12, 0.88, 5) * (width - size)
    patches = [
        image[int(t) : int(t) + size, int(x) : int(x) + size]
        for t in tops
        for x in lefts
    ]
    return sorted(patches, key=lambda p: np.percentile(p, 2))[-8:-3]


def _of_patch(patch, px_per_mm):
    grey = patch.mean(axis=2, dtype=np.float32)
    paper = np.percentile(grey, 75)
    light = patch[grey >= paper]
    fine, coarse = [], []
    best = None
    # By columns and rows: the mean profile, tilt undone by the strongest peak.
    for degrees in np.arange(-3, 3.01, 0.25):
        profile = _upright(grey, degrees).mean(axis=0)
        depth = _amplitude(profile, 5 * px_per_mm)
        if best is None or depth > best[0]:
            best = depth, degrees, profile
    _, degrees, profile = best
    for period, found in ((px_per_mm, fine), (5 * px_per_mm, coarse)):
        found.append(_amplitude(profile, period))
    low = profile < np.percentile(profile, 8)
    line = patch[grey <= np.percentile(grey, 6)]
    half = (profile.max() + profile.min()) / 2
    runs = np.diff(np.flatnonzero(np.diff((profile < half).astype(int))))
    width = float(np.median(runs[::2])) if len(runs) else np.nan
    upright = _upright(grey, degrees)
    between = upright[:, ~np.convolve(low, np.ones(5), "same").astype(bool)]
    noise = np.median(np.abs(np.diff(between, axis=0))) * 1.4826 / np.sqrt(2)
    return {
        "paper grey": float(paper),
        "paper red - blue": float(np.median(light[:, 0] - 1.0 * light[:, 2])),
        "line grey": float(np.median(line.mean(axis=1))),
        "line red - blue": float(np.median(line[:, 0] - 1.0 * line[:, 2])),
        "line width px": width,
        "5 mm contrast": coarse[0],
        "1 mm contrast": fine[0],
        "speckle share": float((np.abs(between - paper) > 25).mean()),
        "noise": float(noise),
        "px per mm": px_per_mm,
        "tilt deg": float(degrees),
    }


def _upright(grey, degrees):
    """The inner part of a square, turned by some degrees."""
    size = len(grey)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 1)
    turned = cv2.warpAffine(grey, turn, (size, size))
    inside = size // 12
    return turned[inside:-inside, inside:-inside]


def _amplitude(profile, period_px):
    """Largest Fourier amplitude within 4 % of a period, in grey levels."""
    x = np.arange(len(profile))
    window = np.hanning(len(profile))
    flat = (profile - profile.mean()) * window
    periods = period_px * np.linspace(0.96, 1.04, 17)
    waves = np.exp(-2j * np.pi * x[None] / periods[:, None])
    return float(np.abs(waves @ flat).max() * 2 / window.sum())


def _drawn_competition(records):
    found = {}
    for index in range(records):
        rng = np.random.default_rng([7, index])
        table = from_grid(simulate(rng), 500)
        page = render_page(table, 500, Header(id="00042_hr"))
        for kind in ("0001", *KINDS):
            picture, page_map = degrade(page, kind, rng)
            ends = page_map.to_picture([[600.0, 500.0], [1600.0, 500.0]])
            scale = np.hypot(*(ends[1] - ends[0])) / 1000 * 200 / 25.4
            if abs(ends[1, 1] - ends[0, 1]) < abs(ends[1, 0] - ends[0, 0]):
                found.setdefault(kind, []).append(measured(picture, scale))
    return found


def _drawn_any(records, signals):
    found = {}
    for index in range(4 * records):
        rng = np.random.default_rng([9, index])
        description = random_page(rng)
        page = draw(description, simulate(rng), rng)
        at = description.pose.middle_mm
        scale_x, _, degrees = page.paper_map.local_scale(at)
        if abs(degrees) < 8:
            kind = f"any {description.capture}"
            found.setdefault(kind, []).append(measured(page.image, scale_x))
    return found


def _real(folder):
    """Real pictures and their px per mm, measured by hand."""
    scales = {
        "competition_real/46930936/46930936-0001.png": ("0001", 7.874),
        "competition_real/46930936/46930936-0004.png": ("0004", 7.43),
        "competition_real/46930936/46930936-0010-straightened.png":
            ("0010", 4.83),
        "real_pages/ecg00001.png": ("any file", 12.35),
        "real_pages/ecg00002.png": ("any scan", 5.52),
        "real_pages/ecg00006.png": ("any scan", 5.17),
        "real_pages/ecg00013.jpg": ("any scan", 3.78),
        "real_pages/ecg00018.jpg": ("any file", 3.47),
        "real_pages/ecg00020.jpg": ("any copy", 4.83),
    }  # fmt: skip
    found = {}
    for name, (kind, scale) in scales.items():
        path = folder / name
        if path.exists():
            found.setdefault(kind, []).append(measured(read_image(path), scale))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, help="folder of real pages")
    parser.add_argument("--records", type=int, default=12)
    parser.add_argument("--json", type=Path, help="also write all numbers")
    arguments = parser.parse_args()
    drawn = _drawn_competition(arguments.records)
    drawn |= _drawn_any(arguments.records, None)
    real = _real(arguments.real) if arguments.real else {}
    if arguments.json:
        arguments.json.write_text(json.dumps({"drawn": drawn, "real": real}))
    print("| type | " + " | ".join(MEASURES) + " |")
    print("| --- |" + " --- |" * len(MEASURES))
    for kind in sorted(drawn):
        rows = [(f"{kind} drawn", drawn[kind])]
        if kind in real:
            rows.append((f"{kind} real", real[kind]))
        for name, found in rows:
            cells = [
                _span([one[measure] for one in found]) for measure in MEASURES
            ]
            print(f"| {name} ({len(found)}) | " + " | ".join(cells) + " |")


def _span(values):
    """Smallest and largest, or the only one."""
    low, high = np.nanmin(values), np.nanmax(values)
    digits = 2 if high < 3 else 0 if high > 30 else 1
    if len(values) == 1:
        return f"{low:.{digits}f}"
    return f"{low:.{digits}f} .. {high:.{digits}f}"


if __name__ == "__main__":
    main()
