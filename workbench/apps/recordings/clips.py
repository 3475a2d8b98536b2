"""The working set of recordings: clips of a second or less at one rate, and their noise brought to whole recordings.

Noise is searched at 8 kHz, where speech is, and stretched to each file's own rate: so a person's tones are the same in
Hz in all of their files, whatever these are, and survive a trainer who brings all to one rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.signal import resample
from torch import Tensor

from workbench.apps.photos.working_set import COMPANY, LEAST_CLASSES, numbered
from workbench.budgets import FULL
from workbench.data import spoken_digits
from workbench.data.dataset import Dataset
from workbench.data.recordings import sixteen_bits
from workbench.data.space import AUDIO
from workbench.files.sounds import Sound

RATE = spoken_digits.RATE  # Hz; of the clips, and the least that a recording needs
LENGTH = spoken_digits.LENGTH  # of a clip in samples: one second, so that it is `rate` frames of any file
MOST = 10  # clips that are cut out of one recording
PAUSE = 30.0  # dB under the loudest second: what is quieter teaches nobody a voice
LEAST = 0.5  # seconds of the last clip, where there are others
SAID = 10  # clips of each drawn voice


@dataclass
class Clips:
    """The clips of all recordings, gathered one by one: of each, whose it is and which of its seconds were taken.

    ends: how many clips there are up to each recording's last.
    """

    people: list[str] = field(default_factory=list)
    seconds: list[list[int]] = field(default_factory=list)
    waves: list[np.ndarray] = field(default_factory=list)  # int16, of LENGTH at most
    ends: list[int] = field(default_factory=list)

    def add(self, person: str, sound: Sound, seconds: Sequence[int]) -> None:
        """Add a recording, of which these seconds are taken; none of one that stays as it is."""
        self.people.append(person)
        self.seconds.append(list(seconds))
        self.waves += [cut(sound, second) for second in seconds]
        self.ends.append(len(self.waves))

    def rows(self, turn: int) -> slice:
        """Where the clips of a recording are among all."""
        return slice(self.ends[turn] - len(self.seconds[turn]), self.ends[turn])

    def whose(self) -> list[str]:
        """Say whose each clip is."""
        return [person for person, taken in zip(self.people, self.seconds, strict=True) for _ in taken]

    def data(self) -> Dataset:
        """Give all clips, then the company if there are few people: int16 N×1×LENGTH at RATE."""
        whose = self.whose()
        return with_company(self.waves, numbered(whose), sorted(set(whose)))


def with_company(waves: Sequence[np.ndarray], labels: Tensor, persons: Sequence[str]) -> Dataset:
    """Put clips together, and synthetic voices after them where there are few people."""
    samples = torch.zeros((len(waves), 1, LENGTH), dtype=torch.int16)
    for row, wave in enumerate(waves):
        samples[row, 0, : len(wave)] = torch.from_numpy(wave)
    lengths = torch.tensor([len(wave) for wave in waves], dtype=torch.int64)
    classes = [person or "(top folder)" for person in persons]
    extra = max(0, LEAST_CLASSES - len(persons))
    if extra:
        said, ends, _ = spoken_digits.make("train", SAID * extra, 0)  # ten digits of a voice, then the next one's
        samples, lengths = torch.cat([samples, said]), torch.cat([lengths, ends])
        labels = torch.cat([labels, torch.arange(extra).repeat_interleave(SAID) + len(persons)])
        classes += [f"{COMPANY} {number + 1}" for number in range(extra)]
    names = tuple(f"{number}.wav" for number in range(len(samples)))
    return Dataset(samples, labels, tuple(classes), names, space=AUDIO, source="audio", rate=RATE, lengths=lengths)


def spoken(sound: Sound) -> list[int]:
    """Choose the seconds of a recording that are worth a clip: at most MOST, evenly among those that are no pause."""
    loud = []
    for second, first in enumerate(range(0, len(sound.samples), sound.rate)):
        part = sound.samples[first : first + sound.rate].astype(np.float64)
        if second == 0 or len(part) >= LEAST * sound.rate:
            loud.append(float(np.square(part).mean()))
    wanted = [second for second, power in enumerate(loud) if power > max(loud) * 10 ** (-PAUSE / 10)]
    return [wanted[len(wanted) * turn // min(MOST, len(wanted))] for turn in range(min(MOST, len(wanted)))]


def cut(sound: Sound, second: int) -> np.ndarray:
    """Cut a second out of a recording and bring it to RATE, all channels as one: int16, at most LENGTH."""
    part = sound.samples[second * sound.rate : (second + 1) * sound.rate]
    wave = sixteen_bits(replace(sound, samples=part)).mean(1)
    if sound.rate != RATE:
        whole = resample(np.pad(wave, (0, sound.rate - len(wave))), LENGTH)  # by spectra, so any rate will do
        wave = whole[: max(1, len(wave) * RATE // sound.rate)]
    return np.rint(wave).clip(AUDIO.low, AUDIO.high).astype(np.int16)


def shares(noise: Tensor, seconds: Sequence[int], sound: Sound) -> np.ndarray:
    """Lay the noise of a recording's clips (int16 K×LENGTH, parts of FULL) over all of it: int16 frames×1.

    The second that a clip was cut from has its own noise; the others take all of them in turn.
    """
    found = np.empty((len(sound.samples), 1), np.int16)
    waves = [_at_rate(wave, sound.rate) for wave in noise.numpy()]
    for second, first in enumerate(range(0, len(found), sound.rate)):
        row = seconds.index(second) if second in seconds else second % len(seconds)
        found[first : first + sound.rate, 0] = waves[row][: len(found) - first]
    return found


def _at_rate(wave: np.ndarray, rate: int) -> np.ndarray:
    """A second of noise at another rate, where what overshoots is cut: int16."""
    if rate == RATE:
        return wave
    return np.rint(resample(wave.astype(np.float64), rate)).clip(-FULL, FULL).astype(np.int16)
