"""Defences of sound: what each takes out and what it leaves, lengths, silence, chance, and clips of one value."""

import math
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from workbench.catalogue import DEFENCES
from workbench.config import ConfigError
from workbench.data.dataset import Dataset
from workbench.data.space import AUDIO
from workbench.victim.composed import prepared
from workbench.victim.defences import sounds
from workbench.victim.defences.sound_codecs import (
    CODECS,
    clips,
    ends,
    frames,
    resampled,
    spectra,
    whole,
    window,
    within,
)

RATE, LENGTH = 8000, 4000
SOUND = [name for name, entry in DEFENCES.items() if entry.spaces == ("audio",)]
THROUGH = [name for name in SOUND if DEFENCES[name].tests_through]
ANEW = ["noise-20db", "time-shift-speed-gain", "specaugment"]
LOSSES = ["mixup-sound", "adversarial-30db", "adversarial-36db"]


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tone(hertz: float, length: int = LENGTH, level: float = 8000, rate: int = RATE) -> torch.Tensor:
    return level * torch.sin(2 * math.pi * hertz * torch.arange(length) / rate)


def short(*waves: torch.Tensor) -> torch.Tensor:
    """Clips int16 N×1×T, zeros after each."""
    most = max(map(len, waves))
    return torch.stack([nn.functional.pad(each, (0, most - len(each))) for each in waves]).round().short()[:, None]


def data(samples: torch.Tensor, rate: int = RATE, labels: list[int] | None = None) -> Dataset:
    marks = torch.tensor(labels or [i % 2 for i in range(len(samples))])
    names = tuple(f"{i}.wav" for i in range(len(samples)))
    return Dataset(samples, marks, ("a", "b", "c"), names, space=AUDIO, rate=rate, lengths=ends(samples))


def made(name: str, samples: torch.Tensor, rate: int = RATE):
    return prepared(name, data(samples, rate), torch.ones(len(samples), dtype=torch.bool))


def through(name: str, samples: torch.Tensor, rate: int = RATE, seed: int = 0) -> torch.Tensor:
    """What training sees of the samples."""
    defence = made(name, samples, rate)
    learnt = defence.train_set(data(samples, rate), torch.ones(len(samples), dtype=torch.bool)).samples
    return defence.batch(defence.inputs(learnt), draw(seed))


def speech(count: int = 6, length: int = LENGTH, seed: int = 0) -> torch.Tensor:
    """Bursts of harmonics of lengths of their own, in front of weak noise."""
    waves = []
    for i in range(count):
        size = length - 300 * i
        time = torch.arange(size) / RATE
        bursts = torch.sin(2 * math.pi * (3 + i % 3) * time).clamp(min=0)
        voice = sum(tone(120 * k + 11 * i, size, 5000 / k) for k in range(1, 20))
        waves.append(bursts * voice + 20 * torch.randn(size, generator=draw(seed + i)))
    return short(*waves)


