"""Pages of any maker: where the map says, what the signals say."""

import dataclasses
import json

import cv2
import numpy as np
import pandas as pd
import pytest

from ecg_keras.drawing import any_page
from ecg_keras.drawing.any_page import (
    draw,
    printed_signals,
    random_page,
    trace_mm,
)
from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.drawing.grid import Grid, coverages
from ecg_keras.drawing.page_description import CAPTURES
from ecg_keras.drawing.pose import Pose
from ecg_keras.drawing.random_layout import random_layout
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.records import read_table
from ecg_keras.errors import InputError
from ecg_keras.page.images import read_image
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout

CAPTURE_NAMES = [name for name, _ in CAPTURES]


def _signals(n_samples=5000):
    """Slow sines of +-0.3 mV, each lead another: traces that never overlap."""
    times_s = np.arange(n_samples) / 500
    phases = np.arange(12)[:, None]
    return 0.3 * np.sin(2 * np.pi * 0.7 * times_s + phases)


def _page_of(capture, first_seed=0, **changes):
    """A bare page that was taken in a way: black on white, no wear."""
    for seed in range(first_seed, first_seed + 400):
        description = random_page(np.random.default_rng(seed), max_px=500_000)
        if description.capture == capture:
            break
    bare = dict(
        grid_over=0.0, paper_rgb=(255, 255, 255), texts=(), qr_mm=None,
        boxes=(), strokes=(), wear=(), strength=0.0, jpeg_quality=None,
    )  # fmt: skip
    description = dataclasses.replace(description, **{**bare, **changes})
    return draw(description, _signals(), np.random.default_rng(1))


