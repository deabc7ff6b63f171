"""Pictures to learn from: their maps at any size, and what need not be read."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import tensorflow as tf

from ecg_keras.data import tensorflow_devices
from ecg_keras.data.augmentation import vary_light
from ecg_keras.data.cell_batches import load_small_pictures
from ecg_keras.data.pictures import find_pictures, load_pictures, read_picture
from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.ecg.records import read_records
from ecg_keras.errors import InputError
from ecg_keras.page.page_map import PageMap

# A dot on the page, and pictures of it: as large as the page, and smaller.
DOT_PX = (1500.0, 400.0)
SIZES = [(1700, 2200), (850, 1100), (680, 1320)]


def _write_dot(path, height, width):
    """A black picture of the page with a white dot."""
    page = np.zeros((1700, 2200, 3), np.uint8)
    x, y = (int(value) for value in DOT_PX)
    page[y - 8 : y + 8, x - 8 : x + 8] = 255
    size = (width, height)
    picture = cv2.resize(page, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), picture)


def _record(folder, image_type="0001"):
    """A record of one image, without signals."""

    @dataclasses.dataclass
    class Record:
        id: str
        image_paths: dict

    return Record("7", {image_type: folder / f"7-{image_type}.png"})


@pytest.mark.parametrize("height, width", SIZES)
@pytest.mark.parametrize("with_map", [False, True])
def test_a_picture_of_any_size_shows_a_point_where_its_map_says(
    tmp_path, height, width, with_map
):
    record = _record(tmp_path)
    (path,) = record.image_paths.values()
    _write_dot(path, height, width)
    if with_map:
        page_map = PageMap.identity().scaled(width / 2200, height / 1700)
        path.with_suffix(".json").write_text(json.dumps(page_map.to_dict()))
    (picture,) = find_pictures(record)
    image, page_map = read_picture(picture)
    assert image.shape == (1700, 2200, 3)
    y, x = np.nonzero(image[..., 0] > 127)
    found = (x.mean() + 0.5, y.mean() + 0.5)
    # The dot is 16 px wide, a pixel of the smallest picture 2.5.
    np.testing.assert_allclose(
        page_map.to_picture(np.array(DOT_PX)), found, atol=0.8
    )


def test_the_layout_beside_a_map_says_whether_a_page_can_be_read(tmp_path):
    render_dataset(
        RenderConfig(str(tmp_path / "pages"), 1, rate_hz=(500,), maps=True)
    )
    (record,) = read_records(tmp_path / "pages")
    path = record.image_paths["0001"].with_suffix(".json")
    assert [picture.readable for picture in find_pictures(record)] == [True]
    values = json.loads(path.read_text())
    for name, value in (("speed_mm_per_s", 50.0), ("name", "6x2")):
        layout = values["layout"] | {name: value}
        path.write_text(json.dumps(values | {"layout": layout}))
        (picture,) = find_pictures(record)
        assert not picture.readable
    path.write_text("{}")
    with pytest.raises(InputError, match="0001.json is no map of a page"):
        find_pictures(record)


def test_a_photo_without_a_map_is_refused(tmp_path):
    with pytest.raises(InputError, match="7-0005.json does not exist.*--maps"):
        find_pictures(_record(tmp_path, "0005"))


@pytest.fixture
def two_pages(tmp_path):
    render_dataset(RenderConfig(str(tmp_path / "pages"), 2, rate_hz=(500,)))
    return read_records(tmp_path / "pages")


def test_networks_that_find_the_page_need_no_signals(two_pages):
    for record in two_pages:
        record.signals_path.write_text("no table")
    assert load_small_pictures(two_pages).images.shape == (2, 213, 275, 3)
    with pytest.raises(InputError, match="csv"):
        load_pictures(two_pages)


def test_a_damaged_picture_is_left_out_and_reported(two_pages):
    path = two_pages[0].image_paths["0001"]
    path.write_bytes(path.read_bytes()[:1000])
    bad = {}
    pictures = load_small_pictures(two_pages, bad.__setitem__)
    assert len(pictures) == 1 and len(pictures.maps) == 1
    assert list(bad) == [two_pages[0].id]
    assert "0001.png is damaged or cut off" in bad[two_pages[0].id]
    with pytest.raises(InputError, match="0001.png is damaged or cut off"):
        load_small_pictures(two_pages)
    with pytest.raises(InputError, match="no record is left"):
        load_small_pictures(two_pages[:1], bad.__setitem__)


def test_varying_the_light_moves_nothing():
    """Centroids of dark dots on light paper, before and after."""
    image = np.full((120, 160, 3), 230, np.uint8)
    for x in range(20, 160, 30):
        cv2.circle(image, (x, 2 * x % 100 + 10), 4, (40, 40, 40), -1)

    def centroids(picture):
        dark = picture.mean(axis=2)
        dark = (dark < (dark.min() + dark.max()) / 2).astype(np.uint8)
        *_, found = cv2.connectedComponentsWithStats(dark)
        return found[np.lexsort(found.T)]

    for seed in range(20):
        varied = vary_light(image, np.random.default_rng(seed))
        assert (varied != image).any()
        np.testing.assert_allclose(
            centroids(varied), centroids(image), atol=0.3
        )


@pytest.mark.skipif(
    tensorflow_devices.keras.backend.backend() == "tensorflow",
    reason="the GPU is TensorFlow's",
)
def test_a_gpu_that_tensorflow_took_before_is_an_error_with_words(monkeypatch):
    def too_late(devices, kind):
        raise RuntimeError("Visible devices cannot be modified")

    monkeypatch.setattr(tf.config, "set_visible_devices", too_late)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU"])
    with pytest.raises(InputError, match="TensorFlow has taken the GPU"):
        tensorflow_devices.keep_off_the_accelerator()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    tensorflow_devices.keep_off_the_accelerator()
