"""How victims are trained: one recipe per data set, for every setting that is left open."""

from dataclasses import dataclass

from workbench import catalogue
from workbench.config import check_choice


@dataclass(frozen=True)
class Recipe:
    """How a victim is trained on one data set: SGD with momentum 0.9, cosine decay to zero, gradients clipped at 5."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    augmentation: str
    warmup: float  # share of the training in which the learning rate climbs to its peak


RECIPES = {
    "photo-digits": Recipe(5, 64, 0.1, 5e-4, "shift", 0.2),
    "folder": Recipe(12, 64, 0.1, 5e-4, "shift-flip", 0.2),
    # 140 photographs are ten batches: many epochs, or there are no steps to learn in.
    "synthetic-people": Recipe(50, 14, 0.03, 5e-4, "shift-flip", 0.2),
    "photos": Recipe(50, 28, 0.05, 5e-4, "shift-flip", 0.2),  # the self-test of people's own photos
    # The 2021 settings (configs/*.yaml of the authors' code).
    "cifar10": Recipe(60, 128, 0.1, 5e-4, "shift-flip", 0.0),
    "cifar100": Recipe(100, 128, 0.1, 5e-5, "shift-flip-rotate", 0.0),
    "svhn": Recipe(30, 128, 0.1, 5e-4, "none", 0.0),
}


def named(name: str) -> Recipe:
    """The recipe of a data set in the catalogue, or the one that is called so. Arrays take that of folders."""
    name = {"arrays": "folder"}.get(name, name)
    name = catalogue.DATA[name].recipe if name in catalogue.DATA else name
    check_choice("recipe", name, RECIPES)
    return RECIPES[name]
