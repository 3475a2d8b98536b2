"""Perturbation: the noise itself, whole steps of its space (pixel values), one per class or one per sample."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from workbench.budgets import SHAPES
from workbench.config import KINDS, DataError
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO, IMAGE, Space
from workbench.files import mapped
from workbench.noise import decibels, noise_file
from workbench.noise.noise_file import FILE_NAME as FILE_NAME


@dataclass(frozen=True)
class Perturbation:
    """Noise for one set of samples.

    delta: whole steps of the space, K×C×H×W (class-wise, by label) or N×C×H×W (sample-wise, by the image's index), of
    the type that the budget is kept in, for images int8; of sound shares of its limits, int16 …×C×T; kind: "classwise"
    or "samplewise"; epsilon: the budget, for sound in dB; method: who made it; fingerprint: the samples it is for.
    """

    delta: Tensor = field(repr=False)
    kind: str
    epsilon: int
    method: str
    fingerprint: str
    space: Space = IMAGE
    surrogate: str = "unknown"  # the network it was made against, as far as this process knows; no file holds it
    shape: str = SHAPES[0]  # of sound's budget

    def __post_init__(self) -> None:
        deep = decibels.DIMENSIONS.get(self.space, self.delta.ndim)
        budget = decibels.budget(self.epsilon, self.space, self.shape)
        if self.kind not in KINDS or self.delta.dtype != budget.delta or self.delta.ndim != deep:
            stored = str(budget.delta).removeprefix("torch.")
            raise DataError(f"noise of kind {self.kind!r} must be {stored} with {deep} dimensions")
        largest = max(int(self.delta.max()), -int(self.delta.min())) if self.delta.numel() else 0
        if largest > budget.radius:
            raise DataError(f"noise reaches {largest} steps, beyond its budget of {budget.radius}")

    @property
    def digest(self) -> str:
        """A hash of the noise itself, 12 hexadecimal digits: what a victim's run is known by when it has no record."""
        facts = f"{self.kind} {self.epsilon} {tuple(self.delta.shape)}{self.shape.removeprefix(SHAPES[0])}"
        whole = hashlib.sha256(facts.encode())
        for part in mapped.parts(len(self.delta)):
            whole.update(self.delta[part].cpu().contiguous().numpy().data)
        return whole.hexdigest()[:12]

    def rows(self, labels: Tensor, indices: Tensor) -> Tensor:
        """The row of `delta` for each image: by its label (class-wise) or its index (sample-wise). int64."""
        return labels if self.kind == "classwise" else indices

    def apply(self, data: Dataset, chosen: Tensor | None = None) -> Tensor:
        """The protected samples, clip(x + δ) to the space's range: of its type, N×…, what a file will hold.

        chosen: bool N, which samples are protected (None: all). Raises DataError when the noise is for other data.
        """
        self.check_belongs(data)
        rows = self.rows(data.labels, torch.arange(len(data), device=data.labels.device))
        on = data.samples.device
        space, data = data.space, decibels.with_limits(data, self.epsilon, self.shape)
        protected = mapped.room_for(tuple(data.samples.shape), space.sample, "the protected samples").to(on)
        delta = self.delta if self.kind == "samplewise" else self.delta.to(on)
        for part in mapped.parts(len(data), 8192):  # bounds the wider copies
            mine = delta[part] if self.kind == "samplewise" else delta[rows[part]]
            mine = mine.to(on).int()
            wide = data.samples[part] + (mine if data.limits is None else decibels.steps(mine, data.limits[part]))
            protected[part] = wide.clamp(space.low, space.high).to(space.sample)
            for whole in (data.samples, protected):
                mapped.release(whole)
        if chosen is not None:
            protected[~chosen] = data.samples[~chosen]
        return protected

    def check_belongs(self, data: Dataset) -> None:
        """Raise DataError unless this noise was made for exactly these samples."""
        expected = (len(data.classes) if self.kind == "classwise" else len(data), *data.samples.shape[1:])
        if tuple(self.delta.shape) != expected or self.fingerprint != data.fingerprint:
            raise DataError(
                f"this {self.kind} noise was made for other data (fingerprint {self.fingerprint[:12]}, these samples "
                f"have {data.fingerprint[:12]}): use the same --data, --limit-train and --seed as for the noise"
            )

    def save(self, path: Path | str) -> Path:
        """Write a .safetensors file (into a folder: the one of its name): `delta`, all else as metadata. DataError."""
        path = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
        facts = {"kind": self.kind, "epsilon": self.epsilon, "method": self.method, "fingerprint": self.fingerprint}
        noise_file.write(path, self.delta, facts | ({"shape": self.shape} if self.space == AUDIO else {}))
        return path

    @classmethod
    def load(cls, path: Path | str) -> "Perturbation":
        """Read noise from its file, or from a run's folder. Raises DataError for a missing, damaged or foreign one."""
        path = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
        with noise_file.reading(path) as (delta, facts):
            return cls(delta, space=AUDIO if facts["epsilon"] < 0 else IMAGE, **facts)
