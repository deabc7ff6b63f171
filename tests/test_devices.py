"""What a run computes on: precision, devices, compiled programs."""

import os

import keras
import pytest

from ecg_keras.errors import InputError
from ecg_keras.training import devices


@pytest.mark.parametrize(
    "device, policy",
    [
        (("cpu",), "float32"),
        (("gpu", (6, 0)), "float32"),  # P100
        (("gpu", (7, 5)), "mixed_float16"),  # T4
        (("gpu", (8, 0)), "mixed_bfloat16"),  # A100
        (("gpu", (9, 0)), "mixed_bfloat16"),  # H100
        (("gpu", (12, 0)), "mixed_bfloat16"),
        (("gpu", None), "float32"),
        (("tpu",), "mixed_bfloat16"),
    ],
)
def test_precision_is_the_fastest_that_the_device_has(
    device, policy, monkeypatch
):
    monkeypatch.setattr(devices, "accelerator", lambda: device)
    assert devices.choose_precision("auto") == policy
    assert devices.choose_precision("float32") == "float32"


def test_the_device_of_this_machine_is_known():
    platform, capability = devices.accelerator()
    assert platform in ("cpu", "gpu", "tpu")
    assert capability is None or len(capability) == 2


def test_jaxs_capability_is_read():
    assert devices._capability("7.5") == (7, 5)
    assert devices._capability(None) is None


needs_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="only JAX uses several devices"
)


@needs_jax
@pytest.mark.parametrize(
    "arguments, message",
    [
        ((6,), "--batch-size 6 cannot .* 4 devices .* multiple of 4"),
        ((8, 3), "--model-parallel 3 needs JAX and a multiple of 3 devices"),
        ((8, 2, (7,)), "layer of 7 units .* --model-parallel 2"),
        ((3, 2, (8,)), "--batch-size 3 .* 2 devices"),
    ],
)
def test_what_cannot_be_shared_out_evenly_is_refused(
    arguments, message, monkeypatch
):
    four = [f"gpu:{i}" for i in range(4)]
    monkeypatch.setattr(devices, "_devices", lambda: four)
    with pytest.raises(InputError, match=message):
        devices.use_all_devices(*arguments)


def test_one_device_is_used_as_it_is(monkeypatch):
    monkeypatch.setattr(devices, "_devices", lambda: ["gpu:0"])
    assert devices.use_all_devices(7) == "gpu:0"
    with pytest.raises(InputError, match="--model-parallel 2"):
        devices.use_all_devices(8, 2)


@needs_jax
def test_programs_are_kept_beside_the_run(tmp_path, monkeypatch):
    import jax

    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        # The first run makes the folder of the runs.
        for run in ("one", "two"):
            jax.config.update("jax_compilation_cache_dir", None)
            kept = devices.keep_compiled_programs(tmp_path / "runs" / run)
            assert kept == str(tmp_path / "runs" / "xla_cache")
        jax.config.update("jax_compilation_cache_dir", None)
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", lambda *_: False)
            kept = devices.keep_compiled_programs(tmp_path / "runs" / "two")
        assert kept == str(tmp_path / "runs" / "two" / "xla_cache")
        jax.config.update(
            "jax_compilation_cache_dir", str(tmp_path / "runs" / "xla_cache")
        )
        # A folder that somebody chose stays.
        kept = devices.keep_compiled_programs(tmp_path / "other" / "three")
        assert kept == str(tmp_path / "runs" / "xla_cache")
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


@needs_jax
def test_small_programs_are_kept_in_a_folder_of_ones_own_too(
    monkeypatch, tmp_path
):
    import jax

    least = "jax_persistent_cache_min_compile_time_secs"
    folder = "jax_compilation_cache_dir"
    size = "jax_persistent_cache_min_entry_size_bytes"
    before = {n: getattr(jax.config, n) for n in (folder, least, size)}
    try:
        jax.config.update(folder, str(tmp_path))
        monkeypatch.delenv(least.upper(), raising=False)
        jax.config.update(least, 1.0)
        assert devices.keep_compiled_programs(tmp_path / "run") == str(tmp_path)
        assert getattr(jax.config, least) == 0
        monkeypatch.setenv(least.upper(), "1.0")
        jax.config.update(least, 1.0)
        devices.keep_compiled_programs(tmp_path / "run")
        assert getattr(jax.config, least) == 1.0
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
