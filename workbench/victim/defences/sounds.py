"""Defences of clips of sound that look for noise where it is heard: in pauses, steady tones and fine structure."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO
from workbench.models import input_gradient
from workbench.victim.defences.mixing import MixUp
from workbench.victim.defences.sound_codecs import (
    Sound,
    by_clips,
    clips,
    correlation,
    ends,
    frames,
    parts,
    peaks,
    spectra,
    whole,
    window,
    within,
)

FRAME = 0.02  # seconds, of what is trimmed
QUANTILE, ABOVE, FLOOR = 0.2, 2.0, 0.1  # of the gate: the clip's quiet, what it opens above, what it lets through
MOST_BOOST = 10.0  # of an empty band, as a factor
QUIETEST, OVER = 0.1, 2.0  # share of the frames; how much more than the mean is subtracted, as noise varies about it
EMPHASIS, VOICED, PITCH = 0.9, 0.3, (80, 400)  # of linear prediction; the pitch in Hz
SHIFT, SPEED, GAIN = 0.1, 0.1, 6.0  # seconds, share, dB
MELS, MEL_BANDS, SPAN, SPAN_SHARE = 40, 8, 0.2, 0.2  # mel bands, of one mask at most; seconds, share of the clip


class TrimSilence(Sound):
    """Without the quiet frames; the others move together. decibels: where quiet begins, of the loudest."""

    def __init__(self, decibels: float):
        self.decibels = decibels

    def inputs(self, x: Tensor) -> Tensor:
        """Drop the frames; zeros follow."""
        size = max(1, round(FRAME * self.rate))

        def trimmed(part: Tensor, until: Tensor) -> Tensor:
            cut = nn.functional.pad(part, (0, -part.shape[2] % size)).unflatten(2, (-1, size))
            power = cut.square().mean((1, 3))
            quiet = power < power.amax(1, keepdim=True) * 10 ** (self.decibels / 10)
            order = quiet.int().argsort(stable=True, dim=1)
            cut = (cut * ~quiet[:, None, :, None]).gather(2, order[:, None, :, None].expand_as(cut))
            return cut.flatten(2)

        return by_clips(trimmed, x)


class SpectralGate(Sound):
    """Every frequency is turned down while it is not much louder than in the clip's own quiet."""

    def inputs(self, x: Tensor) -> Tensor:
        """Gate the clips."""
        size = window(self.rate)

        def gated(part: Tensor, until: Tensor) -> Tensor:
            found = spectra(part, size)
            loud, heard = found.abs(), frames(until, size, found.shape[3])
            ranked = loud.masked_fill(~heard, math.inf).sort(3).values
            place = (QUANTILE * (heard.sum(3, keepdim=True) - 1)).long()
            quiet = ranked.gather(3, place.expand(*loud.shape[:3], 1))
            return clips(found * torch.where(loud > ABOVE * quiet, 1.0, FLOOR), size, part.shape[2])

        return by_clips(gated, x)


class MeanNormalisation(Sound):
    """Each frequency's mean log magnitude over time becomes that of all: what colours the whole clip goes (CMN)."""

    def inputs(self, x: Tensor) -> Tensor:
        """Filter each clip by its own mean, as loud as it was."""
        size = window(self.rate)

        def flattened(part: Tensor, until: Tensor) -> Tensor:
            found = spectra(part, size)
            heard = frames(until, size, found.shape[3])
            mean = (found.abs().clamp(min=1).log() * heard).sum(3, keepdim=True) / heard.sum(3, keepdim=True)
            gain = (mean.mean(2, keepdim=True) - mean).exp().clamp(max=MOST_BOOST)
            changed = clips(found * gain, size, part.shape[2]) * within(until, part.shape[2])
            before, after = (each.square().sum((1, 2), keepdim=True).sqrt() for each in (part, changed))
            loudness = before / after.clamp(min=1)
            return changed * torch.minimum(loudness, AUDIO.high / changed.abs().amax((1, 2), keepdim=True).clamp(min=1))

        return by_clips(flattened, x)