def _centres(image, paper_map, points_mm, along_mm, reach_mm):
    """mm by which dark lines are off the points, across the lines."""
    reach = np.arange(-reach_mm, reach_mm + 1e-6, reach_mm / 24)
    places = points_mm[:, None] + reach[:, None] * along_mm
    px = paper_map.to_px(places).astype(np.float32) - 0.5
    grey = cv2.remap(
        image.min(axis=2), px[..., 0], px[..., 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    ).astype(float)  # fmt: skip
    height, width = image.shape[:2]
    inside = (
        (px > 1).all(axis=-1)
        & (px[..., 0] < width - 2)
        & (px[..., 1] < height - 2)
    ).all(axis=1)
    dark = np.clip(np.median(grey, axis=1)[:, None] - grey - 12, 0, None)
    found = inside & (dark.sum(axis=1) > 40)
    dark = dark[found]
    return (dark * reach).sum(axis=1) / dark.sum(axis=1)


@pytest.mark.parametrize("capture", CAPTURE_NAMES)
def test_grid_lines_are_where_the_map_says(capture):
    for first_seed in (0, 400):
        grid = Grid((0, 0, 0), None, coarse_mm=0.35)
        white = dict(rgb=(1.0,) * 3, text_rgb=(1.0,) * 3)
        ink = dataclasses.replace(_page_of("file").description.ink, **white)
        page = _page_of(capture, first_seed, grid=grid, ink=ink)
        left, top, right, bottom = page.description.ruled_mm
        x = np.arange(np.ceil(left / 5) + 1, right // 5) * 5
        y = np.arange(np.ceil(top / 5) + 1, bottom // 5) * 5
        px_per_mm = page.paper_map.local_scale(page.description.pose.middle_mm)
        for shift, along in (((0, 2.5), (1, 0)), ((2.5, 0), (0, 1))):
            points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
            off = _centres(
                page.image, page.paper_map, points + shift, np.array(along), 1.2
            )
            assert len(off) > 100
            off_px = off * px_per_mm[along[1]]
            assert abs(np.median(off_px)) < 0.12
            # A copier's lines lie on whole px.
            limit_px = 0.6 if capture == "copy" else 0.4
            assert np.percentile(np.abs(off_px), 90) < limit_px


@pytest.mark.parametrize("capture", CAPTURE_NAMES)
def test_traces_are_where_layout_and_signals_say(capture):
    page = _page_of(capture, 50, grid=Grid(None, None), separator_style="none")
    description = page.description
    errors_px = []
    for row in page.layout.rows:
        for segment in row.segments:
            x, y = trace_mm(page.layout, row, segment, _signals())
            points = np.stack([x, y], axis=1)[60:-60:40]
            errors_px.append(
                _centres(
                    page.image, page.paper_map, points, np.array([0, 1]), 1.5
                )
            )
    scale = page.paper_map.local_scale(description.pose.middle_mm)[1]
    errors_px = np.concatenate(errors_px) * scale
    assert len(errors_px) > 60
    # Names and pulses stand on some traces: the median is not theirs.
    assert np.median(np.abs(errors_px)) < 0.25


def test_some_copies_are_kept_in_pale_grey(monkeypatch):
    darkest = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr(any_page, "GREY_COPY_SHARE", share)
        image = _page_of("copy").image
        assert np.ptp(image.astype(int), axis=2).max() == 0
        darkest[share] = np.percentile(image, 0.1)
        assert np.percentile(image, 99.9) <= (255, 252)[round(share)]
    assert darkest[0.0] < 20 and darkest[1.0] >= 28


def test_what_is_printed_is_finite_and_all_else_is_nan():
    signals = np.arange(12)[:, None] + np.zeros((1, 5000))
    for seed in range(40):
        layout, _, _ = random_layout(np.random.default_rng(seed))
        printed = printed_signals(layout, signals)
        shown_s = {}
        for row in layout.rows:
            for segment in row.segments:
                width = segment.x_end_mm - segment.x_start_mm
                seconds = width / layout.speed_mm_per_s
                lead = segment.lead.removeprefix("-")
                shown_s[lead] = max(shown_s.get(lead, 0), seconds)
        for index, lead in enumerate(LEADS):
            finite = np.isfinite(printed[index])
            if lead not in shown_s:
                assert not finite.any()
                continue
            assert abs(finite.sum() / 500 - shown_s[lead]) < 0.005 + 2.5 * (
                lead in _strip_leads(layout)
            )
            assert (printed[index, finite] == index).all()


def _strip_leads(layout):
    """Leads that are printed twice: their stretches may be joined."""
    leads = [s.lead for row in layout.rows for s in row.segments]
    return {lead for lead in leads if leads.count(lead) > 1}


def test_columns_that_show_the_same_seconds_all_begin_at_zero():
    layouts = [random_layout(np.random.default_rng(s))[0] for s in range(120)]
    assert any(layout.simultaneous for layout in layouts)
    for layout in layouts:
        starts = {s.time_start_s for row in layout.rows for s in row.segments}
        if layout.simultaneous:
            assert starts == {0.0}
        else:
            columns = max(len(row.segments) for row in layout.rows)
            assert len(starts) == columns


def test_layouts_of_all_kinds_come_with_their_own_lines():
    names = set()
    for seed in range(200):
        layout, _, _ = random_layout(np.random.default_rng(seed))
        names.add(layout.name.split()[0])
        zeros = [row.zero_y_mm for row in layout.rows]
        assert np.diff(zeros).min(initial=99) > 8
        for row in layout.rows:
            ends = [(s.x_start_mm, s.x_end_mm) for s in row.segments]
            for (_, end), (start, _) in zip(ends, ends[1:], strict=False):
                assert start >= end - 1e-6
    assert {
        "3x4",
        "3x4+1",
        "3x4+3",
        "6x2",
        "12x1",
        "6x1",
        "4x3",
        "3x1",
    } <= names


def test_a_layout_survives_json():
    for seed in range(10):
        layout, _, _ = random_layout(np.random.default_rng(seed))
        text = json.dumps(layout.to_dict())
        assert PrintedLayout.from_dict(json.loads(text)) == layout


def test_a_page_is_a_function_of_its_seeds():
    signals = _signals()
    for seed in (3, 4):
        pages = [
            draw(
                random_page(np.random.default_rng(seed), max_px=150_000),
                signals,
                np.random.default_rng(other),
            )
            for other in (1, 1, 2)
        ]
        np.testing.assert_array_equal(pages[0].image, pages[1].image)
        np.testing.assert_array_equal(
            pages[0].paper_map.nodes_px, pages[2].paper_map.nodes_px
        )


def test_the_raster_is_the_inverse_of_the_map():
    feed = np.array([[-1e4, -1e4], [100, 100], [130, 126], [1e4, 9996]])
    homography = np.array([[3, 0.2, 40], [-0.15, 2.8, 30], [1e-4, 5e-5, 1]])
    pose = Pose(
        (240, 340), homography, np.array([[1.0, 0.6, 1 / 150, 1 / 300, 0.3]]),
        np.array([[50.0, 30, 0.4, 0.02, 0.01]]), 0.02, 0, feed, (50.0, 40.0),
    )  # fmt: skip
    y, x = np.random.default_rng(0).integers(0, pose.size, (200, 2)).T
    mm = np.stack([plane[y, x] for plane in pose.raster_mm()], axis=-1)
    back = pose.to_px(mm.astype(float))
    np.testing.assert_allclose(back, np.stack([x, y], 1) + 0.5, atol=0.1)


@pytest.mark.parametrize("style", ["lines", "dots", "dotted", "dashed"])
def test_coverage_is_the_area_of_the_lines(style):
    grid = Grid((0, 0, 0), (9, 9, 9), 0.4, 0.3, style, style == "dashed")
    rect = (0.0, 0.0, 20.0, 20.0)
    small = coverages(grid, (-1, 21, 50), (-2, 22, 40), rect)
    large = coverages(grid, (-1, 21, 50 * 16), (-2, 22, 40 * 16), rect)
    for a, b in zip(small, large, strict=True):
        means = b.reshape(40, 16, 50, 16).mean(axis=(1, 3))
        # Dots and dashes of both directions share their crossings.
        limits = {"dotted": 8, "dashed": 14}
        assert np.abs(a - means).mean() < limits.get(style, 2.5)
        assert a[:, 0].max() == 0 and a.max() > 40


def test_a_picture_can_be_turned_by_quarters():
    description = random_page(np.random.default_rng(7), max_px=200_000)
    page, turned = (
        draw(
            dataclasses.replace(
                description, quarter_turns=k, jpeg_quality=None, strength=0.0
            ),
            _signals(),
            np.random.default_rng(2),
        )
        for k in (0, 1)
    )
    assert turned.image.shape[:2] == page.image.shape[1::-1]
    points = np.array([[20.0, 30.0], [80.0, 25.0]])
    x, y = page.paper_map.to_px(points).T
    found = turned.paper_map.to_px(points)
    np.testing.assert_allclose(found, np.stack([page.image.shape[0] - y, x], 1))


def test_a_rendered_folder_says_what_its_pages_show(tmp_path):
    folder = tmp_path / "pages"
    render_dataset(RenderConfig(str(folder), 2, variety="any", seed=1))
    table = pd.read_csv(folder / "pages.csv", dtype={"id": str})
    assert list(table["source"]) == ["simulated"] * 2
    for row in table.itertuples():
        truth = json.loads((folder / f"{row.id}.json").read_text())
        layout = PrintedLayout.from_dict(truth["layout"])
        paper_map = PaperMap.from_dict(truth["paper_map"])
        [path] = set(folder.glob(f"{row.id}.*g"))
        image = read_image(path)
        signals = read_table(folder / f"{row.id}.csv")
        assert signals.shape == (12, layout.n_samples)
        assert layout.name == row.layout
        inside = 0
        for printed in layout.rows:
            for segment in printed.segments:
                middle = [segment.x_start_mm + 1, printed.zero_y_mm]
                x, y = paper_map.to_px(middle)
                inside += 0 < x < image.shape[1] and 0 < y < image.shape[0]
        assert inside > 0
    with pytest.raises(InputError, match="--images says nothing"):
        render_dataset(
            RenderConfig(str(tmp_path / "b"), variety="any", images=("0003",))
        )


@pytest.mark.slow
@pytest.mark.floor
def test_a_killed_folder_of_any_pages_is_finished(tmp_path):
    config = RenderConfig(str(tmp_path / "p"), 2, variety="any")
    render_dataset(config)
    table = pd.read_csv(tmp_path / "p" / "pages.csv")
    (tmp_path / "p" / "pages.csv").unlink()
    first = sorted((tmp_path / "p").glob("*.json"))[0]
    before = first.read_bytes()
    first.unlink()
    render_dataset(config)
    assert first.read_bytes() == before
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "p" / "pages.csv"), table
    )


def test_what_is_cut_off_is_no_part_of_the_signals():
    n_cut = 0
    for seed in range(12):
        page = _page_of("scan", first_seed=30 * seed)
        signals, layout = _signals(), page.layout
        height, width = page.image.shape[:2]
        shown = np.zeros(page.signals_mv.shape, bool)
        printed = np.isfinite(printed_signals(layout, signals))
        for row in layout.rows:
            for segment in row.segments:
                lead = segment.lead.removeprefix("-")
                if lead not in LEADS:
                    continue
                trace = trace_mm(layout, row, segment, signals)
                x, y = page.paper_map.to_px(np.stack(trace, -1)).T
                is_in = (x > -1) & (x < width + 1) & (y > -1) & (y < height + 1)
                first = round(np.ceil(segment.time_start_s * 500 - 1e-6))
                own = shown[LEADS.index(lead)]
                own[first : first + len(is_in)] |= is_in
        n_lost = np.sum(printed & ~np.isfinite(page.signals_mv))
        n_cut += n_lost > 0
        # Half a pixel of the border counts as shown here, not there.
        off = np.isfinite(page.signals_mv) != (shown & printed)
        assert off.sum() < 60
    assert n_cut >= 2
