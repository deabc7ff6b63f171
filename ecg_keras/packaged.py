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
# The reader tries the first and hands what it refuses to the second, which is
# loaded when it is first needed.
READER = "reader"
READER_MODELS = ("tracer", "photo_tracer")
DEFAULT_MODEL = READER
# Reads pages of any layout; of one page at a time, see `page_reader`.
PAGE_READER = "page_reader"


def is_packaged(name):
    """Whether a model's name means one of the package: no such file is here."""
    return str(name) in (READER, *PRESETS) and not Path(name).exists()


def refusal(name):
    """What is said of an image that is no page that can be read."""
    return f"{name} {NO_LAYOUT}"


NO_LAYOUT = (
    "does not look like a page of 3x4 leads and a rhythm strip at 25 mm/s and "
    "10 mm/mV: the model would read it wrong"
)
