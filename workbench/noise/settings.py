"""What a search takes where the configuration leaves a setting open, by data set, method and kind."""

from dataclasses import replace
from typing import Any

from workbench.config import NoiseConfig

# The settings of the 2021 scripts (exp_setting.sh and search_perturbation_noise.sh of the authors' code). M is
# train_steps, T is noise_steps; the sign step is ε/10 everywhere; T is 1 for all class-wise noise.
PAPER = {"batch_size": 512, "train_steps": 10, "noise_steps": 20, "stop_error": 0.01, "rounds": 100}
EM = {
    "cifar10": PAPER,
    "cifar100": PAPER | {"train_steps": 20},
    "svhn": PAPER,
    # Small sets: the paper's alternation with batches that fit a few thousand images, and an end in sight.
    "photo-digits": PAPER | {"batch_size": 128, "rounds": 10},
    "folder": PAPER | {"batch_size": 128, "rounds": 10},
    "synthetic-people": PAPER | {"batch_size": 28, "rounds": 10},
}
EM_STEP = 0.1  # of ε
CLASSWISE_ROUNDS = 50  # a class-wise round costs a fiftieth of a sample-wise one
MAXIMISING_STOP = {"samplewise": 0.9, "classwise": 0.8}
JOINT = {
    "classwise": {"batch_size": 128, "rounds": 5, "step": 1 / 4, "shared_step": 0.0},
    "samplewise": {"batch_size": 128, "rounds": 6, "step": 1 / 4, "shared_step": 1 / 4},
}  # the steps as shares of ε, before they shrink
TARGETED = {"batch_size": 128, "train_steps": 24, "rounds": 16, "noise_steps": 3, "step": 1 / 5}  # step: of ε

# 30 sign steps of ε/10, as published (arXiv 2601.19967, §4). Published are 30 epochs of 50,000 images; of 5,000 they
# teach the classifier nearly nothing, and seeing blocks, it learns ten times as many in seconds.
LINEAR = {"batch_size": 512, "rounds": 300, "noise_steps": 30, "step": 1 / 10}


def resolved(config: NoiseConfig, data_name: str) -> NoiseConfig:
    """The configuration with every open setting filled in; steps become pixel values of 255."""
    found: dict[str, Any] = defaults(config, data_name)
    return replace(config, **{name: value for name, value in found.items() if getattr(config, name) is None})


def defaults(config: NoiseConfig, data_name: str) -> dict[str, int | float]:
    """The settings of the configuration's method, kind and data set."""
    if config.method == "random":
        return {}
    if config.method == "em-joint":
        joint = JOINT[config.kind]
        return joint | {name: joint[name] * config.epsilon for name in ("step", "shared_step")}
    if config.method in ("targeted", "linear"):
        found = TARGETED if config.method == "targeted" else LINEAR
        return found | {"step": found["step"] * config.epsilon}
    found = EM[data_name] | {"step": EM_STEP * config.epsilon}
    if config.kind == "classwise":
        found |= {"noise_steps": 1, "train_steps": 10, "rounds": max(found["rounds"], CLASSWISE_ROUNDS)}
    if config.method == "em-max":
        found |= {"stop_error": MAXIMISING_STOP[config.kind], "train_steps": 10}
    return found
