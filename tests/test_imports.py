"""The architecture, held: who may import whom, and what stays unimported."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ecg_keras"

# A module imports from rows above its own; within a folder there is no circle
# (docs/architecture.md).
ORDER = (
    "version errors",
    "files user_cache",
    "settings",
    "ecg",
    "page",
    "documents drawing models registration",
    "packaged",
    "page_reader",
    "reading_processes",
    "datasets predictor",
    "digitizer",
    "data",
    "training commands exporting app",
    "archive",
    "__init__ __main__",
)
ROW_OF = {
    name: row for row, names in enumerate(ORDER) for name in names.split()
}
USES_TENSORFLOW = (
    "data",
    "datasets",
    "exporting.portable_reader",
    "exporting.reader_writers",
    "exporting.writers",
    "exporting.standalone",
    "training.devices",
    "archive.saved_model",
)


def _module(path):
    """`models.tracer` of a file; of a folder's `__init__` the folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if len(parts) > 1 and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


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


KNOWN = {_module(path): path for path in SOURCES}


def _targets(module):
    """The modules of the package that one imports."""
    names = {
        name.removeprefix("ecg_keras.") for name in _imports(KNOWN[module])
    }
    return names & set(KNOWN) - {module}


def _folder(module):
    return module.split(".")[0]


@pytest.mark.parametrize("module", KNOWN)
def test_a_module_imports_only_from_rows_above_its_own(module):
    for target in _targets(module):
        assert _folder(target) == _folder(module) or (
            ROW_OF[_folder(target)] < ROW_OF[_folder(module)]
        ), f"{module} imports {target}"


@pytest.mark.parametrize("module", KNOWN)
def test_no_module_imports_itself_through_others(module):
    reached, waiting = set(), [module]
    while waiting:
        for target in _targets(waiting.pop()) - reached:
            reached.add(target)
            waiting.append(target)
    assert module not in reached


def test_every_folder_has_its_row_in_the_documented_order():
    folders = {_folder(module) for module in KNOWN}
    assert folders == set(ROW_OF)
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    for names in ORDER:
        assert f"| {', '.join(names.split())} |" in text


@pytest.mark.parametrize("module", KNOWN)
def test_tensorflow_is_imported_only_where_it_is_needed(module):
    if module.startswith(USES_TENSORFLOW):
        return
    roots = {name.split(".")[0] for name in _imports(KNOWN[module]) if name}
    assert not roots & {"tensorflow", "tensorflow_datasets"}


def test_importing_the_package_imports_no_framework():
    """Nor NumPy: commands say first how many threads it may have."""
    code = (
        "import sys, ecg_keras.__main__; "
        "print([m for m in ('tensorflow', 'keras', 'torch', 'numpy') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
