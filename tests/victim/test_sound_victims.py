"""Victims of sound: they learn what clean clips say, and tones of a class keep them from it."""

import pytest
import torch
from clips import pair_of_sound

import workbench as wb
from workbench.config import ConfigError

QUICK = {"batch_size": 16, "optimiser": "adamw", "schedule": "one-cycle", "learning_rate": 0.01, "device": "cpu"}


def peak(rows) -> float:
    return float(rows["value"][(rows["metric"] == "accuracy") & (rows["split"] == "test")].max())


def test_a_small_network_learns_spoken_digits():
    pair = wb.load("spoken-digits:600", limit_test=150)
    assert peak(wb.train(pair, victim="convnet-w4-avg", epochs=4, **QUICK)) > 0.3  # measured: 0.51; chance is 0.1


def test_tones_of_a_class_are_learnt_instead_of_the_clips():
    pair = pair_of_sound(120, 60)
    noise = wb.make_noise(pair.train, method="tones", epsilon=-3, device="cpu")
    clean, noisy = (wb.train(pair, one, "convnet-w4", epochs=6, **QUICK) for one in (None, noise))
    assert peak(clean) > peak(noisy) + 0.15
    learnt = noisy["value"][(noisy["metric"] == "accuracy") & (noisy["split"] == "train")].max()
    assert learnt > 0.8


def test_a_share_of_the_clips_or_some_classes_carry_the_noise():
    pair = pair_of_sound()
    noise = wb.make_noise(pair.train, method="tones", epsilon=-10, device="cpu")
    for settings, share in (({"protected_fraction": 0.5}, 0.5), ({"protected_classes": "ant"}, 1 / 3)):
        rows = wb.train(pair, noise, "convnet-w2", epochs=1, device="cpu", **settings)
        assert float(rows["protected_fraction"].iloc[0]) == pytest.approx(share, abs=1e-3)
    with pytest.raises(ConfigError, match="augmentation of audio data"):
        wb.train(pair, victim="convnet-w2", epochs=1, device="cpu", augmentation="shift")


def test_a_victim_repeats_itself_whatever_the_global_stream():
    pair, rows = pair_of_sound(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        rows.append(wb.train(pair, victim="m5-w4", epochs=2, device="cpu"))
    assert rows[0].equals(rows[1])
