"""Defences that look at the spectra of the training images: a notch at the frequencies by which the classes differ."""

import torch
from torch import Tensor
from torch.nn import functional

from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence
from workbench.victim.defences.projections import AT_ONCE, whole

SHARE = 0.05  # of the frequencies, that are taken out
AROUND = 5  # frequencies a side, of the neighbourhood that a peak stands out from


class Notch(Defence):
    """The frequencies by which the published classes differ most, taken out of training and test images alike.

    Written against periodic noise: a pattern of a class's own is a peak in the mean spectrum of its images, whatever
    its phase in each of them.
    """

    gain: Tensor | None = None  # float32 C×H×(W//2+1), zeros and ones; from `train_set` on

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Find the frequencies; `inputs` takes them out."""
        found = spectra(data)
        # A peak as high is more noise where the images' own amplitudes are larger.
        score = peaks(found, data.samples.shape[3]).amax(0) * found.mean(0)
        score[:, 0, 0] = -1  # the brightness stays
        gain = torch.ones_like(score).flatten()
        gain[score.flatten().argsort(descending=True, stable=True)[: int(SHARE * gain.numel())]] = 0
        self.gain = gain.view_as(score)
        return data

    def inputs(self, x: Tensor) -> Tensor:
        """Filter the images."""
        if self.gain is None:
            return x
        sides = list(x.shape[2:])
        parts = [torch.fft.irfft2(torch.fft.rfft2(part.float()) * self.gain, s=sides) for part in x.split(AT_ONCE)]
        return torch.cat([whole(part) for part in parts])


def spectra(data: Dataset) -> Tensor:
    """The mean logarithm of the amplitudes of each class that has samples: float32 K×C×H×(W//2+1)."""
    found = []
    for label in data.labels.unique().tolist():
        mine = (data.labels == label).nonzero()[:, 0]
        logs = [torch.fft.rfft2(data.samples[index].float()).abs().log1p().sum(0) for index in mine.split(AT_ONCE)]
        found.append(torch.stack(logs).sum(0) / len(mine))
    return torch.stack(found)


def peaks(found: Tensor, width: int) -> Tensor:
    """How far each class's spectrum, less the mean of all, stands out from the median around: as `spectra`.

    Classes differ over whole regions of the spectrum by nature; a pattern is a frequency. width: of the images.
    """
    off = found - found.mean(0)
    height, half = off.shape[2:]
    rows = (-torch.arange(height)) % height
    whole_plane = torch.cat([off, off[:, :, rows][..., torch.arange(width - half, 0, -1)]], 3)  # F(-f) is as large
    # A plane smaller than the neighbourhood cannot be padded by half of one.
    near = [min(AROUND, side - (side + 1) % 2) for side in (height, width)]
    padded = functional.pad(whole_plane, [near[1] // 2] * 2 + [near[0] // 2] * 2, mode="circular")
    around = padded.unfold(2, near[0], 1).unfold(3, near[1], 1).flatten(4).median(4).values
    return (whole_plane - around)[..., :half]
