"""The `digitize` command: files for each image, and every bad image."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ecg_keras.commands.digitize import DigitizeConfig, digitize
from ecg_keras.ecg.leads import LEADS, printed_mask
from ecg_keras.ecg.signal_files import deviations_table, signals_table
from ecg_keras.errors import InputError
from ecg_keras.predictor import Predictor, load
from tests.models import build_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "a.keras"
    build_tiny().save(path)
    return str(path)


@pytest.fixture
def page(tmp_path):
    return _save(tmp_path / "page.png")


def _save(path, seed=0, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (50, 70, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return str(path)


def _config(file, images, tmp_path, **changes):
    settings = {"model": (file,), "output_dir": str(tmp_path / "out")}
    return DigitizeConfig(tuple(images), **{**settings, **changes})


def test_a_csv_holds_what_the_page_prints(model, page, tmp_path):
    assert digitize(_config(model, [page], tmp_path)) == ["page"]
    table = pd.read_csv(tmp_path / "out" / "page.csv")
    assert list(table) == ["time_s", *LEADS]
    np.testing.assert_allclose(table["time_s"], np.arange(5000) / 500)
    found = table[list(LEADS)].to_numpy().T
    np.testing.assert_array_equal(np.isfinite(found), printed_mask() > 0)
    expected = load(model).predict([page])[0]
    shown = printed_mask() > 0
    np.testing.assert_allclose(found[shown], expected[shown], atol=1e-5)
    assert (tmp_path / "out" / "page.png").stat().st_size > 10_000


# wfdb's own use of pandas.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_parquet_wfdb_and_another_rate(model, page, tmp_path):
    import wfdb

    digitize(
        _config(
            model, [page], tmp_path, rate_hz=250, format=("parquet", "wfdb")
        )
    )
    table = pd.read_parquet(tmp_path / "out" / "page.parquet")
    assert len(table) == 2500 and table["time_s"].iloc[1] == 0.004
    record = wfdb.rdrecord(str(tmp_path / "out" / "page_wfdb" / "page"))
    assert record.fs == 250 and record.sig_name == list(LEADS)
    assert set(record.units) == {"mV"}
    np.testing.assert_allclose(
        record.p_signal, table[list(LEADS)].to_numpy(), atol=6e-4
    )
    assert not (tmp_path / "out" / "page.csv").exists()


@pytest.mark.parametrize("rate_hz", [250, 500, 512, 1000, 1025])
def test_deviations_lie_between_the_models_own_at_any_rate(rate_hz):
    """They jump where a trace becomes unclear, which must not ring below 0."""
    rng = np.random.default_rng(0)
    std_mv = np.where(rng.random((12, 5000)) < 0.01, 1.0, 0.006)
    std_mv[:, 2000:] = 1.0
    table = deviations_table(std_mv, rate_hz)
    assert list(table) == [f"std_mv_{lead}" for lead in LEADS]
    assert len(table) == 10 * rate_hz
    printed = table.notna().to_numpy()
    signals = signals_table(std_mv, rate_hz)[list(LEADS)]
    np.testing.assert_array_equal(printed, signals.notna().to_numpy())
    found = table.to_numpy()[printed]
    assert found.min() == np.float32(0.006) and found.max() == 1
    row = rate_hz // 5  # 0.2 s, where both grids have a sample
    np.testing.assert_allclose(table["std_mv_II"][row], std_mv[1, 100])


def test_std_adds_a_column_for_each_lead(model, page, tmp_path, monkeypatch):
    read = Predictor.read
    monkeypatch.setattr(
        Predictor,
        "read",
        lambda self, images: dataclasses.replace(
            read(self, images), std_mv=np.full((1, 12, 5000), 0.25)
        ),
    )
    digitize(
        _config(model, [page], tmp_path, std=True, rate_hz=250, picture=False)
    )
    table = pd.read_csv(tmp_path / "out" / "page.csv")
    names = [f"std_mv_{lead}" for lead in LEADS]
    assert list(table) == ["time_s", *LEADS, *names]
    np.testing.assert_array_equal(
        table[names].isna(), table[list(LEADS)].isna()
    )
    assert set(np.unique(table[names].stack().dropna())) == {0.25}


def test_images_of_one_record_are_averaged(model, page, tmp_path):
    other = _save(tmp_path / "other.png", seed=1)
    config = _config(model, [page, other], tmp_path, average_images=True)
    assert digitize(config) == ["page"]
    found = pd.read_csv(tmp_path / "out" / "page.csv")["II"]
    expected = load(model).predict([page, other]).mean(axis=0)
    np.testing.assert_allclose(found, expected[1], atol=2e-5)


def test_every_kind_of_image_is_digitized(model, tmp_path):
    """Grey, RGBA, 16 bit, palette, CMYK, turned by EXIF."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 70, 3), np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = {
        "grey.png": image.convert("L"),
        "rgba.png": image.convert("RGBA"),
        "deep.png": Image.fromarray(pixels[..., 0].astype(np.uint16) * 256),
        "palette.png": image.quantize(32),
        "cmyk.jpg": image.convert("CMYK"),
    }
    names = []
    for name, kind in kinds.items():
        kind.save(tmp_path / name)
        names.append(str(tmp_path / name))
    image.save(tmp_path / "turned.jpg", exif=exif)
    names.append(str(tmp_path / "turned.jpg"))
    done = digitize(_config(model, names, tmp_path, picture=False))
    assert done == ["grey", "rgba", "deep", "palette", "cmyk", "turned"]


