import json

import keras
import numpy as np
import pytest

from ecg_keras.errors import InputError
from ecg_keras.models import backbone
from tests.tiny import TINY_ENCODER


@pytest.fixture
def preset(tiny_encoder, tmp_path):
    """Folder with weights of the tiny encoder, as save_to_preset writes it."""
    keras.utils.set_random_seed(1)
    _, encoder = backbone.build_encoder("tiny", "none")
    encoder.save_to_preset(tmp_path / "tiny_preset")
    return tmp_path / "tiny_preset"


def test_weights_load_from_a_preset_folder(preset):
    keras.utils.set_random_seed(2)
    normalisation, loaded = backbone.build_encoder("tiny", str(preset))
    _, again = backbone.build_encoder("tiny", str(preset))
    _, random = backbone.build_encoder("tiny", "none")
    image = normalisation(np.full((1, 32, 32, 3), 120.0, "float32"))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(loaded(image)),
        keras.ops.convert_to_numpy(again(image)),
    )
    assert np.abs(loaded.get_weights()[0] - random.get_weights()[0]).max() > 0


def test_imagenet_weights_are_found_where_models_are_attached(
    preset, tmp_path, monkeypatch
):
    attached = tmp_path / "input/efficientnet/keras" / TINY_ENCODER.preset
    attached.mkdir(parents=True)
    preset.rename(attached / "2")
    monkeypatch.setenv(backbone.PRESETS_VARIABLE, str(tmp_path / "input"))
    found = backbone.find_attached_preset(TINY_ENCODER.preset)
    assert found == str(attached / "2")
    backbone.build_encoder("tiny", "imagenet")


def test_a_preset_brings_its_own_normalisation(preset):
    import keras_hub

    converter = keras_hub.layers.ImageConverter(
        image_size=(32, 32), scale=[0.5, 0.25, 1.0], offset=[1.0, 2.0, 3.0]
    )
    converter.save_to_preset(preset)
    normalisation, _ = backbone.build_encoder("tiny", str(preset))
    values = normalisation(np.full((1, 1, 1, 3), 8.0, "float32"))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(values).ravel(), [5.0, 4.0, 11.0]
    )


def test_normalisation_defaults_to_that_of_imagenet(tiny_encoder):
    normalisation, _ = backbone.build_encoder("tiny", "none")
    pixels = 255 * np.array(backbone.IMAGENET_MEAN, "float32")
    values = normalisation(pixels.reshape(1, 1, 1, 3))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(values), 0.0, atol=1e-5
    )


def test_weights_of_another_encoder_are_refused(preset):
    with pytest.raises(InputError, match="another encoder.*efficientnet_b0"):
        backbone.build_encoder("efficientnet_b0", str(preset))


def test_a_folder_that_is_no_preset_is_refused(tiny_encoder, tmp_path):
    with pytest.raises(InputError, match="no keras-hub preset"):
        backbone.build_encoder("tiny", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="no keras-hub preset"):
        backbone.build_encoder("tiny", str(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        backbone.build_encoder("tiny", str(tmp_path / "missing"))


def test_truncated_weights_are_refused_by_name(preset):
    weights = preset / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(InputError, match="tiny_preset.*cannot be read"):
        backbone.build_encoder("tiny", str(preset))


def test_an_offline_machine_is_told_which_preset_to_attach(
    tiny_encoder, tmp_path, monkeypatch
):
    import keras_hub

    def offline(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(
        keras_hub.models.EfficientNetBackbone, "from_preset", offline
    )
    monkeypatch.setenv(backbone.PRESETS_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=f"attach.*{TINY_ENCODER.preset}"):
        backbone.build_encoder("tiny", "imagenet")


def test_an_unknown_encoder_is_named_with_those_that_exist():
    with pytest.raises(InputError, match="efficientnet_b2.*vgg"):
        backbone.find_encoder("vgg")
