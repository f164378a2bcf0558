"""A store whose files were damaged is refused in one way, or measured again; and where there can be no store."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch.nn.functional as F
import xarray as xr
import zarr
from helpers import batch_norm_net, small_data

import landscape_nb as lnb
from landscape_nb.surfaces.grid import Grid
from landscape_nb.surfaces.store import Store

GRID = Grid({"alpha": np.array([0.0, 0.5]), "beta": np.array([-1.0, 0.0, 1.0])})
VALUES = [{"loss": np.array([1.0, 2.0, 3.0])}, {"loss": np.array([4.0, 5.0, 6.0])}]
METADATA = ["zarr.json", "loss/zarr.json", "alpha/zarr.json", "piece_checksum/zarr.json"]
CHUNKS = ["loss/c/0/1", "loss/c/1/0", "alpha/c/0", "piece_checksum/c/1"]


def open_store(path):
    return Store(path, GRID, ["loss"], {"seed": 0})


@pytest.fixture
def store(tmp_path):
    made = open_store(tmp_path / "a.zarr")
    for number, values in enumerate(VALUES):
        made.write(number, values)
    return made.path


def file_to_directory(path):
    path.unlink()
    path.mkdir()


def directory_to_file(path):
    shutil.rmtree(path.parent)
    path.parent.write_text("")


def cut(path):
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x04
    path.write_bytes(content)


HARMS = {
    "deleted": Path.unlink,
    "cut": cut,
    "flipped": flip,
    "a directory": file_to_directory,
    "its directory a file": directory_to_file,
    "deep": lambda path: path.write_text("[" * 100_000),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
} | {
    repr(text): lambda path, text=text: path.write_text(text)
    for text in ("", "garbage{", "{}", "null", "[]", "5", '"s"', "1" * 5000, '{"zarr_format": 3, "node_type": "group"}')
}


def use(path):
    """Open, write what is missing, and read it again with this package and with xarray."""
    found = open_store(path).read()
    for number, values in found.items():
        np.testing.assert_array_equal(values["loss"], VALUES[number]["loss"])
    for number in {0, 1} - set(found):
        open_store(path).write(number, VALUES[number])
    assert len(open_store(path).read()) == 2
    read = xr.open_zarr(path, consolidated=False).load()
    np.testing.assert_array_equal(read.loss, [values["loss"] for values in VALUES])
    np.testing.assert_array_equal(read.alpha, GRID.axes["alpha"])


def outcome(path):
    """What a store is refused with, if it is; any other kind of error fails the test."""
    try:
        use(path)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("victim", METADATA + CHUNKS)
def test_damage_is_named_or_healed(store, victim, harm):
    if (store / victim).exists():
        HARMS[harm](store / victim)
    refusal = outcome(store)
    if refusal is not None:
        assert re.fullmatch(
            r"store: \S+/a.zarr is damaged \(.*\).*; delete it or name another path", refusal, re.DOTALL
        )
    if victim in METADATA and harm != "flipped":
        assert refusal
    if victim in CHUNKS and "directory" not in harm:
        assert refusal is None


@pytest.mark.parametrize("victim", METADATA)
@pytest.mark.parametrize("value", [None, 2, "x", [], {}, [1], [10**30], True, "float32"])
def test_every_entry_of_the_metadata_may_be_nonsense(store, victim, value):
    content = json.loads((store / victim).read_text())
    for entry in content:
        (store / victim).write_text(json.dumps(content | {entry: value}))
        assert "is damaged (" in (outcome(store) or "is damaged ("), entry


@pytest.mark.parametrize("text", ["no JSON", "[]", "null", "3", 3, None, {}, ["x"]])
def test_a_job_that_is_not_a_dict_of_json_is_damage(store, text):
    content = json.loads((store / "zarr.json").read_text())
    content["attributes"]["landscape_nb_job"] = text
    (store / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"is damaged \(zarr.json, landscape_nb_job"):
        open_store(store)


def test_a_group_of_version_2_is_never_opened(tmp_path):
    """Its filters may unpickle, and so run code."""
    group = zarr.open_group(tmp_path / "old", mode="w", zarr_format=2)
    group.attrs["landscape_nb_job"] = json.dumps({"seed": 0})
    for name, values in {"loss": np.zeros((2, 3)), "piece_checksum": np.zeros(2, np.uint64)}.items():
        group.create_array(name, data=values)
    with pytest.raises(ValueError, match="is damaged .*or is not a store of landscape-nb; delete"):
        open_store(tmp_path / "old")


@pytest.fixture
def litter(tmp_path):
    """What lies about in the test's directory and below it."""
    return lambda: sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))


def measured(store, metrics=None):
    objective = lnb.Objective(batch_norm_net(), small_data(), F.cross_entropy, metrics)
    (direction,) = lnb.random_directions(objective.origin, 1)
    return lnb.evaluate_line(objective, direction, resolution=2, store=store, progress=False)


URLS = ["s3://bucket/a", "memory://a", "file:///tmp/a", "gs://a", "HTTPS://a/b", "x1+y://a", "simplecache::s3://a"]


@pytest.mark.parametrize("url", [*URLS, Path("s3://bucket/a"), Path("memory://")])
def test_urls_are_refused_by_name(tmp_path, monkeypatch, litter, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=r"store: got .*(s3|memory|file|gs|HTTPS|x1|cache).*, wants a path on this mach"
    ):
        measured(url)
    assert not litter()


