"""The command: what it prints, and what it refuses before it has done anything."""

import subprocess
import sys

import pytest
from click.testing import CliRunner
from helpers import ROOT

from landscape_nb.__main__ import main
from landscape_nb.course.notebooks import NOTEBOOKS


def call(*arguments):
    return CliRunner().invoke(main, arguments)


def test_list_names_every_notebook():
    lines = call("list").output.splitlines()
    assert [line[:2] for line in lines] == [notebook.number for notebook in NOTEBOOKS]


def test_doctor_tells_what_it_found(tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_DATA", str(tmp_path))
    result = call("doctor")
    assert result.exit_code == 0
    for word in ("torch", "threads", "memory", "GPU", str(tmp_path), "digits.csv.gz", "not here"):
        assert word in result.output


def test_doctor_says_what_cannot_be_written_and_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "file" / "nets"))
    monkeypatch.setenv("LANDSCAPE_NB_DATA", str(tmp_path / "missing" / "data"))
    lines = call("doctor").output.splitlines()
    (cache,) = [line for line in lines if line.startswith("trained networks")]
    assert f"cannot be written: {tmp_path / 'file'} is not a directory; set LANDSCAPE_NB_CACHE" in cache
    (data,) = [line for line in lines if line.startswith("data directory")]
    assert data.endswith("data (can be written)")
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["05", "--preset", "tiny"], "'tiny' is not one of 'quick', 'gallery', 'full'"),
        (["77"], "number: got '77', the course has 00, 01, 02, 03"),
        (["05", "--seed", "-1"], "-1"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, arguments, message):
    result = call("run", *arguments, "--out", str(tmp_path / "out"))
    assert result.exit_code != 0
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_an_output_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    result = call("run", "05", "--out", str(tmp_path / "file" / "out"))
    assert result.exit_code != 0
    assert "out: cannot write into" in result.output


def test_a_cache_that_cannot_be_written_is_named_before_a_kernel_starts(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", str(tmp_path / "file" / "nets"))
    monkeypatch.setattr("papermill.execute_notebook", lambda *_, **__: pytest.fail("a kernel started"))
    result = call("run", "05", "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "cache: cannot write to" in result.output
    assert "LANDSCAPE_NB_CACHE" in result.output
    assert not list((tmp_path / "out").iterdir())


def test_an_unknown_figure_is_named():
    result = call("figure", "77")
    assert result.exit_code != 0
    assert "name: got '77', the course redoes figures 1, 2" in result.output


def test_the_module_is_the_command(tmp_path):
    command = [sys.executable, "-m", "landscape_nb", "run", "99", "--out", str(tmp_path / "out")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert "number: got '99'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_doctor_names_a_variable_that_is_not_a_path(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", "s3://bucket/nets")
    result = call("doctor")
    assert result.exit_code == 1
    assert "LANDSCAPE_NB_CACHE: got 's3://bucket/nets', wants a path on this machine" in result.output


COMMANDS = [
    (["run", "99"], "number: got '99'"),
    (["run", "05", "--preset", "fast"], "Invalid value for '--preset'"),
    (["run", "05", "--seed", str(2**63)], "Invalid value for '--seed'"),
    (["run", "05", "--seed", "-1"], "Invalid value for '--seed'"),
    (["run", "05", "--seed", "1.5"], "Invalid value for '--seed'"),
    (["run", "05", "--seed", "x"], "Invalid value for '--seed'"),
    (["run"], "Missing argument 'NUMBER'"),
    (["figure", "99"], "name: got '99'"),
    (["walk"], "No such command 'walk'"),
]


@pytest.mark.parametrize(("words", "message"), COMMANDS)
def test_a_wrong_command_is_told_in_words_and_writes_nothing(words, message, tmp_path):
    out = tmp_path / "course"
    result = CliRunner().invoke(main, [*words, "--out", str(out)] if words[0] == "run" else words)
    assert result.exit_code != 0
    assert message in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not out.exists()


def test_a_file_is_not_a_place_for_notebooks(tmp_path):
    (tmp_path / "file").write_text("precious")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        result = CliRunner().invoke(main, ["run", "05", "--out", str(out)])
        assert result.exit_code == 1
        assert f"out: cannot write into {out}" in result.output
    assert (tmp_path / "file").read_text() == "precious"
