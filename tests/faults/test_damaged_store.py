"""A store whose files were damaged is refused in one way, or measured again; and where there can be no store."""

import json
import re
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from helpers import SMALL_GRID, SMALL_VALUES, small_store

METADATA = ["zarr.json", "loss/zarr.json", "alpha/zarr.json", "piece_checksum/zarr.json"]
CHUNKS = ["loss/c/0/1", "loss/c/1/0", "alpha/c/0", "piece_checksum/c/1"]


@pytest.fixture
def store(tmp_path):
    made = small_store(tmp_path / "a.zarr")
    for number, values in enumerate(SMALL_VALUES):
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
    found = small_store(path).read()
    for number, values in found.items():
        np.testing.assert_array_equal(values["loss"], SMALL_VALUES[number]["loss"])
    for number in {0, 1} - set(found):
        small_store(path).write(number, SMALL_VALUES[number])
    assert len(small_store(path).read()) == 2
    read = xr.open_zarr(path, consolidated=False).load()
    np.testing.assert_array_equal(read.loss, [values["loss"] for values in SMALL_VALUES])
    np.testing.assert_array_equal(read.alpha, SMALL_GRID.axes["alpha"])


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
        small_store(store)


def test_a_group_of_version_2_is_never_opened(tmp_path):
    """Its filters may unpickle, and so run code."""
    group = zarr.open_group(tmp_path / "old", mode="w", zarr_format=2)
    group.attrs["landscape_nb_job"] = json.dumps({"seed": 0})
    for name, values in {"loss": np.zeros((2, 3)), "piece_checksum": np.zeros(2, np.uint64)}.items():
        group.create_array(name, data=values)
    with pytest.raises(ValueError, match="is damaged .*or is not a store of landscape-nb; delete"):
        small_store(tmp_path / "old")


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
    kept, before = small_store(store), litter()
    with pytest.raises(OSError, match=r"store: .*b.zarr cannot be made \(.*File too large"), no_room():
        small_store(tmp_path / "b.zarr")
    with pytest.raises(OSError, match=r"store: .*a.zarr cannot be written \(.*File too large"), no_room():
        kept.write(0, {"loss": np.array([7.0, 8.0, 9.0])})
    assert litter() == before


def test_a_directory_that_cannot_be_written_names_the_store(tmp_path, store, monkeypatch, litter):
    """Permissions do not stop the superuser, who runs tests in containers: the error is planted."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"store: .*file.b.zarr cannot be made \("):
        small_store(tmp_path / "file" / "b.zarr")

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    before = litter()
    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"store: .*new.b.zarr cannot be made \(.*denied"):
        patch.setattr(Path, "mkdir", refused)
        small_store(tmp_path / "new" / "b.zarr")
    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"store: .*a.zarr cannot be read \(.*denied"):
        patch.setattr(zarr, "open_group", refused)
        small_store(store)
    assert litter() == before