def level(wave: torch.Tensor, hertz: float) -> float:
    """How loud a frequency is in the middle of a clip, dB."""
    middle = wave.flatten()[len(wave.flatten()) // 4 : 3 * len(wave.flatten()) // 4].double()
    turned = torch.polar(torch.ones_like(middle), -2 * math.pi * hertz / RATE * torch.arange(len(middle)).double())
    shape = torch.hann_window(len(middle), dtype=torch.float64)
    return 20 * math.log10(float((middle * shape * turned).sum().abs() / shape.sum()) + 1e-9)


@pytest.mark.parametrize("name", [*THROUGH, *ANEW, "quiet-mean"])
def test_samples_keep_their_form_and_clips_do_not_grow(name):
    samples = speech().expand(-1, 2, -1).clone()
    before = samples.clone()
    found = through(name, samples)
    assert (found.dtype, found.shape) == (torch.int16, samples.shape)
    assert torch.equal(samples, before)
    assert not torch.equal(found, samples)
    if name != "time-shift-speed-gain":
        assert bool((ends(found) <= ends(samples)).all())
    if DEFENCES[name].tests_through:  # each clip for itself, wherever it stands
        alone = made(name, samples)
        assert torch.equal(alone.inputs(samples.flip(0)).flip(0), alone.inputs(samples))


@pytest.mark.parametrize("name", [*THROUGH, *ANEW, "quiet-mean"])
@pytest.mark.parametrize("rate", [8000, 22050])
def test_silence_and_clips_of_one_value_pass(name, rate):
    samples = torch.zeros(4, 1, 900, dtype=torch.int16)
    samples[1, 0, 0], samples[2, 0, :7], samples[3, 0, -1] = 9000, -32768, 32767
    found = through(name, samples, rate)
    assert not found[0].any()
    assert found.shape == samples.shape
    silent = torch.zeros(3, 1, 50, dtype=torch.int16)
    assert torch.equal(through(name, silent, rate), silent)
    assert through(name, samples[1:2, :, :1], rate).shape == (1, 1, 1)


@pytest.mark.parametrize("name", [*SOUND])
def test_the_same_draw_gives_the_same_and_another_does_not(name):
    samples = speech(4)
    if name in LOSSES:
        network = nn.Sequential(nn.Flatten(), nn.Linear(LENGTH, 3))
        nn.init.zeros_(network[1].weight)  # an attack stays at its start
        defence, labels = made(name, samples), torch.tensor([0, 1, 2, 1])
        one, same, other = (defence.loss_batch(network, samples.float(), labels, draw(seed))[0] for seed in (1, 1, 2))
    else:
        one, same, other = (through(name, samples, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert torch.equal(one, other) == (name not in ANEW + LOSSES)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
def test_frames_put_together_again_are_the_clip(rate):
    assert window(rate) == {8000: 256, 11025: 512, 16000: 512, 44100: 2048}[rate]
    for length in (1, 2, 255, 256, 257, 3001):
        values = torch.randint(-32768, 32768, (2, 2, length), generator=draw()).float()
        size = window(rate)
        assert float((clips(spectra(values, size), size, length) - values).abs().max()) < 0.5
    inside = frames(torch.tensor([1, 256, 1000]), 256, 20)[:, 0, 0]
    assert inside.nonzero().tolist()[:2] == [[0, 0], [1, 2]]
    assert inside[2].nonzero()[:, 0].tolist() == list(range(2, 14))  # from value 0 to 960


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 6000])
def test_resampling_takes_what_lies_above_half_the_lower_rate(rate):
    half = min(rate / 2, 4000) / 2
    kept, gone = (short(tone(share * half, rate, rate=rate)) for share in (0.5, 1.3))
    assert float((through("resample-4k", kept, rate) - kept)[..., 500:-500].abs().max()) < 80
    assert float(through("resample-4k", gone, rate)[..., 500:-500].abs().max()) < 250  # 30 dB
    assert len(resampled(torch.zeros(1, 441), 44100, 8000)[0]) == 80


def test_the_telephone_keeps_its_band_and_its_phase():
    for hertz, keeps in ((1000, True), (350, True), (2900, True), (3500, False), (150, False)):
        wave = short(tone(hertz))
        change = level(through("band-pass", wave), hertz) - level(wave, hertz)
        assert (abs(change) < 1) if keeps else (change < -30), hertz
    wave = short(tone(1000))
    assert float((through("band-pass", wave) - wave)[..., 400:-400].abs().max()) < 100


def test_eight_bits_are_256_levels():
    ramp = torch.arange(-32768, 32768).short()[None, None]
    for name, most in (("bit-depth-8", 128), ("mu-law", 750)):
        found = through(name, ramp)
        assert len(found.unique()) <= 256
        assert len(found.unique()) > 250
        assert int((found.int() - ramp.int()).abs()[..., :-200].max()) <= most
        assert bool((found[..., 1:] >= found[..., :-1]).all())
    quiet = ramp[..., 32768 - 200 : 32768 + 200].clone()
    assert len(through("mu-law", quiet).unique()) > 40
    assert len(through("bit-depth-8", quiet).unique()) == 3


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("rate", [8000, 22050, 7000])
def test_codecs_keep_the_time_and_lose_something(name, rate):
    pytest.importorskip("soundfile")
    waves = [torch.randn(n, generator=draw(n)).cumsum(0).diff(n=1, prepend=torch.zeros(1)) for n in (3000, 1111)]
    waves = [nn.functional.avg_pool1d(each[None], 9, 1, 4)[0] * 15000 for each in waves]
    samples = short(*waves)
    found = through(name, samples, rate)
    for before, after, length in zip(samples, found, (3000, 1111), strict=True):
        one, two = (torch.fft.rfft(each[0, :length].double(), n=8192) for each in (before, after))
        lag = int(torch.fft.irfft(two * one.conj()).argmax())
        assert min(lag, 8192 - lag) <= 2
        assert 0.3 < float(after.double().norm() / before.double().norm()) < 1.2
        assert int((after - before).abs().max()) > 100


def test_a_codec_that_overshoots_does_not_wrap_round():
    pytest.importorskip("soundfile")
    square = short(tone(100).sign() * 32767)
    for name in CODECS:
        wrong = (through(name, square).sign() != square.sign())[..., 40:-40]
        assert float(wrong.float().mean()) < 0.1


def test_a_codec_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ConfigError, match="defence mp3: it needs the package soundfile") as refusal:
        made("mp3", speech(2))
    assert "\n" not in str(refusal.value)


def test_clips_need_a_rate():
    with pytest.raises(ConfigError, match="rate in Hz"):
        made("cmn", speech(2), rate=0)


