"""Clips of sound for tests: a tone for each class under noise, of many lengths and loudnesses."""

from pathlib import Path

import torch
from sound_files import wav

from workbench.data.dataset import DataPair, Dataset
from workbench.data.space import AUDIO

CLASSES = ("ant", "bee", "cat")
PITCHES = (400, 900, 2000)  # Hz


def toned(count: int, seed: int = 0, seconds: float = 0.2, rate: int = 8000, channels: int = 1) -> Dataset:
    """`count` clips of three classes in turn: int16, zeros after each one's length, peaks from 300 to 30,000."""
    draw = torch.Generator().manual_seed(seed)
    longest, labels = round(seconds * rate), torch.arange(count) % len(CLASSES)
    lengths = (longest * (1 - 0.4 * torch.rand(count, generator=draw))).long()
    lengths[0] = longest
    time = torch.arange(longest) / rate
    phases = torch.rand((count, channels, 1), generator=draw) * 6.28
    waves = (6.283 * torch.tensor(PITCHES)[labels, None, None] * time + phases).sin()
    waves = waves + 0.5 * torch.randn(waves.shape, generator=draw)
    loud = 300 * 100 ** torch.rand((count, 1, 1), generator=draw)
    waves = (waves / waves.abs().amax((1, 2), keepdim=True) * loud).round()
    samples = (waves * (torch.arange(longest) < lengths[:, None, None])).short()
    names = tuple(f"{CLASSES[label]}/{index:04d}.wav" for index, label in enumerate(labels.tolist()))
    return Dataset(samples, labels, CLASSES, names, space=AUDIO, source="spoken-digits", rate=rate, lengths=lengths)


def pair_of_sound(count: int = 48, test: int = 24) -> DataPair:
    """Training and test clips under the name of data that has a recipe."""
    return DataPair(toned(count, seed=1), toned(test, seed=2), "spoken-digits")


def write_sounds(folder: Path, data: Dataset) -> Path:
    """The clips as WAV files of 16 bits, in the folders of their classes."""
    for clip, length, name in zip(data.samples, data.lengths.tolist(), data.names, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(wav(clip[:, :length].T.numpy(), 16, data.rate))
    return folder
