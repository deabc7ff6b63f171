"""The architecture, held: who may import whom, and what stays unimported."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ecg_keras"

# Modules may import modules of lower levels only (docs/architecture.md).
LEVELS = {
    0: {"errors", "files", "version", "leads"},
    0.5: {"paper", "config", "images", "resampling"},
    0.6: {"layouts", "strips", "frame_cells", "page_map", "wear"},
    0.7: {"readout", "camera"},
    1: {"records", "synthesis", "losses", "metrics", "page_cache"},
    1.8: {"page_drawing", "run_folder", "signal_files"},
    2: {"rendering", "degradation", "models.backbone"},
    2.2: {"variety"},
    2.5: {"rendered_folder"},
    2.55: {
        "models.least_squares",
        "models.frame_network",
        "models.grid_phase",
    },
    2.57: {
        "models.page_pose",
        "models.page_bend",
        "models.pose_network",
        "models.page_frame",
    },
    2.6: {
        "models.page_waves",
        "models.row_network",
        "models.row_joining",
        "models.jax_cpu",
    },
    3: {"pipeline", "strip_batches", "datasets", "models"},
    3.2: {"frame_batches", "devices", "processes"},
    3.5: {"callbacks", "validation", "preflight", "demo", "train_config"},
    4: {"inference", "running"},
    3.6: {"optimizers"},
    4.2: {"regressor_task", "tracer_tasks"},
    4.3: {"training_tasks"},
    4.4: {"training"},
    4.5: {"converting"},
    5: {"evaluation", "exporting", "digitizing", "submitting"},
}
# Leaves may import levels 0 and 1, and anything above 1 may import them.
LEAVES = {"submission", "plotting"}
TOP = {"", "__main__"}
USES_TENSORFLOW = (
    "pipeline", "strip_batches", "frame_batches", "datasets", "converting",
    "devices",
)  # fmt: skip


def _module(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(p for p in parts if p != "__init__")


def _level(module):
    if module in TOP:
        return 9
    if module.split(".")[0] in LEAVES:
        return 1.5
    # The longest prefix decides: models.backbone before models.
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        for level, names in LEVELS.items():
            if prefix in names:
                return level
    pytest.fail(f"{module} has no level: add it to LEVELS and the docs")


def _imports(path):
    """Names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_modules_import_downwards_only(path):
    own = _module(path)
    known = {_module(p) for p in SOURCES}
    for name in set(_imports(path)):
        target = name.removeprefix("ecg_keras").lstrip(".")
        if not name.startswith("ecg_keras.") or target not in known:
            continue
        same_package = target.split(".")[0] == own.split(".")[0]
        assert same_package or _level(target) < _level(own), (
            f"{own} (level {_level(own)}) imports {target}"
        )


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_tensorflow_is_imported_only_where_it_is_needed(path):
    if _module(path).split(".")[0] in USES_TENSORFLOW:
        return
    roots = {name.split(".")[0] for name in _imports(path) if name}
    assert not roots & {"tensorflow", "tensorflow_datasets"}


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_modules_stay_under_300_lines(path):
    assert len(path.read_text().splitlines()) <= 300


def test_importing_the_package_imports_no_framework():
    code = (
        "import sys, ecg_keras; "
        "print([m for m in ('tensorflow', 'keras', 'torch') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
