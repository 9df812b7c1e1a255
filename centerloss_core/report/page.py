"""Everything in one file. The page may load nothing and run nothing but the two scripts that are in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from centerloss_core.report.charts import Charts, script
from centerloss_core.report.confusion import confusion_tables
from centerloss_core.report.curves import Curve, Look
from centerloss_core.report.differences import differences
from centerloss_core.report.evaluations import evaluation_tables
from centerloss_core.report.frames import Panel, Shown
from centerloss_core.report.markup import escape, json_in_script
from centerloss_core.report.origin import origin
from centerloss_core.report.reading import Contents, Record, sweep_data
from centerloss_core.report.seeds import seeds_table
from centerloss_core.report.tables import epoch_tables, metric_table
from centerloss_core.report.thumbnails import COLUMNS, TILE, Digits

_HINTS = (
    "Hover or tap a point to see its digit. The tools above a panel pan, zoom and select, by box or lasso; Ctrl and "
    "the wheel zoom. What is selected in one panel is marked in all. With the keyboard: Tab to a panel, then arrows, "
    "+, − and 0; or step through the images under “One image” with ← and →."
)
# The mark of a center as `report.js` has Bokeh draw it.
_CROSS = "M4.1 4.1 11.9 11.9M11.9 4.1 4.1 11.9"
_CENTER = (
    '<svg class="center" width="16" height="16" fill="none" stroke-linecap="square" aria-hidden="true">'
    f'<path d="{_CROSS}" stroke="black" stroke-width="4.9"/>'
    f'<path d="{_CROSS}" stroke="white" stroke-width="2.5"/></svg>'
)


def page(
    contents: Contents,
    detailed: Sequence[Record],
    shown: Shown,
    digits: Digits | None,
    charts: Charts,
    payload: dict[str, Any],
    notes: Sequence[str],
) -> str:
    """The report as HTML."""
    bokeh, own = script(), _resource("report.js")
    sections = [
        ("features", "Features", _features(shown, digits)),
        ("figures", "Figures", _figures(contents.records)),
        ("curves", "Curves", _curves(detailed, charts)),
        ("confusion", "Confusion", _confusion(shown.panels)),
        ("settings", "Settings", differences(contents.records, detailed)),
        ("origin", "Origin", origin(contents, detailed)),
    ]
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>{content}</section>'
        for name, title, content in sections
    )
    charts_json = json_in_script({"document": charts.document, "roots": charts.roots})
    kind = "Sweep" if contents.is_sweep else "Run"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(bokeh, own)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="cl report">
<link rel="icon" href="data:,">
<title>{escape(contents.title)}</title>
<style>{_resource("report.css")}{_digit_rule(digits)}</style>
</head>
<body>
<a class="skip" href="#features">Skip to the features</a>
<header><h1><small>{kind}</small> {escape(contents.title)}</h1><p>{escape(_summary(contents))}</p>
<nav aria-label="Sections">{links}</nav></header>
<main>
{_notes(contents, notes)}
<noscript><p class="note">Panels and curves need JavaScript; the tables do not.</p></noscript>
{body}
</main>
<div id="tip" role="status" hidden></div>
<script type="application/json" id="report-data">{json_in_script(payload)}</script>
<script type="application/json" id="report-charts">{charts_json}</script>
<script>{bokeh}</script>
<script>{own}</script>
</body>
</html>
"""


def _policy(*scripts: str) -> str:
    """Even markup that had slipped through the escaping could not run: only these two scripts may."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
        for text in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"


def _resource(name: str) -> str:
    return (files("centerloss_core.report") / name).read_text(encoding="utf-8")


def _digit_rule(digits: Digits | None) -> str:
    if digits is None:
        return ""
    rows = -(-digits.count // COLUMNS)
    size = f"calc({COLUMNS * TILE}px * var(--zoom)) calc({rows * TILE}px * var(--zoom))"
    return f".digit{{background-image:url({digits.url});background-size:{size}}}"


def _summary(contents: Contents) -> str:
    data = sweep_data(contents.records).get("title")
    done = sum(record.status == "completed" for record in contents.records)
    count = len(contents.records)
    if not contents.is_sweep:
        record = contents.records[0]
        parts = [record.label, f"status: {record.status}"]
    else:
        parts = [f"{done} of {count} run{'s' * (count != 1)} completed"]
    return " · ".join([*([str(data)] if data else []), *parts])


def _notes(contents: Contents, notes: Sequence[str]) -> str:
    """Warnings of the runs first: they may change what everything below means."""
    lines = []
    for record in contents.records:
        lines += [("warning", f"{record.name}: {text}") for text in record.warnings]
        if record.status != "completed":
            reason = f": {record.reason}" if record.reason else ""
            lines.append(("warning", f"{record.name} is not completed ({record.status}){reason}"))
        lines += [("note", f"{record.name}: {text}") for text in record.problems]
    lines += [("note", text) for text in notes]
    if not lines:
        return ""
    items = "".join(f'<li class="{kind}">{escape(text)}</li>' for kind, text in lines)
    return f'<section id="notes" aria-label="Warnings and notes"><ul>{items}</ul></section>'


def _features(shown: Shown, digits: Digits | None) -> str:
    if not shown.panels:
        return "<p>No run has left test features yet.</p>"
    classes = max(len(panel.frames[-1].dump.centers) for panel in shown.panels)
    panels = "".join(_panel(index, panel) for index, panel in enumerate(shown.panels))
    only = " only" if len(shown.panels) == 1 else ""
    return f"""{_controls(shown)}
