"""The rounds of a search: shown, counted, and kept on disk after each, so that an interrupted search goes on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from workbench.config import DataError, NoiseConfig
from workbench.progress import progress

CHECKPOINT = "noise.ckpt"


class Resumable(Protocol):
    """A surrogate, or several: what can be kept and gone on with."""

    def state(self) -> dict[str, Any]:
        """Everything a resumed search needs."""

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""


class Rounds:
    """Iterate over the rounds that are still to do; call `end` as the last act of each.

    noise: the float tensors the search changes in place; folder: where noise.ckpt is kept (None: nowhere).
    `image_passes` counts images that went forward and backward through the surrogate, over all rounds.
    """

    def __init__(self, config: NoiseConfig, surrogate: Resumable, noise: dict[str, Tensor], folder: Path | None):
        self.surrogate, self.noise = surrogate, noise
        self.image_passes, self.error = 0, 1.0
        self._label, self._total, self._done = f"{config.method} {config.kind} noise, round", config.rounds or 1, 0
        self._path = folder / CHECKPOINT if folder else None
        self._finished = False
        if self._path and self._path.is_file():
            self._restore(self._path)

    def __iter__(self) -> Iterator[int]:
        with progress(self._label, self._total, self._done) as self._shown:
            while self._done < self._total and not self._finished:
                yield self._done

    def end(self, error: float, *, finished: bool = False) -> None:
        """The round is done: `error` is the surrogate's error rate on the noisy images; `finished` ends the search."""
        if not all(bool(part.isfinite().all()) for part in self.noise.values()):
            raise DataError(f"the noise is not finite after round {self._done + 1}: lower --learning-rate")
        self._done, self.error, self._finished = self._done + 1, error, finished
        if self._path:
            self._save(self._path)
        self._shown.advance(surrogate_error=error)

    def _save(self, path: Path) -> None:
        state: dict[str, Any] = {
            "surrogate": self.surrogate.state(),
            "noise": self.noise,
            "facts": {"done": self._done, "passes": self.image_passes, "error": self.error, "end": self._finished},
        }
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _restore(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.surrogate.restore(state["surrogate"])
            for name, part in self.noise.items():
                part.copy_(state["noise"][name])
            facts = state["facts"]
        except Exception as error:  # torch's reader raises whatever a damaged file makes it stumble over
            line = (str(error) or type(error).__name__).splitlines()[0]
            raise DataError(f"{path} cannot be resumed from ({line}): remove the folder and start again") from error
        self._done, self.image_passes = facts["done"], facts["passes"]
        self.error, self._finished = facts["error"], facts["end"]
