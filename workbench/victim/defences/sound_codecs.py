"""Defences that convert every clip of sound once: codecs, rates, bits, bands; and what all defences of sound share."""

import io
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from workbench.config import ConfigError
from workbench.data import recordings
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO
from workbench.installation import missing
from workbench.models.sounds import window as window
from workbench.victim.defence import Defence

AT_ONCE = 2**19  # values; bounds the float copies
DOWN = 4000  # Hz, or half of a rate below twice that
BAND = (300, 3000)  # Hz, of a telephone
EDGES = (100, 200)  # Hz, that its gain falls over below and above
MU = 255
STEPS = 127  # of the 8 bits, on either side of zero


class Sound(Defence):
    """A defence of clips: int16 N×C×T, zeros after each one's end. rate: in Hz, from `prepare` on."""

    rate: int = 0

    def prepare(self, data: Dataset, seed: int = 0, originals: Dataset | None = None) -> None:
        """Note the rate as well."""
        super().prepare(data, seed, originals)
        self.rate = data.rate

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError for clips without a rate."""
        if data.rate < 1:
            raise ConfigError("a defence of sound needs to know the clips' rate in Hz: these have none")


class Resample(Sound):
    """Down to 4 kHz (half the rate, where that is less) and back."""

    def inputs(self, x: Tensor) -> Tensor:
        """Resample the clips twice."""
        low = min(self.rate // 2, DOWN)
        return by_clips(lambda part, _: resampled(resampled(part, self.rate, low), low, self.rate), x)


class Coding(NamedTuple):
    """What soundfile calls a codec, its strongest level, and the rates that it takes (none: any)."""

    format: str
    subtype: str
    level: float
    rates: tuple[int, ...] = ()


CODECS = {
    # At level 1 LAME refuses its own setting.
    "mp3": Coding("MP3", "MPEG_LAYER_III", 0.99, (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)),
    "opus": Coding("OGG", "OPUS", 1.0, (8000, 12000, 16000, 24000, 48000)),
    "vorbis": Coding("OGG", "VORBIS", 1.0),
}


class Codec(Sound):
    """A lossy codec at its strongest compression, each channel alone. codec: of CODECS.

    libsndfile takes the encoder's delay out by itself; at a rate that the codec lacks, clips are coded at the next one.
    """

    def __init__(self, codec: str):
        self.codec, self.coding = codec, CODECS[codec]

    def check(self, data: Dataset, carries: Tensor) -> None:
        """Raise ConfigError also when soundfile is not here."""
        super().check(data, carries)
        self._soundfile()

    def inputs(self, x: Tensor) -> Tensor:
        """Code each clip and read it back."""
        rates = self.coding.rates or (self.rate,)
        rate = min((each for each in rates if each >= self.rate), default=max(rates))
        soundfile = self._soundfile()

        def coded(part: Tensor, until: Tensor) -> Tensor:
            found = torch.zeros_like(part)
            for clip, into, end in zip(part, found, until.tolist(), strict=True):
                there = resampled(clip[:, :end], self.rate, rate)
                back = torch.stack([self._through(soundfile, channel, rate) for channel in there])
                back = resampled(back, rate, self.rate)[:, :end]
                into[:, : back.shape[1]] = back
            return found

        return by_clips(coded, x)

    def _through(self, soundfile: Any, channel: Tensor, rate: int) -> Tensor:
        """One channel, float32 T in steps of int16, coded in memory and decoded to the same."""
        file = io.BytesIO()
        soundfile.write(
            file, (channel / -AUDIO.low).clamp(-1, 1).numpy(), rate, format=self.coding.format,
            subtype=self.coding.subtype, compression_level=self.coding.level,
        )  # fmt: skip
        file.seek(0)
        # As floats: read as int16, what the codec overshoots by would wrap round.
        found = torch.from_numpy(soundfile.read(file, dtype="float32")[0])[: len(channel)] * -AUDIO.low
        return torch.nn.functional.pad(found, (0, len(channel) - len(found)))

    def _soundfile(self) -> Any:
        try:
            import soundfile
        except (ImportError, OSError) as error:  # OSError: without libsndfile
            raise ConfigError(f"defence {self.codec}: {missing('soundfile')}") from error
        return soundfile


class BitDepth8(Sound):
    """The nearest of 256 even levels."""

    def inputs(self, x: Tensor) -> Tensor:
        """Round to the higher byte."""
        return ((x.int() + 128).div(256, rounding_mode="floor") * 256).clamp(AUDIO.low, AUDIO.high // 256 * 256).short()


class MuLaw(Sound):
    """The nearest of 255 levels that lie closer together near zero (µ-law, by its formula)."""

    def inputs(self, x: Tensor) -> Tensor:
        """Compress, round and expand each value."""

        def quantised(part: Tensor, until: Tensor) -> Tensor:
            pressed = (MU * part.abs() / -AUDIO.low).log1p() / math.log1p(MU)
            pressed = (pressed * STEPS).round() / STEPS
            return part.sign() * torch.expm1(pressed * math.log1p(MU)) / MU * -AUDIO.low

        return by_clips(quantised, x)


class BandPass(Sound):
    """The frequencies of a telephone, without a shift of the phase."""

    def inputs(self, x: Tensor) -> Tensor:
        """Filter the clips."""

        def filtered(part: Tensor, until: Tensor) -> Tensor:
            length = part.shape[2]
            size = length + self.rate // 20  # the filter rings for less than that, and not into the other end
            hertz = torch.fft.rfftfreq(size, 1 / self.rate)
            beyond = torch.maximum((BAND[0] - hertz) / EDGES[0], (hertz - BAND[1]) / EDGES[1]).clamp(0, 1)
            gain = 0.5 + 0.5 * (math.pi * beyond).cos()
            return torch.fft.irfft(torch.fft.rfft(part, n=size) * gain, n=size)[..., :length]

        return by_clips(filtered, x)


def resampled(values: Tensor, before: int, after: int) -> Tensor:
    """Bring float32 …×T from one rate to another, in Hz: float32 …×(about T·after/before)."""
    if before == after:
        return values
    return torch.from_numpy(recordings.resampled(values.numpy(), before, after, axis=-1))


def ends(x: Tensor) -> Tensor:
    """Where each clip's last value other than zero is, plus one: int64 N, 0 for a silent one."""
    return ((x != 0).any(1) * torch.arange(1, x.shape[2] + 1, device=x.device)).amax(1)


