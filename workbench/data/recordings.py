"""A folder of recordings as clips of one length, rate and type: one folder a class, every file read or refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workbench.config import ConfigError, DataError
from workbench.data import spec
from workbench.data.dataset import DataPair, Dataset
from workbench.data.space import AUDIO, SHORTEST, SLOWEST
from workbench.data.split import split
from workbench.files import sounds
from workbench.files.layout import Part, layout
from workbench.files.names import check_file

SAME = "bring all recordings to one rate (sox IN -r RATE OUT, or any audio editor)"
LONGEST = 4.0  # seconds: networks see a clip whole
DEEPEST = 16  # bits of the clips that networks learn from; copies have as many as their originals


def sounds_below(rest: str, seed: int) -> DataPair:
    """audio:PATH: its parts, or a seeded split of its one folder a class. Raises DataError that names the file."""
    if not rest:
        raise ConfigError("audio: needs a path, as in audio:recordings")
    found = layout(Path(rest), suffixes=sounds.SOUNDS, what="recordings")
    train, *test = [read(part) for part in found.given]
    if test and (rates := [one.rate for one in (train, *test)])[0] != rates[1]:
        raise DataError(f"{rest}: {found.parts[0]} is at {rates[0]} Hz, {found.parts[1]} at {rates[1]} Hz: {SAME}")
    if test and (counts := [one.samples.shape[1] for one in (train, *test)])[0] != counts[1]:
        raise DataError(f"{rest}: {found.parts[0]} and {found.parts[1]} have {counts[0]} and {counts[1]} channels")
    parts = [train, *test] if test else [train.subset(one) for one in split(train.labels, train.classes, seed)]
    pair = of_one_length(*parts)
    if train.rate < SLOWEST:
        raise DataError(f"{rest}: recordings at {train.rate} Hz have too little to hear: {SLOWEST:,} Hz are needed")
    if pair.train.samples.shape[2] < SHORTEST * train.rate:
        raise DataError(f"{rest}: the longest recording has less than {SHORTEST:g} s: give longer ones")
    return replace(pair, layout=found)


def read(part: Part) -> Dataset:
    """Read one folder a class. Raises DataError, naming the file, for one that cannot be read or differs in rate."""
    clips: list[Tensor] = []
    labels = []
    first = None
    for name in part.names:
        check_file(name)
        file = part.root / name
        sound = sounds.read(file)
        first = first or sound
        if sound.rate != first.rate:
            raise DataError(f"{file} is at {sound.rate} Hz, {part.root / part.names[0]} at {first.rate} Hz: {SAME}")
        if sound.samples.shape[1] != first.samples.shape[1]:
            counts = f"{sound.samples.shape[1]} and {first.samples.shape[1]} channels"
            raise DataError(f"{file} and {part.root / part.names[0]} have {counts}: bring all recordings to one")
        if sound.seconds > LONGEST:
            line = f"{file} is {sound.seconds:.1f} s long: cut recordings into clips of {LONGEST:g} s at most"
            raise DataError(line)
        clips.append(torch.from_numpy(sixteen_bits(sound)).T)
        labels.append(part.classes.index(name.partition("/")[0]))
    lengths = torch.tensor([clip.shape[1] for clip in clips])
    padded = torch.stack([functional.pad(clip, [0, int(lengths.max()) - clip.shape[1]]) for clip in clips])
    rate = first.rate if first else 0
    return Dataset(padded, torch.tensor(labels), part.classes, part.names, part.root, AUDIO, rate=rate, lengths=lengths)


def sixteen_bits(sound: "sounds.Sound") -> np.ndarray:
    """The samples as int16 frames×channels: as they are, enlarged from 8 bits, or rounded from more."""
    if not sound.bits:
        wide = np.rint(sound.samples.astype(np.float64) * 2.0 ** (DEEPEST - 1))
    else:
        wide = np.rint(sound.samples * 2.0 ** (DEEPEST - sound.bits))
    return wide.clip(AUDIO.low, AUDIO.high).astype(np.int16)


def of_one_length(train: Dataset, test: Dataset) -> DataPair:
    """The two with zeros after their clips, so that all have the length of the longest."""
    longest = max(one.samples.shape[2] for one in (train, test))
    train, test = (
        replace(one, samples=functional.pad(one.samples, [0, longest - one.samples.shape[2]])) for one in (train, test)
    )
    return DataPair(train, test)


def digits(rest: str, seed: int) -> DataPair:
    """spoken-digits[:N]: N synthetic clips to train on (see spoken_digits.py)."""
    from workbench.data import spoken_digits
    from workbench.data.sources import numbered

    count = spec.number("spoken-digits", rest, spoken_digits.DEFAULT_TRAIN, "training clips", 10, 999999)
    counts = {"train": count, "test": spoken_digits.DEFAULT_TEST}
    sets = []
    for part, count in counts.items():
        clips, lengths, labels = spoken_digits.make(part, count, seed)
        names = numbered(labels, spoken_digits.CLASSES, ".wav")
        sets.append(
            Dataset(clips, labels, spoken_digits.CLASSES, names, space=AUDIO, rate=spoken_digits.RATE, lengths=lengths)
        )
    return of_one_length(*sets)
