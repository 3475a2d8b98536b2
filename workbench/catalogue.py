"""What there is by name: methods, defences, data sets, networks, panels. Facts alone, and their look-up; no torch.

Help texts, refusals, figures' words and looks, notebooks' lists and estimates of cost and room come from here. A new
method or defence is its file and one entry below; one's own, from outside, registers itself (registry.py).
"""

from collections.abc import Iterable
from typing import NamedTuple

from workbench.config import ConfigError

ANY = ("image", "audio")
IMAGE = ("image",)


class Method(NamedTuple):
    """A way to make noise. module: holds `Options` and `search`, as "package.module"."""

    module: str
    words: str
    source: str
    looks: tuple[tuple[str, str], tuple[str, str]]  # colour and marker of class-wise and sample-wise noise
    cost: str  # of the defaults, in image passes through a network
    surrogates: int = 1  # networks that it is made against: 0, 1, or 2 for several ("A+B")
    stands_for: str = ""  # what the surrogate is called where there is no network; "": what was asked for
    drawn: bool = False  # from the class or from chance alone, without a search
    several_devices: bool = False
    kept: int = 1  # float32 tensors of the noise's size in a checkpoint
    spaces: tuple[str, ...] = IMAGE


METHODS: dict[str, Method] = {
    "em-joint": Method(
        "workbench.noise.em_joint", "error-minimising noise, network and noise in one backward pass (default)",
        "after Huang et al., ICLR 2021", (("#D55E00", "s"), ("#009E73", "D")), "6 per image",
        several_devices=True, spaces=ANY,
    ),
    "em": Method(
        "workbench.noise.em", "error-minimising noise, by the paper's alternation",
        "Huang et al., ICLR 2021, Algorithm 1", (("#E69F00", "P"), ("#CC79A7", "X")), "11 to 200 per image", spaces=ANY,
    ),
    "em-max": Method(
        "workbench.noise.em_max", "error-maximising noise, the adversarial kind",
        "Huang et al., ICLR 2021, §4.1; Fowl et al., NeurIPS 2021", (("#999999", "<"), ("#666666", ">")),
        "20 to 200 per image",
    ),
    "targeted": Method(
        "workbench.noise.targeted", "features of another class, from networks of several ages (default for photos)",
        "Fowl et al., NeurIPS 2021; Chen et al., ICLR 2023", (("#7F3C10", "p"), ("#5E3C99", "h")), "72 per image",
        surrogates=2, kept=2,
    ),
    "linear": Method(
        "workbench.noise.linear", "from a linear classifier, without a network: the cheapest search",
        "after Liu, Chen and Zhang, ICLR 2026, arXiv 2601.19967", (("#4D4D00", "*"), ("#003C30", "d")), "none",
        surrogates=0, stands_for="linear", kept=0,
    ),
    "bands": Method(
        "workbench.noise.bands", "bands of colour drawn for each class, without a search",
        "after Yu et al., KDD 2022", (("#B2182B", "D"), ("#2166AC", "s")), "none", surrogates=0, stands_for="none",
        drawn=True, kept=0,
    ),
    "random": Method(
        "workbench.noise.random", "random noise of the same size: the control",
        "Huang et al., ICLR 2021, §4.1", (("#56B4E9", "v"), ("#0072B2", "^")), "none", surrogates=0, drawn=True, kept=0,
        spaces=ANY,
    ),
}  # fmt: skip
CLEAN_LOOK = ("#000000", "o")


class Defence(NamedTuple):
    """What a learner tries against noise. module: "package.module:Class"; given: the class's arguments."""

    module: str
    words: str
    source: str
    given: dict[str, int] = {}  # noqa: RUF012 (never changed)
    help: str = ""  # what it needs from outside: clean samples, pretrained weights
    tests_through: bool = False  # whether test samples pass through it too
    cost: float = 1.0  # in plain trainings
    spaces: tuple[str, ...] = IMAGE


_ISS, _PAPER = "Liu et al., ISS, ICML 2023", "Huang et al., ICLR 2021, §4.3"
_IN = "workbench.victim.defences"
_JPEG = f"{_IN}.conversions:Jpeg"
DEFENCES: dict[str, Defence] = {
    "none": Defence("workbench.victim.defence:Defence", "training as usual", "", spaces=ANY),
    "crop-flip": Defence(f"{_IN}.augmentations:CropFlip", "random crops and flips", "Szegedy et al., CVPR 2015"),
    "cutout": Defence(f"{_IN}.augmentations:Cutout", "Cutout", _PAPER),
    "randaugment": Defence(f"{_IN}.augmentations:RandAugment", "RandAugment", "Cubuk et al., NeurIPS 2020"),
    "mixup": Defence(f"{_IN}.mixing:MixUp", "MixUp", _PAPER),
    "cutmix": Defence(f"{_IN}.mixing:CutMix", "CutMix", _PAPER),
    "grayscale": Defence(f"{_IN}.conversions:Grayscale", "turning the images grey", _ISS, tests_through=True),
    "jpeg-75": Defence(_JPEG, "JPEG compression at quality 75", _ISS, {"quality": 75}, tests_through=True),
    "jpeg-30": Defence(_JPEG, "JPEG compression at quality 30", _ISS, {"quality": 30}, tests_through=True),
    "jpeg-10": Defence(_JPEG, "JPEG compression at quality 10", _ISS, {"quality": 10}, tests_through=True),
    "bit-depth-2": Defence(
        f"{_IN}.conversions:BitDepth", "cutting to 2 bits a channel", _ISS, {"bits": 2}, tests_through=True
    ),
    "blur": Defence(f"{_IN}.conversions:Blur", "blurring", _ISS, tests_through=True),
    "resize-half": Defence(
        f"{_IN}.conversions:ResizeHalf", "halving the size and back", "a learner at half the size", tests_through=True
    ),
    "adversarial-4": Defence(
        f"{_IN}.adversarial:Adversarial", "adversarial training, radius 4", "Madry et al., ICLR 2018; short, for CPUs",
        {"radius": 4, "steps": 3}, cost=4.0,
    ),
    "adversarial-8": Defence(
        f"{_IN}.adversarial:Adversarial", "adversarial training, radius 8", "Madry et al., ICLR 2018; as APBench, 2024",
        {"radius": 8, "steps": 10}, cost=11.0,
    ),
    "leave-out": Defence(
        f"{_IN}.leave_out:LeaveOut", "learning from the clean part alone", "Huang et al., ICLR 2021, Table 2",
        help="which samples carry noise", spaces=ANY,
    ),
}  # fmt: skip


