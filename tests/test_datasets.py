"""The TFDS builder: what it stores, and training from it."""

import numpy as np
import pytest

tfds = pytest.importorskip("tensorflow_datasets")

from ecg_keras.data.tfds_folder import unpack_tfds  # noqa: E402
from ecg_keras.datasets.ecg_pages.ecg_pages_dataset_builder import (  # noqa: E402
    Builder,
    PagesConfig,
)
from ecg_keras.drawing.folder import RenderConfig  # noqa: E402
from ecg_keras.ecg.records import read_records, read_signals  # noqa: E402
from ecg_keras.errors import InputError  # noqa: E402
from ecg_keras.page.images import read_image  # noqa: E402
from tests.folders import write_folder  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    write_folder(folder, 4, ("0001", "0005"), (500, 256))
    return folder


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    builder = Builder(data_dir=tmp_path_factory.mktemp("tfds"), config="folder")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=source)
    )
    return builder


def test_splits_are_by_record(built):
    seen = {
        split: {e["id"] for e in tfds.as_numpy(built.as_dataset(split))}
        for split in ("train", "validation")
    }
    assert len(seen["train"] | seen["validation"]) == 4
    assert not seen["train"] & seen["validation"]
    counts = [built.info.splits[s].num_examples for s in seen]
    assert sum(counts) == 8


def test_examples_hold_what_the_folder_holds(built, source):
    records = {r.id: r for r in read_records(source, ("all",))}
    kinds = built.info.features["type"]
    for example in tfds.as_numpy(built.as_dataset("train")):
        record = records[example["id"].decode()]
        kind = kinds.int2str(int(example["type"]))
        image = read_image(record.image_paths[kind])
        np.testing.assert_array_equal(example["image"], image)
        signals_mv, printed = read_signals(record)
        np.testing.assert_allclose(example["signals"], signals_mv, atol=1e-6)
        np.testing.assert_array_equal(example["printed"], printed)
        assert example["fs"] == record.rate_hz


def test_unpacking_gives_the_same_records(built, source, tmp_path):
    data_dir, split = unpack_tfds(str(built.data_dir), tmp_path)
    ids = {r.id: r for r in read_records(source, ("all",))}
    again = {r.id: r for r in read_records(data_dir, ("all",))}
    assert set(again) == set(ids) == {*split["training"], *split["validation"]}
    for record_id, record in again.items():
        first, _ = read_signals(ids[record_id])
        second, _ = read_signals(record)
        # Files hold 3 decimals, and rates other than 500 Hz were resampled.
        assert np.abs(first - second).max() < 0.02
        for kind, path in record.image_paths.items():
            np.testing.assert_array_equal(
                read_image(path), read_image(ids[record_id].image_paths[kind])
            )


def test_pages_are_drawn_on_the_fly(tmp_path):
    render = RenderConfig(records=2, images=("0001", "0004"), seed=3)
    config = PagesConfig(name="two", render=render)
    builder = Builder(data_dir=tmp_path, config=config)
    builder.download_and_prepare()
    examples = list(tfds.as_numpy(builder.as_dataset("train")))
    assert {e["image"].shape[0] for e in examples} == {1700, 1652}


def test_a_dataset_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="--tfds no_such_dataset"):
        unpack_tfds("no_such_dataset", tmp_path)
