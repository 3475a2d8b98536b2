"""Matching photos of people by what a network that never saw them makes of them: no training on their photos at all.

This is how a person is found who is in nobody's training set: a network learnt to tell OTHER people apart, its last
layer is left out, and what goes into that layer describes a face. The gallery holds photos of known people as they were
published, with noise or clean; a clean photo is given the name of its nearest one. The noise of this workbench acts on
training, so there is little reason that it should help here; the number says how little.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench import device, models
from workbench.config import ConfigError, VictimConfig
from workbench.data.batches import Stream, generator, network_input
from workbench.data.dataset import DataPair, Dataset
from workbench.noise.perturbation import Perturbation
from workbench.victim import composed, warm_start
from workbench.victim.exposure import expose

BATCH = 100  # images; only speed depends on it
LEAST = 4  # people: two to learn from and two to match


def halves(data: DataPair, seed: int) -> tuple[DataPair, Tensor]:
    """The photos of a seeded half of the people, labelled anew from 0, and the old labels of the other half (int64).

    Raises ConfigError when there are too few people.
    """
    count = len(data.train.classes)
    if count < LEAST:
        raise ConfigError(f"matching needs {LEAST} people or more, half of them to learn from; there are {count}")
    order = torch.randperm(count, generator=generator(torch.device("cpu"), seed, Stream.MATCHING, 1))
    teachers, known = order[: count // 2].sort().values, order[count // 2 :].sort().values
    return replace(data, train=of(data.train, teachers), test=of(data.test, teachers)), known


def match(config: VictimConfig, data: DataPair, found: Perturbation | None, taught: Path | None) -> float:
    """The accuracy on the people that `halves` left over: their photos in `data.train`, with the noise if given, are
    the gallery, those in `data.test` the clean queries; what the defence of `config` does to inputs is done to both,
    what it does to a training set to the gallery.

    taught: the folder of the run that trained `config.victim` on the others; None for a network that comes trained.
    """
    on = device.pick(config.device)
    _, known = halves(data, config.seed)
    exposed = expose(data.train, found, config)
    made = composed.prepared(config.defence, *exposed, seed=config.seed, originals=data.train)
    gallery, queries = of(made.train_set(*exposed), known), of(data.test, known)
    sets = [replace(one, samples=made.inputs(one.samples)).to(on) for one in (gallery, queries)]
    network = models.for_data(config.victim, gallery, seed=config.seed)
    if taught is not None:
        warm_start.take_over(network, warm_start.weights(taught))
    return accuracy(network.to(on), *sets)


def of(data: Dataset, people: Tensor) -> Dataset:
    """The photos of the classes `people` (int64, in rising order) alone, labelled anew from 0."""
    mine = data.subset(torch.isin(data.labels, people).nonzero()[:, 0])
    names = tuple(data.classes[label] for label in people.tolist())
    return replace(mine, labels=torch.searchsorted(people, mine.labels), classes=names)


def features(network: nn.Module, images: Tensor) -> Tensor:
    """What goes into the network's last linear layer, of length 1: float32 N×F from uint8 N×C×H×W."""
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    found: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda layer, given: found.append(given[0].detach()))
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            for part in images.split(BATCH):
                network(network_input(part))
    finally:
        hook.remove()
        network.train(training)
    return functional.normalize(torch.cat(found).flatten(1), dim=1)


def nearest(gallery: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
    """The label (int64) of the most similar row of `gallery` for each row of `queries`, by cosine similarity.

    gallery, queries: rows of length 1.
    """
    return labels[(queries @ gallery.T).argmax(1)]


def accuracy(network: nn.Module, gallery: Dataset, queries: Dataset) -> float:
    """The share of `queries` whose nearest photo in `gallery` shows the same person."""
    found = nearest(features(network, gallery.samples), gallery.labels, features(network, queries.samples))
    return float((found == queries.labels).float().mean())
