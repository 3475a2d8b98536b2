"""How networks hear: bands of pitch that cover what there is to hear, whatever the loudness; gradients in silence."""

import math
from dataclasses import replace

import pytest
import torch
from clips import toned
from torch.nn import functional

from workbench import models
from workbench.catalogue import NETWORKS
from workbench.config import ConfigError
from workbench.data.space import AUDIO
from workbench.models import sounds

RATES = (8000, 16000, 44100)
HEARING = [name for name, entry in NETWORKS.items() if "audio" in entry.spaces]


def network(name: str, rate: int, length: int, channels: int = 1):
    named = f"{name}-w4" if NETWORKS[name].by_width else name
    shape = (channels, length)
    return models.build(named, channels=channels, classes=5, side=length, seed=0, shape=shape, space=AUDIO, rate=rate)


def tone(hertz: float, rate: int, seconds: float = 0.5, loud: float = 8000.0) -> torch.Tensor:
    return loud * (2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate).sin()[None, None]


@pytest.mark.parametrize("rate", [2000, *RATES, 96000])
def test_every_filter_sums_to_one_and_together_they_cover_what_is_heard(rate):
    hears = sounds.LogMel(rate)
    assert hears.mel.shape == (sounds.BANDS, hears.size // 2 + 1)
    assert bool((hears.mel >= 0).all())
    assert hears.mel.sum(1).tolist() == pytest.approx([1.0] * sounds.BANDS, abs=1e-5)
    hertz = torch.arange(hears.size // 2 + 1) * rate / hears.size
    inner = (hertz > sounds.LOWEST + rate / hears.size) & (hertz < sounds.HIGHEST * rate - rate / hears.size)
    assert bool((hears.mel.sum(0)[inner] > 0).all())
    assert float(hears.mel[:, hertz < sounds.LOWEST - rate / hears.size].sum()) == 0
    middles = (hears.mel * hertz).sum(1)
    assert bool((middles.diff() >= 0).all())
    assert hears.size / rate >= sounds.WINDOW
    assert hears.hop / rate == pytest.approx(sounds.HOP, rel=0.01)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_a_tone_is_loudest_in_its_band(rate, hertz):
    heard = sounds.LogMel(rate)(tone(hertz, rate) / 32768)[0, 0]
    low, high = (2595 * math.log10(1 + edge / 700) for edge in (sounds.LOWEST, sounds.HIGHEST * rate))
    place = (2595 * math.log10(1 + hertz / 700) - low) / (high - low) * (sounds.BANDS + 1) - 1
    assert int(heard.mean(1).argmax()) == pytest.approx(place, abs=1)


def test_a_spectrogram_is_that_of_a_naive_transform():
    wave = toned(1, seconds=0.3).samples[:1].float() / 32768
    hears = sounds.LogMel(8000)
    padded = functional.pad(wave[0, 0], (128, 128))
    frames = torch.stack([padded[at : at + 256] * torch.hann_window(256) for at in range(0, len(padded) - 255, 160)])
    turns = torch.outer(torch.arange(129), torch.arange(256)).double() * (2 * math.pi / 256)
    power = (frames.double() @ turns.cos().T).square() + (frames.double() @ turns.sin().T).square()
    naive = (1e-7 + power @ sounds.filters(8000, 256).double().T).log().T
    torch.testing.assert_close(hears(wave)[0, 0].double(), naive - naive.mean(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["convnet", "m5"])
def test_a_clip_sounds_the_same_at_any_loudness(name):
    data = toned(3, channels=2)
    samples = data.samples.float() / data.samples.abs().amax((1, 2), keepdim=True) * 30000
    net = network(name, 8000, samples.shape[2], 2).eval()
    with torch.no_grad():
        loud, soft, other = (net(samples * gain) for gain in (1.0, 0.1, -0.3))
    assert torch.allclose(loud, soft, atol=0.02 * float(loud.std()))
    if name == "convnet":
        assert torch.allclose(loud, other, atol=0.02 * float(loud.std()))
    assert float(loud.std(0).max()) > 1e-4  # they are told apart


@pytest.mark.parametrize("name", ["convnet", "resnet9", "m5"])
def test_gradients_are_finite_in_silence_and_reach_the_wave(name):
    data = toned(4)
    samples = data.samples.float()
    samples[0] = 0
    samples[1, :, 100:] = 0
    net = network(name, 8000, samples.shape[2])
    found = models.input_gradient(net, samples, torch.tensor([0, 1, 2, 3]))
    assert bool(found.isfinite().all())
    assert bool((found[1:].abs().amax((1, 2)) > 0).all())


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [2000, *RATES])
@pytest.mark.parametrize("name", HEARING)
def test_every_network_that_hears_answers_on_short_and_long_clips(name, rate, channels):
    for seconds in (0.05, 0.061, 0.3) if "resnet" in name else (0.05, 0.061, 0.3, 2.0):
        length = math.ceil(seconds * rate)
        clips = 3000 * torch.randn(2, channels, length, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            logits = network(name, rate, length, channels)(clips)
        assert logits.shape == (2, 5)
        assert bool(logits.isfinite().all())


@pytest.mark.parametrize("name", ["convnet", "m5"])
@pytest.mark.parametrize(("rate", "length", "said"), [
    (8000, 399, "399 samples at 8,000 Hz are too short: give 0.05 s"), (8000, 1, "too short"),
    (0, 800, "at 0 Hz cannot be heard"), (1999, 800, "2,000 Hz or more"),
])  # fmt: skip
def test_what_cannot_be_heard_is_refused_in_one_line(name, rate, length, said):
    with pytest.raises(ConfigError, match=said) as refused:
        network(name, rate, length)
    assert len(str(refused.value).splitlines()) == 1


def test_networks_of_images_alone_and_of_sound_alone_refuse_the_other(tiny):
    with pytest.raises(ConfigError, match="network mlp-w4 is for image data, not for audio"):
        models.for_data("mlp-w4", toned(3), seed=0)
    with pytest.raises(ConfigError, match="network m5-w4 is for audio data, not for image"):
        models.for_data("m5-w4", tiny.train, seed=0)
    with pytest.raises(ConfigError, match="not for audio"):
        models.check_fits("vgg11", 800, "audio")
    models.check_fits("m5-w4", 800, "audio")


def test_a_network_depends_on_its_seed_and_rate_alone():
    data = toned(3)
    one, same = (models.for_data("m5-w4", data, seed=0) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    wider = models.for_data("m5-w4", replace(data, rate=16000), seed=0)
    assert [tuple(a.shape) for a in one.parameters()] != [tuple(a.shape) for a in wider.parameters()]
