"""What was found in tables, noise, records, manifests and archives of others, each kept as a case of its own."""

import json
import os
import struct
import zipfile

import pytest
import safetensors.torch
import torch
from refusing import refused

from workbench.apps.photos.ledger import Ledger
from workbench.apps.photos.protect import Photos
from workbench.apps.photos.sources import gather
from workbench.cli import main
from workbench.config import DataError, key
from workbench.export import verify
from workbench.files.zips import MOST_LIST, members
from workbench.noise import perturbation
from workbench.records import checkpoint, run_folder, table
from workbench.victim import warm_start

FACTS = {"kind": "classwise", "epsilon": 8, "method": "em", "fingerprint": "a" * 64}
HEAD = ",".join(table.COLUMNS)
ROW = "ab,folder,em,classwise,8,none,convnet-w4,none,1.0,0,1,test,accuracy,0.5"


@pytest.mark.parametrize(("row", "part"), [
    ("=cmd()" + ROW[2:], "run"), (ROW.replace("em", "$\\frac{$"), "method"), (ROW.replace("em", "@em"), "method"),
    (ROW.replace("0.5", "inf"), "accuracy"), (ROW.replace("0.5", "-0.1"), "accuracy"),
    (ROW.replace("0.5", "nan"), "accuracy"),
    (ROW.replace("classwise,8", "classwise,999"), "epsilon"), (ROW.replace("test", "valid"), "split"),
    (ROW.replace("1.0,0", "2.0,0"), "protected fraction"), (ROW.replace("em", '"e\nm"'), "method"), (ROW[:-3], "read"),
    (ROW.replace("classwise,8", "classwise,8.5"), "read"), (ROW + ",1", "read"), (ROW.replace("em", '"em'), "read"),
    ("", "no rows"),
    (ROW.replace("em", "\x1b[2J"), "method"), (ROW.replace("0,1,test", "0,1e999,test"), "read"),
    (ROW.replace("em", ""), "method"),
    (ROW.replace("accuracy", "=accuracy"), "metric"),
])  # fmt: skip
def test_rows_that_no_run_writes_are_refused(tmp_path, row, part):
    (tmp_path / "results.csv").write_text(f"{HEAD}\n{row}\n")
    assert part in refused(DataError, lambda: table.read(tmp_path))


@pytest.mark.parametrize("key", ["012345678901", "123e45678901"])
def test_a_runs_key_that_looks_like_a_number_stays_a_key(tmp_path, key):
    (tmp_path / "results.csv").write_text(f"{HEAD}\n{ROW.replace('ab', key)}\n")
    assert table.read(tmp_path)["run"].tolist() == [key]


@pytest.mark.parametrize(("change", "part"), [
    ({"epsilon": True}, "epsilon"), ({"epsilon": 4}, "beyond"), ({"epsilon": 200}, "200"),
    ({"epsilon": "8"}, "epsilon"),
    ({"epsilon": -1}, "int16"), ({"kind": "none"}, "kind"), ({"kind": ["classwise"]}, "kind"),
    ({"method": "clean"}, "method"),
    ({"method": "=cmd()"}, "method"), ({"method": "a\nb"}, "method"), ({"fingerprint": "abc"}, "fingerprint"),
    ({"fingerprint": None}, "fingerprint"), ({"more": 1}, "more"),
])  # fmt: skip
def test_noise_with_odd_facts_is_refused(tmp_path, change, part):
    delta = torch.full((2, 3, 8, 8), 8, dtype=torch.int8)
    content = safetensors.torch.save({"delta": delta}, {"perturbation": json.dumps({**FACTS, **change})})
    (tmp_path / perturbation.FILE_NAME).write_bytes(content)
    assert part in refused(DataError, lambda: perturbation.Perturbation.load(tmp_path))


@pytest.mark.parametrize("delta", [
    torch.full((2, 3, 8, 8), 1.0), torch.full((2, 3, 8, 8), float("nan")), torch.full((2, 8, 8), 1, dtype=torch.int8),
    torch.full((2, 3, 8, 8), -128, dtype=torch.int8), torch.full((2, 3, 8, 8), 200, dtype=torch.uint8),
])  # fmt: skip
def test_noise_of_another_type_or_shape_or_size_is_refused(tmp_path, delta):
    content = safetensors.torch.save({"delta": delta}, {"perturbation": json.dumps({**FACTS, "epsilon": 127})})
    (tmp_path / perturbation.FILE_NAME).write_bytes(content)
    refused(DataError, lambda: perturbation.Perturbation.load(tmp_path))


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**31, 2**63, 2**64 - 1])
def test_noise_whose_header_lies_about_its_length_is_refused(tmp_path, length):
    content = safetensors.torch.save({"delta": torch.zeros(1, 3, 8, 8, dtype=torch.int8)}, {})
    (tmp_path / perturbation.FILE_NAME).write_bytes(struct.pack("<Q", length) + content[8:])
    refused(DataError, lambda: perturbation.Perturbation.load(tmp_path))


