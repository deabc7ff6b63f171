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

from ecg_keras.errors import InputError, UsageError
from ecg_keras.files import write_json


def setting(
    default, help, *, choices=None, metavar=None, old_name=None, used_by=None
):
    """A dataclass field with its help text and, if any, allowed values.

    `old_name` is what the field was called in the version before: its flag
    works, hidden, and a saved config with it can be read. `used_by` names the
    variants of a command that use the field; None: all. Without `help` the
    flag is hidden.
    """
    metadata = {
        "help": help,
        "choices": choices,
        "metavar": metavar,
        "old_name": old_name,
        "used_by": used_by,
    }
    return dataclasses.field(default=default, metadata=metadata)


def positional(help, *, metavar=None):
    """A field that takes the command's positional arguments, if any."""
    metadata = {"help": help, "positional": True, "metavar": metavar}
    return dataclasses.field(default=(), metadata=metadata)


def flag_name(field_name):
    """`image_size` -> `--image-size`."""
    return "--" + field_name.replace("_", "-")


def is_used(field, variant):
    """Whether a variant of a command uses a field; see `setting`."""
    used_by = field.metadata.get("used_by")
    return variant is None or used_by is None or variant in used_by


def add_flags(parser, config_class, variant=None):
    """Add one flag for each field of a config dataclass to an argparse parser.

    `image_size` becomes `--image-size`; a bool becomes `--x / --no-x`; a
    `tuple[int, int]` takes two values, a `tuple[int, ...]` one or more. The
    namespace that the parser returns has the fields that were given.

    Args:
        parser: argparse.ArgumentParser.
        config_class: the dataclass.
        variant: of the command; --help leaves out what it does not use.
    """
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        kind = _without_none(hints[field.name])
        if field.metadata.get("positional"):
            item = typing.get_args(kind)[0]
            parser.add_argument(
                field.name,
                nargs="*",
                default=argparse.SUPPRESS,
                type=item,
                metavar=field.metadata["metavar"],
                help=field.metadata["help"],
            )
            continue
        options = {"default": argparse.SUPPRESS, "dest": field.name}
        shown = is_used(field, variant) and field.metadata["help"]
        options["help"] = _help(field) if shown else argparse.SUPPRESS
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
        parser.add_argument(flag_name(field.name), **options)
        old_name = field.metadata["old_name"]
        if old_name:
            options["help"] = argparse.SUPPRESS
            parser.add_argument(flag_name(old_name), **options)


def from_namespace(config_class, namespace):
    """Build a config from the flags that were given; lists become tuples."""
    return config_class(**given_settings(config_class, namespace))


def given_settings(config_class, namespace):
    """What was given, even if it equals its default: field name -> value."""
    names = {field.name for field in dataclasses.fields(config_class)}
    return {
        name: tuple(value) if type(value) is list else value
        for name, value in vars(namespace).items()
        if name in names
    }


def parse_flags(config_class, description, argv=None):
    """Parse the command line of a script into its config dataclass."""
    parser = new_parser(description)
    add_flags(parser, config_class)
    return from_namespace(config_class, parser.parse_args(argv))


def new_parser(description, **options):
    """An argparse parser that prints a script's docstring as it is."""
    return argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **options,
    )


def save_json(config, path):
    """Write a config as JSON, moved into place when whole."""
    write_json(dataclasses.asdict(config), path)


def load_json(config_class, path):
    """Read a config that `save_json` wrote.

    Raises:
        InputError: see `read_settings`.
    """
    return config_class(**read_settings(config_class, path))


def read_settings(config_class, path):
    """The settings of a JSON file: field name -> value.

    Args:
        config_class: the dataclass whose fields the file may have.
        path: the file; not every field has to be there.

    Raises:
        InputError: the file is missing, is no JSON, or has a setting that this
            version of the package does not know.
    """
    path = Path(path)
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected a config") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise InputError(
            f"{path}: expected settings by name. Received: "
            f"{type(values).__name__}"
        )
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
    return {k: tuple(v) if type(v) is list else v for k, v in values.items()}


def run_command(main):
    """Run a command; return its exit code.

    That is what the command returns where it returns a number, or 0; 2 for
    flags that cannot be used, 1 for other input that cannot, 130 for ^C. Errors
    that the user can mend are printed in a line, without a traceback.
    """
    try:
        code = main()
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return code if type(code) is int else 0


def _without_none(hint):
    """`str | None` -> `str`; any other hint as it is."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [k for k in typing.get_args(hint) if k is not type(None)]
        return kinds[0]
    return hint


def _help(field):
    text = field.metadata["help"].replace("%", "%%")
    if field.default in (None, "", ()):
        return text
    default = field.default
    if isinstance(default, tuple):
        default = " ".join(map(str, default))
    return f"{text} (default: {default})"
