"""The ways of learning from images with noise, in words."""

import re

WAYS = {
    "none": "training as usual",
    "grayscale": "turning the images grey",
    "blur": "blurring",
    "resize-half": "halving the size and back",
    "crop-flip": "random crops and flips",
    "cutout": "Cutout",
    "mixup": "MixUp",
    "cutmix": "CutMix",
    "randaugment": "RandAugment",
    "leave-out": "learning from the clean part alone",
}
WAYS_BY_NUMBER = {
    r"jpeg-(\d+)": "JPEG compression at quality {}",
    r"bit-depth-(\d+)": "cutting to {} bits a channel",
    r"adversarial-(\d+)": "adversarial training, radius {}",
}


def way_of(defence: str) -> str:
    """A defence in words; its own name where none are known."""
    for pattern, words in WAYS_BY_NUMBER.items():
        if match := re.fullmatch(pattern, defence):
            return words.format(match[1])
    return WAYS.get(defence, defence)
