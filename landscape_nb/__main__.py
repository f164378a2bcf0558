"""The command `landscape-nb`: list the notebooks, run them, look at the machine."""

import os
import platform
from pathlib import Path

import click

from landscape_nb.course.notebooks import NOTEBOOKS, find_notebook
from landscape_nb.course.presets import PRESETS

FORMATS = ("html", "vtk", "csv", "npz", "nc", "h5")
_OUT = "build/course"
_MOST_SEED = 2**63 - 1
"""What torch's and NumPy's generators both take, with a few more for a notebook's repeats."""


@click.group()
@click.version_option(package_name="landscape-nb")
def main() -> None:
    """Loss landscapes of neural networks: a course to run, and its notebooks' results."""


@main.command("list")
def list_notebooks() -> None:
    """List the notebooks of the course."""
    for notebook in NOTEBOOKS:
        click.echo(f"{notebook.number}  {notebook.title}  ({notebook.paper})")


@main.command()
@click.argument("number")
@click.option("--preset", type=click.Choice(PRESETS), default="quick", show_default=True, help="What to run.")
@click.option("--out", type=click.Path(path_type=Path), default=_OUT, show_default=True, help="Where to write.")
@click.option("--seed", type=click.IntRange(0, _MOST_SEED), default=0, show_default=True, help="Seed of the networks.")
def run(number: str, preset: str, out: Path, seed: int) -> None:
    """Run the notebook with this NUMBER, or `all` of them; write notebooks, pages, figures and an index."""
    try:
        from papermill.exceptions import PapermillExecutionError
    except ImportError as error:
        raise click.ClickException("running notebooks needs: python -m pip install 'landscape-nb[course]'") from error

    from landscape_nb.course.claims_table import with_shipped, write_claims
    from landscape_nb.course.runner import make_writable, run_notebook, write_index

    reports = []
    try:
        chosen = NOTEBOOKS if number == "all" else [find_notebook(number)]
        make_writable(out)
        for notebook in chosen:
            click.echo(f"{notebook.number}  {notebook.title}")
            reports.append(run_notebook(notebook, out, preset, seed))
            click.echo(f"    {reports[-1].seconds:.0f} s, {reports[-1].peak_memory / 1e6:.0f} MB at most")
    except (ValueError, OSError, RuntimeError, PapermillExecutionError) as error:
        raise click.ClickException(str(error)) from error
    write_claims(with_shipped(claim for report in reports for claim in report.claims), out)
    click.echo(f"Open {write_index(reports, out)}")


@main.command()
@click.argument("name")
@click.option("--preset", type=click.Choice(PRESETS), default="gallery", show_default=True, help="At which scale.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to draw into; default figure-NAME.png.")
@click.option("--device", help="Where to compute; default a GPU if there is one.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), help="When to stop computing; then what is there is drawn."
)
def figure(name: str, preset: str, out: Path | None, device: str | None, seconds: float | None) -> None:
    """Draw the paper's figure NAME (1 to 9, or one of the appendix) and tell what came of it; or `list` them all."""
    from landscape_nb.course.fidelity import STATEMENTS, outcome
    from landscape_nb.course.paper_figures import FIGURES, checked_file, costs_of, find_figure, paper_figure
    from landscape_nb.gallery.shown import Shown, scales_of

    if name == "list":
        for each in FIGURES:
            click.echo(f"{each.name}: landscape-nb figure {each.key}")
            click.echo(f"  in notebook {each.notebook}, under {each.section!r}")
            click.echo(f"  paper: {each.paper}")
            click.echo(f"  takes: {costs_of(each)}")
        return
    try:
        found = find_figure(name)
        out = checked_file(Path(f"figure-{found.key}.png") if out is None else out)
        paper_figure(found.key, preset, device, seconds).savefig(out)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{found.name}, redone in notebook {found.notebook}: landscape-nb run {found.notebook}")
    click.echo(f"  paper: {found.paper}")
    results = Shown(scales_of(preset))
    for statement in STATEMENTS:
        if statement.figure.startswith(found.name):
            click.echo(f"  {outcome(statement, results).verdict}: {statement.says}")
    click.echo(f"Drawn into {out}")


