"""spoken-digits: synthetic English digits, said by invented voices. No number got on it is about a person's voice.

It stands in for recordings where none may be shipped: a formant synthesiser after Klatt, "Software for a cascade/
parallel formant synthesizer", JASA 67 (1980) 971–995. A glottal pulse (Klatt & Klatt, JASA 87 (1990)) or noise passes
a nasal zero and five resonators in a row, friction noise a resonator of its own. Formants in Hz: vowels from Peterson
& Barney, JASA 24 (1952), table II, men; other sounds and diphthongs from Klatt's tables II and III.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from scipy import signal
from torch import Tensor

from workbench.files import mapped

RATE = 8000  # samples a second
LENGTH = RATE  # of a padded clip, in samples
CLASSES = tuple(str(digit) for digit in range(10))
DEFAULT_TRAIN = 2000
DEFAULT_TEST = 500
SPEAKERS = {"train": 40, "test": 20}
FIRST = {"train": 0, "test": SPEAKERS["train"]}  # speaker of a split: they are numbered through, so no one is in both
STEP = 16  # samples for which the filters stand still: 2 ms
CHUNK = 250  # clips filtered side by side
LOUDEST, QUIETEST = -1.0, -24.0  # peak of a clip, dB below full scale


@dataclass(frozen=True)
class Phone:
    """One sound: where its formants lie, what excites them, how long."""

    start: tuple[int, int, int]  # F1, F2, F3 in Hz of a man
    ms: int
    voice: float = 0.0  # amplitude of the glottal pulses
    end: tuple[int, int, int] | None = None  # of a diphthong
    breath: float = 0.0  # amplitude of the noise at the glottis
    noise: tuple[float, int, int] = (0.0, 2500, 2000)  # of the friction: amplitude, centre and width in Hz
    nasal: float = 0.0  # 1: the nose is open


PHONES = {
    "iy": Phone((270, 2290, 3010), 170, 1.0),
    "ih": Phone((390, 1990, 2550), 90, 1.0),
    "eh": Phone((530, 1840, 2480), 100, 1.0),
    "ah": Phone((640, 1190, 2390), 130, 1.0),
    "ao": Phone((570, 840, 2410), 140, 1.0),
    "er": Phone((490, 1350, 1690), 90, 0.8),
    "uw": Phone((350, 1250, 2200), 180, 1.0, end=(320, 900, 2200)),
    "ey": Phone((480, 1720, 2520), 180, 1.0, end=(330, 2020, 2600)),
    "ay": Phone((660, 1200, 2550), 200, 1.0, end=(400, 1880, 2500)),
    "ow": Phone((540, 1100, 2300), 160, 1.0, end=(450, 900, 2300)),
    "ax": Phone((500, 1400, 2450), 60, 0.7),
    "w": Phone((290, 610, 2150), 70, 0.7),
    "r": Phone((310, 1060, 1380), 70, 0.7),
    "n": Phone((480, 1340, 2470), 80, 0.6, nasal=1.0),
    "s": Phone((320, 1390, 2530), 120, noise=(0.025, 3700, 900)),
    "z": Phone((240, 1390, 2530), 90, 0.3, noise=(0.015, 3700, 900)),
    "f": Phone((340, 1100, 2080), 100, noise=(0.01, 2600, 4000)),
    "th": Phone((320, 1290, 2540), 90, noise=(0.01, 3300, 2500)),
    "v": Phone((220, 1100, 2080), 60, 0.4, noise=(0.007, 2600, 4000)),
    "t-": Phone((400, 1600, 2600), 60),  # the tongue shuts the mouth: silence
    "t": Phone((400, 1600, 2600), 16, noise=(0.06, 3200, 1200)),
    "k-": Phone((300, 1990, 2850), 50),
    "k": Phone((300, 1990, 2850), 22, noise=(0.05, 2100, 500)),
    "h": Phone((370, 1500, 2400), 40, breath=0.5),  # after the burst of a "t"
}
WORDS = (
    "z ih r ow", "w ah n", "t h uw", "th r iy", "f ao er", "f ay v", "s ih k- k s", "s eh v ax n", "ey t- t", "n ay n",
)  # fmt: skip
WIDTHS = np.array([60.0, 90.0, 150.0, 280.0])  # of F1..F4 in Hz, Klatt's table II rounded
NASAL = np.array([40.0, 300.0, 300.0, 280.0])  # the same with the nose open
NASAL_POLE, NASAL_ZERO = 270.0, 450.0  # Hz; the zero lies on the pole while the nose is shut
ACCENT = 0.06  # spread of a speaker's formants about the table, as a share
SLIP = 0.04  # the same of one clip about its speaker's
NOISE = (25.0, 50.0)  # of the room, dB from a clip's peak down to its mean power
HIGHEST = 3800.0  # Hz a resonator may take below half of RATE


@dataclass(frozen=True)
class Speaker:
    """What stays the same in all clips of one voice."""

    scale: float = 1.0  # of the formants: above 1 a shorter vocal tract than a man's
    pitch: float = 110.0  # Hz
    tilt: float = 0.3  # 0..1, pole of the low pass behind the glottis
    open_share: float = 0.6  # of a glottal period
    tempo: float = 1.0  # above 1: slower
    breath: float = 0.03  # noise with the pulses
    jitter: float = 0.01
    accent: dict[str, np.ndarray] = field(default_factory=dict)  # factors of F1..F3 by sound


class _Plan(NamedTuple):
    """A clip before it is filtered: the filters' settings by frames of STEP samples, the sources by samples."""

    formants: np.ndarray  # frames×4, Hz; so are their widths
    widths: np.ndarray
    zero: np.ndarray  # frames, Hz
    noise: np.ndarray  # frames×2: centre and width of the friction, Hz
    glottis: np.ndarray
    friction: np.ndarray