def test_trimming_keeps_the_loud_frames_in_their_order():
    loud = [tone(500 + 300 * i, 160, 4000 + 2000 * i) for i in range(4)]
    quiet = tone(900, 160, 60)
    samples = short(torch.cat([quiet, loud[0], quiet, quiet, loud[1], loud[2], quiet, loud[3], quiet]), loud[0])
    found = through("trim-silence", samples)
    assert torch.equal(found[0, 0, :640], torch.cat(loud).round().short())
    assert not found[0, 0, 640:].any()
    assert torch.equal(found[1], samples[1])
    between = short(torch.cat([loud[3], loud[3] / 10, loud[3] / 4]))  # 20 and 12 dB below
    assert [int(ends(through(name, between))) for name in ("trim-silence", "trim-silence-15")] == [480, 320]


def test_the_gate_keeps_a_loud_tone_and_turns_down_the_noise_around_it():
    noise = 30 * torch.randn(8000, generator=draw())
    samples = noise.clone()
    samples[2000:6000] += tone(1000, 4000)
    found = through("spectral-gate", short(samples))[0, 0].float()
    assert float((found - samples)[2500:5500].norm() / samples[2500:5500].norm()) < 0.02
    assert float(found[:1500].norm() / samples[:1500].norm()) < 0.85


def test_mean_normalisation_takes_a_steady_tone_and_keeps_the_loudness():
    clean = speech(1)
    noisy = clean + short(tone(2031.25, level=1500))
    found, without = through("cmn", noisy), through("cmn", clean)
    around = [2031.25 + 31.25 * k for k in (-9, -7, 7, 9)]
    assert level(noisy, 2031.25) - max(level(noisy, each) for each in around) > 25
    # As a mean logarithm: a steady tone has no quieter moments than its mean.
    size = window(RATE)
    logs = spectra(found.float(), size)[0, 0, :, 2:-2].abs().clamp(min=1).log().mean(1)
    assert abs(float(logs[65] - logs[50:80].mean())) < 0.5
    for each, before in ((found, noisy), (without, clean)):
        assert float(each.float().norm() / before.float().norm()) == pytest.approx(1, abs=0.03)


def test_what_a_class_has_in_its_pauses_is_taken_from_them_alone():
    clean = speech(12)
    marks = [0, 1, 2] * 4
    hum = tone(2500, level=300) * within(ends(clean), LENGTH)[:, 0]
    noisy = (clean + hum[:, None].round().short() * (torch.tensor(marks) == 1)[:, None, None]).short()
    published = data(noisy, labels=marks)
    defence = prepared("quiet-mean", published, torch.ones(12, dtype=torch.bool))
    found = defence.train_set(published, torch.ones(12, dtype=torch.bool)).samples
    before, after = (max(level(each[i], 2500) for i in (1, 4, 7)) for each in (noisy, found))
    assert before - after > 8
    assert level(found[1], 600 + 11) == pytest.approx(level(noisy[1], 600 + 11), abs=0.5)
    assert float((found - noisy)[0].float().norm() / noisy[0].float().norm()) < 0.05
    assert torch.equal(defence.inputs(noisy), noisy)  # tests are left


def test_linear_prediction_keeps_envelope_and_loudness_and_not_the_wave():
    excited = torch.randn(8000, generator=draw())
    wave = torch.zeros(8000)
    for i in range(2, 8000):  # one resonance at 1,000 Hz
        wave[i] = excited[i] + 1.9 * math.cos(math.pi / 4) * wave[i - 1] - 0.9 * wave[i - 2]
    samples = short(wave * 1000)
    found = through("lpc-10", samples)
    assert float(found.float().norm() / samples.float().norm()) == pytest.approx(1, abs=0.15)
    before, after = (spectra(each.float(), 256)[0, 0].abs().square().mean(1).log10() * 10 for each in (samples, found))
    assert float((before - after)[4:-4].abs().mean()) < 2
    assert abs(float(torch.corrcoef(torch.stack([samples.flatten().float(), found.flatten().float()]))[0, 1])) < 0.3
    pulses = short((torch.arange(8000) % 80 == 0) * 20000.0)  # at 100 Hz
    spread = spectra(through("lpc-10", pulses).float(), 1024)[0, 0].abs().square().mean(1)
    assert float(spread[128:256:1].max() / spread[128:256].median()) > 10  # harmonics again


def test_white_noise_has_its_level_and_stays_inside():
    samples = speech()
    found = through("noise-20db", samples).float() - samples
    ratio = samples.float().square().sum((1, 2)) / found.square().sum((1, 2))
    assert bool(((10 * ratio.log10() - 20).abs() < 0.3).all())
    assert not (found * ~within(ends(samples), LENGTH)).any()


