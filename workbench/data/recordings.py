"""A folder of recordings as clips of one length, rate and type: one folder a class, every file read or refused."""

import math
import os
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

SAME = "add @RATE to bring all to one, as in audio:PATH@16000"
FASTEST = 192_000  # Hz
LONGEST = 4.0  # seconds: networks see a clip whole
DEEPEST = 16  # bits of the clips that networks learn from; copies have as many as their originals


def sounds_below(rest: str, seed: int) -> DataPair:
    """audio:PATH[@RATE]: its parts, or a seeded split of its one folder a class, brought to RATE Hz where that is said.

    Raises DataError that names the file.
    """
    rest, rate = asked(rest)
    found = layout(Path(rest), suffixes=sounds.SOUNDS, what="recordings")
    train, *test = [read(part, rate) for part in found.given]
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


def asked(rest: str) -> tuple[str, int]:
    """The folder and the rate that PATH@RATE names; 0 without one, and where a folder has such a name."""
    if not rest:
        raise ConfigError("audio: needs a path, as in audio:recordings")
    path, at, digits = rest.rpartition("@")
    if not at or not (digits.isascii() and digits.isdigit()) or os.path.lexists(rest):
        return rest, 0
    if len(digits) > len(str(FASTEST)) or not SLOWEST <= int(digits) <= FASTEST:
        raise ConfigError(f"audio:{rest}: after the @ comes a rate, {SLOWEST:,} to {FASTEST:,} Hz")
    return path, int(digits)


def read(part: Part, rate: int = 0) -> Dataset:
    """Read one folder a class. Raises DataError, naming the file, for one that cannot be read or differs in rate.

    rate: Hz that all are brought to (0: they must be alike); clips that were brought there are no files any more.
    """
    clips: list[Tensor] = []
    labels = []
    first = None
    same = True
    for name in part.names:
        check_file(name)
        file = part.root / name
        sound = sounds.read(file)
        first = first or sound
        same = same and sound.rate == (rate or first.rate)
        if not rate and sound.rate != first.rate:
            raise DataError(f"{file} is at {sound.rate} Hz, {part.root / part.names[0]} at {first.rate} Hz: {SAME}")
        if sound.samples.shape[1] != first.samples.shape[1]:
            counts = f"{sound.samples.shape[1]} and {first.samples.shape[1]} channels"
            raise DataError(f"{file} and {part.root / part.names[0]} have {counts}: bring all recordings to one")
        if sound.seconds > LONGEST:
            line = f"{file} is {sound.seconds:.1f} s long: cut recordings into clips of {LONGEST:g} s at most"
            raise DataError(line)
        clips.append(torch.from_numpy(at_rate(sixteen_bits(sound), sound.rate, rate or sound.rate)).T)
        labels.append(part.classes.index(name.partition("/")[0]))
    lengths = torch.tensor([clip.shape[1] for clip in clips])
    padded = torch.stack([functional.pad(clip, [0, int(lengths.max()) - clip.shape[1]]) for clip in clips])
    rate = rate or (first.rate if first else 0)
    root = part.root if same else None
    return Dataset(padded, torch.tensor(labels), part.classes, part.names, root, AUDIO, rate=rate, lengths=lengths)


def at_rate(samples: np.ndarray, before: int, after: int) -> np.ndarray:
    """Bring int16 frames×channels from one rate in Hz to another; what overshoots is cut."""
    if before == after:
        return samples
    found = resampled(samples.astype(np.float64), before, after)
    return np.rint(found).clip(AUDIO.low, AUDIO.high).astype(np.int16)


def resampled(values: np.ndarray, before: int, after: int, axis: int = 0) -> np.ndarray:
    """Bring floats from one rate to another, in Hz, by a polyphase filter along the axis of time."""
    from scipy.signal import resample_poly

    common = math.gcd(before, after)
    return np.asarray(resample_poly(values, after // common, before // common, axis=axis))


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
