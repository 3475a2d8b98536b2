"""Where data come from, by name: SPEC → DataPair."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from workbench import registry
from workbench.config import ConfigError, DataConfig, DataError
from workbench.data import folder, photo_digits, spec, synthetic_people
from workbench.data.dataset import DataPair, Dataset
from workbench.data.split import split
from workbench.files.layout import layout
from workbench.files.names import check_classes


def load(config: DataConfig) -> DataPair:
    """Load the data that `config` names. Raises ConfigError for a bad SPEC and DataError for bad data."""
    name, _, rest = config.data.partition(":")
    pair = registry.look_up("data", name)(rest, config.seed)
    if not isinstance(pair, DataPair):
        raise DataError(f"data {name}: its function returned {type(pair).__name__}, not a DataPair")
    check_classes(pair.train.classes)
    train, test = pair.train.limited(config.limit_train), pair.test.limited(config.limit_test)
    scaled = replace(pair, train=train.scaled(config.side), test=test.scaled(config.side), name=name)
    try:
        scaled.check_sizes()
    except DataError as error:
        raise DataError(f"{config.data}: {error}") from error
    return scaled


def digits(rest: str, seed: int) -> DataPair:
    """photo-digits[:N]: N training images (see photo_digits.py)."""
    count = spec.number("photo-digits", rest, photo_digits.DEFAULT_TRAIN, "training images", 10, 9999999)
    counts = {"train": count, "test": photo_digits.DEFAULT_TEST}
    sets = {}
    for part, count in counts.items():
        images, labels = photo_digits.make(part, count, seed)
        sets[part] = Dataset(images, labels, photo_digits.CLASSES, numbered(labels, photo_digits.CLASSES))
    return DataPair(sets["train"], sets["test"])


def people(rest: str, seed: int) -> DataPair:
    """synthetic-people[:N]: drawn faces of N people (see synthetic_people.py)."""
    count = spec.number("synthetic-people", rest, synthetic_people.DEFAULT_PEOPLE, "people", 2, 999)
    classes = synthetic_people.classes(count)
    made = (synthetic_people.make(split, count, seed) for split in ("train", "test"))
    train, test = (Dataset(images, labels, classes, numbered(labels, classes)) for images, labels in made)
    return DataPair(train, test)


def numbered(labels: Tensor, classes: tuple[str, ...], suffix: str = ".png") -> tuple[str, ...]:
    """Names for samples that are no files."""
    return tuple(f"{classes[label]}/{index:06d}{suffix}" for index, label in enumerate(labels.tolist()))


def images_below(rest: str, seed: int) -> DataPair:
    """folder:PATH: its parts, or a seeded split of its one folder per class."""
    if not rest:
        raise ConfigError("folder: needs a path, as in folder:photos")
    found = layout(Path(rest))
    train, *test = [Dataset(*folder.read(part), part.root) for part in found.given]
    parts = [train, *test] if test else map(train.subset, split(train.labels, train.classes, seed))
    return replace(DataPair(*parts), layout=found)


def read_folder(root: Path) -> Dataset:
    """Read one folder a class. Raises DataError that names the file or folder."""
    part = layout(root).train
    return Dataset(*folder.read(part), part.root)
