"""What is not finite is noticed, where and when."""

import pytest
import torch

from workbench.records import nan_guard
from workbench.records.nan_guard import NotFinite, Watch

BAD = [float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("bad", BAD)
def test_bad_number_is_noticed_at_its_step(bad):
    watch = Watch("the loss")
    for _ in range(4):
        watch.see(torch.tensor(3e38))  # huge, and yet finite: no sum may overflow
    with pytest.raises(NotFinite, match="the loss is not finite at step 5"):
        watch.see(torch.tensor(bad))


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("several", [True, False])
def test_where_looking_costs_it_is_noticed_at_the_end_at_latest(bad, several, monkeypatch):
    if not several:
        monkeypatch.setattr(Watch, "_free", lambda self, value: False)
    watch = Watch("the loss", several=several)
    watch.see(torch.tensor(bad))
    watch.see(torch.tensor(1.0))
    with pytest.raises(NotFinite, match="by step 2"):
        watch.end()


def test_steps_are_counted_anew_after_the_end():
    watch = Watch("the loss")
    for _ in range(3):
        watch.see(torch.tensor(1.0))
    watch.end()
    with pytest.raises(NotFinite, match="at step 1"):
        watch.see(torch.tensor(float("nan")))


def test_watching_leaves_gradients_alone():
    value = torch.tensor(2.0, requires_grad=True)
    watch = Watch("the loss")
    watch.see(value * 3)
    (value * 3).backward()
    assert value.grad == 3


@pytest.mark.parametrize("bad", BAD)
def test_bad_tensor_anywhere_in_a_state_is_found(bad):
    good = {"a": [torch.zeros(3), {"b": torch.tensor([1, 2])}], "n": 3, "text": "nan", "none": torch.zeros(0)}
    nan_guard.check(good, "it is")
    assert len(list(nan_guard.tensors(good))) == 3
    with pytest.raises(NotFinite, match=r"^it is not finite$"):
        nan_guard.check({**good, "c": (torch.tensor([0.0, bad]),)}, "it is")
