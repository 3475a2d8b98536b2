"""A search for noise: what a method works with, and its rounds, which are shown, counted, kept and resumed here.

So a method's loop is as plain as its paper's pseudo code. Several devices: em_joint.py says how they share the work.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor

from workbench.config import DataError, NoiseConfig
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.files.mapped import room_for
from workbench.noise import decibels
from workbench.noise.surrogate import Surrogate
from workbench.progress import progress
from workbench.records import nan_guard
from workbench.records.checkpoint import Keeper
from workbench.records.nan_guard import NotFinite

CHECKPOINT = "noise.ckpt"
LEAST, MOST_PARTS = 64, 10  # batches of a part, parts of a pass: what is shown and kept within one long pass


class Resumable(Protocol):
    """A surrogate, or several: what can be kept and gone on with."""

    def state(self) -> dict[str, Any]:
        """Everything a resumed search needs. Raises NotFinite when a loss since the last time was not finite."""

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""


class Search:
    """The task that a method's `search(task, options)` gets.

    data, samples, labels: on `device`, the fabric's; budget: the L∞ ball in steps of the data's space; kind, epsilon,
    seed: as in the configuration. Set by the loop: `passes`, samples that went through a network and back; `error`,
    the surrogate's error rate on the noisy samples; `place`, pass and batch; `finished`, to end before the last round.
    """

    def __init__(self, config: NoiseConfig, data: Dataset, fabric: Fabric, folder: Path | None):
        self.config, self.fabric, self.folder = config, fabric, folder
        self.budget = decibels.budget(config.epsilon, data.space)
        self.data = decibels.with_limits(data, config.epsilon, config.shape).to(fabric.device)
        self.samples, self.labels, self.device = self.data.samples, self.data.labels, self.data.samples.device
        self.kind, self.epsilon, self.seed = config.kind, self.budget.radius, config.seed
        self.passes, self.error, self.finished, self.place = 0, 1.0, False, (0, 0)
        self._label, self._done, self._ran = "noise, round", 0, False
        self._keeper = Keeper(folder / CHECKPOINT if folder else None)
        self._loop: Any = None
        self._wrong: Tensor | None = None

    @property
    def classwise(self) -> bool:
        """Whether a class has one noise, rather than every sample its own."""
        return self.kind == "classwise"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of δ: K×… (class-wise) or N×… (sample-wise)."""
        return (len(self.data.classes) if self.classwise else len(self.data), *self.samples.shape[1:])

    def zeros(self) -> Tensor:
        """δ = 0: float32, on the device."""
        return torch.zeros(self.shape, device=self.device)

    def rows(self, labels: Tensor, index: Tensor) -> Tensor:
        """Which row of δ each sample of a batch carries: its label's (class-wise) or its own (sample-wise)."""
        return labels if self.classwise else index

    def generator(self, stream: Stream, *place: int, cpu: bool = False) -> torch.Generator:
        """A random stream of this search (see data/batches.generator), on its device or on the CPU."""
        return generator(torch.device("cpu") if cpu else self.device, self.seed, stream, *place)

    def surrogate(self, learning_rate: float, architecture: str = "", nth: int = 0) -> Surrogate:
        """A fresh network with its optimiser: the configuration's, or another architecture, the nth of several."""
        name = architecture or self.config.surrogate
        return Surrogate(self.fabric, self.data, name, learning_rate, self.seed + nth, self.config.compile)

    def room(self, shape: tuple[int, ...], dtype: torch.dtype, *, kept: bool = False) -> Tensor:
        """A tensor on the CPU for noise that may be larger than memory; kept: in a file that a resumed search finds."""
        return room_for(shape, dtype, "the noise", self.folder if kept else None)

    def rounds(self, total: int, surrogate: Resumable, unit: str = "round", **noise: Tensor) -> Iterator[int]:
        """Iterate over the rounds still to do, after an interruption from where it stopped.

        noise: the tensors that the loop changes in place, by name; unit: what a round is called where people read it.
        """
        self._label, self._ran = f"{self.config.method} {self.kind[:-4]}-wise noise, {unit}", True
        self._loop = self._rounds(total, surrogate, noise)
        return self._loop

    def _rounds(self, total: int, surrogate: Resumable, noise: dict[str, Tensor]) -> Iterator[int]:
        self._resume(surrogate, noise)
        with progress(self._label, total, self._done) as shown:
            while self._done < total and not self.finished:
                yield self._done
                state = self._checked(surrogate, noise)
                self._done += 1
                self._keeper.keep({**state, "facts": self._facts()})
                shown.advance(1, noise, surrogate_error=self.error)

    def batches(self, size: int, passes: int, surrogate: Resumable, **noise: Tensor) -> Iterator[tuple[Tensor, float]]:
        """Iterate over batches of `size` in `passes` over all samples: their numbers, and the share of the search done.

        Long passes are kept in parts. Of several devices each gets its share of every batch; `count` what was seen.
        """
        rank, world = self.fabric.global_rank, self.fabric.world_size
        count = len(self._shares(size, 0, rank, world))
        length = max(LEAST, -(-count // MOST_PARTS))
        parts = -(-count // length)
        for number in self.rounds(passes * parts, surrogate, "round" if parts == 1 else "part", **noise):
            turn, first = number // parts, number % parts * length
            order = self._shares(size, turn, rank, world)[first : first + length]
            self._wrong = torch.zeros((), device=self.device)
            for position, batch in enumerate(order, first):
                self.place = turn, position
                yield batch, (turn + position / count) / passes
            seen = sum(map(len, order)) * world
            self.passes += seen
            self.error = float(self.summed(self._wrong)) / seen

    def count(self, logits: Tensor, labels: Tensor) -> None:
        """Count the samples of a batch that the surrogate got wrong, for the error that is shown."""
        assert self._wrong is not None
        self._wrong += (logits.argmax(1) != labels).sum()

    def _shares(self, size: int, number: int, rank: int, world: int) -> list[Tensor]:
        return share_of_batches(len(self.data), size, self.seed, number, rank, world, self.device)

    def summed(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all devices."""
        if self.fabric.world_size == 1:
            return value
        total = self.fabric.all_reduce(value, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total

    def facts(self) -> dict[str, Any]:
        """What the search cost and reached, for the record; nothing of noise that was drawn."""
        return {"image_passes": self.passes, "surrogate_error": self.error} if self._ran else {}

    def __enter__(self) -> "Search":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put what is done on disk when the search is broken off; say where a value stopped being finite."""
        if self._loop is not None:
            self._loop.close()
        if error is not None:
            self._keeper.write()
        if isinstance(error, NotFinite):
            raise DataError(f"{self._label} {self._done + 1}: {error}: lower --learning-rate") from error

    def _checked(self, surrogate: Resumable, noise: dict[str, Tensor]) -> dict[str, Any]:
        """The state to keep. Raises NotFinite, on all devices, when on one of them a value is not finite."""
        state, fault = {}, None
        try:
            state = {"surrogate": surrogate.state(), "noise": noise}
            nan_guard.check(noise, "the noise is")
            nan_guard.check(state["surrogate"], "the surrogate's weights are")
            if not math.isfinite(self.error):
                raise NotFinite("the surrogate's error is not finite")
        except NotFinite as error:
            fault = error
        if float(self.summed(torch.tensor(float(fault is not None), device=self.device))) > 0:
            raise fault or NotFinite("a value on another device is not finite")
        return state

    def _facts(self) -> dict[str, Any]:
        return {"done": self._done, "passes": self.passes, "error": self.error, "end": self.finished}

    def _resume(self, surrogate: Resumable, noise: dict[str, Tensor]) -> None:
        """Go on from the newest checkpoint, if there is one. Raises DataError for one of another kind."""
        state = self._keeper.newest()
        if state is None:
            return
        try:
            surrogate.restore(state["surrogate"])
            for name, part in noise.items():
                part.copy_(state["noise"][name])
            facts = state["facts"]
            self._done, self.passes, self.error = facts["done"], facts["passes"], facts["error"]
            self.finished = facts["end"]
        except Exception as error:  # whole, but of another kind: torch raises whatever it stumbles over
            line = (str(error) or type(error).__name__).splitlines()[0]
            where = self.folder / CHECKPOINT if self.folder else CHECKPOINT
            raise DataError(f"{where} cannot be resumed from ({line}): remove the folder and start again") from error


def share_of_batches(
    count: int, size: int, seed: int, number: int, rank: int, world: int, device: torch.device
) -> list[Tensor]:
    """The part of every batch of a pass that one of `world` devices works on: sample numbers that are `rank` modulo
    `world`, in a drawn order, as many batches for each device (a short share begins again from its start).
    """
    place = (number, rank) if world > 1 else (number,)
    draw = generator(device, seed, Stream.EM_JOINT_ORDER, *place)
    mine = torch.arange(rank, count, world, device=device)
    order = mine[torch.randperm(len(mine), generator=draw, device=device)]
    missing = -(-count // world) - len(order)
    return list(torch.cat([order, order[:missing]]).split(max(1, size // world)))
