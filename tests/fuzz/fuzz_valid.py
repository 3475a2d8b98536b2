"""Files as the program writes them: what the readers are given before it goes wrong."""

import hashlib
import io
import json
import zipfile
from typing import Any

import nbformat
import numpy as np
import safetensors.torch
import torch
from PIL import Image

from workbench.config import key
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO
from workbench.noise.perturbation import Perturbation
from workbench.records import table

PARAMETERS = 'epsilon = 8\nname = "a"\nshares = [0.5]\nkinds = ["classwise"]\nseed = 0\nout = "x"\nstore = ""'
CONFIG = {"surrogate": "convnet-w4", "seed": 0}
RECORD = {
    "command": "noise", "state": "complete", "key": key(CONFIG), "config": CONFIG, "seed": 0,
    "started": "2026-01-01T00:00:00+00:00", "seconds": {"noise": 1.5}, "versions": {"torch": "2"}, "git": None,
    "device": "cpu", "data_fingerprint": "ab", "image_passes": 100,
}  # fmt: skip
NETWORK = {"state_dict": {"network.weight": torch.ones(2, 3), "network.bias": torch.ones(2)}, "epoch": 3}
STUDY = {
    "chance": 0.1,
    "classes": ["a"],
    "stages": {"noise-em": {"seconds": {"noise": 1.0}, "versions": {"torch": "2"}}},
}
EXPERIMENT = {
    "title": "T", "text": "Words.", "notebook": "book.ipynb", "figures": ["curves"],
    "sizes": {"quick": {"parameters": {"name": "b"}, "grid": {"epsilon": [1, 2]}, "seeds": [0, 1]}},
}  # fmt: skip
ENTRY = {
    "original": "a.png", "file": "a.png", "person": "", "sha256": "", "original_sha256": "", "linf": 8, "psnr": 30.0,
    "ssim": 0.9, "changed": 0.5, "negative": 0.2, "notes": [],
}  # fmt: skip
JOB = "0" * 12
CELLS = [list(table.COLUMNS)] + [
    ["ab12", "folder", method, "none", 0, "none", "convnet-w4", "none", 1.0, 0, epoch, split, metric, 0.25]
    for method in ("clean", "em")
    for epoch in (1, 2)
    for split in ("train", "test")
    for metric in ("accuracy", "loss")
]


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 36, 3), dtype=np.uint8)


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels()).save(file, kind)
    return file.getvalue()


DATA = Dataset(
    torch.from_numpy(np.stack([pixels(seed) for seed in range(4)])).permute(0, 3, 1, 2),
    torch.tensor([0, 1, 0, 1]), ("ant", "bee"), tuple(f"{name}/{n}.png" for n, name in enumerate(("ant", "bee") * 2)),
)  # fmt: skip
CLIPS = Dataset(
    torch.arange(-400, 400).short().view(4, 1, 200) * 20, DATA.labels, DATA.classes, DATA.names, space=AUDIO, rate=8000,
    lengths=torch.tensor([200, 150, 0, 20]),
)  # fmt: skip
NOISE = Perturbation(torch.full((2, 3, 40, 36), 8, dtype=torch.int8), "classwise", 8, "em", DATA.fingerprint)


def book() -> dict[str, Any]:
    first = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    book = nbformat.v4.new_notebook(cells=[first, nbformat.v4.new_code_cell("print(epsilon)")])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.loads(nbformat.writes(book))


def noise_file() -> bytes:
    facts = {"kind": "classwise", "epsilon": 8, "method": "em", "fingerprint": DATA.fingerprint}
    return safetensors.torch.save({"delta": NOISE.delta}, {"perturbation": json.dumps(facts)})


def sound_noise() -> bytes:
    facts = {"kind": "classwise", "epsilon": -30, "method": "em", "fingerprint": CLIPS.fingerprint, "shape": "envelope"}
    delta = torch.full((2, 1, 200), 32767, dtype=torch.int16)
    return safetensors.torch.save({"delta": delta}, {"perturbation": json.dumps(facts)})


def manifest() -> dict[str, Any]:
    names = {"file": "ant/a.png", "original": "ant/a.png", "class": "ant", "sha256": "0" * 64, "original_sha256": None}
    refused = [{"name": "ant/b.png", "reason": "is empty", "sha256": None}]
    return {"epsilon": 8, "kind": "classwise", "files": [names], "left_out": ["x"], "refused": refused}


def entry() -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(pixels()).save(file, "PNG")
    return {**ENTRY, "sha256": hashlib.sha256(file.getvalue()).hexdigest()}


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ann/a.png", encoded("PNG"))
        archive.writestr("ben/b.jpg", encoded("JPEG"))
        archive.writestr("manifest.json", json.dumps(manifest()))
    return file.getvalue()
