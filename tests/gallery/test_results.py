"""Files of results: what is written is read, with its attributes; damage and other declarations are noticed."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from landscape_nb.gallery.jobs import JOBS, find_job
from landscape_nb.gallery.results import (
    MANIFEST,
    SHIPPED,
    DamagedResultError,
    build_network,
    digest,
    is_done,
    path_of,
    read,
    read_network,
    rounded,
    write,
    write_manifest,
    write_network,
)

JOB = find_job("quick-densenet")
ATTRS = {
    "seed": 3,
    "drops": [1, 2],
    "store": None,
    "resumed": True,
    "title": "θ",
    "names": ["a", "b"],
    "x": np.float64(2),
}


@pytest.fixture
def found():
    values = {"loss": ("alpha", np.linspace(0, 1, 5)), "measured": ("alpha", np.arange(5) % 2 == 0)}
    return xr.Dataset(values, {"alpha": np.linspace(-1, 1, 5)}, ATTRS)


def test_what_is_written_is_read_with_its_attributes(tmp_path, found):
    path = write(JOB, "plane", found, tmp_path)
    again = read(JOB, "plane", tmp_path)
    np.testing.assert_allclose(again.loss, found.loss, rtol=1e-7)
    assert again.measured.values.tolist() == [1, 0, 1, 0, 1]
    assert again.attrs == ATTRS | {"job": digest(JOB)}
    assert [path] == list(tmp_path.iterdir())


def test_a_product_that_is_not_there_is_none(tmp_path):
    assert read(JOB, "plane", tmp_path) is None
    assert not is_done(JOB, "plane", tmp_path)


def test_the_result_of_another_declaration_does_not_count(tmp_path, found):
    write(JOB, "plane", found, tmp_path)
    other = replace(JOB, training=replace(JOB.training, epochs=7))
    assert read(other, "plane", tmp_path) is None
    assert read(replace(JOB, title="another name"), "plane", tmp_path) is not None


def test_nonsense_in_a_file_does_not_count(tmp_path, found):
    write(JOB, "plane", found, tmp_path).write_bytes(b"nonsense")
    assert not is_done(JOB, "plane", tmp_path)


@pytest.mark.parametrize("where", [0.3, 0.5, 0.95])
def test_a_damaged_file_is_named_when_it_is_read_and_built_anew(tmp_path, found, where):
    path = write(JOB, "plane", found, tmp_path)
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)
    assert not is_done(JOB, "plane", tmp_path)
    with pytest.raises(DamagedResultError, match=r"densenet\.plane\.nc: damaged; delete it, or build its job anew"):
        read(JOB, "plane", tmp_path)
    write(JOB, "plane", found, tmp_path)
    assert read(JOB, "plane", tmp_path) is not None


def test_a_truncated_network_is_damaged(tmp_path):
    model = build_network(JOB, {"channels": 1, "classes": 10, "image_size": (8, 8)})
    path = write_network(JOB, model, tmp_path, {})
    path.write_bytes(path.read_bytes()[:-100])
    assert not is_done(JOB, "network", tmp_path)
    with pytest.raises(DamagedResultError, match=r"network\.safetensors: damaged"):
        read_network(JOB, tmp_path)


def test_a_history_without_its_network_does_not_count(tmp_path, found):
    write(JOB, "training", found, tmp_path)
    assert not is_done(JOB, "training", tmp_path)
    write_network(JOB, build_network(JOB, {"channels": 1, "classes": 10, "image_size": (8, 8)}), tmp_path, {})
    assert is_done(JOB, "training", tmp_path)


def test_what_lies_between_two_networks_is_another_when_one_of_them_is(monkeypatch):
    between, end = find_job("cpu-vgg9-between-decay"), find_job("cpu-vgg9-sgd-large-decay")
    before = digest(between)
    monkeypatch.setitem(JOBS, end.name, replace(end, training=replace(end.training, epochs=7)))
    assert digest(between) != before


def test_other_files_and_a_damaged_manifest_are_no_obstacle(tmp_path, found):
    write(JOB, "plane", found, tmp_path)
    (tmp_path / "thesis.nc").write_text("hello")
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / f"{JOB.name}.lines.nc").mkdir()
    (tmp_path / MANIFEST).write_bytes(b"\xff{")
    write_manifest(tmp_path)
    assert list(json.loads((tmp_path / MANIFEST).read_text())) == [f"{JOB.name}.plane.nc"]


def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path, found, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"out: .*densenet\.plane\.nc cannot be written .*No space left"):
        write(JOB, "plane", found, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_network_is_kept_in_float16_and_read_as_it_was_rounded(tmp_path):
    model = build_network(JOB, {"channels": 1, "classes": 10, "image_size": (8, 8)})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    kept = rounded(model)
    write_network(JOB, kept, tmp_path, {"data": "digits"})
    again = read_network(JOB, tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), kept.parameters(), strict=True))
    assert not again.training
    weight = before["linear.weight"]
    torch.testing.assert_close(again.get_parameter("linear.weight"), weight, rtol=2**-11, atol=1e-7)
    assert path_of(JOB, "network", tmp_path).stat().st_size < 0.7 * sum(4 * p.numel() for p in model.parameters())


def test_the_manifest_says_what_made_each_shipped_file():
    listed = json.loads((SHIPPED / MANIFEST).read_text())
    files = {path.name for path in SHIPPED.iterdir()} - {MANIFEST}
    assert files == set(listed)
    assert sum(entry["bytes"] for entry in listed.values()) < 20e6
    for name, entry in listed.items():
        assert entry["sha256"] == hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest()
        assert entry["command"].startswith("landscape-nb gallery build ")
        assert {"data", "versions", "network"} <= set(entry)


def test_every_shipped_file_is_a_product_of_a_declared_job():
    known = set()
    for job in JOBS.values():
        known |= {path_of(job, name, SHIPPED).name for name in job.products if read(job, name, SHIPPED) is not None}
        known |= {path_of(job, "network", SHIPPED).name} if is_done(job, "network", SHIPPED) else set()
    assert known == {path.name for path in SHIPPED.iterdir()} - {MANIFEST}