@pytest.mark.parametrize("change", [
    {"seconds": {"noise": "x"}}, {"seconds": {"noise": 10**400}}, {"image_passes": "many"},
    {"data_fingerprint": 3},
    {"config": []},
    {"command": []}, {"state": None}, {"key": 1}, {"versions": {"torch": 2}},
])  # fmt: skip
def test_a_record_with_a_wrong_type_is_refused_by_its_place(tmp_path, change):
    good = {"command": "noise", "state": "complete", "key": "0", "config": {}, "seconds": {}}
    (tmp_path / "run.json").write_text(json.dumps({**good, **change}))
    assert next(iter(change)) in refused(DataError, lambda: run_folder.read(tmp_path))


def test_words_of_a_record_do_not_steer_the_terminal(tmp_path):
    record = {
        "command": "\x1b[2J\n",
        "state": "\x1b[2J\n",
        "key": "0",
        "config": {},
        "seconds": {},
        "data_fingerprint": "\n\x1b",
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    refused(DataError, lambda: run_folder.read(tmp_path))
    refused(DataError, lambda: run_folder.check_free(tmp_path, "noise", {}, resume=True))
    (tmp_path / "run.json").write_text(json.dumps(record | {"command": "noise", "key": key({})}))
    for more in ({"resume": False}, {"resume": True, "data_fingerprint": "ab"}):
        refused(DataError, lambda more=more: run_folder.opened(tmp_path, "noise", {}, **more).__enter__())


def test_an_error_is_one_line_of_the_terminal(tmp_path, capsys):
    (tmp_path / "a\n\x1b[2Jb").mkdir()
    assert main(["verify", str(tmp_path / "a\n\x1b[2Jb"), str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "\x1b" not in printed


@pytest.mark.parametrize(
    "change", [{"psnr": "x"}, {"psnr": 10**400}, {"linf": []}, {"notes": [1]}, {"notes": None}, {"ssim": "1"}]
)
def test_a_finished_photo_with_odd_numbers_counts_as_not_made(tmp_path, change):
    (tmp_path / "a.png").write_bytes(b"x")
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    good = {"original": "a.png", "file": "a.png", "sha256": digest, "original_sha256": "", "notes": [], "linf": 8}
    good |= {"psnr": 30.0, "ssim": None}
    for entry, count in ((good, 1), ({**good, **change}, 0)):
        (tmp_path / "manifest.json").write_text(json.dumps({"job": "j", "files": [entry]}))
        assert len(Ledger(tmp_path, "j", {"a.png"}, Photos.least).entries) == count


@pytest.mark.parametrize(
    "change", [{"file": "../a.png"}, {"file": "/etc/hostname"}, {"sha256": "0" * 64}, {"original": "b.png"}]
)
def test_a_finished_photo_that_is_elsewhere_changed_or_unknown_counts_as_not_made(tmp_path, change):
    (tmp_path / "out").mkdir()
    for folder in (tmp_path, tmp_path / "out"):
        (folder / "a.png").write_bytes(b"x")
    entry = {
        "original": "a.png",
        "file": "a.png",
        "original_sha256": "",
        "notes": [],
        "linf": 8,
        "psnr": 30.0,
        "ssim": None,
    }
    entry["sha256"] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({"job": "j", "files": [{**entry, **change}]}))
    assert Ledger(tmp_path / "out", "j", {"a.png"}, Photos.least).entries == {}


@pytest.mark.parametrize("epsilon", [-1, -97, 256, 10**400])
def test_a_manifest_cannot_allow_every_change(epsilon):
    refused(DataError, lambda: verify.parse_manifest(json.dumps({"epsilon": epsilon, "files": []}).encode()))


def test_an_archive_that_lists_millions_of_files_is_not_listed(tmp_path):
    one = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    count = MOST_LIST // len(one) + 1
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 65535, 65535, count * len(one), 0, 0)
    (tmp_path / "a.zip").write_bytes(one * count + end)
    assert "MiB" in refused(DataError, lambda: members(tmp_path / "a.zip"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for number in range(3000):
            archive.writestr(f"{'x' * 200}{number}.png", b"\x89PNG\r\n\x1a\n")
    assert len(gather(tmp_path / "b.zip")[0]) == 3000


@pytest.mark.parametrize("state", [
    3, [], {"state_dict": []}, {"state_dict": {1: torch.ones(1)}}, {"state_dict": {"network.w": "x"}},
    {"state_dict": os.system},
])  # fmt: skip
def test_a_forged_checkpoint_is_refused_without_torchs_advice_to_unpickle_it(tmp_path, state):
    checkpoint.save(tmp_path / warm_start.CHECKPOINT, state)
    said = refused(DataError, lambda: warm_start.weights(tmp_path))
    assert "can still be loaded" not in said
