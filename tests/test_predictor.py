"""Loading models of every form, and what they answer."""

import json
import types

import keras
import numpy as np
import pytest
from PIL import Image

import ecg_keras
from ecg_keras.ecg.digitized import DigitizedEcg
from ecg_keras.errors import InputError
from ecg_keras.page.images import resize
from ecg_keras.predictor import PagePredictor, Predictor, refusal
from tests.models import build_judging, build_tiny


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two models as files; the second wants another size of image."""
    folder = tmp_path_factory.mktemp("models")
    build_tiny(0).save(folder / "a.keras")
    build_tiny(1, (32, 48)).save(folder / "b.keras")
    return folder


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (h, w, 3), np.uint8)
        for h, w in ((70, 90), (40, 56), (20, 30))
    ]


def test_a_file_answers_what_its_model_predicts(files, images):
    predictor = ecg_keras.load(files / "a.keras")
    model = keras.models.load_model(files / "a.keras", compile=False)
    pixels = np.stack([resize(image, 40, 56) for image in images])
    found = predictor.predict(images)
    assert found.shape == (3, 12, 5000) and found.dtype == np.float32
    np.testing.assert_allclose(
        found, model.predict(pixels, verbose=0), rtol=1e-4, atol=1e-5
    )
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_batches_file_names_and_arrays_answer_alike(files, images, tmp_path):
    predictor = ecg_keras.load(files / "a.keras")
    names = []
    for index, image in enumerate(images):
        names.append(tmp_path / f"{index}.png")
        Image.fromarray(image).save(names[-1])
    whole = predictor.predict(images, batch_size=2)
    np.testing.assert_allclose(
        predictor.predict(names, batch_size=3), whole, rtol=1e-4, atol=1e-5
    )
    alone = predictor.predict(np.stack(images[:1]))
    np.testing.assert_allclose(alone, whole[:1], rtol=1e-4, atol=1e-5)


def test_an_ensemble_averages_models_of_different_sizes(files, images):
    one, two = (ecg_keras.load(files / f"{n}.keras") for n in "ab")
    both = ecg_keras.load([files / "a.keras", files / "b.keras"])
    np.testing.assert_allclose(
        both.predict(images),
        (one.predict(images) + two.predict(images)) / 2,
        rtol=1e-4,
        atol=1e-5,
    )
    with pytest.raises(InputError, match=r"one image size.*\(32, 48\)"):
        _ = both.model


def test_an_ensemble_of_one_size_is_one_model(files, images, tmp_path):
    build_tiny(2).save(tmp_path / "c.keras")
    both = ecg_keras.load([files / "a.keras", tmp_path / "c.keras"])
    both.model.save(tmp_path / "joined.keras")
    joined = ecg_keras.load(tmp_path / "joined.keras")
    np.testing.assert_allclose(
        joined.predict(images), both.predict(images), rtol=1e-4, atol=1e-5
    )


class _Brightness:
    """Answers an image's mean; finds a layout in images of one side of 100."""

    input_shape = (None, 40, 56, 3)

    def __init__(self, reads_bright):
        self.reads_bright = reads_bright

    def predict_on_batch(self, images):
        mean = images.mean(axis=(1, 2, 3))
        signals = np.tile(mean[:, None, None], (1, 12, 5000))
        if self.reads_bright:
            found = 0.8 * (mean > 100) + 0.1
        else:
            found = 0.9 * (mean < 100) + 0.0
        return {
            "signals": signals if self.reads_bright else -signals,
            "std_mv": np.zeros_like(signals),
            "layout_found": found.astype(np.float32),
        }


class _Pages:
    """Stands for a page reader: its answers in turn."""

    def __init__(self, *answers):
        self.answers = iter(answers)

    def read(self, image):
        return types.SimpleNamespace(digitized=next(self.answers))


def digitized(n_samples, quality="good", reasons=()):
    signals = np.full((12, n_samples), 0.5, np.float32)
    signals[3, 10:] = np.nan
    return DigitizedEcg(signals, signals, quality=quality, reasons=reasons)


PAGES = np.zeros((3, 40, 56, 3), np.uint8)


def test_the_reader_answers_as_the_competition_wants_it():
    """10 s, 0 where nothing is shown, whatever a page shows."""
    reading = PagePredictor(
        _Pages(
            digitized(2500),
            digitized(6000, "doubtful", ("the map is not sure",)),
            digitized(0, "refused", ("no grid was found",)),
        )
    ).read(PAGES)
    assert reading.signals_mv.shape == reading.std_mv.shape == (3, 12, 5000)
    shown = (reading.signals_mv == 0.5).sum(axis=-1)
    assert shown[:, 0].tolist() == [2500, 5000, 0]
    assert shown[:, 3].tolist() == [10, 10, 0]
    assert np.isnan(reading.std_mv[0, 0, 2500:]).all()
    assert reading.quality == ("good", "doubtful", "refused")
    assert reading.refused.tolist() == [False, False, True]
    assert reading.refusals(["a", "b", "c.png"]) == {
        2: "c.png was not read: no grid was found"
    }


def test_predict_refuses_by_name_what_the_reader_refuses():
    reader = PagePredictor(
        _Pages(*[digitized(0, "refused", ("no grid was found",))] * 3)
    )
    with pytest.raises(InputError, match="an image was not read: no grid"):
        reader.predict(PAGES)
    with pytest.raises(InputError, match="no images were given"):
        reader.read([])


