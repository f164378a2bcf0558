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


def test_a_file_with_another_checksum_than_listed_is_refused(tmp_path, found):
    path = write(JOB, "plane", found, tmp_path)
    write_manifest(tmp_path)
    assert read(JOB, "plane", tmp_path) is not None
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"densenet\.plane\.nc: damaged, its checksum is not the one in manifest\.json"
    ):
        read(JOB, "plane", tmp_path)


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
    products = [(job, product) for job in JOBS.values() for product in (*job.products, "network")]
    known = {path_of(job, product, SHIPPED).name for job, product in products if is_done(job, product, SHIPPED)}
    assert known == {path.name for path in SHIPPED.iterdir()} - {MANIFEST}
