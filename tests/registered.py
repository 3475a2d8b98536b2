"""What tests of one's own code share: everything as before afterwards, noise by a method's name, a refusal's line."""

import os

import pytest

from workbench import noise, registry
from workbench.catalogue import DATA, DEFENCES, METHODS, NETWORKS
from workbench.config import NoiseConfig


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """What a test registers and loads is gone after it."""
    monkeypatch.delenv(registry.VARIABLE, raising=False)
    monkeypatch.setattr(registry, "_own", dict(registry._own))
    monkeypatch.setattr(registry, "_loaded", dict(registry._loaded))
    tables = [(table, dict(table)) for table in (METHODS, DEFENCES, NETWORKS, DATA)]
    yield
    os.environ.pop(registry.VARIABLE, None)  # as load sets it
    for table, before in tables:
        table.clear()
        table.update(before)


def make(name, data, kind="samplewise", **options):
    asked = NoiseConfig.of(method=name, kind=kind, epsilon=4, surrogate="convnet-w2", device="cpu", **options)
    return noise.make(noise.resolved(asked, "photo-digits"), data)[0]


def refused(kind, work, *given, **more) -> str:
    """The refusal, which is one line."""
    with pytest.raises(kind) as refusal:
        work(*given, **more)
    line = str(refusal.value)
    assert len(line.splitlines()) == 1
    return line
