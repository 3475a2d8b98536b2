"""Batches: every image once a pass with its own label, in an order that only the generator decides."""

import ast
import itertools
from pathlib import Path

import torch

from workbench.data import batches
from workbench.data.batches import Batches, Stream, generator, network_input
from workbench.data.dataset import Dataset

CPU = torch.device("cpu")


def numbered(count: int = 23) -> Dataset:
    """Images whose pixels all hold the image's index; labels 2 × index."""
    index = torch.arange(count)
    images = index.to(torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4).contiguous()
    return Dataset(images, 2 * index, tuple(map(str, range(2 * count))), tuple(map(str, range(count))))


def seen(found: Batches) -> list[int]:
    return [int(image[0, 0, 0]) for pixels, _ in found for image in pixels]


def test_every_image_comes_once_with_its_own_label():
    found = Batches(numbered(), 5, generator(CPU, 0, Stream.ORDER))
    sizes = [len(labels) for _, labels in found]
    assert sizes == [5, 5, 5, 5, 3]
    assert len(found) == len(sizes)
    for pixels, labels in Batches(numbered(), 5, generator(CPU, 0, Stream.ORDER)):
        assert torch.equal(pixels[:, 0, 0, 0].long() * 2, labels)
    assert sorted(seen(Batches(numbered(), 5, generator(CPU, 0, Stream.ORDER)))) == list(range(23))


def test_epochs_and_seeds_have_orders_of_their_own_and_repeat():
    orders = {
        (seed, epoch): seen(Batches(numbered(), 5, generator(CPU, seed, Stream.ORDER, epoch)))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len({tuple(order) for order in orders.values()}) == 4
    assert all(order != sorted(order) for order in orders.values())
    assert seen(Batches(numbered(), 5, generator(CPU, 1, Stream.ORDER, 1))) == orders[1, 1]


def test_without_a_generator_images_come_in_order_and_as_they_are():
    def never(pixels, draw):
        raise AssertionError

    assert seen(Batches(numbered(), 5, None, never)) == list(range(23))


def test_the_augmentation_is_applied_to_every_batch():
    found = Batches(numbered(), 5, generator(CPU, 0, Stream.ORDER), lambda pixels, draw: pixels + 100)
    assert sorted(seen(found)) == list(range(100, 123))


PLACES = {  # of every stream, as the code draws from it: none, one number, two
    Stream.ORDER: 1, Stream.DEFENCE: 2, Stream.EM_ORDER: 1, Stream.EM_JOINT_ORDER: 2, Stream.RANDOM: 0,
    Stream.EM_MAX_TRAINING: 1, Stream.TARGETED_TRAINING: 2, Stream.TARGETED_STEPS: 1, Stream.LINEAR_WEIGHTS: 0,
    Stream.LINEAR_ORDER: 1, Stream.LINEAR_START: 1, Stream.CARRIERS: 1, Stream.BANDS: 0, Stream.MATCHING: 1,
    Stream.HELD: 1, Stream.HELPED: 1, Stream.LEARNER: 1, Stream.LEARNER_STEPS: 1, Stream.PLAID: 1,
    Stream.LSP: 1, Stream.AUTOREGRESSIVE: 1, Stream.CUDA: 1, Stream.ROBUST_TRAINING: 2, Stream.ROBUST_STEPS: 1,
    Stream.MI_UE: 1, Stream.SEM: 1, Stream.TEXTURE: 1, Stream.TEXTURE_STEPS: 1, Stream.TONES: 1,
    Stream.MOVED: 2,
}  # fmt: skip
# A victim's order is mixed without its number: what was drawn once, before a search, may be drawn from its epochs too.
SHARED = {(Stream.ORDER, epoch) for epoch in (4, 8, 12)}


def test_no_two_purposes_share_a_stream():
    assert set(PLACES) == set(Stream)
    drawn = {}
    for stream, deep in PLACES.items():
        for place in itertools.product(range(40), repeat=deep):
            for seed in (0, 1, 17):
                if (stream, *place) in SHARED:
                    continue
                first = generator(CPU, seed, stream, *place).initial_seed()
                assert drawn.setdefault(first, (stream, place, seed)) == (stream, place, seed)


def test_the_streams_are_drawn_from_as_the_table_above_says():
    """Every call of `generator` in the package names its stream, with as many numbers for its place."""
    seen = {}
    for file in (Path(batches.__file__).parents[1]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("generator") and node.args:
                names = [ast.unparse(one) for one in node.args]
                at = next((i for i, name in enumerate(names) if name.startswith("Stream.")), None)
                if at is None:  # Search.generator hands on what it is given
                    continue
                stream = Stream[names[at].removeprefix("Stream.")]
                starred = names[-1].startswith("*")  # on several devices the rank comes behind
                seen[stream] = PLACES[stream] if starred else len(names) - at - 1
    assert seen == PLACES


def test_network_input_keeps_the_values():
    pixels = numbered().samples
    given = network_input(pixels)
    assert given.dtype == torch.float32
    assert torch.equal(given, pixels.float())
