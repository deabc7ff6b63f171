"""Every command that the documents name exists, with the flags they give."""

import argparse
import json
import re
import shlex
from pathlib import Path

import pytest

from ecg_keras.__main__ import COMMANDS
from ecg_keras.exporting import portable_reader
from ecg_keras.settings import add_flags
from ecg_keras.training.config import check_config, parse_train_flags

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.json"))
DOCUMENTS = (
    "README.md", "recipes/README.md", "docs/tracer.md",
    "docs/training_guide.md", "docs/rendering.md", "docs/reader.md",
)  # fmt: skip


def _commands(text):
    """Commands that begin with `python `: lines of their own, and in prose."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    in_prose = re.findall("`(python [^`]+)`", text)
    return [
        " ".join(command.split())
        for command in (*lines, *in_prose)
        if command.startswith("python ") and "..." not in command
    ]


def _check(command):
    """Parse a command as the script that it names would."""
    program, script, *argv = shlex.split(command, comments=True)
    assert program == "python"
    if script == "train.py":
        if "--resume" in argv:  # There is no such run here.
            at = argv.index("--resume")
            argv[at : at + 2] = []
        config, _ = parse_train_flags("", argv)
        check_config(config)
        if config.recipe:
            assert Path(config.recipe).parent.name == "recipes"
    elif script == "-m" and argv[0] == "ecg_keras":
        config_class, _ = COMMANDS[argv[1]][1]()
        parser = argparse.ArgumentParser(exit_on_error=False)
        add_flags(parser, config_class)
        # "`python -m ecg_keras render`" alone is the name of a command.
        if argv[2:]:
            parser.parse_args(argv[2:])
    elif script == "exported/reader.pyz":  # export.py writes it
        portable_reader._parser().parse_args(argv)
    else:
        if script == "-m":
            script = argv[0].replace(".", "/") + ".py"
        assert (ROOT / script).is_file(), command


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_run_that_can_begin(path):
    config, given = parse_train_flags("", ["--recipe", str(path)])
    if config.freeze_norms:
        _, given = parse_train_flags(
            "", ["--recipe", str(path), "--weights", "tracer"]
        )
    else:
        check_config(config)
    assert set(json.loads(path.read_text())) < given
    (command,) = _commands("\n".join(config.about))
    assert f"recipes/{path.name}" in command
    _check(command)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_of_a_document_parse(name):
    commands = _commands((ROOT / name).read_text())
    assert commands
    for command in commands:
        try:
            _check(command)
        except (SystemExit, argparse.ArgumentError) as error:
            # --help ends with 0.
            if getattr(error, "code", 1) != 0:
                raise AssertionError(f"{name}: {command}") from error


def test_each_recipe_is_named_where_their_order_is_told():
    text = (ROOT / "recipes" / "README.md").read_text()
    for path in RECIPES:
        first = path.stem.rsplit("_", 1)[0]
        assert f"`{path.stem}`" in text or f"`{first}_1`" in text
