"""Pages that are open in the app: read, corrected, and given out as files.

It knows nothing of a web page. What is dropped lies in a folder of its own
until the session is closed.
"""

import dataclasses
import io
import json
import math
import re
import tempfile
import threading
import time
import traceback
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from ecg_keras.app.corrections import Corrections, read_corrected
from ecg_keras.app.overlay import Trace, overlay_svg, traces_of
from ecg_keras.documents.failures import told
from ecg_keras.documents.pages import Page, find_pages
from ecg_keras.ecg.digitized import (
    DOUBTFUL,
    FROM_VECTOR,
    GOOD,
    REFUSED,
    DigitizedEcg,
)
from ecg_keras.ecg.leads import LEADS, RATE_HZ
from ecg_keras.ecg.signal_files import signals_table, write_signals
from ecg_keras.ecg.svg_chart import svg_chart
from ecg_keras.errors import InputError
from ecg_keras.user_cache import keep_compiled_programs
from ecg_keras.version import __version__

WAITING, FAILED = "waiting", "failed"
# What can be given out: kind -> what its file's name ends in.
DOWNLOADS = {"csv": ".csv", "wfdb": "_wfdb.zip", "json": ".json"}
# The picture that is shown, and the chart.
SHOWN_SIDE_PX, SHOWN_QUALITY = 2000, 85
CHART_PX_PER_MM = 4.0
ADVICE = {
    GOOD: "Compare the traces over the picture before you use the signals.",
    DOUBTFUL: (
        "Compare the traces over the picture. Set what is wrong and read "
        "again, or take back the stretches that were misread."
    ),
    REFUSED: (
        "What was read is most likely wrong. Set what is wrong (layout, "
        "speed, gain, px/mm, the corners) and read again, or scan or "
        "photograph the page flat, whole and sharp."
    ),
}


@dataclasses.dataclass(eq=False)
class OpenPage:
    """A page that is open.

    Attributes:
        number: its name in the session.
        page: `documents.pages.Page`.
        name: the file's, and the page's number where it has several.
        stem: the beginning of its files' names; no other page has it.
        failure: why it could not be read, or None.
        advice: what to do about that.
        digitized: `DigitizedEcg` as it was read, or None.
        traces: list of `Trace`.
        size_px: width and height of the page's picture.
        picture: JPEG of it, smaller.
        said: `Corrections` it was read with.
        taken_back: list of (lead, start_s, stop_s).
        seconds: how long it was read.
    """

    number: int
    page: Page
    name: str
    stem: str
    failure: str | None = None
    advice: str = ""
    digitized: DigitizedEcg | None = None
    traces: list = dataclasses.field(default_factory=list)
    size_px: tuple | None = None
    picture: bytes | None = None
    said: Corrections = Corrections()
    taken_back: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    @property
    def quality(self):
        if self.failure is not None:
            return FAILED
        return self.digitized.quality if self.digitized else WAITING

    @property
    def has_signals(self):
        return self.digitized is not None and bool(
            np.isfinite(self.digitized.signals_mv).any()
        )

    @property
    def kept(self):
        """`DigitizedEcg` without the stretches that were taken back."""
        signals_mv = self.digitized.signals_mv.copy()
        std_mv = self.digitized.std_mv
        std_mv = None if std_mv is None else std_mv.copy()
        for lead, start_s, stop_s in self.taken_back:
            part = slice(
                *(math.ceil(t * RATE_HZ - 1e-6) for t in (start_s, stop_s))
            )
            for values in (signals_mv, std_mv):
                if values is not None:
                    values[LEADS.index(lead), part] = np.nan
        return dataclasses.replace(
            self.digitized, signals_mv=signals_mv, std_mv=std_mv
        )


