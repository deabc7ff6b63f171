"""One HTML file about a batch, worst pages first: `digitize --report`.

It holds all its pictures, no script, and asks for nothing from elsewhere.
"""

import base64
import html
import io
import json

import pandas as pd
from PIL import Image

from ecg_keras.documents.pages import shown_part
from ecg_keras.ecg.digitized import DOUBTFUL, GOOD, REFUSED
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.svg_chart import svg_chart
from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED, replacing
from ecg_keras.version import __version__

REPORT_FILE = "report.html"
THUMBNAIL_PX = 420
# Worst first; None: a page that could not be read at all.
ORDER = (None, REFUSED, DOUBTFUL, GOOD)
WORDS = {None: "failed", **{word: word for word in ORDER[1:]}}

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 78em;
  padding: 0 1em; color: #222; background: #fafafa; }
h1 { font-size: 1.4em; } h2 { font-size: 1.05em; margin: 0 0 .3em; }
section { background: white; border: 1px solid #ddd; border-left: 6px solid;
  border-radius: 4px; margin: 1em 0; padding: 1em; }
.failed, .refused { border-left-color: #c1121f; }
.doubtful { border-left-color: #e09f3e; } .good { border-left-color: #4f9d69; }
.pictures { display: flex; gap: 1em; align-items: flex-start; flex-wrap: wrap; }
img { max-width: 420px; height: auto; } p { margin: .2em 0; }
.facts { color: #666; font-size: .9em; } svg { max-width: 100%; height: auto; }
"""


def write_report(output_dir, results, whole_page=False):
    """Write `report.html` about pages whose files are in a folder.

    Args:
        output_dir: folder of the files.
        results: list of `digitize.Result`.
        whole_page: show header and footer of the pages, too.

    Returns:
        pathlib.Path of the report.
    """
    ordered = sorted(results, key=lambda r: ORDER.index(r.quality))
    counts = ", ".join(
        f"{sum(r.quality == quality for r in results)} {WORDS[quality]}"
        for quality in reversed(ORDER)
    )
    path = output_dir / REPORT_FILE
    with replacing(path) as partial:
        with open(
            partial, "w", encoding="utf-8", errors="xmlcharrefreplace"
        ) as file:
            file.write(
                '<!doctype html><html lang="en"><head><meta charset="utf-8">'
                f"<title>{len(results)} pages</title><style>{_STYLE}</style>"
                f"</head><body><h1>{len(results)} pages: {counts}</h1>"
                f'<p class="facts">ecg_keras {__version__}; the grid of the '
                "charts is 0.2 s and 0.5 mV</p>"
            )
            for result in ordered:
                file.write(_section(output_dir, result, whole_page))
            file.write("</body></html>\n")
    return path


def _section(output_dir, result, whole_page):
    word = WORDS[result.quality]
    lines = [f"<h2>{word}: {html.escape(result.page.label)}</h2>"]
    lines += [f"<p>{html.escape(reason)}</p>" for reason in result.reasons]
    if result.advice:
        lines.append(f"<p>What to do: {html.escape(result.advice)}</p>")
    try:
        lines += _what_was_read(output_dir, result, whole_page)
    except DAMAGED as error:
        # Files of an earlier run: this one writes none that it cannot read.
        said = f"its files in {output_dir} are damaged, read it again: {error}"
        lines.append(f"<p>{html.escape(said)}</p>")
    return f'<section class="{word}">{"".join(lines)}</section>\n'


def _what_was_read(output_dir, result, whole_page):
    """HTML of a page's facts and pictures, by the files written for it."""
    summary_file = output_dir / f"{result.page.stem}.json"
    summary = {}
    if result.quality is not None and summary_file.is_file():
        summary = json.loads(summary_file.read_text())
    facts = [result.page.stem]
    if summary:
        if summary["layout"]:
            facts.append(f"layout {summary['layout']}")
        for name, unit in (
            ("speed_mm_per_s", "mm/s"),
            ("gain_mm_per_mv", "mm/mV"),
        ):
            if summary[name]:
                facts.append(f"{summary[name]:g} {unit}")
        facts.append(f"from: {summary['source']}, by {summary['model']}")
    lines = [f'<p class="facts">{html.escape(", ".join(facts))}</p>']
    lines.append('<div class="pictures">')
    lines.append(_thumbnail(result.page, summary.get("traces_box"), whole_page))
    if result.is_read:
        lines.append(_chart(output_dir, result.page.stem, summary))
    lines.append("</div>")
    return lines


def _thumbnail(page, traces_box, whole_page):
    """A small picture of a page, or nothing where it cannot be opened."""
    try:
        image = page.read()
    except InputError:
        return ""
    image = Image.fromarray(shown_part(image, traces_box, whole_page))
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'


def _chart(output_dir, stem, summary):
    """The traces as SVG, from the page's table."""
    if (output_dir / f"{stem}.csv").is_file():
        table = pd.read_csv(output_dir / f"{stem}.csv")
    elif (output_dir / f"{stem}.parquet").is_file():
        table = pd.read_parquet(output_dir / f"{stem}.parquet")
    else:
        return "<p>no csv and no Parquet file to draw the traces from</p>"
    signals_mv = table[list(LEADS)].to_numpy(float).T
    return svg_chart(signals_mv, summary["rows"], rate_hz=summary["rate_hz"])
