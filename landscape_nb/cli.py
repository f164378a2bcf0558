"""The command `landscape-nb`: list the notebooks, run them, look at the machine."""

import os
import platform
from pathlib import Path

import click

from landscape_nb.course.notebooks import NOTEBOOKS, find_notebook
from landscape_nb.course.presets import PRESETS

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
@click.option(
    "--out", type=click.Path(path_type=Path), default="build/course", show_default=True, help="Where to write."
)
@click.option("--seed", type=click.IntRange(0, _MOST_SEED), default=0, show_default=True, help="Seed of the networks.")
def run(number: str, preset: str, out: Path, seed: int) -> None:
    """Run the notebook with this NUMBER, or `all` of them; write notebooks, pages, figures and an index."""
    from papermill.exceptions import PapermillExecutionError

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
def figure(name: str) -> None:
    """Tell what the paper's figure NAME shows, which notebook redoes it, and what came of it."""
    from landscape_nb.course.paper_figures import find_figure

    try:
        found = find_figure(name)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{found.name}, redone in notebook {found.notebook}: landscape-nb run {found.notebook}")
    click.echo(f"  paper:   {found.paper}\n  here:    {found.ours}\n  verdict: {found.verdict}")
    if found.why:
        click.echo(f"  why:     {found.why}")


@main.command()
def doctor() -> None:
    """Tell versions, threads, memory, and which data are found."""
    import psutil
    import torch

    from landscape_nb._common.provenance import versions
    from landscape_nb.datasets import LOADERS, data_directory, find_files
    from landscape_nb.trajectories.run_files import cache_directory

    try:
        places = {"data directory": data_directory(), "trained networks": cache_directory()}
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
    rows |= places | {f"data: {name}": find_files(name) or "not here; downloaded when asked for" for name in LOADERS}
    for name, value in rows.items():
        click.echo(f"{name:22} {value}")


if __name__ == "__main__":
    main(prog_name="landscape-nb")