class Data(NamedTuple):
    """A data set. module: "package.module:function" of what stands behind the colon and the seed, to a DataPair."""

    module: str
    words: str
    form: str  # how a SPEC names it
    recipe: str  # of victims: an entry of victim/recipes.py
    embedded: bool = False  # made by the program itself
    space: str = "image"


_SOURCES, _DOWNLOADS = "workbench.data.sources", "workbench.data.downloads"
DATA: dict[str, Data] = {
    "photo-digits": Data(
        f"{_SOURCES}:digits", "handwritten digits over patches of photographs", "photo-digits[:N]", "photo-digits", True
    ),
    "synthetic-people": Data(
        f"{_SOURCES}:people", "drawn faces of N invented people", "synthetic-people[:N]", "synthetic-people", True
    ),
    "cifar10": Data(f"{_DOWNLOADS}:cifar10", "CIFAR-10, downloaded on request", "cifar10", "cifar10"),
    "cifar100": Data(f"{_DOWNLOADS}:cifar100", "CIFAR-100, downloaded on request", "cifar100", "cifar100"),
    "svhn": Data(f"{_DOWNLOADS}:svhn", "Street View House Numbers, downloaded on request", "svhn", "svhn"),
    "folder": Data(
        f"{_SOURCES}:images_below", "a folder of images: one folder per class, or train/ and test/ of these",
        "folder:PATH", "folder",
    ),
}  # fmt: skip


class Network(NamedTuple):
    """An architecture. module: "package.module:function" that builds it."""

    module: str
    words: str
    by_width: bool = False  # named NAME-wN, for any width N
    least: int = 1  # pixels of a sample's shorter side
    spaces: tuple[str, ...] = IMAGE


_NETWORKS = "workbench.models.images"
NETWORKS: dict[str, Network] = {
    "convnet": Network(f"{_NETWORKS}:convnet", "three stages of two convolutions, for CPUs", by_width=True),
    "resnet9": Network(f"{_NETWORKS}:resnet9", "nine-layer residual network, for CPUs (Page 2018)", by_width=True),
    "mlp": Network(f"{_NETWORKS}:mlp", "perceptron of two hidden layers at 16×16 pixels", by_width=True),
    "resnet18": Network(f"{_NETWORKS}:resnet18", "ResNet-18 (He et al. 2016)", least=16),
    "resnet50": Network(f"{_NETWORKS}:resnet50", "ResNet-50 (He et al. 2016)", least=16),
    "vgg11": Network(f"{_NETWORKS}:vgg11", "VGG-11 with batch norm (Simonyan and Zisserman 2015)", least=32),
    "densenet121": Network(f"{_NETWORKS}:densenet121", "DenseNet-121 (Huang et al. 2017)", least=16),
    "mobilenet_v2": Network(f"{_NETWORKS}:mobilenet_v2", "MobileNetV2 (Sandler et al. 2018)", least=16),
    "probe-resnet18": Network(
        "workbench.models.pretrained:probe_resnet18", "linear classifier on a ResNet-18 as ImageNet taught it"
    ),
}


class Panel(NamedTuple):
    """Defences that are tried together, for "what breaks it"."""

    words: str
    defences: tuple[str, ...]


PANELS: dict[str, Panel] = {
    "quick": Panel("what binds in practice, in minutes", ("grayscale", "jpeg-10", "bit-depth-2", "mixup")),
    "standard": Panel(
        "the grid of experiments/what_breaks_it.yml: twelve that need no help from outside",
        tuple(name for name in DEFENCES if name not in ("none", "resize-half", "adversarial-8", "leave-out")),
    ),
}


DEFAULTS = {"method": "em-joint", "defence": "none", "data": "photo-digits"}


def check_space(what: str, name: str, spaces: Iterable[str], space: str) -> None:
    """Raise ConfigError when a method, defence or network is not made for this kind of data."""
    if space not in spaces:
        raise ConfigError(f"{what} {name} is for {' or '.join(spaces)} data, not for {space}: name another one")
