"""The whole page: what was trained, and the four questions, in the prose of `page.md.j2`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.study import centers, discriminative, triplets, unseen
from benchmarks.study.runs import StudyRun, read_runs
from benchmarks.study.statistics import RESAMPLES
from centerloss_core.files.atomic import atomic_write
from centerloss_core.formatting import finite
from centerloss_core.run_directory.manifest import read_summary

_QUESTIONS = {"a": discriminative, "b": unseen, "c": triplets, "d": centers}


def write_page(directories: Sequence[Path], out: Path) -> list[Path]:
    """Write the page and its figures, in `figures/` beside it; equal runs give equal bytes.

    Raises:
        ExpectedError: a directory holds no run, or a run cannot be read.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    runs, others = read_runs(directories)
    sections = {letter: question.section(runs) for letter, question in _QUESTIONS.items()}
    folder = out.parent / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    written = [out]
    for name, draw in (pair for section in sections.values() for pair in section.figures.items()):
        with atomic_write(folder / name) as file:
            draw(file)
        written.append(folder / name)
    texts = {letter: "\n".join(section.lines).strip() for letter, section in sections.items()}
    answers = "\n\n".join(
        "\n".join([f"**{section.title}**", "", *section.answers]) for section in sections.values()
    )
    titles = {letter: section.title for letter, section in sections.items()}
    about = {**_about(runs), "unfinished": len(others), "answers": answers, "titles": titles}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=False
    )
    page = environment.get_template("page.md.j2").render(
        directories=" ".join(f"runs/{directory.name}" for directory in directories), **about, **texts
    )
    with atomic_write(out) as file:
        file.write((page.rstrip() + "\n").encode())
    return written


def _about(runs: Sequence[StudyRun]) -> dict[str, Any]:
    """How many runs, on what, and where."""
    records = [run.record for run in runs]
    images = sum((each.steps or 0) * int(each.settings["train.batch_size"]) for each in records)
    seconds = {
        name: sum(finite(each.metrics.get(name)) or 0.0 for each in records)
        for name in ("seconds", "training_seconds")
    }
    said = [_origin(run) for run in runs]
    splits = dict.fromkeys(run.known for run in runs if run.known)
    return {
        "runs": len(runs),
        "images": f"{images:,}",
        "step_minutes": f"{seconds['training_seconds'] / 60:.0f}",
        "minutes": f"{seconds['seconds'] / 60:.0f}",
        "origin": {key: _most_first(each[key] for each in said) for key in (said[0] if said else {})},
        "splits": ", ".join(f"{{{split}}}" for split in splits) or "none of them here",
        "resamples": f"{RESAMPLES:,}",
    }


def _origin(run: StudyRun) -> dict[str, str]:
    record, unknown = run.record, run.figures["open_set"].get("unknown_images")
    settings, manifest = record.settings, record.manifest
    channels = ", ".join(map(str, settings["model.channels"]))
    schedule = settings["train.schedule"]
    length = f"{settings['train.epochs']} epochs of {record.data['train']:,} images"
    return {
        "data": f"{record.data_title}, {run.figures['images']:,} test images"
        + (f" of known and {unknown:,} of unknown classes" if unknown else ""),
        "network": f"`{settings['model.name']}`, channels {channels}, {settings['model.feature_dim']} dimensions",
        "optimizer": f"{settings['train.optimizer']}, {schedule}, peak {settings['train.learning_rate']:g}",
        "length": f"{length}, batches of {settings['train.batch_size']}",
        "hardware": ", ".join([manifest["device"], manifest["precision"], *_beside(run)]),
        "versions": _listed(manifest["versions"]),
    }


def _beside(run: StudyRun) -> tuple[str, ...]:
    """How many cores a run had, and how many ran at a time, as the sweep keeps it."""
    if run.record.sweep is None:
        return ()
    return (
        f"threads of a run: {read_summary(run.record.sweep).get('threads')}",
        f"runs at a time: {run.together}",
    )


def _most_first(said: Any) -> str:
    """What runs say, the most frequent first, each with the number of its runs where they differ."""
    counts = Counter(said).most_common()
    if len(counts) == 1:
        return str(counts[0][0])
    return "; ".join(
        f"{text} ({count} runs)" for text, count in sorted(counts, key=lambda each: (-each[1], each[0]))
    )


def _listed(versions: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
