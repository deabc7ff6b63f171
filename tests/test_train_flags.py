"""train.py's command line: each model has its own flags; what resume keeps."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ecg_keras.errors import InputError
from ecg_keras.settings import save_json
from ecg_keras.training.config import (
    FIELDS,
    MODELS,
    TrainConfig,
    check_config,
    check_used,
    memory_advice,
    parse_train_flags,
    resumed_config,
    with_defaults,
)

ROOT = Path(__file__).parents[1]


def _parse(*argv):
    return parse_train_flags("", argv)


def _help(capsys, *argv):
    with pytest.raises(SystemExit):
        _parse(*argv, "--help")
    return capsys.readouterr().out


def test_help_shows_the_flags_of_the_model_that_is_asked_for(capsys):
    frame, rows = _help(capsys, "--model", "frame"), None
    assert "--tracer-steps" in frame and "--batch-size" in frame
    for other in ("--freeze-encoder-epochs", "--image-size", "--no-augment"):
        assert other not in frame
    rows = _help(capsys, "--model=tracer")
    assert "--tracer-columns" in rows and "--encoder" not in rows
    regressor = _help(capsys)
    assert "--encoder" in regressor and "--tracer-steps" not in regressor
    assert "flags of --model regressor" in regressor


def test_help_loads_neither_keras_nor_a_backend():
    """What makes it answer at once: seconds depend on the machine."""
    code = (
        "import sys; sys.argv = ['train.py', '--model', 'frame', '--help']\n"
        "import train\n"
        "try: train.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'keras', 'jax', 'torch', 'tensorflow', 'pandas', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--tracer-steps" in done.stdout


@pytest.mark.parametrize(
    "argv, message",
    [
        ("--freeze-encoder-epochs 5", "--freeze-encoder-epochs is not used by"),
        ("--no-augment", "--augment is not used by --model frame, only by"),
        ("--image-size 512 512", "--image-size .* only by regressor"),
        ("--tracer-columns 64", "--tracer-columns .* only by tracer"),
    ],
)
def test_a_flag_that_the_model_does_not_use_is_refused_by_name(argv, message):
    with pytest.raises(InputError, match=message):
        _parse("--model", "frame", *argv.split())
    # Also one that was given the value that it would have anyhow.
    name = argv.split()[0].removeprefix("--no-").strip("-").replace("-", "_")
    with pytest.raises(InputError, match="is not used by --model frame"):
        check_used("frame", {name})


def test_each_field_is_used_by_known_models():
    for field in FIELDS.values():
        assert set(field.metadata["used_by"] or MODELS) <= set(MODELS)


def test_the_weights_to_begin_with_are_those_of_the_model():
    assert with_defaults(TrainConfig()).weights == "imagenet"
    assert with_defaults(TrainConfig(model="pose")).weights == "none"
    assert with_defaults(TrainConfig(model="pose")).learning_rate == 2e-3
    with pytest.raises(InputError, match="--weights imagenet is not used by"):
        check_config(TrainConfig(model="pose", weights="imagenet"))
    with pytest.raises(InputError, match="--freeze-norms needs --weights"):
        check_config(TrainConfig(model="tracer", freeze_norms=True))
    with pytest.raises(InputError, match="--tfds .* without --data-dir"):
        check_config(TrainConfig(tfds="ecg_pages/folder", data_dir="d"))


def test_advice_on_memory_names_only_flags_of_the_model():
    assert memory_advice(TrainConfig(model="frame", batch_size=16)) == (
        "Lower --batch-size (now 16)"
    )
    rows = memory_advice(TrainConfig(model="tracer"))
    assert "--tracer-columns (now 320)" in rows and "--encoder" not in rows
    regressor = memory_advice(TrainConfig())
    assert "--image-size (now 512 512)" in regressor
    assert "--encoder (now efficientnet_b2)" in regressor


def test_a_recipe_comes_before_the_flags(tmp_path):
    path = tmp_path / "recipe.json"
    values = {"model": "tracer", "epochs": 9, "images": ["0001", "0003"]}
    path.write_text(json.dumps(values))
    config, given = _parse("--recipe", str(path), "--epochs", "3")
    assert (config.model, config.epochs) == ("tracer", 3)
    assert config.images == ("0001", "0003")
    assert given == {"recipe", "model", "images", "epochs"}
    with pytest.raises(InputError, match="--image-size is not used by"):
        _parse("--recipe", str(path), "--image-size", "64", "64")
    # A run's config.json holds all fields, also those of other models.
    save_json(TrainConfig(model="frame", epochs=4), path)
    config, given = _parse("--recipe", str(path))
    assert (config.model, config.epochs) == ("frame", 4)
    assert given == {"recipe", "model", "epochs"}


def _run(tmp_path, **settings):
    config = TrainConfig(output_dir=str(tmp_path), **settings)
    save_json(config, tmp_path / "config.json")
    return config


def test_resume_honours_a_flag_that_equals_its_default(tmp_path):
    _run(tmp_path, epochs=3, batch_size=4)
    config, given = _parse("--resume", str(tmp_path), "--epochs", "50")
    assert resumed_config(config, given).epochs == 50
    config, given = _parse("--resume", str(tmp_path))
    assert resumed_config(config, given).epochs == 3
    config, given = _parse("--resume", str(tmp_path), "--batch-size", "8")
    with pytest.raises(InputError, match="--batch-size 8 differs from 4"):
        resumed_config(config, given)


def test_resume_refuses_what_would_change_a_networks_learning_rate(tmp_path):
    _run(tmp_path, model="frame", epochs=8)
    config, given = _parse("--resume", str(tmp_path), "--epochs", "8")
    assert resumed_config(config, given).epochs == 8
    for epochs in ("12", "50"):
        config, given = _parse("--resume", str(tmp_path), "--epochs", epochs)
        with pytest.raises(InputError, match="falls along a cosine.*--weights"):
            resumed_config(config, given)
    with pytest.raises(InputError, match="--dropout is not used by .* frame"):
        _parse("--resume", str(tmp_path), "--dropout", "0.1")


def test_resume_refuses_another_output_folder(tmp_path):
    _run(tmp_path)
    argv = ("--resume", str(tmp_path), "--output-dir")
    config, given = _parse(*argv, str(tmp_path / "other"))
    with pytest.raises(InputError, match="--output-dir .*other differs"):
        resumed_config(config, given)
    config, given = _parse(*argv, str(tmp_path))
    assert resumed_config(config, given).output_dir == str(tmp_path)


def test_the_config_of_a_run_of_before_is_still_read(tmp_path):
    """As version 0.1 wrote it: settings of all models, no recipe."""
    old = dataclasses.asdict(_run(tmp_path, model="frame"))
    for name in ("recipe", "about", "more_data_dirs"):
        del old[name]
    old |= {"weights": "imagenet", "freeze_encoder_epochs": 5, "epochs": 7}
    (tmp_path / "config.json").write_text(json.dumps(old))
    config, given = _parse("--resume", str(tmp_path))
    config = resumed_config(config, given)
    assert (config.model, config.epochs) == ("frame", 7)
    check_config(config)
