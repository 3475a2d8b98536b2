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
LEARNING_RATE = 0.1  # of all searches but em-joint
CLASSWISE_ROUNDS = 50  # a class-wise round costs a fiftieth of a sample-wise one
MAXIMISING_STOP = {"samplewise": 0.9, "classwise": 0.8}
# By where the noise starts: at bands one pass in small batches with a slow network is enough. Steps are shares of ε,
# before they shrink. Measured against other settings in experiments/results/README.md#schedules.
JOINT = {
    "bands": {"batch_size": 16, "rounds": 1, "learning_rate": 0.015},
    "zero": {"batch_size": 128, "rounds": 6, "learning_rate": 0.1},
}
JOINT_STEP = 1 / 4  # of ε
TARGETED = {"batch_size": 128, "train_steps": 24, "rounds": 16, "noise_steps": 3, "step": 1 / 5}  # step: of ε

# 30 sign steps of ε/10, as published (arXiv 2601.19967, §4). Published are 30 epochs of 50,000 images; of 5,000 they
# teach the classifier nearly nothing, and seeing blocks, it learns ten times as many in seconds.
LINEAR = {"batch_size": 512, "rounds": 300, "noise_steps": 30, "step": 1 / 10}


def resolved(config: NoiseConfig, data_name: str) -> NoiseConfig:
    """The configuration with every open setting filled in; steps become pixel values of 255."""
    found = {"learning_rate": LEARNING_RATE} | defaults(config, data_name)
    return replace(config, **{name: value for name, value in found.items() if getattr(config, name) is None})


def defaults(config: NoiseConfig, data_name: str) -> dict[str, Any]:
    """The settings of the configuration's method, kind and data set."""
    if config.method == "random":
        return {}
    if config.method == "em-joint":
        nothing_shared = config.kind == "samplewise" and config.shared_step == 0
        start = config.start or ("zero" if nothing_shared else "bands")
        steps = dict.fromkeys(("step", "shared_step"), JOINT_STEP * config.epsilon)
        return JOINT[start] | steps | {"start": start}
    if config.method in ("targeted", "linear"):
        found = TARGETED if config.method == "targeted" else LINEAR
        return found | {"step": found["step"] * config.epsilon}
    found = EM[data_name] | {"step": EM_STEP * config.epsilon}
    if config.kind == "classwise":
        found |= {"noise_steps": 1, "train_steps": 10, "rounds": max(found["rounds"], CLASSWISE_ROUNDS)}
    if config.method == "em-max":
        found |= {"stop_error": MAXIMISING_STOP[config.kind], "train_steps": 10}
    return found