def speaker_of(split: str, index: int) -> int:
    """The number of the speaker of clip `index`: ten clips, one of each digit, then the next speaker's."""
    return FIRST[split] + index // len(CLASSES) % SPEAKERS[split]


def make(split: str, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Say `count` digits of `split` ("train" or "test"): int16 N×1×LENGTH, samples before the zeros, labels (int64).

    Every clip has random numbers of its own: fewer clips are the first of more. Labels go in turn.
    """
    numbers = range(FIRST[split], FIRST[split] + SPEAKERS[split])
    people = {number: _speaker(np.random.default_rng([seed, 0, number])) for number in numbers}
    labels = torch.arange(count) % len(CLASSES)
    lengths = torch.zeros(count, dtype=torch.int64)
    clips = mapped.room_for((count, 1, LENGTH), torch.int16, f"{count:,} clips")
    for part in mapped.parts(count, CHUNK):
        chosen = range(count)[part]
        rngs = [np.random.default_rng([seed, 1, FIRST[split], index]) for index in chosen]
        said = [(WORDS[index % len(WORDS)], people[speaker_of(split, index)]) for index in chosen]
        plans = [_plan(word, speaker, rng) for (word, speaker), rng in zip(said, rngs, strict=True)]
        for index, sound, rng in zip(chosen, _filtered(plans), rngs, strict=True):
            clips[index] = 0
            clips[index, 0, : len(sound)] = torch.from_numpy(_recorded(sound, rng))
            lengths[index] = len(sound)
        mapped.release(clips)
    return clips, lengths, labels


def _speaker(rng: np.random.Generator) -> Speaker:
    scale = float(rng.uniform(0.85, 1.2))
    pitch = 90 * (260 / 90) ** ((scale - 0.85) / 0.35)  # a short tract has a high voice, but not strictly
    pitch = float(np.clip(pitch * np.exp(rng.normal(0, 0.15)), 90, 260))
    low, high = [0.3, 0.45, 0.75, 0.01, 0.003], [0.85, 0.8, 1.25, 0.12, 0.02]
    tilt, share, tempo, breath, jitter = rng.uniform(low, high).tolist()
    accent = {name: np.exp(rng.normal(0, ACCENT, 3)) for name in PHONES}
    return Speaker(scale, pitch, tilt, share, tempo, breath, jitter, accent)


def _plan(word: str, speaker: Speaker, rng: np.random.Generator) -> _Plan:
    """How `speaker` says the sounds of `word`, with a pause of 20 to 120 ms before and after."""
    sounds = [(name, PHONES[name]) for name in word.split()]
    before, after = rng.integers(10, 61, 2)  # frames
    frames = np.array([sound.ms for _, sound in sounds]) * RATE / 1000 / STEP
    frames = frames * speaker.tempo * np.exp(rng.normal(0, 0.08) + rng.normal(0, 0.15, len(sounds)))
    room = LENGTH // STEP - before - after - len(sounds)
    frames = np.maximum(1, frames * min(1.0, room / frames.sum())).astype(int)
    rows = []  # by frame: F1, F2, F3, nose; pulses, breath, friction, its centre and width
    for (name, sound), number in zip(sounds, frames, strict=True):
        own = speaker.scale * speaker.accent.get(name, 1.0) * np.exp(rng.normal(0, SLIP, 3))
        start, end = np.array(sound.start) * own, np.array(sound.end or sound.start) * own
        way = np.linspace(0, 1, number)[:, None]
        rest = np.array([sound.nasal, sound.voice, sound.breath, *sound.noise])
        rest[1:4] *= np.exp(rng.normal(0, [0.15, 0.2, 0.4]))
        rest[4] *= speaker.scale**0.5  # the cavity before a constriction differs less than the tract
        rows.append(np.hstack([start + (end - start) * way, np.tile(rest, (number, 1))]))
    table, last = np.vstack(rows), before + int(frames.sum())
    shape = _smooth(np.pad(table[:, :4], ((before, after), (0, 0)), mode="edge"), 29)
    excite = np.pad(table[:, 4:], ((before, after), (0, 0)), mode="edge")
    excite[:before, :3] = excite[last:, :3] = 0
    excite = _smooth(excite, 9)
    formants, nose = np.insert(shape[:, :3], 3, 3400 * speaker.scale, axis=1), shape[:, 3:]
    glottis = _glottis(excite, (before, last), speaker, rng)
    hiss = np.diff(rng.standard_normal(len(shape) * STEP + 1))  # differences: it is made near the lips
    friction = hiss * _by_sample(excite[:, 2])
    widths, zero = WIDTHS + nose * (NASAL - WIDTHS), NASAL_POLE + nose[:, 0] * (NASAL_ZERO - NASAL_POLE)
    return _Plan(np.minimum(formants, HIGHEST), widths, zero, np.minimum(excite[:, 3:], HIGHEST), glottis, friction)


def _glottis(excite: np.ndarray, span: tuple[int, int], speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Pulses and breath at the glottis, by samples; the pitch falls over the frames of `span`."""
    way = np.clip((np.arange(len(excite)) - span[0]) / (span[1] - span[0]), 0, 1)
    pitch = speaker.pitch * np.exp(rng.normal(0, 0.08) + rng.normal(-0.2, 0.08) * (way - 0.5))
    pitch = pitch * (1 + rng.normal(0, 0.05) * np.sin(np.pi * way) + speaker.jitter * rng.standard_normal(len(way)))
    phase = np.cumsum(np.append(rng.random(), _by_sample(pitch) / RATE))
    share = np.minimum(phase % 1 / speaker.open_share, 1)
    flow = 6.75 * (share**2 - share**3)
    # The difference of the flow is what the lips radiate; taken of the flow itself it hardly aliases.
    pulses = np.diff(flow) * np.exp(rng.normal(0, 3 * speaker.jitter, int(phase[-1]) + 1))[phase[1:].astype(int)]
    hiss = 0.5 * rng.standard_normal(len(flow) - 1)
    fade = 1 - 0.8 * way**4  # a word dies away
    voice, breath = _by_sample(excite[:, 0] * fade), _by_sample(excite[:, 1])
    source = voice * pulses + hiss * (0.3 * breath + voice * speaker.breath * (0.3 + flow[1:]))
    return signal.lfilter([1 - speaker.tilt], [1, -speaker.tilt], source)


def _by_sample(track: np.ndarray) -> np.ndarray:
    """A track of frames as one of samples, in straight lines."""
    return np.interp(np.arange(len(track) * STEP), (np.arange(len(track)) + 0.5) * STEP, track)


def _smooth(tracks: np.ndarray, width: int) -> np.ndarray:
    """Tracks (frames×K) averaged under a bell of `width` frames."""
    bell = np.hanning(width + 2)[1:-1] / ((width + 1) / 2)
    ends = np.pad(tracks, ((width // 2, width // 2), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(ends, width, axis=0) @ bell


def _resonator(centre: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The a, b, c of y[t] = a·x[t] + b·y[t−1] + c·y[t−2] (Klatt 1980, eq. 2), of gain 1 at 0 Hz."""
    c = -np.exp(-2 * np.pi * width / RATE)
    b = 2 * np.exp(-np.pi * width / RATE) * np.cos(2 * np.pi * centre / RATE)
    return 1 - b - c, b, c


def _filtered(plans: list[_Plan]) -> list[np.ndarray]:
    """The sounds of the plans, float64, by samples: all of them stepped through time together."""
    frames, many = max(len(plan.zero) for plan in plans), len(plans)
    settings = np.zeros((3, frames, 6, many))  # a, b, c; resonators: nose, F1..F4, friction
    glottis, friction = np.zeros((2, frames * STEP, many))
    for index, plan in enumerate(plans):
        here, samples = len(plan.zero), len(plan.glottis)
        centres = np.hstack([np.full((here, 1), NASAL_POLE), plan.formants, plan.noise[:, :1]])
        a, b, c = _resonator(centres, np.hstack([np.full((here, 1), 100.0), plan.widths, plan.noise[:, 1:]]))
        # Friction keeps its power whatever its width: white noise comes out with variance 1.
        a[:, 5] = np.sqrt((1 + c[:, 5]) * ((1 - c[:, 5]) ** 2 - b[:, 5] ** 2) / (1 - c[:, 5]))
        settings[:, :here, :, index] = a, b, c
        a, b, c = (np.repeat(part, STEP) for part in _resonator(plan.zero, np.full(here, 100.0)))
        past = np.pad(plan.glottis, (2, 0))
        glottis[:samples, index] = (past[2:] - b * past[1:-1] - c * past[:-2]) / a
        friction[:samples, index] = plan.friction
    sound = np.zeros((frames * STEP, many))
    entering, last, older = np.zeros((3, 6, many))
    for time in range(frames * STEP):
        # Each resonator hears what the one before it gave a sample ago, so that all can be stepped at once.
        entering[0], entering[1:5], entering[5] = glottis[time], last[:4], friction[time]
        a, b, c = settings[:, time // STEP]
        older *= c
        older += b * last
        older += a * entering
        last, older = older, last
        sound[time] = last[4] + last[5]
    return [sound[: len(plan.glottis), index] for index, plan in enumerate(plans)]


def _recorded(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sound as a microphone in a room takes it: echo, colour, noise, level. int16."""
    echo = rng.standard_normal(RATE // 8) * np.exp(-np.arange(RATE // 8) / (RATE * rng.uniform(0.01, 0.05)))
    echo *= 10 ** (-rng.uniform(6, 20) / 20) / np.linalg.norm(echo)
    echo[:2] = 1, rng.uniform(-0.4, 0.4)
    heard = signal.fftconvolve(sound, echo)[: len(sound)]
    hiss = signal.lfilter([1], [1, -rng.uniform(0, 0.9)], rng.standard_normal(len(sound)))
    heard = heard / np.abs(heard).max() + 10 ** (-rng.uniform(*NOISE) / 20) * hiss / hiss.std()
    peak = 32767 * 10 ** (rng.uniform(QUIETEST, LOUDEST) / 20)
    return np.round(heard * (peak / np.abs(heard).max())).astype(np.int16)
