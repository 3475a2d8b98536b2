"""Augmentation of clips: one draw a clip, moved by whole samples with zeros coming in, louder or quieter."""

import pytest
import torch

from workbench.config import ConfigError
from workbench.data import delay
from workbench.data.augment import AUGMENTATIONS


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(count: int = 60, channels: int = 2, length: int = 200) -> torch.Tensor:
    return torch.randint(1000, 9000, (count, channels, length), generator=generator(7)).short()


def where(before: torch.Tensor, after: torch.Tensor) -> tuple[int, float]:
    """By how many samples the clip was moved (negative: earlier), and its gain."""
    first, last = (int(place) for place in (after[0] != 0).nonzero()[[0, -1], 0])
    length = after.shape[1]
    shift = first if first else last - length + 1
    inner = slice(max(0, shift), length + min(0, shift))
    source = before[:, inner.start - shift : inner.stop - shift].float()
    gain = float((after[:, inner].float() * source).sum() / source.square().sum())
    assert int((after[:, inner].float() - source * gain).abs().max()) <= 1
    return shift, gain


def test_a_clip_is_moved_by_a_tenth_at_most_and_amplified_by_6_db_at_most():
    before = clips()
    after = delay.delay_gain(before, generator())
    assert (after.shape, after.dtype) == (before.shape, torch.int16)
    found = [where(one, other) for one, other in zip(before, after, strict=True)]
    shifts, gains = zip(*found, strict=True)
    assert min(shifts) >= -20
    assert max(shifts) <= 20
    assert len(set(shifts)) > 20
    assert 10 ** (-6 / 20) - 0.01 < min(gains) < 0.6
    assert 1.7 < max(gains) < 10 ** (6 / 20) + 0.01


def test_the_draw_is_the_generators_alone():
    before = clips()
    torch.manual_seed(1)
    one = delay.delay_gain(before, generator())
    torch.manual_seed(2)
    assert torch.equal(one, delay.delay_gain(before, generator()))
    assert not torch.equal(one, delay.delay_gain(before, generator(1)))
    assert torch.equal(before, clips())


def test_loud_clips_are_cut_at_full_scale_and_never_wrap_round():
    loud = torch.tensor([32767, -32768]).short().repeat(300)[None, None].expand(50, 1, 600).contiguous()
    after = delay.delay_gain(loud, generator())
    assert (int(after.max()), int(after.min())) == (32767, -32768)
    signs = after.sign().diff().abs()
    assert int(signs[after[:, :, 1:] * after[:, :, :-1] != 0].min()) == 2
    assert torch.equal(delay.delay_gain(torch.zeros(4, 1, 9).short(), generator()), torch.zeros(4, 1, 9).short())


def test_each_kind_of_data_has_its_own():
    assert delay.named("none", "audio")(clips(), generator()).equal(clips())
    assert delay.named("shift", "image") is AUGMENTATIONS["shift"]
    for name, space in (("shift", "audio"), ("delay-gain", "image"), ("shift-flip", "audio"), ("delay", "audio")):
        with pytest.raises(ConfigError, match=f"unknown augmentation of {space} data '{name}'") as refused:
            delay.named(name, space)
        assert len(str(refused.value).splitlines()) == 1
