"""Handing the finished copies over: packed in one zip file, or copied into a folder of the person's choice."""

import os
import zipfile
from pathlib import Path

from workbench.apps.photos import private_folder
from workbench.apps.photos.uploads import count
from workbench.config import DataError

ARCHIVE = "copies.zip"


def pack(folder: Path, archive: Path) -> None:
    """All finished files of a folder in a zip file, whole or not at all; PNG files would not get smaller."""
    part = archive.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as packed:
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder)
            if file.is_file() and not any(word.startswith(".") for word in name.parts):
                packed.write(file, name.as_posix())
    part.replace(archive)


def address(folder: Path) -> str | None:
    """Where the application's server hands over a private folder's zip file; None where there is no such server."""
    return f"/photos/{folder.name}/{ARCHIVE}" if os.environ.get(private_folder.PLACE) else None


def copy_into(archive: Path, typed: str) -> str:
    """Unpack our own zip file into a new folder at the path that somebody typed; returns what to say."""
    path = typed.strip().strip("\"'")
    if not path:
        raise DataError("type the path of a new folder first")
    target = Path(path).expanduser().absolute()
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DataError(f"{target} is there already and not empty: name a new folder")
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(target)
            return f"{count(len(packed.namelist()), 'file')} copied into {target}."
    except OSError as error:
        raise DataError(f"they cannot be copied into {target} ({error.strerror}): name another folder") from error
