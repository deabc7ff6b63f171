"""The one exception whose message is written for the person at the keyboard.

Every module raises `InputError` for input that the user can mend: a file, a
flag, a folder. Commands print its message without a traceback and exit with 1;
any other exception is a defect of this package and shows its traceback.
"""


class InputError(ValueError):
    """Input that cannot be used.

    The message names the file or flag, the value found and what was expected.
    """
