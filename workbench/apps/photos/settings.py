"""The sizes and networks that photos are worked with, and the settings of their search, by how many there are."""

from dataclasses import asdict

from workbench import noise
from workbench.config import NoiseConfig, ProtectConfig
from workbench.data.dataset import Dataset

SIDE = 64  # pixels a side of the working copies on which noise is searched and recognisers are trained
RECOGNISER = "convnet-w8"
SURROGATE = "convnet-w8"
SURROGATES = "convnet-w8+resnet9-w8"  # for the methods that take several
BATCH = 28
PASSES = 20_000  # image passes a search needs, however few photos there are


def search_settings(config: ProtectConfig, data: Dataset) -> NoiseConfig:
    """The search for the noise of the working set `data`: passes enough for few photos, not too many for thousands."""
    turns = -(-PASSES // len(data))
    common = {"kind": "samplewise", "batch_size": BATCH, **asdict(config)}
    if config.method == "targeted":
        long, many = max(6, min(32, turns)), max(10, min(30, turns))
        asked = NoiseConfig(
            surrogate=SURROGATES, train_steps=long, rounds=many, noise_steps=2, learning_rate=0.06, **common
        )
    elif config.method == "em-joint":
        # Begun at zero it was measured on faces; of bands on one channel, in noise that is scaled up, nothing is known.
        asked = NoiseConfig(surrogate=SURROGATE, rounds=max(6, turns), start="zero", **common)
    else:
        asked = NoiseConfig(surrogate=SURROGATE, **common)
    return noise.resolved(asked, "folder")
