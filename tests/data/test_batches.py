"""Batches: every image once a pass with its own label, in an order that only the generator decides."""

import torch

from workbench.data.batches import Batches, generator, network_input
from workbench.data.dataset import Dataset

CPU = torch.device("cpu")


def numbered(count: int = 23) -> Dataset:
    """Images whose pixels all hold the image's index; labels 2 × index."""
    index = torch.arange(count)
    images = index.to(torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4).contiguous()
    return Dataset(images, 2 * index, tuple(map(str, range(2 * count))), tuple(map(str, range(count))))


def seen(batches: Batches) -> list[int]:
    return [int(image[0, 0, 0]) for pixels, _ in batches for image in pixels]


def test_every_image_comes_once_with_its_own_label():
    batches = Batches(numbered(), 5, generator(CPU, 0))
    sizes = [len(labels) for _, labels in batches]
    assert sizes == [5, 5, 5, 5, 3]
    assert len(batches) == len(sizes)
    for pixels, labels in Batches(numbered(), 5, generator(CPU, 0)):
        assert torch.equal(pixels[:, 0, 0, 0].long() * 2, labels)
    assert sorted(seen(Batches(numbered(), 5, generator(CPU, 0)))) == list(range(23))


def test_epochs_and_seeds_have_orders_of_their_own_and_repeat():
    orders = {
        (seed, epoch): seen(Batches(numbered(), 5, generator(CPU, seed, epoch))) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len({tuple(order) for order in orders.values()}) == 4
    assert all(order != sorted(order) for order in orders.values())
    assert seen(Batches(numbered(), 5, generator(CPU, 1, 1))) == orders[1, 1]


def test_without_a_generator_images_come_in_order_and_as_they_are():
    def never(pixels, draw):
        raise AssertionError

    assert seen(Batches(numbered(), 5, None, never)) == list(range(23))


def test_the_augmentation_is_applied_to_every_batch():
    batches = Batches(numbered(), 5, generator(CPU, 0), lambda pixels, draw: pixels + 100)
    assert sorted(seen(batches)) == list(range(100, 123))


def test_the_order_of_seeds_matters_to_the_stream():
    def first(*seeds):
        return float(torch.rand(1, generator=generator(CPU, *seeds)))

    assert len({first(0, 1), first(1, 0), first(0), first(1), first(0, 0), first(0, 0, 1)}) == 6


def test_network_input_keeps_the_values():
    pixels = numbered().samples
    given = network_input(pixels)
    assert given.dtype == torch.float32
    assert torch.equal(given, pixels.float())
