"""The cache of decoded pages, and what a training stream holds."""

import os

import cv2
import numpy as np
import pytest

from ecg_keras.data.augmentation import augment_page
from ecg_keras.data.page_batches import (
    load_pages,
    ordered_batches,
    steps_per_epoch,
    training_batches,
)
from ecg_keras.data.page_cache import cache_path, cache_size_bytes, is_cached
from ecg_keras.ecg.records import read_records, read_signals
from ecg_keras.errors import InputError
from ecg_keras.page.images import read_resized
from tests.folders import write_folder

SIZE = (16, 24)


@pytest.fixture
def records(tmp_path):
    write_folder(tmp_path, n_records=5, types=("0001", "0005"))
    return read_records(tmp_path, ("0001", "0005"))


@pytest.fixture
def pages(records, tmp_path):
    return load_pages(records, SIZE, tmp_path / "cache")


def _take(batches, n):
    return [(x.numpy(), y.numpy()) for x, y in batches.take(n)]


def _indices(pages, batches):
    """Which page each image of some batches is."""
    known = {
        image.tobytes(): index
        for index, image in enumerate(
            np.concatenate([x for x, _ in ordered_batches(pages, 3)])
        )
    }
    return [known[image.tobytes()] for x, _ in batches for image in x]


def test_every_image_of_a_record_comes_with_its_signals(pages, records):
    assert len(pages) == 10
    images, targets = _take(ordered_batches(pages, 10), 1)[0]
    path = records[2].image_paths["0005"]
    np.testing.assert_array_equal(images[5], read_resized(path, *SIZE))
    signals, printed = read_signals(records[2])
    for target in targets[4:6]:
        np.testing.assert_array_equal(np.isnan(target), printed == 0)
        np.testing.assert_array_equal(np.nan_to_num(target), signals)


def test_ordered_batches_hold_all_pages_once(pages):
    batches = _take(ordered_batches(pages, 4), 9)
    assert [len(x) for x, _ in batches] == [4, 4, 2]
    assert _indices(pages, batches) == list(range(10))


def test_every_epoch_has_another_order_of_all_pages(pages):
    stream = _take(training_batches(pages, 5, 7, augment=False), 4)
    first, second = _indices(pages, stream[:2]), _indices(pages, stream[2:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_no_page_comes_twice_in_an_epoch_with_a_remainder(pages):
    n_steps = steps_per_epoch(pages, 4)
    assert n_steps == 2
    seen = set()
    stream = training_batches(pages, 4, 1, augment=False)
    for epoch in np.split(np.array(_indices(pages, _take(stream, 20))), 10):
        assert len(set(epoch)) == 8
        seen |= set(epoch)
    assert seen == set(range(10))


def test_a_stream_that_starts_later_goes_on_as_the_whole_one(pages):
    whole = _take(training_batches(pages, 4, 3), 6)
    later = _take(training_batches(pages, 4, 3, first_epoch=2), 2)
    for (x, y), (other_x, other_y) in zip(whole[4:], later, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)


def test_another_seed_gives_another_stream(pages):
    one, same, other = (
        _take(training_batches(pages, 10, seed), 1)[0][0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_batch_larger_than_the_data_is_refused(pages):
    with pytest.raises(InputError, match="--batch-size 11 .* 10 images"):
        training_batches(pages, 11, 0)


def test_augmentation_varies_light_and_moves_a_page_by_little():
    image = np.full((200, 300, 3), 255, np.uint8)
    cv2.circle(image, (40, 40), 10, (0, 0, 0), -1)
    places = []
    for seed in range(20):
        found = augment_page(image, (seed, 0))
        assert found.shape == image.shape and found.dtype == np.uint8
        y, x = np.nonzero(found[..., 0] < 100)
        places.append((x.mean(), y.mean()))
        np.testing.assert_array_equal(found, augment_page(image, (seed, 0)))
    moved = np.linalg.norm(np.array(places) - 40, axis=1)
    # 1.5 degrees about a centre that is 125 px away.
    assert 1 < moved.max() < 3.4


def test_an_interrupted_entry_of_the_cache_is_written_again(records, tmp_path):
    source = records[0].image_paths["0001"]
    load_pages(records, SIZE, tmp_path / "c")
    entry = cache_path(source, SIZE, tmp_path / "c")
    assert cache_size_bytes(records, SIZE, tmp_path / "c") == 0
    whole, stat = entry.read_bytes(), entry.stat()
    entry.write_bytes(whole[:-1])
    os.utime(entry, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    assert not is_cached(source, SIZE, tmp_path / "c")
    assert cache_size_bytes(records, SIZE, tmp_path / "c") == len(whole)
    load_pages(records, SIZE, tmp_path / "c")
    assert entry.read_bytes() == whole


def test_an_entry_of_a_changed_image_is_written_again(records, tmp_path):
    source = records[0].image_paths["0001"]
    load_pages(records, SIZE, tmp_path / "c")
    cv2.imwrite(str(source), np.full((20, 30, 3), 9, np.uint8))
    pages = load_pages(records, SIZE, tmp_path / "c")
    images, _ = _take(ordered_batches(pages, 1), 1)[0]
    assert (images == 9).all()


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_a_damaged_image_is_refused_by_name_or_skipped(
    records, tmp_path, content
):
    records[1].image_paths["0005"].write_bytes(content)
    with pytest.raises(InputError, match="001-0005.png"):
        load_pages(records, SIZE, tmp_path / "c")
    bad = {}
    pages = load_pages(records, SIZE, tmp_path / "c", bad.__setitem__)
    assert list(bad) == ["001"] and len(pages) == 9
    assert pages.record_of_image.tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 4]


def test_nothing_left_to_read_is_an_error(records, tmp_path):
    for record in records:
        record.signals_path.write_text("nothing")
    with pytest.raises(InputError, match="no record is left"):
        load_pages(records, SIZE, tmp_path, lambda *bad: None)
