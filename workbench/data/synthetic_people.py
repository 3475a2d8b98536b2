"""synthetic-people: drawn faces of invented people. No real person is in it, and no number got on it is about one.

It stands in for photographs of people where none may be shipped: a person is a set of features (skin, shape of the
face, hair, eyes, brows, nose, mouth, beard, glasses), a photograph draws them anew with another pose, light,
expression, clothes and background. Everything is drawn here with soft-edged ellipses on a grid; the backgrounds are
cuts of scikit-learn's two sample photographs, as in photo_digits.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workbench.data import photo_digits

SIDE = 64
DEFAULT_PEOPLE = 20
PHOTOS = {"train": 7, "test": 3}  # of one person
FINE = 2  # the drawing is made at twice the side, then averaged
SKIN = ((242, 205, 178), (224, 180, 150), (200, 150, 115), (160, 110, 80), (120, 80, 58), (86, 58, 44))
HAIR = ((28, 24, 24), (60, 40, 28), (110, 72, 42), (176, 130, 74), (150, 66, 36), (150, 148, 146))
EYES = ((70, 45, 30), (60, 90, 60), (70, 110, 150), (40, 40, 45))


@dataclass(frozen=True)
class Person:
    """What stays the same in all photographs of one person. Colours 0..255; lengths in halves of the face's height."""

    skin: np.ndarray
    hair: np.ndarray
    eye: np.ndarray
    width: float  # of the face
    jaw: float  # how square it is: the exponent of a superellipse
    hairline: float
    volume: float  # of the hair beyond the skull
    length: float  # of the hair below the eyes
    parting: float
    eyes_apart: float
    eye_size: float
    brow_height: float
    brow_thickness: float
    brow_slope: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip: float
    mouth_height: float
    beard: float  # 0: none
    glasses: float  # 0: none, else the radius of a lens


def classes(people: int) -> tuple[str, ...]:
    """The names of the first `people` people."""
    return tuple(f"person-{number:03d}" for number in range(people))


def make(split: str, people: int, seed: int) -> tuple[Tensor, Tensor]:
    """The photographs of `split` ("train" or "test"): uint8 N×3×64×64 and labels int64 N, person by person.

    Every photograph has random numbers of its own: fewer people are the first of more, and no photograph, nor any part
    of a background, is in both splits.
    """
    first = 0 if split == "train" else PHOTOS["train"]
    grounds = photo_digits.photographs(split)
    images, labels = [], []
    for number in range(people):
        person = _person(np.random.default_rng([seed, number]))
        for photo in range(first, first + PHOTOS[split]):
            images.append(_photograph(person, grounds, np.random.default_rng([seed, number, photo + 1])))
            labels.append(number)
    return torch.stack(images), torch.tensor(labels)


def _person(rng: np.random.Generator) -> Person:
    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def colour(palette: tuple[tuple[int, int, int], ...]) -> np.ndarray:
        return np.array(palette[rng.integers(len(palette))]) + rng.uniform(-10, 10, 3)

    return Person(
        skin=colour(SKIN),
        hair=colour(HAIR),
        eye=colour(EYES),
        width=between(0.66, 0.86),
        jaw=between(1.9, 3.0),
        hairline=between(-0.72, -0.42),
        volume=between(0.04, 0.22),
        length=float(rng.choice([-0.2, 0.1, 0.6, 1.2])) + between(-0.1, 0.1),
        parting=between(-0.3, 0.3),
        eyes_apart=between(0.25, 0.4),
        eye_size=between(0.085, 0.14),
        brow_height=between(0.17, 0.27),
        brow_thickness=between(0.025, 0.065),
        brow_slope=between(-0.25, 0.25),
        nose_length=between(0.26, 0.46),
        nose_width=between(0.08, 0.17),
        mouth_width=between(0.2, 0.36),
        lip=between(0.03, 0.075),
        mouth_height=between(0.5, 0.62),
        beard=float(rng.random() < 0.3) * between(0.4, 0.9),
        glasses=float(rng.random() < 0.3) * between(0.17, 0.24),
    )


class _Canvas:
    """A colour picture on a grid of the face's own coordinates, painted over layer by layer.

    picture: float32 3×S×S in 0..255; x, y: float32 S×S, the face's centre at 0, its chin near y = 1.
    """

    def __init__(self, ground: Tensor, x: Tensor, y: Tensor):
        self.picture, self.x, self.y = ground, x, y

    def paint(self, cover: Tensor, colour: np.ndarray) -> None:
        """Lay a colour over the picture where `cover` (S×S, 0..1) says."""
        self.picture = self.picture + cover * (torch.from_numpy(colour).float()[:, None, None] - self.picture)

    def ellipse(self, x: float, y: float, wide: float, high: float, power: float = 2.0, soft: float = 0.04) -> Tensor:
        """The cover of a superellipse about (x, y): 1 inside, 0 outside, an edge `soft` wide."""
        across, down = (self.x - x).abs() / wide, (self.y - y).abs() / high
        radius = (across**power + down**power).clamp_min(1e-9) ** (1 / power)
        return ((1 - radius) * min(wide, high) / soft + 0.5).clamp(0, 1)


