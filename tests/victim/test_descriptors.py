"""What dlib's recogniser makes of faces, as a learner: a real face, images without one, without the package."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from workbench import models
from workbench.catalogue import DEFENCES
from workbench.config import ConfigError
from workbench.data.dataset import DataPair, Dataset
from workbench.judging import judgement
from workbench.judging.config import JudgeConfig
from workbench.judging.learners import named, of_panel
from workbench.judging.trial import Case
from workbench.models import existing
from workbench.records import table
from workbench.victim import composed, train
from workbench.victim.defences import descriptors

NAME = "face-descriptors"
installed = pytest.mark.skipif(bool(existing.lacking()), reason="the extra `faces` is not installed")


def face() -> Image.Image:
    """The public portrait (NASA) that scikit-image's wheel holds, cut to head and shoulders."""
    package = importlib.util.find_spec("skimage")
    whole = Image.open(Path(package.submodule_search_locations[0]) / "data" / "astronaut.png").convert("RGB")
    return whole.crop((140, 20, 310, 230))


def image(picture: Image.Image, side: int | None = None) -> torch.Tensor:
    sized = picture.resize((side, side)) if side else picture
    return torch.from_numpy(np.array(sized)).permute(2, 0, 1)


def people(count: int = 12) -> Dataset:
    """One real person, now lighter, now darker, and mirrored, whom two class names stand for."""
    here = image(face(), 96).int()
    shades = [(here + 3 * number - 15).clamp(0, 255).to(torch.uint8) for number in range(count)]
    labels = torch.arange(count) % 2
    samples = torch.stack([one.flip(2) if label else one for one, label in zip(shades, labels, strict=True)])
    return Dataset(samples, labels, ("right", "left"), tuple(map(str, range(count))), source="folder")


def prepared(data: Dataset, name: str = NAME) -> composed.Defence:
    return composed.prepared(name, data, torch.ones(len(data), dtype=torch.bool), originals=data)


def values(found: torch.Tensor) -> np.ndarray:
    return (found.flatten(1).numpy().astype(float) - descriptors.MIDDLE) / descriptors.STEPS


@installed
def test_an_image_becomes_what_the_recogniser_makes_of_its_face():
    _, described = existing.Recogniser().face(face())
    picture = image(face())
    found = descriptors.FaceDescriptors().inputs(picture[None])
    assert (found.shape, found.dtype) == ((1, 1, 8, 16), torch.uint8)
    assert np.abs(values(found)[0] - described).max() <= 0.5 / descriptors.STEPS + 1e-9  # rounded, nothing cut off
    assert 0 < int(found.min()) < int(found.max()) < 255


@installed
@pytest.mark.parametrize("side", [32, 48, 64, 160])
def test_the_same_person_is_known_at_any_size_and_made_square(side):
    _, described = existing.Recogniser().face(face())
    found = values(descriptors.FaceDescriptors().inputs(image(face(), side)[None]))[0]
    assert np.linalg.norm(found - described) < existing.THRESHOLD


@installed
def test_no_face_is_grey_and_every_image_is_described_by_itself():
    noise = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    both = torch.stack([noise, image(face(), 64), torch.zeros_like(noise)])
    found = descriptors.FaceDescriptors().inputs(both)
    assert (found[[0, 2]] == descriptors.MIDDLE).all()
    assert (found[1] != descriptors.MIDDLE).any()
    assert torch.equal(descriptors.FaceDescriptors().inputs(both[1:2]), found[1:2])
    grey = both[:, :1]
    assert torch.equal(
        descriptors.FaceDescriptors().inputs(grey), descriptors.FaceDescriptors().inputs(grey.expand(-1, 3, -1, -1))
    )