def parts(x: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Some clips of about one length at a time, silent ones left out.

    Yields their places in x, int64 M; them, float32 M×C×L, L the longest one's length; and their ends, int64 M.
    """
    until = ends(x)
    order = until.argsort(stable=True)
    loud = order[until[order] > 0]
    for index in loud.split(max(1, AT_ONCE // max(1, x[:1].numel()))) if len(loud) else ():
        yield index, x[index, :, : int(until[index[-1]])].float(), until[index]


def by_clips(change: Callable[..., Tensor], x: Tensor, *facts: Tensor) -> Tensor:
    """Apply `change` to the clips, some of about one length at a time: int16 N×C×T to the same, ends where they were.

    change: of float32 M×C×L, the ends int64 M, and the clips' part of `facts`; returns float32 M×C×L or longer.
    """
    found = torch.zeros_like(x)
    for index, part, until in parts(x):
        length = part.shape[2]
        changed = change(part, until, *(each[index] for each in facts))[..., :length]
        found[index, :, :length] = whole(changed * within(until, length))
    return found


def within(until: Tensor, length: int) -> Tensor:
    """Which values are inside their clip: bool N×1×length."""
    return (torch.arange(length, device=until.device) < until[:, None])[:, None]


def whole(values: Tensor) -> Tensor:
    """Round to the nearest step, cut to the range: int16."""
    return values.round().clamp(AUDIO.low, AUDIO.high).to(AUDIO.sample)


def spectra(values: Tensor, size: int) -> Tensor:
    """Analyse float32 N×C×T by Hann windows, a quarter apart: complex64 N×C×(size/2+1)×frames."""
    shape = torch.hann_window(size, device=values.device)
    found = torch.stft(values.flatten(0, 1), size, size // 4, window=shape, pad_mode="constant", return_complex=True)
    return found.unflatten(0, values.shape[:2])


def clips(found: Tensor, size: int, length: int) -> Tensor:
    """Put frames as `spectra` cuts them together again: float32 N×C×length."""
    shape = torch.hann_window(size, device=found.device)
    values = torch.istft(found.flatten(0, 1), size, size // 4, window=shape, length=length)
    return values.unflatten(0, found.shape[:2])


def frames(until: Tensor, size: int, count: int) -> Tensor:
    """Which frames lie wholly inside their clip, or, in a shorter one, have their middle there: bool N×1×1×count."""
    middle = torch.arange(count, device=until.device) * (size // 4)
    wholly = (middle >= size // 2) & (middle + size // 2 <= until[:, None])
    return torch.where(wholly.any(1, keepdim=True), wholly, middle < until[:, None])[:, None, None]


def correlation(found: Tensor) -> Tensor:
    """Each frame's correlation with itself, by distance: float32 N×C×frames×size."""
    return torch.fft.irfft(found.abs().square().mT)


def peaks(values: Tensor) -> Tensor:
    """Each clip's largest magnitude: float32 N×1×1."""
    return values.abs().amax((1, 2), keepdim=True).float()
