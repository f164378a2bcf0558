"""Every figure of the paper has a notebook, is drawn from what there is, and says what there is not."""

import matplotlib.pyplot as plt
import nbformat
import pytest
from click.testing import CliRunner

import landscape_nb as lnb
from landscape_nb.__main__ import main
from landscape_nb.course.notebooks import NOTEBOOKS, find_notebook, notebooks_directory
from landscape_nb.course.paper_figures import FIGURES, find_figure, jobs_of, paper_figure


@pytest.fixture(autouse=True)
def _shipped_only(monkeypatch, tmp_path):
    monkeypatch.setenv("LANDSCAPE_NB_GALLERY", str(tmp_path / "gallery"))


def texts(figure):
    artists = [figure.get_supxlabel(), *(text.get_text() for axes in figure.axes for text in axes.texts)]
    return " ".join([*artists, *(axes.get_title() for axes in figure.axes)])


def test_the_papers_figures_have_a_notebook():
    numbers = {notebook.number for notebook in NOTEBOOKS}
    assert [figure.key for figure in FIGURES[:9]] == [str(n) for n in range(1, 10)]
    assert {figure.notebook for figure in FIGURES} <= numbers
    assert len({figure.key for figure in FIGURES}) == len(FIGURES)


@pytest.mark.parametrize("key", [figure.key for figure in FIGURES])
def test_a_figure_is_drawn_from_what_is_shipped(key):
    figure = paper_figure(key)
    caption = figure.get_supxlabel().replace("\n", " ")
    assert caption.startswith(find_figure(key).name)
    panels = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    missing = "Not computed yet: " in caption
    assert missing if "not computed yet" in panels else not missing or key == "4"  # another network stands in there
    plt.close(figure)


def test_the_caption_says_networks_data_and_what_is_missing():
    caption = paper_figure(5).get_supxlabel().replace("\n", " ")
    for part in ("trained and released by the paper's authors", "unchanged", "Not computed yet: ", "ResNet-110"):
        assert part in caption


def test_what_a_figure_asks_for_is_what_is_built_for_it():
    names = [job.name for job in jobs_of(find_figure("2"), "full")]
    assert set(names) == {
        f"gpu-vgg9-{part}-{decay}" for part in ("sgd-small", "sgd-large", "between") for decay in ("decay", "no-decay")
    }
    assert all(name.index("between") > 0 for name in names[4:])
    assert {job.name for job in jobs_of(find_figure("1"), "quick")} == {
        "quick-resnet56-plain",
        "quick-resnet56-shortcuts",
    }


def test_a_quick_figure_is_computed_here(monkeypatch):
    built = []
    monkeypatch.setattr("landscape_nb.course.paper_figures.build", lambda names, **how: built.extend(names))
    lnb.paper_figure("4", "quick")
    assert built == ["quick-densenet"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("10",), "name: got '10', the course redoes figures 1, 2, 3"),
        ((None,), "name: got 'None'"),
        (("1", "tiny"), "preset: got 'tiny', wants one of 'quick', 'gallery', 'full'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        paper_figure(*arguments)


def test_the_command_draws_a_figure_and_tells_verdicts(tmp_path):
    out = tmp_path / "f1.png"
    result = CliRunner().invoke(main, ["figure", "1", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "Figure 1, redone in notebook 00" in result.output
    assert "matched: The surface of ResNet-56 is ragged without shortcuts" in result.output
    assert out.stat().st_size > 10_000
    listed = CliRunner().invoke(main, ["figure", "list"]).output
    assert all(f"landscape-nb figure {figure.key}" in listed for figure in FIGURES)
    assert listed.count("takes: gallery seconds; quick ") == len(FIGURES)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.key)
def test_the_section_that_redoes_a_figure_is_in_its_notebook(figure):
    notebook = find_notebook(figure.notebook)
    cells = nbformat.read(notebooks_directory() / f"{notebook.name}.ipynb", 4).cells
    headings = {line.lstrip("# ") for cell in cells for line in cell.source.splitlines() if line.startswith("## ")}
    assert figure.section in headings


def test_a_figure_without_a_directory_to_go_to_is_refused_before_it_is_computed(tmp_path):
    result = CliRunner().invoke(main, ["figure", "1", "--preset", "quick", "--out", str(tmp_path / "no" / "f.png")])
    assert result.exit_code == 1
    assert "which is in a directory that is not there" in result.output
    result = CliRunner().invoke(main, ["figure", "1", "--out", str(tmp_path)])
    assert (result.exit_code, "which is a directory" in result.output) == (1, True)


def test_the_gallery_lists_all_jobs(tmp_path):
    lines = CliRunner().invoke(main, ["gallery", "list"]).output.splitlines()
    assert next(line for line in lines if line.startswith("authors-resnet56-plain")).split()[2:4] == ["of", "8"]
    assert any("gpu-resnet110-plain" in line and " 0 of 3" in line for line in lines)


def test_a_list_of_a_directory_that_is_not_there_is_refused(tmp_path):
    result = CliRunner().invoke(main, ["gallery", "list", "--out", str(tmp_path / "no")])
    assert (result.exit_code, "which is not a directory" in result.output) == (1, True)


def test_the_gallery_names_an_unknown_job(tmp_path):
    result = CliRunner().invoke(main, ["gallery", "build", "resnet", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "job: got 'resnet'" in result.output
    assert not (tmp_path / "out").exists()
