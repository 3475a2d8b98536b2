"""Write the reference from the program itself: every command from its parser, every name from the catalogue."""

from pathlib import Path


def write(folder: Path) -> None:
    """Write the pages into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
