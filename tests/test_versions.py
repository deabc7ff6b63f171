"""The versions that pyproject.toml admits are those that are tested."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Not installed by `make test-floor`: torch comes from PyPI with gigabytes of
# CUDA; the accelerators' JAX is JAX; `tfds build` and the development tools
# run on the newest versions alone.
UNTESTED_EXTRAS = {"torch", "cuda", "tpu", "tfds", "dev"}


def _pinned():
    text = (ROOT / "constraints" / "kaggle.txt").read_text()
    lines = re.sub(r"#.*", "", text).split()
    return {
        requirement.name: Version(str(requirement.specifier).removeprefix("=="))
        for requirement in map(Requirement, lines)
    }


def _floors():
    extras = PROJECT["optional-dependencies"]
    lists = [PROJECT["dependencies"]]
    lists += [extras[name] for name in extras.keys() - UNTESTED_EXTRAS]
    for line in (line for lines in lists for line in lines):
        requirement = Requirement(line)
        if requirement.specifier:
            yield requirement.name, str(requirement.specifier)


FLOORS = sorted(_floors())


@pytest.mark.parametrize("name, specifier", FLOORS)
def test_a_floor_is_the_version_that_is_tested(name, specifier):
    assert re.fullmatch(r">=[\d.]+", specifier)
    assert Version(specifier[2:]) == _pinned()[name]


def test_keras_and_jax_have_floors():
    assert {"keras", "jax", "numpy"} <= dict(FLOORS).keys()
