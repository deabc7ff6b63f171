"""How long one page takes by the command, from nothing to its files.

    python benchmarks/cold_start.py page.png

first: nothing that JAX compiled is kept; again: the same command once more;
bare: `import keras` alone, the least that any of them can take.
"""

import dataclasses
import os
import resource
import subprocess
import sys
import tempfile
import time

from ecg_keras.settings import parse_flags, positional, setting


@dataclasses.dataclass(frozen=True)
class Config:
    images: tuple[str, ...] = positional("the page", metavar="PAGE")
    again: int = setting(2, "how often the command is repeated")


def main(config):
    """Print wall clock and processor seconds of each run."""
    print(f"{'':8}{'seconds':>9}{'of CPU':>9}")
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_COMPILATION_CACHE_DIR": f"{folder}/xla",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        _timed("bare", ["-c", "import keras"], environment)
        for run in range(1 + config.again):
            command = ["-m", "ecg_keras", "digitize", *config.images]
            command += ["--output-dir", f"{folder}/{run}"]
            _timed("again" if run else "first", command, environment)


def _timed(name, command, environment):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_s = time.perf_counter()
    subprocess.run(
        [sys.executable, *command],
        env=environment,
        check=True,
        capture_output=True,
    )
    wall_s = time.perf_counter() - start_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(f"{name:8}{wall_s:9.1f}{cpu_s:9.1f}", flush=True)


if __name__ == "__main__":
    main(parse_flags(Config, __doc__))
