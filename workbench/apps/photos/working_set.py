"""The working set: all usable photos as small grey copies, one class a person, in company of people who are not there.

Noise is searched on luminance alone and put on all channels alike. What is found in colour is mostly a tint, and one
grayscale conversion takes it away (measured: 0.20 back to 0.97 on photo-digits).
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from workbench.apps.photos.carrying import grey, thumbnail
from workbench.data import synthetic_people
from workbench.data.dataset import Dataset
from workbench.files.pictures import Photo

LEAST_CLASSES = 10  # with fewer people the recogniser's task is no task
COMPANY = "somebody else"


@dataclass
class Working:
    """Small copies, gathered photo by photo.

    names, people: of each photo; pixels: uint8 SIDE×SIDE×C as a trainer sees it, C 1 for a grey photo, else 3.
    """

    names: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    pixels: list[np.ndarray] = field(default_factory=list)

    def add(self, name: str, person: str, photo: Photo) -> None:
        """Add a photo."""
        self.names.append(name)
        self.people.append(person)
        self.pixels.append(thumbnail(photo))

    def persons(self) -> list[str]:
        """The people, sorted by name."""
        return sorted(set(self.people))

    def set(self) -> Dataset:
        """The photos in order, then the company if there are few people: uint8 N×1×SIDE×SIDE."""
        persons = self.persons()
        images = torch.from_numpy(np.stack([grey(small) for small in self.pixels]))[:, None]
        labels = torch.tensor([persons.index(person) for person in self.people])
        names = list(self.names)
        classes = [person or "(top folder)" for person in persons]
        extra = max(0, LEAST_CLASSES - len(persons))
        if extra:
            faces, whose = company(extra)
            images, labels = torch.cat([images, faces]), torch.cat([labels, whose + len(persons)])
            classes += [f"{COMPANY} {number + 1}" for number in range(extra)]
            names += [f"{COMPANY} {number}" for number in range(len(faces))]
        return Dataset(images, labels, tuple(classes), tuple(names))


def company(people: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey synthetic faces of `people` others: uint8 N×1×SIDE×SIDE, and whose they are, int64 N from 0."""
    faces, labels = synthetic_people.make("train", people, 0)
    small = [grey(np.asarray(face.permute(1, 2, 0))) for face in faces]
    return torch.from_numpy(np.stack(small))[:, None], labels
