"""Moving pictures on disk: GIF everywhere, MP4 where ffmpeg is found."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

from centerloss_core.files.atomic import atomic_write
from centerloss_core.plotting.animation import Film, Screen
from centerloss_core.plotting.request import PlotError
from centerloss_core.plotting.style import CLASS_COLORS, UNKNOWN

_NEARLY_WHITE = 0.96
_SECONDS = 8  # that a film of many frames should last
_SLOWEST, _FASTEST = 2, 10  # frames per second
_LAST_FRAME_SECONDS = 1.5  # before the film begins again, time to see where it ended


class _GifWriter(PillowWriter):
    """A GIF has 256 colours. Those that Pillow would choose shift the classes' colours and flicker between frames."""

    _frames: list[Image.Image]

    def finish(self) -> None:
        palette = Image.new("P", (1, 1))
        palette.putpalette(_palette().tobytes())
        self._frames = [
            frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames
        ]
        super().finish()


def _palette() -> NDArray[np.uint8]:
    """Return (256, 3): classes and letters on their way to white, because points are see-through."""
    colors = np.array([to_rgb(color) for color in (*CLASS_COLORS, UNKNOWN, "black")])
    shades = 256 // len(colors)
    strength = np.linspace(1, 0.1, shades)[:, None, None]  # none so pale that white becomes pink
    tones = (1 - strength * (1 - colors)).reshape(-1, 3)
    tones[tones.min(axis=1) > _NEARLY_WHITE] = 1  # or Pillow takes them for white
    rest = np.ones((256 - len(tones), 3))
    return (255 * np.concatenate([tones, rest])).round().astype(np.uint8)


def has_ffmpeg() -> bool:
    return bool(FFMpegWriter.isAvailable())


def save_film(film: Film, path: Path, fmt: str) -> Path:
    """Write a film as "gif" or "mp4" and return its path.

    Raises:
        PlotError: ffmpeg is missing or fails.
        OSError: as any writing does.
    """
    if fmt == "mp4" and not has_ffmpeg():
        raise PlotError(f"{path}: writing MP4 needs the program ffmpeg, which is not found; write a .gif")
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = min(_FASTEST, max(_SLOWEST, len(film.times) // _SECONDS))
    # Without this pixel format, browsers and QuickTime show nothing.
    as_mp4 = ["-pix_fmt", "yuv420p"]
    writer: AbstractMovieWriter = _GifWriter(rate) if fmt == "gif" else FFMpegWriter(rate, extra_args=as_mp4)
    # matplotlib's writers want a name, not a file. They get one elsewhere, so that here it appears whole or not at all.
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"film.{fmt}"
        try:
            _record(film, draft, writer)
        except subprocess.CalledProcessError as error:
            raise PlotError(f"{path}: ffmpeg failed ({error}); write a .gif") from error
        with atomic_write(path) as file:
            file.write(draft.read_bytes())
    return path


def _record(film: Film, path: Path, writer: AbstractMovieWriter) -> None:
    screen = Screen(film)
    with writer.saving(screen.figure, str(path), screen.figure.dpi):
        for time in film.times:
            screen.show(time)
            writer.grab_frame()
        # Equal frames become one that stays longer.
        for _ in range(round(_LAST_FRAME_SECONDS * writer.fps)):
            writer.grab_frame()
