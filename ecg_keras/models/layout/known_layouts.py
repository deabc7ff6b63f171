"""Kinds of pages: which leads stand in which row, and how common that is."""

import dataclasses

from ecg_keras.ecg.leads import LEADS, PAGE_ROWS

# A row of one lead that may be any.
ANY = "*"

LIMB_ROWS = tuple((lead,) for lead in LEADS[:6])
CHEST_ROWS = tuple((lead,) for lead in LEADS[6:])
# Cabrera's order goes round the frontal plane.
CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III")
_CABRERA_3X4 = tuple(
    (CABRERA[k], CABRERA[3 + k], LEADS[6 + k], LEADS[9 + k]) for k in range(3)
)
_RIGHT_3X5 = tuple(
    (*leads, other)
    for leads, other in zip(PAGE_ROWS, ("V4R", "V8", "V9"), strict=True)
)


@dataclasses.dataclass(frozen=True)
class KnownLayout:
    """A kind of page.

    Attributes:
        name: as it is reported; Cabrera's order is said apart.
        rows: names of leads; `ANY` in rhythm strips, "-" before a name whose
            lead is printed turned over.
        prior: how common it is, in the units of names found (see `fit`).
        cabrera: whether limb leads are in Cabrera's order.
    """

    name: str
    rows: tuple
    prior: float
    cabrera: bool = False

    @property
    def n_columns(self):
        return max(len(row) for row in self.rows)

    def parted(self, found):
        """What was found of each row, in two: of several leads, and of one.

        Beside rows of several leads, those of one are rhythm strips.

        Args:
            found: as many as the kind has rows.

        Returns:
            (list, list).
        """
        several, one = [], []
        for leads, own in zip(self.rows, found, strict=True):
            (one if len(leads) == 1 else several).append(own)
        return several, one


def _with_strips(name, rows, priors, cabrera=False):
    """A block of rows, and the same with rhythm strips below."""
    return tuple(
        KnownLayout(
            name + (f"+{n}" if n else ""), rows + ((ANY,),) * n, prior, cabrera
        )
        for n, prior in enumerate(priors)
        if prior is not None
    )


def _by_columns(leads):
    """Twelve leads in three columns, one below the other."""
    return tuple(tuple(leads[k::4]) for k in range(4))


_SIX_TWO = tuple(zip(LEADS[:6], LEADS[6:], strict=True))
_CABRERA_SIX_TWO = tuple(zip(CABRERA, LEADS[6:], strict=True))

KNOWN = (
    *_with_strips("3x4", PAGE_ROWS, (0.5, 0.8, 0.4, 0.5)),
    *_with_strips("3x4", _CABRERA_3X4, (-0.6, -0.5, -0.7, -0.6), cabrera=True),
    *_with_strips("6x2", _SIX_TWO, (0.4, 0.4)),
    *_with_strips("6x2", _CABRERA_SIX_TWO, (-0.3, -0.3), cabrera=True),
    KnownLayout("12x1", tuple((lead,) for lead in LEADS), 0.4),
    KnownLayout(
        "12x1", tuple((lead,) for lead in (*CABRERA, *LEADS[6:])), -0.2, True
    ),
    KnownLayout("6x1", LIMB_ROWS, 0.3),
    KnownLayout("6x1", CHEST_ROWS, 0.2),
    KnownLayout("6x1", tuple((lead,) for lead in CABRERA), -0.3, True),
    *_with_strips("4x3", _by_columns(LEADS), (0.0, 0.0)),
    *_with_strips(
        "4x3", _by_columns((*CABRERA, *LEADS[6:])), (-0.7, -0.7), cabrera=True
    ),
    *_with_strips(
        "4x3",
        tuple(tuple(LEADS[3 * k : 3 * k + 3]) for k in range(4)),
        (-0.4, -0.4),
    ),
    *_with_strips("3x5", _RIGHT_3X5, (-1.0, -1.0)),
    # Recorders of three channels print one group after the other.
    KnownLayout("3x1", LIMB_ROWS[:3], 0.2),
    KnownLayout("3x1", LIMB_ROWS[3:], -0.1),
    KnownLayout("3x1", CHEST_ROWS[:3], -0.2),
    KnownLayout("3x1", CHEST_ROWS[3:], -0.2),
    KnownLayout("3x1", ((ANY,),) * 3, 0.0),
    KnownLayout("2x1", ((ANY,),) * 2, -0.4),
    KnownLayout("1x1", ((ANY,),), -0.4),
)


def known(name, cabrera=None):
    """All kinds of a name, such as "3x4+1"; lower case and blanks are free."""
    wanted = name.lower().replace(" ", "")
    return tuple(
        kind
        for kind in KNOWN
        if kind.name == wanted and cabrera in (None, kind.cabrera)
    )


LAYOUT_NAMES = tuple(dict.fromkeys(kind.name for kind in KNOWN))
