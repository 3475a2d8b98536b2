"""Sound: waves between the lines of their budget, and power by time and frequency."""

import numpy as np
import pytest
from tidy import texts

from workbench import figures

RATE = 8000


def tone(hertz=1000, peak=8000, seconds=0.5):
    times = np.arange(round(RATE * seconds)) / RATE
    return np.rint(peak * np.sin(2 * np.pi * hertz * times)).astype(np.int16)[None]


def test_waves_stand_between_the_lines_of_their_budget():
    clip = tone()
    figure = figures.waveform({"original": clip, "copy": clip}, {"original": np.full_like(clip, 80)}, RATE)
    bounded, free = figure.axes
    heights = {float(value) for line in bounded.get_lines() for value in line.get_ydata()}
    assert heights == {80.0, -80.0}
    assert not free.get_lines()
    assert bounded.get_title() == "original\npeak 8,000, may move by ±80"
    assert free.get_title() == "copy\npeak 8,000"
    assert bounded.get_xlim() == (0, 0.5)
    assert "original: 0.50 s, peak 8,000, may move by ±80; copy: 0.50 s, peak 8,000" in figures.words_of(figure)
    assert "what the budget allows" in texts(figure)


def test_a_line_follows_a_budget_that_changes_and_ends_with_it():
    clip, limits = tone(), np.zeros((1, RATE // 2), np.int16)
    limits[:, :1000] = 500
    figure = figures.waveform({"clip": clip}, {"clip": limits}, RATE)
    line = figure.axes[0].get_lines()[1]
    assert set(line.get_ydata()[:1000]) == {500}
    assert set(line.get_ydata()[1000:]) == {0}


def test_the_lowest_value_of_16_bits_is_no_overflow():
    clip = np.array([[-(2**15), 2**15 - 1, 0, 5]], np.int16)
    assert "peak 32,768" in figures.words_of(figures.waveform({"clip": clip}, {}, RATE))
    assert figures.waveform({"clip": clip}, {}, RATE).axes[0].get_ylim()[1] > 32768


def test_power_lies_at_the_pitch_and_loudness_is_against_the_first():
    clip = tone()
    figure = figures.spectrograms({"original": clip, "difference": clip // 10, "nothing": clip * 0}, RATE)
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert shown.shape[0] == 129  # of 256 samples, 32 ms
    assert shown.max() == 0
    assert set(shown[:, 5:-5].argmax(0)) == {32}  # 1,000 Hz in steps of 31.25
    assert np.asarray(figure.axes[1].images[0].get_array()).max() == pytest.approx(-20, abs=0.1)
    words = figures.words_of(figure)
    assert "original: -15.3 dB of full scale" in words  # a sine's peak of 8,000 is 3 dB over its loudness
    assert "difference: -20.0 dB against original" in words
    assert "nothing: silent, no power at any frequency" in words
    assert "half and nine tenths of the power up to 969 Hz, 1,000 Hz and 1,031 Hz" in words  # the window is that wide


@pytest.mark.parametrize("draw", [figures.spectrograms, lambda clips, rate: figures.waveform(clips, {}, rate)])
def test_any_clip_can_be_drawn(draw, tmp_path):
    clips = {
        "two channels": np.concatenate([tone(440), tone(880)]),
        "one sample": np.ones((1, 1), np.int16),
        "of one axis": tone()[0],
        "a $name$ <that> goes on for longer than a panel of the figure is wide": tone(),
    }
    first, second = (figures.save(draw(clips, RATE), tmp_path / folder, "clips") for folder in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    with pytest.raises(ValueError, match="nothing to draw"):
        draw({}, RATE)
    with pytest.raises(ValueError, match="nothing to draw"):
        draw({"empty": np.zeros((1, 0), np.int16)}, RATE)


def test_silence_alone_can_be_drawn():
    silence = {"silence": np.zeros((1, RATE), np.int16)}
    assert "silent" in figures.words_of(figures.spectrograms(silence, RATE))
    assert "peak 0, may move by ±0" in figures.words_of(figures.waveform(silence, silence, RATE))
