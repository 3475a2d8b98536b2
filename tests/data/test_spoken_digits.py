"""spoken-digits: drawn anew by the seed, said by other voices in each split, with formants where the tables say."""

import numpy as np
import pytest
import torch

from workbench.data import spoken_digits
from workbench.data.spoken_digits import LENGTH, RATE, Speaker, make, speaker_of


@pytest.fixture(scope="module")
def said():
    return make("train", 410, 0)  # ten clips of each voice and ten more of the first


def inside(said, index):
    clips, lengths, _ = said
    return clips[index, 0, : lengths[index]].numpy().astype(float)


def mean_spectrum(sound, width=256):
    """The mean log power in 32 bands of the louder half of the frames, its own mean taken off."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, width)[:: width // 2] * np.hanning(width)
    power = np.abs(np.fft.rfft(frames))[:, 1:].reshape(len(frames), 32, -1) ** 2
    power = power.sum(2)[power.sum((1, 2)) >= np.median(power.sum((1, 2)))]
    bands = np.log(power + 1).mean(0)
    return bands - bands.mean()


@pytest.mark.parametrize(("split", "count"), [("train", 60), ("test", 37)])
def test_clips_are_16_bit_in_one_channel_of_one_length(split, count):
    clips, lengths, labels = make(split, count, 3)
    assert (clips.shape, clips.dtype) == ((count, 1, LENGTH), torch.int16)
    assert (lengths.shape, lengths.dtype) == ((count,), torch.int64)
    assert (labels.shape, labels.dtype) == ((count,), torch.int64)
    assert LENGTH <= RATE
    assert labels.bincount(minlength=10).max() - labels.bincount(minlength=10).min() <= 1
    assert lengths.min() > 0.1 * RATE
    assert lengths.max() <= LENGTH


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_seed_gives_the_same_clips_and_another_seed_others(split):
    first, again, other = make(split, 30, 0), make(split, 30, 0), make(split, 30, 1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(first[2], other[2])
    assert not (first[0] == other[0]).flatten(1).all(1).any()


def test_fewer_clips_are_the_first_of_more(said, monkeypatch):
    assert all(torch.equal(few, many[:25]) for few, many in zip(make("train", 25, 0), said, strict=True))
    monkeypatch.setattr(spoken_digits, "CHUNK", 7)
    assert all(torch.equal(few, many[:25]) for few, many in zip(make("train", 25, 0), said, strict=True))


def test_no_clip_is_in_both_splits_or_twice(said):
    both = torch.cat([said[0], make("test", 200, 0)[0]])
    assert len({clip.numpy().tobytes() for clip in both}) == 610


def test_the_voices_of_the_test_are_not_those_of_training():
    train = {speaker_of("train", index) for index in range(spoken_digits.DEFAULT_TRAIN)}
    test = {speaker_of("test", index) for index in range(spoken_digits.DEFAULT_TEST)}
    assert (len(train), len(test)) == (40, 20)
    assert not train & test
    voices = [spoken_digits._speaker(np.random.default_rng([0, 0, number])) for number in sorted(train | test)]
    assert len({(voice.scale, voice.pitch) for voice in voices}) == 60
    assert all(0.85 <= voice.scale <= 1.2 and 90 <= voice.pitch <= 260 for voice in voices)


def test_a_clip_ends_in_zeros_and_is_never_digital_silence_before(said):
    clips, lengths, _ = said
    after = torch.arange(LENGTH) >= lengths[:, None]
    assert not clips[:, 0][after].any()
    for index in range(0, 400, 7):
        blocks = inside(said, index)[: lengths[index] // 80 * 80].reshape(-1, 80)
        assert (blocks != 0).any(1).all()  # in 10 ms each


def test_the_peak_lies_in_the_range_and_varies(said):
    peaks = 20 * torch.log10(said[0].flatten(1).abs().max(1).values / 32767)
    assert peaks.min() >= spoken_digits.QUIETEST - 0.01
    assert peaks.max() <= spoken_digits.LOUDEST + 0.01
    assert peaks.std() > 4


def test_a_clip_begins_and_ends_with_a_quiet_pause(said):
    for index in range(0, 400, 7):
        sound = inside(said, index)
        loud = sound.std()
        assert sound[: RATE // 50].std() < 0.5 * loud
        assert sound[-RATE // 100 :].std() < 0.5 * loud


@pytest.mark.parametrize("scale", [0.85, 1.0, 1.15])
@pytest.mark.parametrize("vowel", ["iy", "ih", "eh", "ah", "ao", "er"])
def test_a_steady_vowel_has_its_formants_where_the_table_says(vowel, scale, monkeypatch):
    """By the poles of a linear prediction of the middle of a long vowel (12 % and less)."""
    monkeypatch.setattr(spoken_digits, "SLIP", 0)
    voice = Speaker(scale=scale, pitch=95, tempo=3, breath=0.002, jitter=0.002)
    plan = spoken_digits._plan(vowel, voice, np.random.default_rng(5))
    sound = spoken_digits._filtered([plan])[0]
    middle = sound[len(sound) // 2 - 600 : len(sound) // 2 + 600]
    middle = np.append(middle[0], np.diff(middle)) * np.hamming(len(middle))  # lifts what the glottis let fall
    echoes = np.correlate(middle, middle, "full")[len(middle) - 1 :][:11]
    weights = np.linalg.solve(echoes[np.abs(np.subtract.outer(range(10), range(10)))], echoes[1:])
    poles = np.roots(np.append(1, -weights))
    poles = poles[(poles.imag > 0) & (np.abs(poles) > 0.8)]
    found = np.sort(np.angle(poles)) * RATE / (2 * np.pi)
    for formant in np.array(spoken_digits.PHONES[vowel].start[:2]) * scale:
        assert np.abs(found / formant - 1).min() < 0.12, (vowel, formant, found)


def test_friction_is_high_and_vowels_are_low(said):
    """A six begins with energy above 2.5 kHz, a nine with energy below 1 kHz."""
    for digit, high in ((6, True), (9, False)):
        shares = []
        for index in range(digit, 400, 10):
            sound = inside(said, index)
            start = np.flatnonzero(np.abs(sound) > 0.1 * np.abs(sound).max())[0]
            power = np.abs(np.fft.rfft(sound[start : start + 400])) ** 2
            shares.append(power[125:].sum() / (power[:50].sum() + power[125:].sum()))
        assert bool(np.median(shares) > 0.5) is high


def test_digits_differ_more_than_one_digit_said_twice_by_a_voice(said):
    gaps, own = [], []
    for digit in range(10):
        first, again = mean_spectrum(inside(said, digit)), mean_spectrum(inside(said, 400 + digit))
        own.append(np.linalg.norm(first - again))
        others = [mean_spectrum(inside(said, 400 + other)) for other in range(10) if other != digit]
        gaps.append(np.median([np.linalg.norm(first - spectrum) for spectrum in others]))
    assert speaker_of("train", 0) == speaker_of("train", 400)
    assert np.median(own) < 0.75 * np.median(gaps)
