"""Parts of rows to learn from: where they are cut, and what they show."""

import dataclasses

import cv2
import numpy as np
import pytest

from ecg_keras.data.pictures import (
    Picture,
    Pictures,
    known_page,
    load_pictures,
    read_on_paper,
)
from ecg_keras.data.row_batches import random_parts
from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.records import (
    is_folder_of_pages,
    read_page_records,
    read_records,
)
from ecg_keras.errors import InputError
from ecg_keras.models.reading.printed_rows import not_finer_than, row_image
from ecg_keras.page.layouts import COMPETITION, OTHERS, Layout
from ecg_keras.page.paper import PX_PER_MM
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout, Row, Segment
from ecg_keras.page.row_images import STRIP_HEIGHT, mv_pixels

N_COLUMNS = 320
# A page of two rows at 50 mm/s, drawn by hand at 14 px per mm.
SCALE = 14.0
ROWS = (
    Row(20.0, 5.0, (Segment("V1", 10.0, 60.0, 0.0),)),
    Row(
        34.0,
        20.0,
        (Segment("-aVR", 10.0, 35.0, 0.0), Segment("V2", 35.0, 60.0, 0.0)),
    ),
)
LAYOUT = PrintedLayout("2x1", 50.0, ROWS, simultaneous=True)


def _height_mm(x_mm):
    """The trace of all segments, above their row's line."""
    return 2.5 * np.sin(x_mm / 1.7)


@pytest.fixture
def pictures(tmp_path):
    """The page as a picture, and as what is known of it."""
    image = np.full((round(52 * SCALE), round(66 * SCALE), 3), 245, np.uint8)
    x_mm = np.arange(10.0, 60.0, 0.02)
    for row in ROWS:
        points = np.stack([x_mm, row.zero_y_mm - _height_mm(x_mm)], axis=-1)
        # OpenCV counts pixel centres from 0; 4 bits of a pixel.
        points = np.round((points * SCALE - 0.5) * 16).astype(np.int32)
        cv2.polylines(image, [points], False, (20, 20, 20), 4, cv2.LINE_AA, 4)
    path = tmp_path / "page.png"
    cv2.imwrite(str(path), image)
    signals_mv = np.full((len(LEADS), 500), np.nan)
    for row in ROWS:
        for segment in row.segments:
            sign = -1 if segment.lead.startswith("-") else 1
            lead = LEADS.index(segment.lead.removeprefix("-"))
            n_shown = round(segment.width_mm / 50 * 500)
            at_mm = segment.x_start_mm + 50 * np.arange(n_shown) / 500
            shown = sign * _height_mm(at_mm) / row.gain_mm_per_mv
            signals_mv[lead, :n_shown] = shown
    paper_map = PaperMap.from_homography(
        np.diag([SCALE, SCALE, 1.0]), (0, 0, 66, 52)
    )
    return Pictures(
        (Picture(str(path), paper_map, False, 0),),
        (None,),
        (known_page(LAYOUT, signals_mv),),
    )


@pytest.mark.parametrize("augment", [False, True])
def test_at_any_speed_and_gain_the_target_is_the_height_on_paper(
    pictures, augment
):
    for position in range(4):
        strips, targets = random_parts(
            pictures, N_COLUMNS, 1, position, augment
        )
        misses = []
        for strip, target in zip(strips, targets, strict=True):
            y = mv_pixels(target.reshape(-1, 2).mean(axis=1))
            columns = np.flatnonzero(np.isfinite(y))
            assert len(columns)
            near = np.arange(-9, 10)
            places = np.round(y[columns]).astype(int)[:, None] + near
            grey = strip.mean(axis=2)[places, columns[:, None]]
            dark = grey.max(axis=1, keepdims=True) - grey
            dark = np.clip(dark - dark.max(axis=1, keepdims=True) / 2, 0, None)
            found = (dark * places).sum(axis=1) / dark.sum(axis=1)
            misses.append(np.median(np.abs(found - y[columns])))
        # A pixel is 0.125 mm high; the line 2.3 of them.
        assert np.median(misses) < 0.5


def test_a_part_is_what_the_reader_sees_of_the_row(pictures):
    """Fine pictures are made smaller, then sampled, by both alike."""
    page = pictures.pages[0]
    place = not_finer_than(*read_on_paper(pictures.sources[0]))
    assert len(place[0]) < 52 * SCALE  # it was made smaller
    rows = [row_image(*place, row) for row in page.layout.rows]
    strips, targets = random_parts(pictures, N_COLUMNS, 1, 0, augment=False)
    for strip, target in zip(strips, targets, strict=True):
        seen = [
            (k, first)
            for k, row in enumerate(rows)
            for first in range(row.shape[1] - N_COLUMNS + 1)
            if np.array_equal(row[:, first], strip[:, 0])
            and np.array_equal(row[:, first : first + N_COLUMNS], strip)
        ]
        assert any(
            np.array_equal(
                page.rows_mv[k][2 * first : 2 * (first + N_COLUMNS)],
                target,
                equal_nan=True,
            )
            for k, first in seen
        )