@installed
def test_descriptions_are_not_shifted_or_mirrored_and_a_linear_network_learns_them():
    data = people()
    config = named(NAME).config("convnet-w4", data, seed=0, device="cpu", epochs=16)
    assert (config.victim, config.augmentation) == ("linear", "shift-flip")  # the recipe's; it is for pictures
    met = []

    class Watch(train.Callback):
        def on_train_batch_start(self, trainer, module, batch, place):
            met.append(batch[0].cpu())

    carries = torch.ones(len(data), dtype=torch.bool)
    curve = train.train(config, DataPair(data, data), data, carries, callbacks=[Watch()])
    wanted = {tuple(row.flatten().tolist()) for row in descriptors.FaceDescriptors().inputs(data.samples)}
    assert {tuple(row.flatten().tolist()) for batch in met for row in batch} == wanted
    peak = max(row["value"] for row in curve if (row["split"], row["metric"]) == ("test", "accuracy"))
    assert peak == 1.0


@installed
def test_a_panel_for_images_without_faces_goes_without_it(tiny, capsys):
    case = Case(tiny, tiny.train, table.Identity("none", "photo-digits"))
    config = JudgeConfig(data="photo-digits", panel="full", network="convnet-w4", device="cpu")
    assert NAME not in {one.name for one in judgement.chosen(config, case)}
    assert f"learner {NAME} is left out: defence {NAME}: a face is found on 0 of" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"a face is found on 0 of \d+ images only$"):
        judgement.chosen(replace(config, learners=NAME), case)


@installed
def test_faces_are_looked_for_on_the_originals_not_on_what_noise_left_of_them():
    data = people()
    ruined = replace(data, samples=torch.zeros_like(data.samples))
    carries = torch.ones(len(data), dtype=torch.bool)
    assert composed.prepared(NAME, ruined, carries, originals=data)
    with pytest.raises(ConfigError, match="0 of 12 images"):
        composed.prepared(NAME, ruined, carries)


def test_without_the_package_it_is_one_line_and_the_panel_goes_without_it(tiny, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == "dlib" else find(name))
    with pytest.raises(ConfigError, match=rf"^defence {NAME}: it needs the package dlib.*\[faces\]") as refusal:
        prepared(tiny.train)
    assert "\n" not in str(refusal.value)
    case = Case(tiny, tiny.train, table.Identity("none", "photo-digits"))
    config = JudgeConfig(data="photo-digits", panel="full", network="convnet-w4", device="cpu")
    assert NAME not in {one.name for one in judgement.chosen(config, case)}
    assert f"learner {NAME} is left out: defence {NAME}: it needs the package dlib" in capsys.readouterr().err


@installed
@pytest.mark.parametrize("name", [f"{NAME}+blur", f"{NAME}+crop-flip", f"crop-flip+{NAME}"])
def test_what_changes_pictures_is_refused_where_there_are_none(name):
    with pytest.raises(ConfigError, match="comes last in a composition"):
        prepared(people(), name)


@installed
def test_pictures_may_be_converted_before_it():
    data = people(4)
    made = prepared(data, f"grayscale+{NAME}")
    grey = composed.named("grayscale").inputs(data.samples)
    assert torch.equal(made.inputs(data.samples), descriptors.FaceDescriptors().inputs(grey))
    assert not made.pictures


def test_it_has_help_and_is_in_the_full_panel_alone(patterned):
    one, data = named(NAME), patterned(30)
    assert (one.tier, one.panel, one.architecture) == ("with help", "full", "linear")
    assert one.needs == " (has a recogniser that learnt three million faces)"
    assert one in of_panel("full", "convnet-w4", data)
    assert one not in of_panel("standard", "convnet-w4", data)
    assert DEFENCES[NAME].tests_through


def test_a_linear_network_is_linear_in_an_images_standardised_values():
    network = models.build("linear", channels=1, classes=3, side=16, short=8, seed=0)[1]
    x = torch.rand(5, 1, 8, 16, generator=torch.Generator().manual_seed(0))
    flat = x.repeat_interleave(2, 2).flatten(1)
    flat = (flat - flat.mean(1, keepdim=True)) / flat.var(1, keepdim=True, unbiased=False).add(1e-5).sqrt()
    torch.testing.assert_close(network(x), flat @ network[-1].weight.T + network[-1].bias)
    grey = network(torch.full((1, 1, 8, 16), 0.5))
    torch.testing.assert_close(grey[0], network[-1].bias)  # no face: nothing but what the classes' numbers say
