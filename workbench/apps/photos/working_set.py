"""The working set: all usable photos as small grey copies, one class per person, padded with drawn people when few.

Noise is searched on luminance alone and put on all channels alike. What is found in colour is mostly a tint, and one
grayscale conversion takes it away (measured: 0.20 back to 0.97 on photo-digits). Then it is scaled to a photo's size.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from workbench import noise
from workbench.catalogue import METHODS
from workbench.config import NoiseConfig, ProtectConfig
from workbench.data import synthetic_people
from workbench.data.dataset import Dataset
from workbench.files.pictures import Photo
from workbench.noise import targeted

SIDE = 64  # pixels a side of the working copies on which noise is searched and recognisers are trained
RECOGNISER = "convnet-w8"
SURROGATE = "convnet-w8"
SURROGATES = "convnet-w8+resnet9-w8"  # for the methods that take several
BATCH = 28
PASSES = 20_000  # image passes a search needs, however few photos there are
LEAST_CLASSES = 10  # with fewer people the recogniser's task is no task
COMPANY = "somebody else"
STRIP = 512  # rows whose sums are held as int16 at a time


@dataclass
class WorkingSet:
    """Small copies, gathered photo by photo.

    names, people: of each photo; pixels: uint8 SIDE×SIDE×C as a trainer sees it, C 1 for a grey photo, else 3.
    """

    names: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    pixels: list[np.ndarray] = field(default_factory=list)

    def add(self, name: str, person: str, pixels: np.ndarray) -> None:
        """Add a photo, or what of it gets noise: uint8 H×W×C."""
        self.names.append(name)
        self.people.append(person)
        self.pixels.append(thumbnail(pixels))

    def persons(self) -> list[str]:
        """List the people, sorted by name."""
        return sorted(set(self.people))

    def data(self) -> Dataset:
        """Give the photos in order, then the company if there are few people: uint8 N×1×SIDE×SIDE."""
        images = torch.from_numpy(np.stack([grey(small) for small in self.pixels]))[:, None]
        images, labels, classes = with_company(images, numbered(self.people), self.persons())
        drawn = range(len(images) - len(self.names))
        return Dataset(images, labels, classes, (*self.names, *(f"{COMPANY} {number}" for number in drawn)))


def numbered(people: Sequence[str]) -> Tensor:
    """Turn whose each photo is into labels: places among the people, sorted by name."""
    persons = sorted(set(people))
    return torch.tensor([persons.index(person) for person in people])


def with_company(images: Tensor, labels: Tensor, persons: Sequence[str]) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Add drawn people after the photos where there are few: uint8 N×C×SIDE×SIDE, int64 N, and the classes' names."""
    classes = [person or "(top folder)" for person in persons]
    extra = max(0, LEAST_CLASSES - len(persons))
    if extra:
        faces, whose = synthetic_people.make("train", extra, 0)
        small = torch.from_numpy(np.stack([grey(np.asarray(face.permute(1, 2, 0))) for face in faces]))[:, None]
        images = torch.cat([images, small.expand(-1, images.shape[1], -1, -1)])
        labels = torch.cat([labels, whose + len(persons)])
        classes += [f"{COMPANY} {number + 1}" for number in range(extra)]
    return images, labels, tuple(classes)


def search_settings(config: ProtectConfig, data: Dataset) -> NoiseConfig:
    """Settle the search on the working set `data`: passes enough for few photos, not too many for thousands."""
    turns = -(-PASSES // len(data))
    own: dict[str, Any] = {}
    asked = noise.options_of(config.method)
    if isinstance(asked, type) and issubclass(asked, targeted.Options):
        long, many = max(6, min(32, turns)), max(10, min(30, turns))
        own = {"train_steps": long, "rounds": many, "noise_steps": 2, "learning_rate": 0.06}
    elif config.method == "em-joint":
        # Begun at zero it was measured on faces; of bands on one channel, in noise that is scaled up, nothing is known.
        own = {"rounds": max(6, turns), "begin": "zero"}
    if "batch_size" in getattr(asked, "__dataclass_fields__", ()):
        own["batch_size"] = BATCH
    several = METHODS[config.method].surrogates > 1 and config.method != "robust-targeted"  # which takes both heads
    surrogate = SURROGATES if several else SURROGATE
    common = {name: value for name, value in asdict(config).items() if name not in ("where", "format")}
    return noise.resolved(NoiseConfig(kind="samplewise", surrogate=surrogate, options=own, **common), "folder")


def thumbnail(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Bring a photo to the working size, as a trainer would (bilinear, antialiased): uint8 H×W×C to side×side×C."""
    picture = Image.fromarray(pixels.squeeze())
    return np.atleast_3d(np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR)))


def grey(small: np.ndarray) -> np.ndarray:
    """Take the luminance of a working copy (ITU-R 601): uint8 side×side×C to side×side."""
    return np.asarray(Image.fromarray(small.squeeze()).convert("L"))


def scale_noise(delta: Tensor, height: int, width: int, epsilon: int) -> np.ndarray:
    """Scale noise of the working size to a photo's: int8 side×side, pixel values of 255, to int8 height×width.

    Bilinear, then doubled and cut to ±epsilon. Bilinear alone keeps the budget (every value is a mean of the noise's;
    bicubic and Lanczos overshoot it), but flattens what alternates from cell to cell, and a trainer who scales the
    photo down again flattens it once more; doubling makes plateaus with soft edges of what were peaks.
    """
    enlarged = functional.interpolate(delta[None, None].float(), size=(height, width), mode="bilinear")
    return (2 * enlarged[0, 0]).clamp_(-epsilon, epsilon).round_().to(torch.int8).numpy()


def with_noise(photo: Photo, noise: np.ndarray) -> np.ndarray:
    """Add the same δ (int8 H×W) to every channel, clip(x + δ, 0, 255), and none where the photo is fully transparent.

    uint8 H×W×C like the photo's pixels. Equal in all channels: a grey photo stays grey, and no grayscale conversion
    takes the noise away.
    """
    if photo.alpha is not None:
        noise = np.where(photo.alpha == 0, np.int8(0), noise)
    found = np.empty_like(photo.pixels)
    for top in range(0, len(noise), STRIP):
        rows = slice(top, top + STRIP)
        np.clip(photo.pixels[rows] + noise[rows, :, None].astype(np.int16), 0, 255, out=found[rows], casting="unsafe")
    return found
