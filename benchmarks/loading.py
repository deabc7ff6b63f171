"""Time to load the packaged models, beside `import keras`.

    python benchmarks/loading.py

Each line is the best of `--repeats` fresh processes: seconds on the clock and
of processor time, from the interpreter's start.
"""

import argparse
import os
import subprocess
import sys
import time

CASES = (
    ("import keras", "import keras"),
    ("load('tracer')", "import ecg_keras; ecg_keras.load('tracer')"),
    (
        "load('photo_tracer')",
        "import ecg_keras; ecg_keras.load('photo_tracer')",
    ),
    ("load()", "import ecg_keras; ecg_keras.load()"),
)


def measure(code, environment):
    """(wall s, processor s) of a fresh process."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    wall_s, after = time.perf_counter() - start, os.times()
    spent_s = sum(
        getattr(after, name) - getattr(before, name)
        for name in ("children_user", "children_system")
    )
    return wall_s, spent_s


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--backend", default="jax", choices=("jax", "torch", "tensorflow")
    )
    flags = parser.parse_args()
    environment = {**os.environ, "KERAS_BACKEND": flags.backend}
    print(f"{flags.backend:<22}{'clock s':>9}{'CPU s':>9}")
    for name, code in CASES:
        found = [measure(code, environment) for _ in range(flags.repeats)]
        wall_s, spent_s = map(min, zip(*found, strict=True))
        print(f"{name:<22}{wall_s:>9.1f}{spent_s:>9.1f}")


if __name__ == "__main__":
    main()
