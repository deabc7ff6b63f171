"""Flags from dataclasses, their JSON, and exit codes."""

import dataclasses

import pandas as pd
import pytest

from ecg_keras.errors import InputError, is_disk_full, is_out_of_memory
from ecg_keras.files import (
    alone_in,
    check_output_dir,
    remove_partial,
    replacing,
    write_csv,
)
from ecg_keras.settings import (
    load_json,
    parse_flags,
    run_command,
    save_json,
    setting,
)


@dataclasses.dataclass(frozen=True)
class Config:
    size: tuple[int, int] = setting((4, 5), "a size", metavar=("H", "W"))
    names: tuple[str, ...] = setting(("a",), "names")
    rate: float = setting(0.5, "a rate of 50 %")
    loud: bool = setting(True, "say more")
    limit: int | None = setting(None, "at most")
    kind: str = setting("x", "one of two", choices=("x", "y"))
    height_mm: int = setting(2, "a height", old_name="tall")


def test_flags_are_made_from_the_fields():
    argv = "--size 1 2 --names b c --rate 2 --no-loud --limit 7 --kind y"
    found = parse_flags(Config, "", argv.split())
    assert found == Config((1, 2), ("b", "c"), 2.0, False, 7, "y")
    assert parse_flags(Config, "", []) == Config()


def test_help_names_each_flag_and_its_default(capsys):
    with pytest.raises(SystemExit):
        parse_flags(Config, "What it does.", ["--help"])
    said = capsys.readouterr().out
    assert "What it does." in said
    assert "--size H W" in said and "(default: 4 5)" in said
    assert "50 % (default: 0.5)" in said and "--no-loud" in said


def test_a_config_survives_its_file(tmp_path):
    config = Config(limit=3, size=(8, 9))
    save_json(config, tmp_path / "config.json")
    assert load_json(Config, tmp_path / "config.json") == config


def test_an_old_name_works_as_a_flag_and_in_a_file_and_is_not_shown(
    tmp_path, capsys
):
    assert parse_flags(Config, "", ["--tall", "5"]).height_mm == 5
    assert parse_flags(Config, "", ["--height-mm", "4"]).height_mm == 4
    (tmp_path / "c.json").write_text('{"tall": 7}')
    assert load_json(Config, tmp_path / "c.json") == Config(height_mm=7)
    with pytest.raises(SystemExit):
        parse_flags(Config, "", ["--help"])
    said = capsys.readouterr().out
    assert "--height-mm" in said and "tall" not in said


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not valid JSON"),
        ('{"volume": 3}', r"does not know: \['volume'\].*Known"),
    ],
)
def test_a_damaged_config_is_refused(tmp_path, text, message):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match=f"c.json.*{message}"):
        load_json(Config, tmp_path / "c.json")
    with pytest.raises(InputError, match="d.json does not exist"):
        load_json(Config, tmp_path / "d.json")


def _raise(error):
    raise error


@pytest.mark.parametrize(
    "error, code", [(InputError("no"), 1), (OSError("io"), 1)]
)
def test_bad_input_is_a_line_and_not_a_traceback(capsys, error, code):
    assert run_command(lambda: _raise(error)) == code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_success_and_interruption_have_their_own_codes():
    assert run_command(lambda: None) == 0
    assert run_command(lambda: _raise(KeyboardInterrupt())) == 130
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "sub" / "file.txt"
    with replacing(path) as partial:
        partial.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        _raise(ZeroDivisionError())
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    def leave(path):
        with replacing(path) as partial:
            partial.write_text("whole")
        partial.write_text("half")
        return partial

    names = ("a[1].csv", "b.csv", "below/c.csv")
    left = [leave(tmp_path / name) for name in names]
    kept = tmp_path / ".partial-of-mine"
    kept.touch()
    remove_partial(tmp_path, "a[1].csv")
    assert [path.exists() for path in left] == [False, True, True]
    remove_partial(tmp_path)
    assert [path.exists() for path in left] == [False, False, True]
    with alone_in(tmp_path):
        assert not left[2].exists()
    assert kept.exists() and (tmp_path / "b.csv").read_text() == "whole"


def test_a_folder_replaces_a_folder_as_a_whole(tmp_path):
    for name in ("one", "two"):
        with replacing(tmp_path / "folder") as partial:
            partial.mkdir()
            (partial / name).touch()
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["two"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_table_is_on_disk_whole_or_not_at_all(tmp_path):
    table = pd.DataFrame({"id": ["007"], "fs": [500]})
    write_csv(table, tmp_path / "new" / "t.csv")
    assert (tmp_path / "new" / "t.csv").read_text() == "id,fs\n007,500\n"
    with pytest.raises(TypeError):
        write_csv(table, tmp_path / "new" / "t.csv", no_such_option=1)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["t.csv"]
    assert (tmp_path / "new" / "t.csv").read_text() == "id,fs\n007,500\n"


def test_an_output_folder_is_new_or_lacks_what_will_be_written(tmp_path):
    assert check_output_dir(str(tmp_path / "new")) == tmp_path / "new"
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "a.csv").touch()
    with pytest.raises(InputError, match="used is not empty: it holds a.csv"):
        check_output_dir(tmp_path / "used")
    assert check_output_dir(tmp_path / "used", names=["b.csv"])
    with pytest.raises(InputError, match="used/a.csv exists.*--overwrite"):
        check_output_dir(
            tmp_path / "used", names=["a.csv"], advice="--overwrite"
        )
    with pytest.raises(InputError, match="a.csv is a file"):
        check_output_dir(tmp_path / "used" / "a.csv")
    with pytest.raises(InputError, match="--output-dir is missing"):
        check_output_dir(None)


def test_one_process_works_in_a_folder_and_its_lock_is_nothing(tmp_path):
    with alone_in(tmp_path):
        with pytest.raises(InputError, match="another process is working"):
            with alone_in(tmp_path):
                pass
    with alone_in(tmp_path):
        check_output_dir(tmp_path)


def test_full_memory_and_full_disks_are_recognised():
    assert is_out_of_memory(RuntimeError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert is_disk_full(OSError(28, "No space left on device"))
    assert is_disk_full(RuntimeError("unable to flush, errno = 28"))
    assert not is_disk_full(OSError(2, "No such file"))