<p class="legend" aria-label="Colours of the digits">{_class_legend(classes)}<span>{_CENTER}trained center</span></p>
<div class="stage"><div class="panels{only}">{panels}</div>{_inspector(shown, digits)}</div>
<p class="hint">{_HINTS}</p>"""


def _class_legend(classes: int) -> str:
    """A dot per colour with the digits that have it: beyond ten classes colours repeat."""
    from centerloss_core.plotting.style import CLASS_COLORS

    entries = []
    for place, color in enumerate(CLASS_COLORS[:classes]):
        digits = range(place, classes, len(CLASS_COLORS))
        words = ", ".join(map(str, digits[:2])) + " …" * (len(digits) > 2)
        entries.append(f'<span><i style="background:{color}"></i>{words}</span>')
    return "".join(entries)


def _controls(shown: Shown) -> str:
    last = len(shown.stops) - 1
    shared = '<option value="shared">one scale for all λ</option>' if len(shown.panels) > 1 else ""
    disabled = " disabled" if last == 0 else ""
    return f"""<div class="controls" role="group" aria-label="What the panels show">
<label class="slider">Epoch <input type="range" id="time" min="0" max="{last}" value="{last}" step="1"{disabled}
 aria-valuetext="{escape(shown.times[-1])}"><output id="time-name" for="time">{escape(shown.times[-1])}</output></label>
<button type="button" id="play"{disabled}>Play</button>
<label><input type="checkbox" id="wrong-only"> misclassified only</label>
<label>wrong by <select id="judge"><option value="softmax">softmax</option>
<option value="nearest_center">nearest center</option><option value="either">either</option></select></label>
<label>axes <select id="axes"><option value="each">fit each panel</option>{shared}
<option value="keep">stay as they are</option></select></label>
<button type="button" id="clear" disabled>Clear selection</button>
<output id="selected" role="status">nothing selected</output>
</div>"""


def _panel(index: int, panel: Panel) -> str:
    note = _plane_note(panel)
    title = escape(panel.record.label)
    buttons = "".join(
        f'<button type="button" data-act="{act}" aria-label="{words}, {title}" title="{words}">{sign}</button>'
        for act, sign, words in (("in", "+", "zoom in"), ("out", "−", "zoom out"), ("reset", "⤢", "show all"))
    )
    return f"""<figure class="panel" id="figure-{index}"><figcaption><strong>{title}</strong>
<span class="zooms">{buttons}</span>{note}<span class="facts" id="facts-{index}"></span></figcaption>
<div class="plot" id="panel-{index}" tabindex="0" role="application" aria-roledescription="scatter plot"
 aria-label="{title}: features of the test images. Arrows pan, plus and minus zoom, 0 shows all."></div></figure>"""


def _plane_note(panel: Panel) -> str:
    dimensions = panel.frames[-1].dump.features.shape[1]
    if dimensions == 2:
        return ""
    if dimensions == 1:
        return (
            '<span class="plane">the one feature from left to right; each digit has a strip of its own</span>'
        )
    return (
        f'<span class="plane">first two principal components of {dimensions} features, taken from the newest epoch; '
        "distances are measured in all dimensions</span>"
    )


def _inspector(shown: Shown, digits: Digits | None) -> str:
    runs = "".join(
        f'<option value="{index}">misclassified by {escape(panel.record.label)}</option>'
        for index, panel in enumerate(shown.panels)
    )
    any_run = "misclassified by any run" if len(shown.panels) > 1 else "the misclassified"
    picture = '<span class="digit large" id="image" role="img" aria-label="no image chosen" hidden></span>'
    return f"""<aside class="inspector" id="inspector" aria-label="One image" tabindex="0">
<h3>One image</h3>
<label>Step through <select id="which"><option value="any">{any_run}</option>{runs if len(shown.panels) > 1 else ""}
<option value="selected">the selected images</option><option value="all">all images</option></select></label>
<p class="steps"><button type="button" id="previous" aria-label="previous image">←</button>
<output id="count">–</output><button type="button" id="next" aria-label="next image">→</button></p>
<div class="one">{picture if digits else ""}
<div id="about" aria-live="polite">Hover or tap a point, or press →.</div></div>
<div id="judgements"></div>
<h3 id="gallery-title" hidden>Selected</h3><div id="gallery" role="group" aria-labelledby="gallery-title"></div>
</aside>"""


def _figures(records: Sequence[Record]) -> str:
    return seeds_table(records) + metric_table(records) + evaluation_tables(records)


def _curves(records: Sequence[Record], charts: Charts) -> str:
    if not charts.curves:
        return "<p>No run has logged figures yet.</p>"
    legend = "".join(f"<span>{_sample(look)}{escape(label)}</span>" for label, look in charts.looks)
    plots = "".join(
        f"<figure><figcaption>{escape(curve.title)}{_curve_note(curve)}</figcaption>"
        f'<div class="plot" id="{curve.name}" role="img" '
        f'aria-label="{escape(curve.title)}; {escape(curve.words)}"></div></figure>'
        for curve in charts.curves
    )
    return f'<p class="legend">{legend}</p><div class="curves">{plots}</div>{epoch_tables(records)}'


def _curve_note(curve: Curve) -> str:
    return f'<span class="facts">{escape(curve.note)}</span>' if curve.note else ""


def _sample(look: Look) -> str:
    """A piece of a run's line."""
    return (
        '<svg class="sample" width="44" height="10" aria-hidden="true"><line x1="0" y1="5" x2="44" y2="5" '
        f'stroke="{look.color}" stroke-width="2" stroke-dasharray="{look.dash}"/></svg>'
    )


def _confusion(panels: list[Panel]) -> str:
    if not panels:
        return "<p>No run has left test features yet.</p>"
    return (
        "<p>At the newest epoch, by softmax and by the nearest trained center. A number off the diagonal is a button: "
        "it selects its images in the panels.</p>"
        f'<div class="matrices">{confusion_tables(panels)}</div>'
    )
