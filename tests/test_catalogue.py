"""A walk over the catalogue: every method makes noise, every defence, network and data set is there, words and all."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from workbench import catalogue, models, noise, registry
from workbench.catalogue import DATA, DEFENCES, METHODS, NETWORKS, PANELS
from workbench.config import KINDS, OUTSIDE, ConfigError, NoiseConfig
from workbench.data.dataset import DataPair
from workbench.victim import recipes

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("**/*.ipynb"))
TINY = {"batch_size": 10, "rounds": 2, "train_steps": 2, "noise_steps": 2, "step": 2.0, "learning_rate": 0.02}


def methods_with_options():
    for method in METHODS:
        names = set(inspect.signature(noise.options_of(method)).parameters)
        yield pytest.param(method, {name: value for name, value in TINY.items() if name in names}, id=method)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "options"), methods_with_options())
def test_every_method_makes_noise_of_both_kinds_within_its_budget(patterned, method, options, kind):
    if (method, kind) == ("cuda", "classwise"):
        pytest.skip("it follows each image")
    if METHODS[method].spaces == ("audio",):
        pytest.skip("it is for sound: tests/noise/test_decibels.py")
    data, outside = patterned(36), METHODS[method].outside
    epsilon, stored = (OUTSIDE, torch.int16) if outside else (6, torch.int8)
    asked = NoiseConfig.of(method=method, kind=kind, epsilon=epsilon, surrogate="convnet-w2", device="cpu", **options)
    made, facts = noise.make(noise.resolved(asked, "photo-digits"), data)
    assert made.delta.shape == (3 if kind == "classwise" else 36, 3, 12, 12)
    assert made.delta.dtype == stored
    assert 127 * outside < int(made.delta.short().abs().max()) <= epsilon
    assert (made.kind, made.epsilon, made.method) == (kind, epsilon, method)
    made.check_belongs(data)
    assert (facts == {}) == (METHODS[method].drawn or outside)


@pytest.mark.parametrize("name", DEFENCES)
def test_every_defence_is_there_and_takes_what_it_is_given(name):
    made = registry.look_up("defence", name)
    assert inspect.isclass(made)
    made(**DEFENCES[name].given)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_at_its_least_size(name):
    if not models.has_weights(name):
        pytest.skip("its weights are not here")
    if NETWORKS[name].spaces == ("audio",):
        pytest.skip("it hears: tests/models/test_hearing.py")
    entry, least = NETWORKS[name], max(8, NETWORKS[name].least)
    network = models.build(f"{name}-w2" if entry.by_width else name, channels=3, classes=5, side=least, seed=0).eval()
    with torch.no_grad():
        logits = network(torch.zeros(2, 3, least, least))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", DATA)
def test_every_data_set_has_a_function_a_form_and_a_recipe(name):
    made = registry.look_up("data", name)
    assert len(inspect.signature(made).parameters) == 2
    assert DATA[name].form.startswith(name)
    assert DATA[name].recipe in recipes.RECIPES


@pytest.mark.parametrize("name", [name for name, entry in DATA.items() if entry.embedded])
def test_data_sets_that_the_program_makes_are_made(name):
    assert isinstance(registry.look_up("data", name)("60", 0), DataPair)


@pytest.mark.parametrize("table", [METHODS, DEFENCES, DATA, NETWORKS, PANELS])
def test_everything_has_a_name_and_a_line_of_words(table):
    for name, entry in table.items():
        assert re.fullmatch("[a-z][a-z0-9_-]{0,39}", name)
        assert len(entry.words) >= 5
        assert "\n" not in entry.words
        assert set(getattr(entry, "spaces", ())) <= set(catalogue.ANY)


def test_no_two_methods_look_alike_in_figures():
    looks = [look for entry in METHODS.values() for look in entry.looks] + [catalogue.CLEAN_LOOK]
    assert len(set(looks)) == len(looks)


def cells(notebook: Path) -> list[str]:
    content = json.loads(notebook.read_text())
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def test_no_notebook_has_a_list_of_its_own_that_could_grow_old():
    """Comments beside parameters say which command lists what there is."""
    names = {*METHODS, *DEFENCES, *NETWORKS, *DATA} - {"none", "random", "linear", "folder"}
    for path in NOTEBOOKS:
        for line in (line for cell in cells(path) for line in cell.splitlines()):
            comment = line.partition("  # ")[2]
            assert len(names & set(re.split(r"[^a-z0-9_-]+", comment))) < 2, f"{path.name}: {line}"


def test_another_kind_of_data_is_refused_in_one_line():
    with pytest.raises(ConfigError, match=r"^method linear is for image data, not for audio: name another one$"):
        catalogue.check_space("method", "linear", METHODS["linear"].spaces, "audio")
    catalogue.check_space("method", "em", METHODS["em"].spaces, "audio")


def test_the_catalogue_is_short_and_needs_no_torch():
    assert len((ROOT / "workbench" / "catalogue.py").read_text().splitlines()) <= 200
    script = "import sys; from workbench import catalogue, registry; print('torch' in sys.modules)"
    assert fresh(script).strip() == "False"


def test_importing_the_workbench_is_quick_and_imports_no_torch():
    script = (
        "import sys, time; begun = time.perf_counter(); import workbench; "
        "print(time.perf_counter() - begun, 'torch' in sys.modules)"
    )
    answers = [fresh(script).split() for _ in range(3)]
    assert {torch_too for _, torch_too in answers} == {"False"}
    assert min(float(seconds) for seconds, _ in answers) < 0.2


def fresh(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout
