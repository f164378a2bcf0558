"""Places on this machine: what can be none is refused in words, and a directory is there whole or not at all."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch.nn.functional as F
import zarr
from helpers import SMALL_VALUES, batch_norm_net, small_data, small_store

import landscape_nb as lnb
from landscape_nb._common.paths import check_array_names, local_path, made_beside, why_unwritable


@pytest.mark.parametrize("given", ["a/b", Path("a/b"), "./a/b", "~/a/b"])
def test_a_path_is_absolute_and_as_it_was_given(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("x", given) == tmp_path / "a" / "b"


def test_a_drive_of_windows_is_not_a_url():
    assert local_path("x", "c:/nets").name == "nets"
    for url in ("cc://nets", "s3://nets", "file:/nets", "memory::nets", "file:"):
        with pytest.raises(ValueError, match=f"^x: got {url!r}, wants a path on this machine: URLs are not supported"):
            local_path("x", url)


def test_names_that_one_file_system_takes_for_the_same_are_taken():
    check_array_names(["loss", "Größe"], ["alpha"])
    for names, taken in ((["a", "A"], []), (["x"], ["X"]), (["é", "e\u0301"], []), (["straße", "STRASSE"], [])):
        with pytest.raises(ValueError, match=f"store: the name {names[-1]!r} is taken"):
            check_array_names(names, taken)
    check_array_names(["x" * 200], [])
    for long in ("x" * 201, "ö" * 101):
        with pytest.raises(ValueError, match="cannot be the name of an array"):
            check_array_names([long], [])


def test_a_directory_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "made"
    with made_beside(path) as making:
        making.mkdir()
        (making / "x").write_text("1")
        assert making.parent == path.parent
        assert not path.exists()
    assert [child.name for child in path.parent.iterdir()] == ["made"]
    assert (path / "x").read_text() == "1"


def fail_beside(path):
    with made_beside(path) as making:
        making.mkdir()
        (making / "x").write_text("1")
        raise KeyboardInterrupt


def test_after_an_error_there_is_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fail_beside(tmp_path / "made")
    assert not list(tmp_path.iterdir())


def test_who_was_faster_keeps_what_is_there(tmp_path):
    with made_beside(tmp_path / "made") as slow:
        slow.mkdir()
        (slow / "x").write_text("slow")
        with made_beside(tmp_path / "made") as fast:
            fast.mkdir()
            (fast / "x").write_text("fast")
            assert slow.exists()
    assert [child.name for child in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made" / "x").read_text() == "fast"


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
def test_what_is_not_a_path_is_refused(wrong):
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
            small_store(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zarr", "two.zarr", "work"]
    assert (tmp_path / "work" / "Größe" / "面.zarr" / "zarr.json").exists()


def test_a_store_stays_where_it_was_when_the_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = small_store("a.zarr")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    made.write(0, SMALL_VALUES[0])
    assert list(small_store(tmp_path / "a.zarr").read()) == [0]


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
    small_store(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, running, elsewhere, other])
    shutil.rmtree(path)
    yesterday = time.time() - 25 * 3600
    for place in (running, elsewhere):
        os.utime(place, (yesterday, yesterday))
    small_store(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError("planted")])
def test_an_error_while_a_store_is_made_leaves_nothing(tmp_path, monkeypatch, litter, error):
    write = zarr.create_group

    def fails(*args, **kwargs):
        write(*args, **kwargs)
        raise error

    monkeypatch.setattr(zarr, "create_group", fails)
    kind = error if isinstance(error, type) else OSError
    with pytest.raises(kind, match="store: .*a.zarr cannot be made .planted" if kind is OSError else None):
        small_store(tmp_path / "a.zarr")
    assert not litter()


def test_a_faster_process_wins(tmp_path, monkeypatch):
    write = zarr.create_group

    def overtaken(*args, **kwargs):
        monkeypatch.undo()
        small_store(tmp_path / "a.zarr").write(0, SMALL_VALUES[0])
        return write(*args, **kwargs)

    monkeypatch.setattr(zarr, "create_group", overtaken)
    assert list(small_store(tmp_path / "a.zarr").read()) == [0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_whether_a_directory_can_be_written_is_found_without_making_it(tmp_path):
    assert why_unwritable(tmp_path / "a" / "b") == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert why_unwritable(tmp_path / "file" / "b") == f"{tmp_path / 'file'} is not a directory"
    assert "/proc" in why_unwritable(Path("/proc/nets"))