class QuietMean(Sound):
    """What a class's pauses have more than those of most classes, taken out of its training clips: a learner who knows
    that such noise sits there. Powers are subtracted: a filter by the class would be a mark of the class itself.
    """

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Find each class's excess in relation to the clips' peaks, and subtract it."""
        size = window(self.rate)
        quiet = torch.zeros(len(data), size // 2 + 1)
        for index, part, until in parts(data.samples):
            found = spectra(part, size).abs().clamp(min=1)
            heard = frames(until, size, found.shape[3])[:, 0, 0]
            power = found.square().mean((1, 2)).masked_fill(~heard, math.inf)
            chosen = power.argsort(1).argsort(1) < (QUIETEST * heard.sum(1, keepdim=True)).round().clamp(min=1)
            logs = found.div(peaks(part)[..., None]).log().mean(1) * chosen[:, None]
            quiet[index] = logs.sum(2) / chosen.sum(1, keepdim=True)
        loud = ends(data.samples) > 0
        there = data.labels[loud].unique()
        power = torch.zeros(len(data.classes), size // 2 + 1)
        for label in there.tolist():
            power[label] = (2 * quiet[(data.labels == label) & loud].mean(0)).exp()
        excess = (power - power[there].median(0).values).clamp(min=0) if len(there) else power

        def cleaned(part: Tensor, until: Tensor, label: Tensor) -> Tensor:
            found = spectra(part, size)
            noise = OVER * excess[label][:, None, :, None] * peaks(part)[..., None].square()
            left = (1 - noise / found.abs().square().clamp(min=1)).clamp(min=FLOOR**2)
            return clips(found * left.sqrt(), size, part.shape[2])

        return replace(data, samples=by_clips(cleaned, data.samples, data.labels))


class LinearPrediction(Sound):
    """Each frame's envelope by linear prediction of some order, sounded anew by pulses at its pitch or by noise."""

    def __init__(self, order: int):
        self.order = order

    def inputs(self, x: Tensor) -> Tensor:
        """Analyse and sound each clip."""
        size = window(self.rate)
        # One noise for all clips, as fixed as a codebook: drawn anew it would tell the clips apart.
        noise = torch.randn(x.shape[2], generator=torch.Generator().manual_seed(self.order))
        emphasis = torch.fft.rfft(torch.tensor([1, -EMPHASIS]), n=size)[:, None]
        places = torch.arange(self.order)

        def sounded(part: Tensor, until: Tensor) -> Tensor:
            found = spectra(part, size)
            alike = correlation(found * emphasis)[..., : self.order + 1]
            matrix = alike[..., (places[:, None] - places).abs()]
            matrix = matrix + (1e-5 * alike[..., :1, None] + 1) * torch.eye(self.order)  # solvable in silence too
            weights = torch.linalg.solve(matrix, alike[..., 1:])
            left = (alike[..., 0] - (weights * alike[..., 1:]).sum(3)).clamp(min=0)
            envelope = torch.fft.rfft(torch.cat([torch.ones_like(weights[..., :1]), -weights], 3), n=size).mT * emphasis
            drive = spectra(self._driven(correlation(found), noise[: part.shape[2]]), size)
            level = (left / correlation(drive)[..., 0].clamp(min=1e-6)).sqrt()
            return clips(drive * level[:, :, None] / envelope, size, part.shape[2])

        return by_clips(sounded, x)

    def _driven(self, alike: Tensor, noise: Tensor) -> Tensor:
        """Pulses in voiced frames, noise in the others: float32 N×C×T. alike: the frames' correlations."""
        low, high = (max(1, round(self.rate / hertz)) for hertz in reversed(PITCH))
        best = alike[..., low : high + 1].max(3)
        voiced = best.values > VOICED * alike[..., 0].clamp(min=1)
        at = (torch.arange(len(noise)) / (window(self.rate) // 4)).round().long().clamp(max=alike.shape[2] - 1)
        period = (best.indices + low)[..., at]
        turns = (1 / period.double()).cumsum(2).floor()
        pulses = turns.diff(dim=2, prepend=turns[..., :1]) * period.sqrt()
        return torch.where(voiced[..., at], pulses + 0.1 * noise, noise).float()


class WhiteNoise(Sound):
    """Noise of its own for every value, anew in every epoch. decibels: of the clip above it."""

    def __init__(self, decibels: float):
        self.decibels = decibels

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Add the noise inside the clips."""
        inside = within(ends(x), x.shape[2])
        values = inside.sum((1, 2), keepdim=True) * x.shape[1]
        level = (
            x.float().square().sum((1, 2), keepdim=True) / values.clamp(min=1) * 10 ** (-self.decibels / 10)
        ).sqrt()
        noise = torch.randn(x.shape, generator=draw, device=draw.device)
        return whole(x + level * noise * inside)


class ShiftSpeedGain(Sound):
    """Each clip earlier or later, faster or slower, louder or softer; what leaves the sample is cut."""

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Draw the three for each clip; between values linearly, zeros outside."""
        shift, speed, gain = torch.rand((3, len(x), 1), generator=draw, device=draw.device) * 2 - 1
        at = (torch.arange(x.shape[2], device=x.device) - shift * SHIFT * self.rate) * (1 + SPEED * speed)
        padded = nn.functional.pad(x.float(), (1, 2))  # zeros to reach for on either side
        place = (at + 1).clamp(0, x.shape[2] + 1)
        lower = place.long().clamp(max=x.shape[2] + 1)
        low, high = (padded.gather(2, each[:, None].expand_as(x)) for each in (lower, lower + 1))
        return whole(torch.lerp(low, high, (place - lower)[:, None]) * (10 ** (GAIN * gain / 20))[..., None])


class SpecAugment(Sound):
    """Two bands of frequencies and two spans of time taken out of each clip, of widths drawn up to a most."""

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Draw the masks and lay them on the spectra."""
        size, until = window(self.rate), ends(x)
        found = spectra(x.float(), size)
        mels = (1 + torch.linspace(0, self.rate / 2, size // 2 + 1, device=x.device) / 700).log()
        mels = mels / mels[-1]
        seconds = torch.arange(found.shape[3], device=x.device) * (size // 4) / self.rate
        lasts = (until / self.rate)[None, :, None]
        width, begin = torch.rand((2, 4, len(x), 1), generator=draw, device=draw.device)
        bands = _covered(mels, begin[:2], width[:2] * MEL_BANDS / MELS, torch.ones_like(lasts))
        spans = _covered(seconds, begin[2:], width[2:] * (SPAN_SHARE * lasts).clamp(max=SPAN), lasts)
        kept = found * ~(bands[:, None, :, None] | spans[:, None, None])
        return whole(clips(kept, size, x.shape[2]) * within(until, x.shape[2]))


class MixClips(MixUp):
    """Weighted sums of two clips and of their labels."""

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Blend them as images of one row, which torchvision asks for."""
        mixed, labels = super().loss_batch(network, x[:, :, None], y, draw)
        return mixed[:, :, 0], labels


class AdversarialDecibels(Sound):
    """Adversarial training within a radius of each clip's own.

    decibels: of the radius below the clip's peak; steps: of the attack, 2.5·radius/steps each.
    """

    def __init__(self, decibels: float, steps: int):
        self.decibels, self.steps = decibels, steps

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Go uphill on the loss from a random start, within the radius, inside the clip."""
        radius = (peaks(x) * 10 ** (self.decibels / 20)).floor() * within(ends(x), x.shape[2])
        least, most = (x - radius).clamp(min=AUDIO.low), (x + radius).clamp(max=AUDIO.high)
        start = torch.rand(x.shape, generator=draw, device=x.device) * 2 - 1
        found = torch.clamp(x + radius * start, least, most)
        for _ in range(self.steps):
            uphill = found + 2.5 / self.steps * radius * input_gradient(network, found, y).sign()
            found = torch.clamp(uphill, least, most)
        return found, y


def _covered(axis: Tensor, begin: Tensor, width: Tensor, most: Tensor) -> Tensor:
    """Which points of an axis any of the masks covers: bool N×points. begin: share of the room that a mask has."""
    first = begin * (most - width)
    return ((axis >= first) & (axis < first + width)).any(0)
