"""Compiled programs in the user's cache."""

import os

import pytest

from ecg_keras.user_cache import cache_dir, keep_compiled_programs

VARIABLES = (
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in VARIABLES:
        # Set and deleted, so that it is put back after the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_programs_are_kept_in_the_users_cache(tmp_path):
    keep_compiled_programs()
    assert cache_dir() == tmp_path / "ecg_keras"
    found = [os.environ[name] for name in VARIABLES]
    assert found == [str(tmp_path / "ecg_keras" / "xla"), "0", "-1"]


@pytest.mark.parametrize("chosen", ["", "/somewhere/else"])
def test_what_the_user_has_set_stays(chosen, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", chosen)
    keep_compiled_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == chosen
    assert VARIABLES[1] not in os.environ
