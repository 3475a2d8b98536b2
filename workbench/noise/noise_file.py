"""noise.safetensors: whole steps and what they are for, written without a copy in memory, read with care."""

import json
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from workbench.config import DataError, WorkbenchError
from workbench.files import mapped, untrusted
from workbench.files.atomic import replacing

FILE_NAME = "noise.safetensors"
FACTS = {"kind": str, "epsilon": int, "method": str, "fingerprint": str, "shape?": str}
PATTERNS = {"method": "(?!clean$)[a-z][a-z0-9-]{0,39}", "fingerprint": "[0-9a-f]{64}"}  # "clean" is no noise's name
TYPES = {torch.int8: "I8", torch.int16: "I16"}  # as safetensors calls them


def write(path: Path, delta: Tensor, facts: dict[str, Any]) -> None:
    """Write `delta` and, as metadata, the facts about it. Raises DataError when it cannot be."""
    size = delta.numel() * delta.element_size()
    entry = {"dtype": TYPES[delta.dtype], "shape": list(delta.shape), "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": {"perturbation": json.dumps(facts)}, "delta": entry}).encode()
    header += b" " * (-len(header) % 8)
    with replacing(path) as file:  # safetensors' own writer would first copy all of it in memory
        file.write(struct.pack("<Q", len(header)) + header)
        for part in mapped.parts(len(delta)):
            file.write(delta[part].cpu().contiguous().numpy().data)
            mapped.release(delta)


@contextmanager
def reading(path: Path) -> Iterator[tuple[Tensor, dict[str, Any]]]:
    """Read a file; what is wrong with it, also by what the block finds, is one line. Raises DataError."""
    if not path.is_file():
        raise DataError(f"there is no {path}: give the folder or file that `workbench noise` wrote")
    try:
        with safe_open(path, framework="pt") as file:
            facts = untrusted.parse((file.metadata() or {})["perturbation"].encode(), FACTS)
            if more := sorted(set(facts) - {name.rstrip("?") for name in FACTS}):
                raise DataError(f"it has a {untrusted.one_line(more[0], 40)}, as no noise has")
            for name, pattern in PATTERNS.items():
                if not re.fullmatch(pattern, facts[name]):
                    raise DataError(f"its {name} is {untrusted.one_line(repr(facts[name]))}")
            yield file.get_tensor("delta"), facts
    except (SafetensorError, WorkbenchError, OSError, KeyError, TypeError, ValueError) as error:
        line = untrusted.one_line(error)
        raise DataError(f"{path} is not a noise file of this program ({line}): make the noise again") from error
