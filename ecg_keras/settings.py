"""A command's settings: one frozen dataclass, from which the flags are made.

Each field carries its line of help in its metadata (see `setting`). The same
dataclass is parsed from the command line, checked, and saved as JSON beside
what the command produced.
"""

import argparse
import dataclasses
import json
import sys
import types
import typing
from pathlib import Path

from ecg_keras.errors import InputError
from ecg_keras.files import write_json


def setting(default, help, *, choices=None, metavar=None, old_name=None):
    """A dataclass field with its help text and, if any, allowed values.

    `old_name` is what the field was called in the version before: its flag
    works, hidden, and a saved config with it can be read.
    """
    metadata = {
        "help": help,
        "choices": choices,
        "metavar": metavar,
        "old_name": old_name,
    }
    return dataclasses.field(default=default, metadata=metadata)


def positional(help, *, metavar=None):
    """A field that takes the command's positional arguments (one or more)."""
    metadata = {"help": help, "positional": True, "metavar": metavar}
    return dataclasses.field(default=(), metadata=metadata)


def add_flags(parser, config_class):
    """Add one flag for each field of a config dataclass to an argparse parser.

    `image_size` becomes `--image-size`; a bool becomes `--x / --no-x`; a
    `tuple[int, int]` takes two values, a `tuple[int, ...]` one or more.
    """
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        kind = _without_none(hints[field.name])
        if field.metadata.get("positional"):
            item = typing.get_args(kind)[0]
            parser.add_argument(
                field.name,
                nargs="+",
                type=item,
                metavar=field.metadata["metavar"],
                help=field.metadata["help"],
            )
            continue
        options = {"default": field.default, "dest": field.name}
        options["help"] = _help(field)
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            if typing.get_origin(kind) is tuple:
                items = typing.get_args(kind)
                options["nargs"] = "+" if items[-1] is ... else len(items)
                kind = items[0]
            options["type"] = kind
            options["choices"] = field.metadata["choices"]
            options["metavar"] = field.metadata["metavar"]
        parser.add_argument(_flag(field.name), **options)
        old_name = field.metadata["old_name"]
        if old_name:
            hidden = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
            parser.add_argument(_flag(old_name), **options | hidden)


def from_namespace(config_class, namespace):
    """Build a config from parsed flags; lists become tuples."""
    values = {}
    for field in dataclasses.fields(config_class):
        value = getattr(namespace, field.name)
        values[field.name] = tuple(value) if type(value) is list else value
    return config_class(**values)


def parse_flags(config_class, description, argv=None):
    """Parse the command line of a script into its config dataclass."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_flags(parser, config_class)
    return from_namespace(config_class, parser.parse_args(argv))


def save_json(config, path):
    """Write a config as JSON, moved into place when whole."""
    write_json(dataclasses.asdict(config), path)


def load_json(config_class, path):
    """Read a config that `save_json` wrote.

    Raises:
        InputError: the file is missing, is no JSON, or has a setting that this
            version of the package does not know.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected a config") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    fields = dataclasses.fields(config_class)
    for field in fields:
        old_name = field.metadata.get("old_name")
        if old_name in values:
            values[field.name] = values.pop(old_name)
    known = {field.name for field in fields}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(
            f"{path} has settings that this version does not know: {unknown}. "
            f"Known settings: {sorted(known)}"
        )
    return config_class(
        **{k: tuple(v) if type(v) is list else v for k, v in values.items()}
    )


def run_command(main):
    """Run a command; return its exit code: 0, 1 for bad input, 130 for ^C.

    Errors that the user can mend are printed in a line, without a traceback.
    """
    try:
        main()
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _flag(name):
    return "--" + name.replace("_", "-")


def _without_none(hint):
    """`str | None` -> `str`; any other hint as it is."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [k for k in typing.get_args(hint) if k is not type(None)]
        return kinds[0]
    return hint


def _help(field):
    text = field.metadata["help"].replace("%", "%%")
    if field.default is None or field.default == "":
        return text
    default = field.default
    if isinstance(default, tuple):
        default = " ".join(map(str, default))
    return f"{text} (default: {default})"