@pytest.mark.parametrize("wrong", [b"bytes", 3, True, 1.5, ["a"], object()])
def test_what_is_no_path_is_refused(wrong):
    with pytest.raises(TypeError, match="store: got .*, wants a path"):
        measured(wrong)


@pytest.mark.parametrize("wrong", ["", " ", "a\0b", "~nobody-of-this-name/a"])
def test_paths_that_cannot_be_are_refused(tmp_path, monkeypatch, litter, wrong):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="store: got "):
        measured(wrong)
    assert not litter()


def test_home_spaces_and_other_alphabets(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for path in ("~/one.zarr", Path("~") / "two.zarr", "a b/c d.zarr", "Größe/面.zarr", "c:d"):
        for _ in range(2):
            open_store(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zarr", "two.zarr", "work"]
    assert (tmp_path / "work" / "Größe" / "面.zarr" / "zarr.json").exists()


def test_a_store_stays_where_it_was_when_the_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = open_store("a.zarr")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    made.write(0, VALUES[0])
    assert list(open_store(tmp_path / "a.zarr").read()) == [0]


NAMES = ["../x", "a/b", "a\\b", "..", ".", "", " ", "piece_checksum", "piece", "zarr.json", ".zgroup", "__x", "a\nb"]


@pytest.mark.parametrize("name", [*NAMES, "x" * 300, "Piece_Checksum", "ALPHA", "LOSS"])
def test_names_that_are_no_directory_of_their_own_are_refused(tmp_path, litter, name):
    with pytest.raises(ValueError, match=r"store: .* rename that metric"):
        measured(tmp_path / "a.zarr", {name: lnb.accuracy})
    assert not litter()


def test_other_names_are_kept(tmp_path):
    names = ["top-5", "acc (%)", "Größe", "a b", "c"]
    for _ in range(2):
        kept = measured(tmp_path / "a.zarr", dict.fromkeys(names, lnb.accuracy))
    assert set(names) <= set(kept)


_KILLED = """
import os, sys
from pathlib import Path
from landscape_nb._common import paths as places

with places.made_beside(Path(sys.argv[1])) as making:
    making.mkdir()
    (making / "x").write_text("")
    os.kill(os.getpid(), 9)
"""


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    """One that runs may be filling its directory right now, and of other machines' processes nothing is known."""
    path = tmp_path / "a.zarr"
    subprocess.run([sys.executable, "-c", _KILLED, str(path)])
    (dead,) = tmp_path.iterdir()
    begin, _, end = dead.name.rsplit("-", 2)
    running = dead.with_name(f"{begin}-{os.getpid()}-{end}")
    elsewhere = dead.with_name(f"a.zarr.making-0123abcd-{10**8}-{end}")
    other = dead.with_name(dead.name.replace("a.zarr", "b.zarr"))
    for place in (running, elsewhere, other):
        shutil.copytree(dead, place)
    open_store(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, running, elsewhere, other])
    shutil.rmtree(path)
    yesterday = time.time() - 25 * 3600
    for place in (running, elsewhere):
        os.utime(place, (yesterday, yesterday))
    open_store(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError("planted")])
def test_an_error_while_a_store_is_made_leaves_nothing(tmp_path, monkeypatch, litter, error):
    write = xr.Dataset.to_zarr

    def fails(*args, **kwargs):
        write(*args, **kwargs)
        raise error

    monkeypatch.setattr(xr.Dataset, "to_zarr", fails)
    kind = error if isinstance(error, type) else OSError
    with pytest.raises(kind, match="store: .*a.zarr cannot be made .planted" if kind is OSError else None):
        open_store(tmp_path / "a.zarr")
    assert not litter()


def test_a_faster_process_wins(tmp_path, monkeypatch):
    write = xr.Dataset.to_zarr

    def overtaken(*args, **kwargs):
        monkeypatch.undo()
        open_store(tmp_path / "a.zarr").write(0, VALUES[0])
        write(*args, **kwargs)

    monkeypatch.setattr(xr.Dataset, "to_zarr", overtaken)
    assert list(open_store(tmp_path / "a.zarr").read()) == [0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@contextmanager
def no_room():
    """No file may grow, as on a full disk; not even the one that pytest writes to, so that this must be short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_names_the_store(tmp_path, store, litter):
    kept, before = open_store(store), litter()
    with pytest.raises(OSError, match=r"store: .*b.zarr cannot be made \(.*File too large"), no_room():
        open_store(tmp_path / "b.zarr")
    with pytest.raises(OSError, match=r"store: .*a.zarr cannot be written \(.*File too large"), no_room():
        kept.write(0, {"loss": np.array([7.0, 8.0, 9.0])})
    assert litter() == before


def test_a_directory_that_cannot_be_written_names_the_store(tmp_path, store, monkeypatch, litter):
    """Permissions do not stop the superuser, who runs tests in containers: the error is planted."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"store: .*file.b.zarr cannot be made \("):
        open_store(tmp_path / "file" / "b.zarr")

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    before = litter()
    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"store: .*new.b.zarr cannot be made \(.*denied"):
        patch.setattr(Path, "mkdir", refused)
        open_store(tmp_path / "new" / "b.zarr")
    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"store: .*a.zarr cannot be read \(.*denied"):
        patch.setattr(zarr, "open_group", refused)
        open_store(store)
    assert litter() == before