def _text(path):
    path.write_text("this is text")


def _small(path):
    Image.new("RGB", (3, 3)).save(path)


def _cut(path):
    _save(path)
    path.write_bytes(path.read_bytes()[:800])


def _huge(path):
    # 20,000 x 20,000 px, as a header that promises them.
    Image.new("1", (20_000, 20_000)).save(path)


@pytest.mark.parametrize(
    "damage, message",
    [
        (_text, "no image"),
        (_small, "3 x 3 px"),
        (_cut, "damaged or cut off"),
        (_huge, "too many pixels"),
        (lambda path: None, "does not exist"),
    ],
)
def test_a_bad_image_is_refused_by_name_or_skipped(
    model, page, tmp_path, capsys, damage, message
):
    bad = tmp_path / "bad.png"
    damage(bad)
    with pytest.raises(InputError, match=f"bad.png.*{message}"):
        digitize(_config(model, [str(bad), page], tmp_path))
    assert not (tmp_path / "out" / "bad.csv").exists()
    done = digitize(
        _config(model, [str(bad), page], tmp_path, skip_bad_images=True)
    )
    assert done == ["page"]
    assert "left out:" in capsys.readouterr().out
    with pytest.raises(InputError, match="none of the images"):
        digitize(
            _config(
                model,
                [str(bad)],
                tmp_path,
                skip_bad_images=True,
                overwrite=True,
            )
        )


def test_files_are_never_overwritten_unasked(model, page, tmp_path):
    digitize(_config(model, [page], tmp_path, picture=False))
    with pytest.raises(InputError, match="page.csv exists.*--overwrite"):
        digitize(_config(model, [page], tmp_path, picture=False))
    digitize(_config(model, [page], tmp_path, picture=False, overwrite=True))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": ()}, "no model was given"),
        ({"output_dir": None}, "--output-dir is missing"),
        ({"rate_hz": 5}, "--rate-hz of 50 or more.*5"),
    ],
)
def test_missing_settings_are_named(model, page, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        digitize(_config(model, [page], tmp_path, **changes))


def test_two_images_of_one_stem_are_refused_by_name(model, page, tmp_path):
    (tmp_path / "sub").mkdir()
    twin = _save(tmp_path / "sub" / "page.png")
    with pytest.raises(InputError, match="page.png and .*sub/page.png"):
        digitize(_config(model, [page, twin], tmp_path))


def test_a_folder_that_cannot_be_written_is_an_error(model, page, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is a file"):
        digitize(_config(model, [page], tmp_path, output_dir=tmp_path / "file"))
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("root may write everywhere")
    with pytest.raises(OSError, match="locked"):
        digitize(_config(model, [page], tmp_path, output_dir=str(locked / "d")))
