"""Defences that subtract what a linear look at the training set finds: the classes' means, or a classifier of them."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.data.augment import shift_flip
from workbench.data.batches import Stream, generator
from workbench.data.dataset import Dataset
from workbench.victim.defence import Defence
from workbench.victim.defences.mixing import CutMix

AT_ONCE = 1024  # images; bounds the float copy
EPOCHS, BATCH, RATE = 20, 1024, 0.1  # of the logistic regression; the rate is divided by 10 after half and 3/4 of it
STEPS = 980  # at least: 20 epochs of the source's 50,000 images. After fewer its weights are mostly their random start
ROTATION, SHEAR, SCALE, JITTER = 10, 10, 0.2, 0.2  # up to ± so many degrees, degrees, and factors 1 ± so much
GREY = (0.299, 0.587, 0.114)


class ClassMean(Defence):
    """The mean image of every class becomes that of them all: noise that is one for a class goes with it."""

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Subtract each class's own part of its mean."""
        mean = _mean(data.samples)
        samples = data.samples.clone()
        for label in data.labels.unique().tolist():
            mine = (data.labels == label).nonzero()[:, 0]
            own = _mean(data.samples[mine]) - mean
            for index in mine.split(AT_ONCE):
                samples[index] = whole(data.samples[index] - own)
        return replace(data, samples=samples)


class OrthogonalProjection(Defence):
    """The directions by which a logistic regression tells the classes, taken out of the training set alone."""

    def train_set(self, data: Dataset, carries: Tensor) -> Dataset:
        """Project every image on the complement of the weights' span, about the mean image.

        The source keeps x − QQᵀx as floats. Here QQᵀ of the mean image, the same for all, is added back: bytes hold no
        negative values, and the images keep their brightness.
        """
        basis = torch.linalg.qr(self.weights(data).T)[0]  # D×K, orthonormal columns
        mean = _mean(data.samples).flatten()
        parts = []
        for part in data.samples.split(AT_ONCE):
            off = part.flatten(1) - mean
            parts.append(whole(part - (off @ basis @ basis.T).view(part.shape)))
        return replace(data, samples=torch.cat(parts))

    def weights(self, data: Dataset) -> Tensor:
        """Fit the logistic regression without a bias, on pixels in 0..1: float32 K×D."""
        draw = generator(torch.device("cpu"), self.seed, Stream.LEARNER, 0)
        size = data.samples[0].numel()
        bound = 1 / math.sqrt(size)  # as a layer of torch starts
        weight = (torch.rand(len(data.classes), size, generator=draw) * 2 - 1) * bound
        epochs = max(EPOCHS, -(-STEPS // -(-len(data) // BATCH)))
        for epoch in range(epochs):
            rate = RATE / 10 ** ((epoch >= epochs // 2) + (epoch >= epochs * 3 // 4))
            for index in torch.randperm(len(data), generator=draw).split(BATCH):
                pixels = data.samples[index].flatten(1) / 255
                wrong = (pixels @ weight.T).softmax(1) - functional.one_hot(data.labels[index], len(data.classes))
                weight -= rate / len(index) * wrong.T @ pixels
        return weight


class OrthogonalProjectionStrong(OrthogonalProjection, CutMix):
    """The same, then training under strong augmentation, as the source trains."""

    def batch(self, x: Tensor, draw: torch.Generator) -> Tensor:
        """Turn, shear and scale each image, change its colours, shift and mirror it: a draw an image."""
        return shift_flip(jitter(affine(x, draw), draw), draw)

    def loss_batch(self, network: nn.Module, x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Blend every other batch by CutMix."""
        if bool(torch.rand(1, generator=draw, device=draw.device) < 0.5):
            return super().loss_batch(network, x, y, draw)
        return x, y


def affine(images: Tensor, draw: torch.Generator) -> Tensor:
    """Turn, shear along rows and scale each image about its middle, bilinear, zeros outside: uint8 N×C×H×W."""
    count, _, height, width = images.shape
    angle, shear, scale = torch.rand(3, count, generator=draw, device=draw.device) * 2 - 1
    angle, lean = angle * math.radians(ROTATION), (shear * math.radians(SHEAR)).tan()
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # Where in the old image (x, y) of the new one lies: turned back, sheared back, scaled back.
    turn = torch.stack([cos + lean * sin, sin - lean * cos, zero, -sin, cos, zero], 1).view(-1, 2, 3)
    turn = turn / (1 + SCALE * scale)[:, None, None]
    turn[:, 0, 1] *= height / width  # the grid runs over -1..1 along both sides
    turn[:, 1, 0] *= width / height
    grid = functional.affine_grid(turn, list(images.shape), align_corners=False)
    return whole(functional.grid_sample(images.float(), grid, align_corners=False))


def jitter(images: Tensor, draw: torch.Generator) -> Tensor:
    """Change each image's brightness, contrast and saturation by up to JITTER, in that order: uint8 N×C×H×W."""
    drawn = torch.rand(3, len(images), generator=draw, device=draw.device)
    light, contrast, colour = (1 + JITTER * (drawn * 2 - 1))[:, :, None, None, None]
    found = (images * light).clamp(0, 255)
    found = _blend(found, _brightness(found).mean((2, 3), keepdim=True), contrast)
    return whole(_blend(found, _brightness(found), colour))


def whole(pixels: Tensor) -> Tensor:
    """Round to the nearest pixel value: uint8."""
    return pixels.round().clamp(0, 255).to(torch.uint8)


def _blend(images: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return (other + (images - other) * share).clamp(0, 255)


def _brightness(images: Tensor) -> Tensor:
    """The grey of images of three channels, else the images: float N×1×H×W."""
    if images.shape[1] != 3:
        return images
    return (images * torch.tensor(GREY, device=images.device)[:, None, None]).sum(1, keepdim=True)


def _mean(samples: Tensor) -> Tensor:
    """The mean image: float32 C×H×W."""
    return torch.stack([part.double().sum(0) for part in samples.split(AT_ONCE)]).sum(0).div(len(samples)).float()
