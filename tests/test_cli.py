"""The command: what it prints, and what it refuses before it has done anything."""

import re
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner
from conftest import ROOT

from landscape_nb.cli import main
from landscape_nb.course.notebooks import NOTEBOOKS, choose_preset


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


def test_presets():
    assert choose_preset("full", quick={"n": 1}, full={"n": 2}).n == 2
    with pytest.raises(ValueError, match="PRESET: got 'tiny', wants one of 'quick', 'gallery', 'full'"):
        choose_preset("tiny", quick={})
    with pytest.raises(ValueError, match="PRESET: got 'full', this notebook has 'quick'"):
        choose_preset("full", quick={})


def test_the_gallery_says_what_is_not_shipped(capsys):
    assert choose_preset("gallery", quick={"n": 1}).n == 1
    assert "No paper-scale result is shipped for this notebook yet" in capsys.readouterr().out
    assert choose_preset("gallery", quick={"n": 1}, gallery={"n": 3}).n == 3
    assert "What is shipped at the paper's scale has a section of its own" in capsys.readouterr().out


def test_binder_has_every_package_that_the_project_needs():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    listed = (ROOT / "binder" / "environment.yml").read_text().replace("pytorch", "torch")
    for requirement in needed:
        assert f"- {re.split('[>=<]', requirement)[0]}" in listed


def test_a_figure_of_the_paper_tells_its_notebook_and_verdict():
    result = call("figure", "7")
    assert "Figure 7, redone in notebook 08" in result.output
    assert "verdict: " in result.output
    result = call("figure", "77")
    assert result.exit_code != 0
    assert "name: got '77', the course redoes Figure 1" in result.output


def test_the_module_is_the_command(tmp_path):
    command = [sys.executable, "-m", "landscape_nb.cli", "run", "99", "--out", str(tmp_path / "out")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert "number: got '99'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_doctor_names_a_variable_that_is_no_path(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_CACHE", "s3://bucket/nets")
    result = call("doctor")
    assert result.exit_code == 1
    assert "LANDSCAPE_NB_CACHE: got 's3://bucket/nets', wants a path on this machine" in result.output