def test_shifts_speeds_and_gains_are_spread_over_their_ranges():
    click = torch.zeros(400, 1, 3000, dtype=torch.int16)
    click[:, :, 1500:1503] = 5000
    found = through("time-shift-speed-gain", click)
    at = found[:, 0].float().argmax(1).float()
    assert (float(at.min()) < 800, float(at.max()) > 2200) == (True, True)
    assert float(at.min()) >= 1500 / 1.1 - 801
    assert float(at.max()) <= 1500 / 0.9 + 801
    gains = 20 * (found[:, 0].amax(1) / 5000).log10()
    assert -6.1 < float(gains.min()) < -5
    assert 5 < float(gains.max()) < 6.1
    speeds = through("time-shift-speed-gain", short(*[tone(1000, 3000)] * 100))
    heard = torch.fft.rfft(speeds[:, 0, 1000:2000].float() * torch.hann_window(1000)).abs().argmax(1) * 8
    assert 890 < int(heard.min()) < 930
    assert 1070 < int(heard.max()) < 1110


def test_specaugment_takes_bands_and_spans_of_at_most_their_widths():
    samples = short(*[1000 * torch.randn(LENGTH, generator=draw(i)) for i in range(40)])
    found = spectra(through("specaugment", samples).float(), 256)[:, 0].abs()
    power, untouched = (each[:, 4:-4, 4:-4].square() for each in (found, spectra(samples.float(), 256)[:, 0].abs()))
    bands = power.mean(2) < 0.02 * power.mean((1, 2))[:, None]
    spans = power.mean(1) < 0.02 * power.mean((1, 2))[:, None]
    assert 0.3 < float(bands.any(1).float().mean()) <= 1
    assert 0.3 < float(spans.any(1).float().mean()) <= 1
    assert float(spans.float().mean(1).max()) <= 0.42  # two of 20 % at most
    assert 0.1 < float(spans.float().mean()) < 0.25
    assert float(bands.float().mean()) < 0.5
    before, after = (each.flatten(1)[:, ::7].quantile(0.9, 1) for each in (untouched, power))
    assert bool((after > 0.4 * before).all())  # what is left is left as it was


def test_masks_lie_inside_whatever_is_drawn():
    begin, width = torch.rand((2, 1, 500, 1), generator=draw())
    covered = sounds._covered(torch.linspace(0, 1, 1001), begin, 0.3 * width, torch.ones(1, 500, 1))
    assert torch.allclose(covered.float().mean(1), 0.3 * width.flatten(), atol=0.003)


def test_values_are_rounded_and_cut():
    assert whole(torch.tensor([0.6, -0.6, 1.4, 4e4, -4e4])).tolist() == [1, -1, 1, 32767, -32768]


def test_clips_are_blended_with_their_labels():
    samples = speech(4).float()
    defence = made("mixup-sound", speech(4))
    mixed, shares = defence.loss_batch(nn.Identity(), samples, torch.tensor([0, 1, 2, 1]), draw(3))
    share = float(shares[0].max())
    assert mixed.shape == samples.shape
    assert torch.allclose(mixed, share * samples + (1 - share) * samples.roll(1, 0), atol=1) or torch.allclose(
        mixed, (1 - share) * samples + share * samples.roll(1, 0), atol=1
    )
    assert torch.allclose(shares.sum(1), torch.ones(4))


@pytest.mark.parametrize(("name", "decibels"), [("adversarial-30db", -30), ("adversarial-36db", -36)])
def test_attacks_stay_within_each_clips_own_radius_and_raise_the_loss(name, decibels):
    samples = speech(4)
    samples[1] = samples[1] // 16
    samples[3] = 0
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(LENGTH, 3))
    with torch.no_grad():
        network[1].weight /= 1000
    labels = torch.tensor([0, 1, 2, 1])
    found, same = made(name, samples).loss_batch(network, samples.float(), labels, draw())
    assert torch.equal(same, labels)
    change = (found - samples).abs().amax((1, 2))
    peaks = samples.abs().amax((1, 2)).float()
    assert bool((change <= peaks * 10 ** (decibels / 20)).all())
    assert bool((change[:3] > 0.9 * peaks[:3] * 10 ** (decibels / 20) - 1).all())
    assert not (found * ~within(ends(samples), LENGTH)).any()
    loss = nn.functional.cross_entropy
    with torch.no_grad():
        assert float(loss(network(found), labels)) > float(loss(network(samples.float()), labels))


@pytest.mark.parametrize("name", ["clean-share-10", "early-stop", "leave-out"])
def test_defences_that_ask_for_no_image_take_clips(name):
    published = data(speech(12) + 5)
    carries = torch.arange(12) < 8
    defence = prepared(name, published, carries, originals=replace(published, samples=speech(12)))
    learnt = defence.train_set(published, carries)
    assert learnt.samples.shape[1:] == published.samples.shape[1:]
    assert learnt.lengths is not None
    assert len(learnt.lengths) == len(learnt.samples)
