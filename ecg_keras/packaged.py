"""Names of the models in the package, and what is said of refused pages.

It imports no Keras: a command says what it cannot use before it loads a model.
"""

from pathlib import Path

# Trained models that come with the package (docs/tracer.md).
WEIGHTS = Path(__file__).parent / "weights"
PRESETS = {
    "tracer": WEIGHTS / "tracer.json",
    "photo_tracer": WEIGHTS / "photo_tracer.json",
}
# Reads pages of any layout, one at a time (`page_reader`, docs/reader.md).
PAGE_READER = "reader"
READER_WEIGHTS = WEIGHTS / "reader.json"
DEFAULT_MODEL = PAGE_READER


def is_packaged(name):
    """Whether a model's name means one of the package: no such file is here."""
    return str(name) in (PAGE_READER, *PRESETS) and not Path(name).exists()


def refusal(name, reasons=()):
    """What is said of an image that is no page that can be read."""
    if not reasons:
        return f"{name} {NO_LAYOUT}"
    return f"{name} was not read: {'; '.join(reasons)}"


NO_LAYOUT = (
    "does not look like a page of 3x4 leads and a rhythm strip at 25 mm/s and "
    "10 mm/mV: the model would read it wrong"
)
