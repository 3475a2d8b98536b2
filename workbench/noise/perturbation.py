"""Perturbation: the noise itself, whole pixel values, one a class or one an image."""

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from workbench.config import KINDS, DataError, WorkbenchError
from workbench.data.dataset import Dataset
from workbench.files import mapped, untrusted
from workbench.files.atomic import replacing
from workbench.noise.budget import PIXEL_MAX, PerturbationBudget
from workbench.records import run_folder

FILE_NAME = "noise.safetensors"
FACTS = {"kind": str, "epsilon": int, "method": str, "fingerprint": str}
PATTERNS = {"method": "(?!clean$)[a-z][a-z0-9-]{0,39}", "fingerprint": "[0-9a-f]{64}"}  # "clean" is no noise's name


@dataclass(frozen=True)
class Perturbation:
    """Noise for one set of images.

    delta: int8 K×C×H×W (class-wise, by label) or N×C×H×W (sample-wise, by the image's index), pixel values of 255;
    kind: "classwise" or "samplewise"; epsilon: the budget; method: who made it; fingerprint: the images it is for.
    """

    delta: Tensor
    kind: str
    epsilon: int
    method: str
    fingerprint: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.delta.dtype != torch.int8 or self.delta.ndim != 4:
            raise DataError(f"noise of kind {self.kind!r} must be int8 with four dimensions")
        largest = max(int(self.delta.max()), -int(self.delta.min())) if self.delta.numel() else 0
        if largest > PerturbationBudget(self.epsilon).radius:
            raise DataError(f"noise reaches {largest} pixel values, beyond its budget of {self.epsilon}")

    def rows(self, labels: Tensor, indices: Tensor) -> Tensor:
        """The row of `delta` for each image: by its label (class-wise) or its index (sample-wise). int64."""
        return labels if self.kind == "classwise" else indices

    def apply(self, data: Dataset, chosen: Tensor | None = None) -> Tensor:
        """The protected images, clip(x + δ, 0, 255): uint8 N×C×H×W, exactly what a PNG will hold.

        chosen: bool N, which images are protected (None: all). Raises DataError when the noise is for other data.
        """
        self.check_belongs(data)
        rows = self.rows(data.labels, torch.arange(len(data), device=data.labels.device))
        on = data.samples.device
        protected = mapped.room_for(tuple(data.samples.shape), torch.uint8, "the protected images").to(on)
        delta = self.delta if self.kind == "samplewise" else self.delta.to(on)
        for part in mapped.parts(len(data), 8192):  # bounds the int16 copies
            mine = delta[part] if self.kind == "samplewise" else delta[rows[part]]
            wide = data.samples[part].short() + mine.to(on).short()
            protected[part] = wide.clamp(0, PIXEL_MAX).to(torch.uint8)
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

    def save(self, folder: Path) -> Path:
        """Write folder/noise.safetensors: `delta` and, as metadata, everything else."""
        facts = {"kind": self.kind, "epsilon": self.epsilon, "method": self.method, "fingerprint": self.fingerprint}
        path, started = folder / FILE_NAME, folder / mapped.STARTED
        entry = {"dtype": "I8", "shape": list(self.delta.shape), "data_offsets": [0, self.delta.numel()]}
        header = json.dumps({"__metadata__": {"perturbation": json.dumps(facts)}, "delta": entry}).encode()
        header += b" " * (-len(header) % 8)
        with replacing(path) as file:  # safetensors' own writer would first copy all of it in memory
            file.write(struct.pack("<Q", len(header)) + header)
            for part in mapped.parts(len(self.delta)):
                file.write(self.delta[part].cpu().contiguous().numpy().data)
                mapped.release(self.delta)
        if (folder / run_folder.RECORD).is_file():  # else it may be anybody's
            started.unlink(missing_ok=True)
        return path


def load(folder: Path) -> Perturbation:
    """Read the noise in a run's folder. Raises DataError for a missing, damaged or foreign file."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise DataError(f"there is no {FILE_NAME} in {folder}: give the folder that `workbench noise --out` wrote")
    try:
        with safe_open(path, framework="pt") as file:
            facts = untrusted.parse((file.metadata() or {})["perturbation"].encode(), FACTS)
            for name, pattern in PATTERNS.items():
                if not re.fullmatch(pattern, facts[name]):
                    raise DataError(f"its {name} is {untrusted.line(repr(facts[name]))}")
            return Perturbation(delta=file.get_tensor("delta"), **facts)
    except (SafetensorError, WorkbenchError, OSError, KeyError, TypeError, ValueError) as error:
        line = untrusted.line(error)
        raise DataError(f"{path} is not a noise file of this program ({line}): make the noise again") from error