def test_what_a_model_refuses_predict_refuses_by_name():
    reader = Predictor([_Brightness(reads_bright=True)], "bright")
    reading = reader.read([np.full((40, 56, 3), 100, np.uint8)])
    assert reading.refused[0] and reading.read_by[0] == "bright"
    assert reading.quality == ("refused",)
    with pytest.raises(InputError, match="an image does not look like"):
        reader.predict([np.full((40, 56, 3), 100, np.uint8)])


class _Regressor:
    """Reads anything as 5 mV and judges nothing."""

    input_shape = (None, 40, 56, 3)

    def predict_on_batch(self, images):
        return np.full((len(images), 12, 5000), 5.0, np.float32)


@pytest.mark.parametrize("order", [1, -1])
def test_an_ensemble_refuses_what_a_member_that_judges_refuses(order):
    members = [_Brightness(reads_bright=True), _Regressor()][::order]
    pages = [np.full((40, 56, 3), value, np.uint8) for value in (200, 10)]
    reading = Predictor(members).read(pages)
    assert list(reading.refused) == [False, True]
    np.testing.assert_allclose(reading.layout_found, [0.9, 0.1], rtol=1e-6)
    np.testing.assert_allclose(reading.signals_mv[:, 0, 0], [102.5, 7.5])
    # The deviation of those members that give one.
    assert np.all(reading.std_mv == 0)
    alone = Predictor([_Regressor(), _Regressor()]).read(pages)
    assert not alone.refused.any() and np.isnan(alone.std_mv).all()


def test_two_members_that_judge_refuse_what_either_refuses():
    members = [_Brightness(reads_bright=value) for value in (True, False)]
    pages = [np.full((40, 56, 3), value, np.uint8) for value in (200, 10)]
    reading = Predictor(members).read(pages)
    assert reading.refused.all()
    np.testing.assert_allclose(reading.layout_found, [0.0, 0.1], rtol=1e-6)


def test_an_ensemble_in_one_model_keeps_what_its_members_say(images):
    members = [build_judging(0), build_judging(1), build_tiny(2)]
    apart = Predictor(members)
    joined = Predictor([apart.model])
    one, other = apart.read(images), joined.read(images)
    assert one.layout_found.std() > 1e-3 and not np.isnan(one.std_mv).any()
    for name in ("signals_mv", "std_mv", "layout_found"):
        np.testing.assert_allclose(
            getattr(other, name), getattr(one, name), rtol=1e-4, atol=1e-5
        )


def test_a_refusal_names_the_image_and_the_pages_that_are_read():
    """It advises no flag: it is said under every model and command."""
    said = refusal("a/b.png")
    assert said.startswith("a/b.png ") and "--" not in said
    for word in ("3x4", "rhythm strip", "25 mm/s", "10 mm/mV"):
        assert word in said


def test_the_reader_is_no_single_model_and_no_member(files):
    reader = ecg_keras.load()
    with pytest.raises(InputError, match="tracer or photo_tracer"):
        _ = reader.model
    with pytest.raises(InputError, match="expected reader alone.*a.keras"):
        ecg_keras.load(["reader", files / "a.keras"])


def test_importing_the_package_offers_load_and_nothing_unknown():
    assert callable(ecg_keras.load)
    with pytest.raises(AttributeError, match="lode"):
        _ = ecg_keras.lode


@pytest.mark.parametrize(
    "image, message",
    [
        (np.zeros((40, 50), np.uint8), r"\(H, W, 3\).*\(40, 50\)"),
        (np.zeros((40, 50, 3), np.float32), "uint8.*float32"),
    ],
)
def test_arrays_that_are_no_rgb_image_are_refused(files, image, message):
    with pytest.raises(InputError, match=message):
        ecg_keras.load(files / "a.keras").predict([image])


def test_no_images_and_a_bare_name_are_refused(files):
    predictor = ecg_keras.load(files / "a.keras")
    with pytest.raises(InputError, match="no images"):
        predictor.predict([])
    with pytest.raises(TypeError, match="list of images"):
        predictor.predict("page.png")


def test_what_is_no_model_is_refused_by_name(files, tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        ecg_keras.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no model.*best_model.keras"):
        ecg_keras.load(tmp_path)
    cut = tmp_path / "cut.keras"
    cut.write_bytes((files / "a.keras").read_bytes()[:5000])
    with pytest.raises(InputError, match="cut.keras is no model"):
        ecg_keras.load(cut)
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(other)
    with pytest.raises(InputError, match=r"other.keras.*\(12, 5000\)"):
        ecg_keras.load(other)


def _export(folder, models, **changes):
    folder.mkdir()
    data = (models / "a.keras").read_bytes()
    (folder / "model.keras").write_bytes(data)
    summary = {
        "export_version": 1,
        "ecg_keras": "0.1.0",
        "files": {"model.keras": {"bytes": len(data)}},
        **changes,
    }
    (folder / "export.json").write_text(json.dumps(summary))
    return folder


def test_an_export_of_another_version_or_length_is_refused(files, tmp_path):
    ecg_keras.load(_export(tmp_path / "good", files))
    newer = _export(tmp_path / "new", files, export_version=7, ecg_keras="9.0")
    with pytest.raises(InputError, match="ecg_keras 9.0 as version 7"):
        ecg_keras.load(newer)
    cut = {"model.keras": {"bytes": 10**7}}
    with pytest.raises(InputError, match="expected 10000000: it is incomplete"):
        ecg_keras.load(_export(tmp_path / "cut", files, files=cut))
    bare = _export(tmp_path / "bare", files)
    (bare / "export.json").unlink()
    with pytest.raises(InputError, match="export.json is no summary"):
        ecg_keras.load(bare)
