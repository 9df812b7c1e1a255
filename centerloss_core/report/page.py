"""Everything in one file. The page may load nothing and run nothing but the two scripts that are in it."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from centerloss_core.plotting.style import UNKNOWN
from centerloss_core.report.charts import Charts, look_of, script
from centerloss_core.report.confusion import confusion
from centerloss_core.report.evaluations import evaluation_tables
from centerloss_core.report.frames import Panel, Shown
from centerloss_core.report.origin import commands, configs, differences, origin_tables
from centerloss_core.report.payload import payload
from centerloss_core.report.reading import Contents, Record
from centerloss_core.report.results import epoch_tables, results_table
from centerloss_core.report.seeds import seeds_table
from centerloss_core.report.thumbnails import Thumbnails
from centerloss_core.run_directory.class_points import trained


def page(
    contents: Contents,
    detailed: Sequence[Record],
    shown: Shown,
    images: Thumbnails | None,
    charts: Charts,
    notes: Sequence[str],
) -> str:
    """The report as HTML; `detailed` are the runs that are shown in full."""
    environment = Environment(
        loader=PackageLoader("centerloss_core.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Of JSON in a script, `tojson` escapes whatever could end the script.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    bokeh, own = script(), _resource("report.js")
    panels = shown.panels
    return environment.get_template("page.html").render(
        contents=contents,
        shown=shown,
        images=images,
        charts=charts,
        payload=payload(shown, images),
        bokeh=bokeh,
        own=own,
        style=_resource("report.css"),
        policy=_policy(bokeh, own),
        summary=_summary(contents),
        notes=_notes(contents, notes),
        legend=_legend(shown),
        points=[(trained(kind), look_of(kind).path) for kind in shown.kinds],
        planes=[_plane(panel) for panel in panels],
        judges=shown.judges,
        seeds=seeds_table(contents),
        results=results_table(contents),
        evaluations=evaluation_tables(contents),
        epochs=epoch_tables(detailed),
        confusions=[
            [confusion(index, panel, judge, shown.judges[judge]) for judge in panel.last.predicted]
            for index, panel in enumerate(panels)
        ],
        differences=differences(contents.records, detailed),
        configs=configs(detailed),
        origin=origin_tables(contents, detailed),
        commands=commands(contents, detailed),
    )


def _policy(*scripts: str) -> str:
    """Even markup that had slipped through the escaping could not run: only these two scripts may."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
        for text in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"


def _resource(name: str) -> str:
    return (files("centerloss_core.report") / name).read_text(encoding="utf-8")


def _summary(contents: Contents) -> str:
    count = len(contents.records)
    if contents.is_sweep:
        done = sum(record.is_completed for record in contents.records)
        what = [f"{done} of {count} run{'s' * (count != 1)} completed"]
    else:
        what = [contents.records[0].label, f"status: {contents.records[0].run.status}"]
    return " · ".join([*filter(None, [contents.data_title]), *what])


def _notes(contents: Contents, notes: Sequence[str]) -> list[tuple[str, str]]:
    """The kind and the words of each. Warnings of a run come first: they may change what everything below means."""
    lines = []
    for record in contents.records:
        lines += [("warning", f"{record.name}: {text}") for text in record.run.warnings]
        if not record.is_completed:
            reason = f": {record.reason}" if record.reason else ""
            lines.append(("warning", f"{record.name} is not completed ({record.run.status}){reason}"))
        lines += [("note", f"{record.name}: {text}") for text in record.problems]
    return [*lines, *(("note", text) for text in notes)]


def _legend(shown: Shown) -> list[tuple[str, str]]:
    """Each colour with the classes that have it: beyond ten classes, colours repeat."""
    members: dict[str, list[str]] = {}
    for name, color in zip(shown.names, shown.colors, strict=True):
        members.setdefault(color, []).append(name)
    colors = [(color, ", ".join(each[:2]) + " …" * (len(each) > 2)) for color, each in members.items()]
    return [*colors, (UNKNOWN, "unknown")] if shown.has_unknown else colors


def _plane(panel: Panel) -> str:
    """What the axes are, where they are not the two features."""
    dimensions = panel.last.dump.features.shape[1]
    if dimensions == 2:
        return ""
    if dimensions == 1:
        return "the one feature from left to right; each class has a strip of its own"
    if panel.is_space:
        return "three features, first seen along their third principal component; Turn and Tilt show the other sides"
    return f"{panel.plane.note}, taken from the newest epoch; distances are measured in all dimensions"
