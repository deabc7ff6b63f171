"""What a user says of pages, instead of having it found."""

import dataclasses

from ecg_keras.errors import InputError
from ecg_keras.models.layout.known_layouts import LAYOUT_NAMES, known

SPEEDS_MM_PER_S = (12.5, 25.0, 50.0)
GAINS_MM_PER_MV = (2.5, 5.0, 10.0, 20.0)


@dataclasses.dataclass(frozen=True)
class Given:
    """What a user says of a page; None for what is to be found.

    Attributes:
        layout: a name of `known_layouts.LAYOUT_NAMES`.
        speed_mm_per_s, gain_mm_per_mv: of the paper.
        px_per_mm: px of the pictures for each mm of the paper.
    """

    layout: str | None = None
    speed_mm_per_s: float | None = None
    gain_mm_per_mv: float | None = None
    px_per_mm: float | None = None

    def __post_init__(self):
        if self.layout is not None and not known(self.layout):
            raise InputError(
                f"--layout: expected one of {', '.join(LAYOUT_NAMES)}. "
                f"Received: {self.layout}"
            )
        for what, value, usual in (
            ("--speed", self.speed_mm_per_s, SPEEDS_MM_PER_S),
            ("--gain", self.gain_mm_per_mv, GAINS_MM_PER_MV),
        ):
            if value is not None and value not in usual:
                raise InputError(
                    f"{what}: expected one of {usual}. Received: {value}"
                )
        if self.px_per_mm is not None and not self.px_per_mm > 0:
            raise InputError(
                f"--px-per-mm: expected above 0. Received: {self.px_per_mm}"
            )