class Session:
    """The pages that are open.

    Methods may be called from several threads; one page is read at a time.

    Args:
        load_reader: function that gives a `page_reader.PageReader`; it is
            called when the first picture is read.
    """

    def __init__(self, load_reader=None):
        self._load_reader = load_reader or _packaged_reader
        self._reader = None
        self._reading = threading.Lock()
        self._changing = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(
            prefix="ecg_keras-app-", ignore_cleanup_errors=True
        )
        self._n_files = 0
        self._pages = {}
        self._next = 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Remove all that was dropped; what is open is gone."""
        self._pages.clear()
        self._folder.cleanup()

    @property
    def is_reading(self):
        """Whether a page is being read."""
        return self._reading.locked()

    def new_file(self, name):
        """A path in the session's folder for a file that is dropped.

        Args:
            name: the file's; folders in it are left out.
        """
        name = re.split(r"[/\\]", name)[-1].replace("\0", "").strip()
        name = name if name.strip(".") else "page"
        # File systems allow 255 bytes.
        suffix = Path(name).suffix[:20]
        stem = Path(name).stem.encode()[:150].decode(errors="ignore")
        with self._changing:
            self._n_files += 1
            folder = Path(self._folder.name) / str(self._n_files)
        folder.mkdir()
        return folder / (stem + suffix)

    def open(self, path):
        """Open all pages of a file.

        Returns:
            list of `OpenPage`; a file that cannot be opened is one that failed.
        """
        path = Path(path)
        opened = []
        for page in find_pages([path]):
            with self._changing:
                name = page.label.replace(str(path), path.name)
                stem = _unique(
                    page.stem, {p.stem for p in self._pages.values()}
                )
                shown = OpenPage(self._next, page, name, stem)
                self._pages[self._next] = shown
                self._next += 1
            if page.problem is not None:
                _fail(shown, page.problem)
            opened.append(shown)
        return opened

    def pages(self):
        """All `OpenPage`s, in the order in which they were opened."""
        return list(self._pages.values())

    def page(self, number):
        """An `OpenPage`.

        Raises:
            InputError: there is none of this number.
        """
        try:
            return self._pages[int(number)]
        except (KeyError, ValueError):
            raise InputError(f"page {number} is not open") from None

    def remove(self, number):
        """Close a page; its file stays until the session's end."""
        self.page(number)
        del self._pages[int(number)]

    def read(self, number, said=None):
        """Read a page. What fails is said by the page and never raised.

        Args:
            number: of the page.
            said: `Corrections`; with any, a PDF that holds the traces as paths
                is read by its picture.

        Returns:
            the `OpenPage`.

        Raises:
            InputError: a correction is no good; the page stays as it was.
        """
        shown, said = self.page(number), said or Corrections()
        if shown.page.problem is not None:
            return shown
        with self._reading:
            began = time.monotonic()
            try:
                image = shown.page.read()
            except Exception as error:
                return _fail(shown, error)
            try:
                digitized, traces = self._read(shown.page, image, said)
            except Exception as error:
                if isinstance(error, InputError) and said != Corrections():
                    raise
                return _fail(shown, error)
            if shown.picture is None:
                shown.picture = _jpeg(image)
            shown.size_px = image.shape[1::-1]
            shown.digitized, shown.traces, shown.said = digitized, traces, said
            shown.failure, shown.advice = None, ADVICE[digitized.quality]
            shown.taken_back = []
            shown.seconds = time.monotonic() - began
        return shown

    def _read(self, page, image, said):
        """(`DigitizedEcg`, list of `Trace`) of a page."""
        if said == Corrections():
            reading = page.read_traces()
            if reading is not None:
                traces = [Trace(*trace) for trace in reading.traces]
                return reading.digitized, traces
        if self._reader is None:
            self._reader = self._load_reader()
        reading, to_picture = read_corrected(self._reader, image, said)
        traces = traces_of(reading, image.shape[1::-1], to_picture)
        return reading.digitized.doubted(page.damage()), traces

    def take_back(self, number, lead, start_s, stop_s):
        """Take back a stretch of a lead: it is NaN in all that is given out.

        Args:
            number: of the page.
            lead: one of `LEADS`.
            start_s, stop_s: from and up to, in s of the recording.

        Raises:
            InputError: the lead is not shown there.
        """
        shown = self.page(number)
        if not shown.has_signals:
            raise InputError(f"{shown.name}: nothing was read to take back")
        if lead not in LEADS:
            raise InputError(f"expected a lead of {LEADS}. Received: {lead}")
        try:
            start_s, stop_s = float(start_s), float(stop_s)
        except (TypeError, ValueError):
            raise InputError(
                f"expected two times in s. Received: {start_s}, {stop_s}"
            ) from None
        before = np.isfinite(shown.kept.signals_mv).sum()
        if start_s < stop_s:
            shown.taken_back.append((lead, max(start_s, 0.0), stop_s))
        if np.isfinite(shown.kept.signals_mv).sum() == before:
            if start_s < stop_s:
                shown.taken_back.pop()
            raise InputError(
                f"{lead} shows nothing from {start_s:g} to {stop_s:g} s"
            )
        return shown

    def restore(self, number):
        """Undo all that was taken back on a page."""
        shown = self.page(number)
        shown.taken_back = []
        return shown

    def download(self, number, kind, although_refused=False):
        """A page's file.

        Args:
            number: of the page.
            kind: of `DOWNLOADS`.
            although_refused: give out what was read on a refused page, too.

        Returns:
            (name of the file, bytes).

        Raises:
            InputError: nothing was read, or it was refused.
        """
        shown = self.page(number)
        if kind not in DOWNLOADS:
            raise InputError(
                f"expected one of {', '.join(DOWNLOADS)}. Received: {kind}"
            )
        name = shown.stem + DOWNLOADS[kind]
        if shown.digitized is None:
            raise InputError(f"{shown.name} was not read")
        if kind == "json":
            return name, _json_bytes(self.summary(shown))
        if not shown.has_signals:
            raise InputError(f"{shown.name}: no signals were read")
        if shown.quality == REFUSED and not although_refused:
            raise InputError(f"{shown.name} was refused")
        table = signals_table(shown.kept.signals_mv)
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            target = Path(folder) / shown.stem
            write_signals(target, table, kind)
            if kind == "csv":
                return name, target.with_name(name).read_bytes()
            files = sorted(target.with_name(f"{shown.stem}_wfdb").iterdir())
            return name, _zip({p.name: p.read_bytes() for p in files})

    def download_all(self):
        """A zip of the files of all pages that are good or doubtful.

        Returns:
            (name of the file, bytes).

        Raises:
            InputError: there is no such page.
        """
        files = {}
        for shown in self.pages():
            if shown.quality in (GOOD, DOUBTFUL):
                for kind in DOWNLOADS:
                    name, data = self.download(shown.number, kind)
                    files[name] = data
        if not files:
            raise InputError("no page is good or doubtful")
        return "ecg_keras.zip", _zip(files)

    def summary(self, shown):
        """What a page's JSON says, a dict: as `digitize`, and what was done."""
        return {
            **shown.kept.summary(),
            "rate_hz": RATE_HZ,
            "file": {
                "path": shown.page.path.name,
                "page": shown.page.index + 1,
                "sha256": shown.page.sha256(),
            },
            "corrections": shown.said.to_dict(),
            "taken_back": [
                {"lead": lead, "start_s": start_s, "stop_s": stop_s}
                for lead, start_s, stop_s in shown.taken_back
            ],
            "ecg_keras": __version__,
        }


