"""What `--open` does."""

from pathlib import Path

from .streams import warn


def open_in_browser(path: Path) -> None:
    """Show a figure or a report in the browser, or say that there is none."""
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        warn(f"no browser could be started; open {path} in one")
