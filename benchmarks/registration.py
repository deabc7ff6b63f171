"""Registration against pages measured by hand, and against drawn pages.

python benchmarks/registration.py --data-dir DIR
python benchmarks/registration.py --drawn-dir DIR

DIR of the first holds the pages of benchmarks/real_pages_ruler.csv; that of the
second was written by `python -m ecg_keras render --variety any`, or by
`render --images all --maps`.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np

from ecg_keras.page.images import read_image
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import COARSE_GRID_MM
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.registration.register import mean_scale, register

RULER = Path(__file__).with_name("real_pages_ruler.csv")
# What counts as found.
SCALE_PERCENT, ROTATION_DEG = 1.0, 0.5
PAGE_MM = (0.0, 0.0, 279.4, 215.9)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--drawn-dir", type=Path)
    flags = parser.parse_args()
    if flags.data_dir:
        _against_ruler(flags.data_dir)
    if flags.drawn_dir:
        _against_maps(flags.drawn_dir)


def _against_ruler(data_dir):
    lines = RULER.read_text().splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    right, accepted, n = 0, 0, 0
    for row in rows:
        n += 1
        found, seconds = _timed(data_dir / row["file"])
        if found.paper_map is None:
            print(f"{row['file']}: refused: {found.reasons}")
            continue
        middle = [float(row["x0_px"]), float(row["y0_px"])]
        values = mean_scale(found.paper_map, found.paper_map.to_mm(middle))
        off_x, off_y = (
            100 * (value / float(row[name]) - 1)
            for value, name in zip(
                values, ("px_per_mm_x", "px_per_mm_y"), strict=False
            )
        )
        turned = values[2] - float(row["rotation_deg"])
        is_right = (
            max(abs(off_x), abs(off_y)) <= SCALE_PERCENT
            and abs(turned) <= ROTATION_DEG
        )
        right += is_right
        accepted += found.quality == "good" and not is_right
        print(
            f"{row['file']}: {found.quality}, x {off_x:+.2f} %, y {off_y:+.2f} "
            f"%, {turned:+.2f} deg, {seconds:.1f} s"
            + ("" if is_right else "  <- off")
        )
    print(f"{right} of {n} right; {accepted} wrong and called good")


def _against_maps(drawn_dir):
    errors, wrong_good, refused = [], 0, 0
    for path in sorted(drawn_dir.rglob("*.json")):
        values = json.loads(path.read_text())
        truth = _true_map(values)
        pictures = [path.with_suffix(s) for s in (".png", ".jpg")]
        picture = next((p for p in pictures if p.exists()), None)
        if truth is None or picture is None:
            continue
        found, seconds = _timed(picture)
        if found.paper_map is None:
            refused += 1
            print(f"{picture.name}: refused: {found.reasons}, {seconds:.1f} s")
            continue
        image_size = read_image(picture).shape[1::-1]
        off = errors_mm(found.paper_map, truth, image_size)
        median, p95 = np.percentile(off, [50, 95]) if len(off) else (9, 9)
        errors.append(p95)
        wrong_good += found.quality == "good" and p95 > 0.5
        print(
            f"{picture.name}: {found.quality} {found.reasons}, median "
            f"{median:.3f} mm, 95 % {p95:.3f} mm, {seconds:.1f} s"
        )
    n = len(errors) + refused
    within = np.sum(np.array(errors) < 0.5)
    print(
        f"{within} of {n} within 0.5 mm on 95 % of the places, {refused} "
        f"refused, {wrong_good} wrong and called good; median of the 95 % "
        f"{np.median(errors):.3f} mm"
    )


def errors_mm(paper_map, truth, image_size):
    """Distances in mm between two maps, up to boxes and quarter turns.

    Over places of the truth's nodes that lie in the picture and where the map
    claims to know its place to 0.3 mm.
    """
    nodes = truth.nodes_px[2:-2:4, 2:-2:4].reshape(-1, 2)
    inside = ((nodes > 0) & (nodes < image_size)).all(axis=1)
    px = nodes[inside]
    mm = paper_map.to_mm(px)
    sure = paper_map.std_mm_at(mm) < 0.3
    if sure.sum() < 10:
        return np.array([])
    mm, true = mm[sure], truth.to_mm(px[sure])
    best = None
    for quarter in range(4):
        turn = np.linalg.matrix_power([[0, 1], [-1, 0]], quarter)
        off = true @ turn.T - mm
        # A grid may be printed anywhere on its sheet: any constant.
        off = off - np.median(off, axis=0)
        size = np.hypot(*off.T)
        if best is None or np.median(size) < np.median(best):
            best = size
    return best


def _true_map(values):
    if "paper_map" in values:
        return PaperMap.from_dict(values["paper_map"])
    if "homography" in values:
        return PaperMap.from_page_map(
            PageMap.from_dict(values), PAGE_MM, COARSE_GRID_MM / 2
        )
    return None


def _timed(path):
    image = read_image(path)
    start = time.process_time()
    found = register(image)
    return found, time.process_time() - start


if __name__ == "__main__":
    main()