def view(shown):
    """What is shown of an `OpenPage`: a dict of plain values and SVG."""
    values = {
        "number": shown.number,
        "name": shown.name,
        "quality": shown.quality,
        "reasons": [],
        "advice": shown.advice,
        "facts": [],
        "has_signals": shown.has_signals,
        "has_picture": shown.picture is not None,
        "size_px": shown.size_px,
        "said": shown.said.to_dict(),
        "taken_back": [list(stretch) for stretch in shown.taken_back],
        "leads": {},
        "overlay": "",
        "chart": "",
    }
    if shown.failure is not None:
        return {**values, "reasons": [shown.failure]}
    if shown.digitized is None:
        return values
    digitized, kept = shown.digitized, shown.kept
    values["reasons"] = list(digitized.reasons)
    values["facts"] = _facts(shown)
    values["leads"] = digitized.summary()["leads"]
    values["overlay"] = overlay_svg(
        shown.traces, shown.size_px, shown.taken_back
    )
    if shown.has_signals:
        values["chart"] = svg_chart(
            kept.signals_mv,
            digitized.rows,
            kept.std_mv,
            px_per_mm=CHART_PX_PER_MM,
            as_read_mv=digitized.signals_mv,
            fine_grid=True,
        )
    return values


def _facts(shown):
    """What is known of a page, in words."""
    digitized = shown.digitized
    facts = []
    if digitized.layout:
        facts.append(f"layout {digitized.layout}")
    if digitized.speed_mm_per_s:
        facts.append(f"{digitized.speed_mm_per_s:g} mm/s")
    if digitized.gain_mm_per_mv:
        facts.append(f"{digitized.gain_mm_per_mv:g} mm/mV")
    if digitized.source == FROM_VECTOR:
        facts.append("taken from the file's own paths, without any pixel")
    else:
        facts.append(f"read by {digitized.read_by}")
    facts.append(f"{shown.seconds:.1f} s")
    return facts


def _fail(shown, error):
    """Note why a page cannot be read, with the file's name and no folder."""
    words, advice = told(error)
    shown.advice = f"{advice[0].upper()}{advice[1:]}."
    if not isinstance(error, InputError):
        traceback.print_exception(error)
        words = f"{shown.name}: {words}"
    shown.failure = words.replace(str(shown.page.path), shown.page.path.name)
    return shown


def _packaged_reader():
    keep_compiled_programs()
    from ecg_keras.page_reader import load_page_reader

    return load_page_reader()


def _unique(stem, taken):
    """A name that no other page has, for files."""
    stem = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", stem)
    name, number = stem, 2
    while name.lower() in {other.lower() for other in taken}:
        name, number = f"{stem}_{number}", number + 1
    return name


def _jpeg(image):
    picture = Image.fromarray(image)
    picture.thumbnail((SHOWN_SIDE_PX, SHOWN_SIDE_PX))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=SHOWN_QUALITY)
    return file.getvalue()


def _json_bytes(values):
    return (json.dumps(values, indent=2, default=str) + "\n").encode()


def _zip(files):
    """A zip of names and their bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()
