"""Perturbation: the noise itself, whole steps of its space (pixel values), one per class or one per sample."""

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from workbench.config import KINDS, DataError, WorkbenchError
from workbench.data.dataset import IMAGE, Dataset, Space
from workbench.files import mapped, untrusted
from workbench.files.atomic import replacing
from workbench.noise.budget import PerturbationBudget

FILE_NAME = "noise.safetensors"
FACTS = {"kind": str, "epsilon": int, "method": str, "fingerprint": str}
PATTERNS = {"method": "(?!clean$)[a-z][a-z0-9-]{0,39}", "fingerprint": "[0-9a-f]{64}"}  # "clean" is no noise's name
TYPES = {torch.int8: "I8", torch.int16: "I16"}  # as safetensors calls them


@dataclass(frozen=True)
class Perturbation:
    """Noise for one set of samples.

    delta: whole steps of the space, for images int8 K×C×H×W (class-wise, by label) or N×C×H×W (sample-wise, by the
    image's index), pixel values of 255; kind: "classwise" or "samplewise"; epsilon: the budget; method: who made it;
    fingerprint: the samples it is for.
    """

    delta: Tensor
    kind: str
    epsilon: int
    method: str
    fingerprint: str
    space: Space = IMAGE
    surrogate: str = "unknown"  # the network it was made against, as far as this process knows; no file holds it

    def __post_init__(self) -> None:
        deep = 4 if self.space is IMAGE else self.delta.ndim
        if self.kind not in KINDS or self.delta.dtype != self.space.delta or self.delta.ndim != deep:
            raise DataError(f"noise of kind {self.kind!r} must be int8 with four dimensions")
        largest = max(int(self.delta.max()), -int(self.delta.min())) if self.delta.numel() else 0
        if largest > PerturbationBudget(self.epsilon, self.space).radius:
            raise DataError(f"noise reaches {largest} pixel values, beyond its budget of {self.epsilon}")

    @property
    def digest(self) -> str:
        """A hash of the noise itself, 12 hexadecimal digits: what a victim's run is known by when it has no record."""
        whole = hashlib.sha256(f"{self.kind} {self.epsilon} {tuple(self.delta.shape)}".encode())
        for part in mapped.parts(len(self.delta)):
            whole.update(self.delta[part].cpu().contiguous().numpy().data)
        return whole.hexdigest()[:12]

    def rows(self, labels: Tensor, indices: Tensor) -> Tensor:
        """The row of `delta` for each image: by its label (class-wise) or its index (sample-wise). int64."""
        return labels if self.kind == "classwise" else indices

    def apply(self, data: Dataset, chosen: Tensor | None = None) -> Tensor:
        """The protected samples, clip(x + δ) to the space's range: uint8 N×C×H×W, exactly what a PNG will hold.

        chosen: bool N, which samples are protected (None: all). Raises DataError when the noise is for other data.
        """
        self.check_belongs(data)
        rows = self.rows(data.labels, torch.arange(len(data), device=data.labels.device))
        on = data.samples.device
        space = data.space
        protected = mapped.room_for(tuple(data.samples.shape), space.sample, "the protected samples").to(on)
        delta = self.delta if self.kind == "samplewise" else self.delta.to(on)
        for part in mapped.parts(len(data), 8192):  # bounds the wider copies
            mine = delta[part] if self.kind == "samplewise" else delta[rows[part]]
            wide = data.samples[part].int() + mine.to(on).int()
            protected[part] = wide.clamp(space.low, space.high).to(space.sample)
            for whole in (data.samples, protected):
                mapped.release(whole)
        if chosen is not None:
            protected[~chosen] = data.samples[~chosen]
        return protected

    def check_belongs(self, data: Dataset) -> None:
        """Raise DataError unless this noise was made for exactly these images."""
        expected = (len(data.classes) if self.kind == "classwise" else len(data), *data.samples.shape[1:])
        if tuple(self.delta.shape) != expected or self.fingerprint != data.fingerprint:
            raise DataError(
                f"this {self.kind} noise was made for other data (fingerprint {self.fingerprint[:12]}, these images "
                f"have {data.fingerprint[:12]}): use the same --data, --limit-train and --seed as for the noise"
            )

    def save(self, path: Path | str) -> Path:
        """Write a .safetensors file: `delta` and, as metadata, everything else. Raises DataError when it cannot be."""
        facts = {"kind": self.kind, "epsilon": self.epsilon, "method": self.method, "fingerprint": self.fingerprint}
        size = self.delta.numel() * self.delta.element_size()
        entry = {"dtype": TYPES[self.delta.dtype], "shape": list(self.delta.shape), "data_offsets": [0, size]}
        header = json.dumps({"__metadata__": {"perturbation": json.dumps(facts)}, "delta": entry}).encode()
        header += b" " * (-len(header) % 8)
        with replacing(Path(path)) as file:  # safetensors' own writer would first copy all of it in memory
            file.write(struct.pack("<Q", len(header)) + header)
            for part in mapped.parts(len(self.delta)):
                file.write(self.delta[part].cpu().contiguous().numpy().data)
                mapped.release(self.delta)
        return Path(path)

    @classmethod
    def load(cls, path: Path | str) -> "Perturbation":
        """Read noise from its file, or from a run's folder. Raises DataError for a missing, damaged or foreign one."""
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        if not path.is_file():
            raise DataError(f"there is no {path}: give the folder or file that `workbench noise` wrote")
        try:
            with safe_open(path, framework="pt") as file:
                facts = untrusted.parse((file.metadata() or {})["perturbation"].encode(), FACTS)
                for name, pattern in PATTERNS.items():
                    if not re.fullmatch(pattern, facts[name]):
                        raise DataError(f"its {name} is {untrusted.one_line(repr(facts[name]))}")
                return cls(delta=file.get_tensor("delta"), **facts)
        except (SafetensorError, WorkbenchError, OSError, KeyError, TypeError, ValueError) as error:
            line = untrusted.one_line(error)
            raise DataError(f"{path} is not a noise file of this program ({line}): make the noise again") from error
