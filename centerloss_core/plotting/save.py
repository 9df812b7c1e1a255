"""Figures on disk: whole or not at all, and the same bytes for the same figure."""

from pathlib import Path

from matplotlib.figure import Figure

from centerloss_core.files.atomic import atomic_write

# Dates and version numbers would make two equal figures differ.
_NO_METADATA = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# The points in a vector figure are pixels; at this density they stay round in print.
_RASTER_DPI = 220


def save_figure(figure: Figure, path: Path, fmt: str) -> Path:
    """Write a figure as "png", "svg" or "pdf" and return its path. Raises OSError as any writing does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        figure.savefig(
            file,
            format=fmt,
            dpi=figure.dpi if fmt == "png" else _RASTER_DPI,
            metadata=_NO_METADATA[fmt],
        )
    return path
