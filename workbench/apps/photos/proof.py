"""The self-test as one page to keep or to show: what was asked, what was found, how to check it. No photo, no name."""

from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from workbench import installation
from workbench.apps import html
from workbench.apps.photos import views
from workbench.apps.photos.report import LIMITS
from workbench.apps.photos.self_test import SelfTest
from workbench.apps.recordings.report import LIMITS as SOUND_LIMITS
from workbench.apps.recordings.settings import RecordingsConfig
from workbench.config import ProtectConfig
from workbench.export import verify
from workbench.export.write import MANIFEST
from workbench.files.hashing import file_hash

LOOK = (
    "body{font:16px/1.5 sans-serif;max-width:52em;margin:2em auto;padding:0 1em;color-scheme:light dark}"
    "table{border-collapse:collapse;font-size:14px;margin:1em 0}th,td{border-bottom:1px solid #888;vertical-align:top}"
    "td{overflow-wrap:anywhere}.photos-list{overflow-x:auto}.photos-wide table{min-width:36em}"
)
MADE = ("Photos were copied with small changes in their pixels", "Recordings were copied with small changes")
WHERE = {"whole": "all of every photo", "faces": "around the largest face of every photo"}


def page(found: SelfTest, output: Path) -> str:
    """Give the page about the copies in `output`, as HTML that loads nothing. Raises DataError without a manifest."""
    manifest = verify.read_manifest(output)
    copies = manifest.get("files", [])
    sound = manifest.get("space") == "audio"
    facts = [
        ("Tested", f"{datetime.now(UTC):%Y-%m-%d}, on the owner's own computer"),
        ("Copies", f"{len(copies)}, by the method {manifest.get('method', 'unknown')}"),
        ("Where", "all of every recording" if sound else WHERE.get(str(manifest.get("where")), "unknown")),
        ("Change", f"{_largest(copies, sound=sound)}, measured on the finished files"),
        ("List of the copies", f"{MANIFEST}, SHA-256 {file_hash(output / MANIFEST)}"),
        ("Program", f"{installation.PROGRAM} {installation.version()}, commit {installation.commit() or 'unknown'}"),
    ]
    return "\n".join([
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What these copies still teach</title>',
        f'<meta name="viewport" content="width=device-width"><style>{LOOK}</style></head><body>',
        "<h1>What these copies still teach</h1>",
        f"<p>{MADE[sound]}, meant to make them harder to learn from. This page "
        "says what programs that recognise people made of the copies. It is a measurement on them, and no promise.</p>",
        views.tested(found),
        f"<h2>What this does not say</h2>{html.plain(SOUND_LIMITS if sound else LIMITS)}",
        "<h2>How to check it</h2>",
        html.table(("What", "Found"), facts),
        "<p>With originals, copies and the program above, <code>workbench verify ORIGINALS COPIES</code> checks that "
        "the copies are those of the list and how much they were changed. It does not check what they teach: "
        f"<code>{escape(_again(manifest, found))}</code> repeats this test.</p>",
        "</body></html>",
    ])  # fmt: skip


def _largest(copies: list[dict[str, Any]], *, sound: bool) -> str:
    """Say the largest change of any copy, as their manifest has it."""
    found = [value for one in copies if isinstance(value := one.get("peak_db" if sound else "linf"), int | float)]
    if sound:
        return f"{-max(found):.2f} dB or more under a recording's own peak" if found else "no change"
    return f"at most {max(found, default=0)} of 255 in any value"


def _again(manifest: dict[str, Any], found: SelfTest) -> str:
    """Give the command that repeats the test."""
    sound = manifest.get("space") == "audio"
    usual = asdict(RecordingsConfig() if sound else ProtectConfig())
    del usual["device"]  # which the record names as the machine that it was
    called = {"epsilon": "budget-db"} if sound else {}
    settings = [
        f"--{called.get(name, name)} {manifest[name]}"
        for name, value in usual.items()
        if manifest.get(name, value) != value
    ]
    trained = found.rows["seed"].nunique() if len(found.rows) else 3
    seeds = [f"--seeds {trained}"] if trained != 3 else []
    table = ["--people FILE.csv"] if manifest.get("by_table") else []
    return " ".join(["workbench protect ORIGINALS COPIES --self-test", *settings, *seeds, *table])