@main.group()
def gallery() -> None:
    """Results at the paper's scale: what there is, and computing what is missing."""


@gallery.command("list")
@click.option("--out", type=click.Path(path_type=Path), help="The directory of results; default the user's.")
def list_jobs(out: Path | None) -> None:
    """List all jobs, the first to be computed first, with what is done of each."""
    from landscape_nb.gallery.jobs import JOBS
    from landscape_nb.gallery.results import read

    if out is not None and not out.is_dir():
        raise click.ClickException(f"out: got {out}, which is not a directory")
    for job in JOBS.values():
        try:
            there = [product for product in job.products if read(job, product, out) is not None]
        except ValueError as error:
            raise click.ClickException(str(error)) from error
        done = f"{len(there)} of {len(job.products)}"
        epochs = f", {job.training.epochs} epochs" if job.training else ""
        click.echo(f"{job.name:32} {done}  {job.title}{epochs}")


@gallery.command("build")
@click.argument("jobs", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), help="The directory of results; default the user's.")
@click.option("--device", help="Where to compute; default a GPU if there is one.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="When to stop; a later build goes on.")
@click.option("--jobs", "at_once", type=click.IntRange(1), default=1, show_default=True, help="Jobs at once.")
def build_jobs(
    jobs: tuple[str, ...], out: Path | None, device: str | None, seconds: float | None, at_once: int
) -> None:
    """Compute what is missing of JOBS; default all that this machine is for. It may be killed, and goes on later."""
    from landscape_nb.gallery.build import build

    try:
        written = build(jobs, out, device, seconds, at_once, click.echo)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    for path in written:
        click.echo(path)


@main.command("export")
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(FORMATS), help="The format; default what --out ends with, or html.")
@click.option("--out", type=click.Path(path_type=Path), help="The file; default the store's name beside it.")
def export_store(store: Path, to: str | None, out: Path | None) -> None:
    """Write what a STORE holds (a directory that was given as `store=`) into a file for other programs."""
    from landscape_nb.course.export import export

    try:
        click.echo(export(store, to, out))
    except (ValueError, OSError, ImportError) as error:
        raise click.ClickException(str(error)) from error


def _with_remedy(folder: Path, remedy: str) -> str:
    """A directory, and whether files can be written there; if not, what to do."""
    from landscape_nb._common.paths import why_unwritable

    why = why_unwritable(folder)
    return f"{folder} (cannot be written: {why}; {remedy} to name another)" if why else f"{folder} (can be written)"


@main.command()
def doctor() -> None:
    """Tell versions, threads, memory, which data are found, and whether directories can be written."""
    import psutil
    import torch

    from landscape_nb._common.provenance import versions
    from landscape_nb.datasets import LOADERS, data_directory, find_files
    from landscape_nb.trajectories.run_files import cache_directory

    try:
        folders = {
            "data directory": _with_remedy(data_directory(), "set LANDSCAPE_NB_DATA"),
            "trained networks": _with_remedy(cache_directory(), "set LANDSCAPE_NB_CACHE"),
            "output": _with_remedy(Path(_OUT).absolute(), "run with --out"),
        }
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    memory = psutil.virtual_memory()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    rows = {
        "versions": versions(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} cores",
        "memory": f"{memory.available / 1e9:.1f} GB free of {memory.total / 1e9:.1f} GB",
        "GPU": device,
    }
    rows |= folders | {f"data: {name}": find_files(name) or "not here; downloaded when asked for" for name in LOADERS}
    for name, value in rows.items():
        click.echo(f"{name:22} {value}")


if __name__ == "__main__":
    main(prog_name="landscape-nb")