def _photograph(person: Person, grounds: list[Tensor], rng: np.random.Generator) -> Tensor:
    """One photograph, uint8 3×64×64."""
    size = SIDE * FINE
    ground = photo_digits.patches(grounds, 1, rng)[0]
    ground = functional.interpolate(ground[None], size=(size, size), mode="bilinear", antialias=True)[0]
    line = torch.linspace(-1.35, 1.35, size)
    down, across = torch.meshgrid(line, line, indexing="ij")
    across, down = across - float(rng.normal(0, 0.07)), down - float(rng.normal(0.02, 0.06))
    angle, scale = rng.normal(0, 0.07), rng.uniform(0.94, 1.1)
    turn = float(rng.normal(0, 0.07))  # of the head: what lies in the face moves to one side
    x = (across * np.cos(angle) + down * np.sin(angle)) * scale
    y = (-across * np.sin(angle) + down * np.cos(angle)) * scale
    canvas = _Canvas(ground, x.float(), y.float())
    _head(canvas, person, rng)
    _face(canvas, person, turn, rng)
    light = rng.uniform(0.8, 1.15) * (1 + float(rng.normal(0, 0.12)) * across + float(rng.normal(0, 0.08)) * down)
    picture = canvas.picture * light * torch.from_numpy(rng.normal(1, 0.03, 3)).float()[:, None, None]
    small = functional.avg_pool2d(picture[None].float(), FINE)[0]
    small = small + torch.from_numpy(rng.normal(0, rng.uniform(2, 6), small.shape)).float()
    return small.clamp(0, 255).round().to(torch.uint8)


def _head(canvas: _Canvas, person: Person, rng: np.random.Generator) -> None:
    """Hair behind, clothes, neck, ears and the bare face."""
    wide = person.width
    if person.length > 0.3:
        back = canvas.ellipse(0, 0.05, wide + person.volume + 0.06, 1.05, 2.6)
        canvas.paint(back * (canvas.y < person.length).float(), 0.85 * person.hair)
    canvas.paint(canvas.ellipse(0, 1.75, 1.2, 0.75, 2.6), rng.uniform(20, 235, 3))
    canvas.paint(canvas.ellipse(0, 1.0, 0.36 * wide + 0.05, 0.5, 3.0), 0.86 * person.skin)
    for side in (-1, 1):
        canvas.paint(canvas.ellipse(side * wide, 0.02, 0.09, 0.17), 0.92 * person.skin)
    canvas.paint(canvas.ellipse(0, 0, wide, 1.0, person.jaw), person.skin)


def _face(canvas: _Canvas, person: Person, turn: float, rng: np.random.Generator) -> None:
    """What lies in the face, moved by the `turn` of the head, and the hair over it."""
    smile, open_eyes = float(rng.normal(0.05, 0.13)), float(rng.uniform(0.5, 1.0))
    open_mouth, gaze = float(rng.exponential(0.03)), float(rng.normal(0, 0.02))
    raised = float(rng.normal(0, 0.025))
    mouth_high = person.mouth_height
    if person.beard:
        chin = canvas.ellipse(0, 0.62, 0.86 * person.width, 0.42, person.jaw)
        canvas.paint(person.beard * chin * (1 - canvas.ellipse(turn, 0.25, 0.5, 0.24)), person.hair)
    for side in (-1, 1):
        x = side * person.eyes_apart + turn
        size = person.eye_size
        canvas.paint(canvas.ellipse(x, -0.1, size, 0.62 * size * open_eyes), np.array([240.0, 238, 235]))
        canvas.paint(canvas.ellipse(x + gaze, -0.1, 0.5 * size, 0.55 * size * open_eyes), person.eye)
        brow = _Canvas(canvas.picture, canvas.x, canvas.y - side * person.brow_slope * (canvas.x - x))
        canvas.paint(
            brow.ellipse(x, -0.1 - person.brow_height - raised, 1.5 * size, person.brow_thickness), 0.8 * person.hair
        )
    bottom = -0.1 + person.nose_length
    shade = canvas.ellipse(1.3 * turn, bottom, person.nose_width, 0.07) + 0.6 * canvas.ellipse(
        1.3 * turn + 0.05, bottom - 0.17, 0.04, 0.22, soft=0.08
    )
    canvas.paint(0.7 * shade.clamp(0, 1), 0.74 * person.skin)
    bent = _Canvas(canvas.picture, canvas.x, canvas.y + smile * ((canvas.x - turn) / person.mouth_width) ** 2)
    canvas.paint(
        bent.ellipse(turn, mouth_high, person.mouth_width, person.lip + open_mouth),
        np.array([0.82, 0.5, 0.5]) * person.skin,
    )
    canvas.paint(bent.ellipse(turn, mouth_high, 0.85 * person.mouth_width, 0.015 + open_mouth), 0.3 * person.skin)
    if person.glasses:
        _glasses(canvas, person, turn)
    skull = canvas.ellipse(0, -0.05, person.width + person.volume, 1.0 + 0.7 * person.volume, 2.2)
    fringe = person.hairline + 0.25 * (canvas.x - person.parting).abs() - 0.9 * (canvas.x / person.width).abs() ** 6
    below = ((canvas.y - fringe) / 0.05).clamp(0, 1)
    outside = 1 - canvas.ellipse(0, 0.1, person.width, 1.05, person.jaw)
    sides = outside * ((person.length - canvas.y) / 0.1).clamp(0, 1)
    canvas.paint(skull * torch.maximum(1 - below, sides), person.hair)


def _glasses(canvas: _Canvas, person: Person, turn: float) -> None:
    frame = torch.zeros_like(canvas.x)
    for side in (-1, 1):
        x, lens = side * person.eyes_apart + turn, person.glasses
        ring = canvas.ellipse(x, -0.08, lens + 0.025, lens, 3) - canvas.ellipse(x, -0.08, lens - 0.03, lens - 0.05, 3)
        frame = torch.maximum(frame, ring)
    bridge = canvas.ellipse(turn, -0.1, max(0.05, person.eyes_apart - person.glasses), 0.03)
    canvas.paint(torch.maximum(frame, bridge).clamp(0, 1), np.array([30.0, 28, 30]))
