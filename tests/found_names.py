"""Names as the name network finds them, for tests of layouts."""

from ecg_keras.models.layout.lead_names import FoundName
from ecg_keras.models.layout.name_classes import CLASSES


def named(word, x_mm, y_mm, likely=0.9):
    """A `FoundName`: how likely it is that word, and nothing else."""
    shares = [0.0] * len(CLASSES)
    shares[0], shares[CLASSES.index(word)] = 1 - likely, likely
    return FoundName(x_mm, y_mm, tuple(shares))