def test_a_network_may_learn_where_the_other_rows_are(pictures):
    """Rows of the page are 14 mm apart: each is told of the other."""
    strips, targets = random_parts(pictures, N_COLUMNS, 1, 0, False, True)
    plain, same = random_parts(pictures, N_COLUMNS, 1, 0, False)
    np.testing.assert_array_equal(strips[..., :3], plain)
    np.testing.assert_array_equal(targets, same)
    lines = {int(mv_pixels(mv)) for mv in (1.4, -1.4)}
    found = {int(strip[:, 0, 3].argmax()) for strip in strips}
    assert len(found) == 2
    np.testing.assert_allclose(sorted(found), sorted(lines), atol=1)
    # In training they are about there, or are not told.
    marks = [
        random_parts(pictures, N_COLUMNS, 1, k, True, True)[0][:, :, 0, 3]
        for k in range(12)
    ]
    marks = np.concatenate(marks)
    told = marks.max(axis=1) > 200
    assert 0.6 < told.mean() < 0.97
    aside = np.abs(marks[told].argmax(axis=1) - STRIP_HEIGHT / 2)
    away = STRIP_HEIGHT / 2 - mv_pixels(1.4)
    assert np.median(aside) == pytest.approx(away, abs=3)
    assert 1 < np.ptp(aside) / 2 < 20


def test_a_trace_beyond_the_picture_is_no_target(pictures):
    """The picture ends at 30 mm, in the middle of a row."""
    path = pictures.sources[0].path
    cv2.imwrite(path, cv2.imread(path)[:, : round(30 * SCALE)])
    cut = random_parts(pictures, 640, 1, 0, augment=False)[1]
    # All of a row is 640 columns wide, and begins 3 mm before the trace.
    known = np.isfinite(cut)
    assert known.any(axis=1).all()
    assert not known[:, round((33 - 10 + 0.1) / 0.05) :].any()
    assert known[:, round(3.1 / 0.05) : round((33 - 10 - 0.1) / 0.05)].all()


def test_pages_of_any_maker_and_of_other_layouts_can_be_learnt_from(tmp_path):
    """The trace is darker than what is above and below, where targets say."""
    any_dir, layouts_dir = tmp_path / "any", tmp_path / "layouts"
    render_dataset(RenderConfig(str(any_dir), 2, variety="any", seed=4))
    render_dataset(
        RenderConfig(str(layouts_dir), 2, variety="layouts", maps=True, seed=3)
    )
    assert is_folder_of_pages(any_dir) and not is_folder_of_pages(layouts_dir)
    records = [*read_page_records(any_dir), *read_records(layouts_dir)]
    pictures = load_pictures(records)
    names = {page.layout.name for page in pictures.pages}
    assert len(pictures) == 4 and len(names) > 2
    for position in range(4):
        strips, targets = random_parts(pictures, N_COLUMNS, 0, position, False)
        here, aside = [], []
        for strip, target in zip(strips, targets, strict=True):
            y = mv_pixels(target.reshape(-1, 2).mean(axis=1))
            columns = np.flatnonzero((y > 20) & (y < 780))
            rows = np.round(y[columns]).astype(int)
            grey = strip.min(axis=2).astype(float)
            here += list(grey[rows, columns])
            aside += list(grey[rows - 9, columns])
        assert len(here) > 500
        assert np.median(here) < np.median(aside) - 20


def test_a_page_without_its_picture_is_reported(tmp_path):
    folder = tmp_path / "any"
    render_dataset(RenderConfig(str(folder), 2, variety="any", seed=4))
    first, second = read_page_records(folder)
    first.image_path.unlink()
    bad = {}
    assert read_page_records(folder, bad.__setitem__) == [second]
    assert list(bad) == [first.id]
    with pytest.raises(InputError, match=f"{first.id}.png.* does not exist"):
        read_page_records(folder)
    second.truth_path.write_text("{}")
    with pytest.raises(InputError, match="does not say where a page lies"):
        load_pictures([second])


@pytest.mark.parametrize(
    "layout",
    [COMPETITION, dataclasses.replace(OTHERS[2], speed_mm_per_s=50.0)],
    ids=lambda layout: layout.name,
)
def test_a_layout_of_the_page_in_px_is_the_same_print_in_mm(layout):
    again = Layout.from_dict(dataclasses.asdict(layout))
    assert again == layout
    printed = layout.printed()
    for index, row in enumerate(printed.rows):
        assert row.zero_y_mm == pytest.approx(layout.y_px(0, index) / PX_PER_MM)
        for column, segment in enumerate(row.segments):
            start, stop = layout.column_stretch(index, column, 5000)
            assert segment.lead == layout.rows[index][column]
            assert segment.time_start_s == pytest.approx(start / 500)
            ends_mm = [segment.x_start_mm, segment.x_end_mm]
            times_s = np.array([start, stop]) / 500
            np.testing.assert_allclose(
                ends_mm, layout.x_px(times_s) / PX_PER_MM
            )
