"""Write docs/api.md: every public name, by task, with how it is called, its first sentence and its example.

Usage: python docs/build_api.py
"""

import ast
import inspect
import textwrap
from dataclasses import is_dataclass
from itertools import pairwise
from pathlib import Path

import landscape_nb as lnb
from landscape_nb._common import schema
from landscape_nb.models import residual
from landscape_nb.weights import params

PAGE = Path(__file__).parent / "api.md"
_HEAD = """# Public names

By task. Made from the docstrings, which also give shapes, errors and sources: `help(lnb.evaluate_plane)`.
`import landscape_nb as lnb`; the names below are in `lnb`, those of a module in `lnb.<module>`. Examples name them as
after `from landscape_nb import …`; `nn` is `torch.nn`, and `F` is `torch.nn.functional`.
"""
_MODULES = {
    "plotting": "Drawing",
    "models": "The paper's networks",
    "datasets": "Data",
    "exercises": "Exercises of the course",
}
TASKS = {
    "Measure a loss": "Objective accuracy",
    "Move in weight space": "Params Direction parameters_of random_directions normalize_direction orthogonalized "
    "towards move add scale dot norm cosines relative_steps dead_filters rescale_relu rescale_batch_norm match_neurons",
    "Lines, planes and paths": "evaluate_line evaluate_plane progressive_plane interpolate",
    "Is the plot right?": "diagnose Diagnosis Finding local_minima roughness nonconvex_fraction plane_curvatures",
    "Curvature": "extreme_eigenvalues Extremes curvature_map curvature_along spectral_density hessian_operator "
    "hessian_vector_product",
    "Train, or bring a run of your own": "train Trajectory Recorder checkpoints load_authors_checkpoint",
    "Look at a run": "pca_directions PCA project plane_gap shared_plane extent_of step_cosines random_walk_ratios "
    "random_walk_variance_ratio",
    "In a notebook": "show show_interactive explore claim predict predictions choose_preset",
    "The paper's figures and what they show": "paper_figure shipped_planes gallery_result gallery_network",
}
"""Names of `lnb` by what they are for."""
DATA = {"Params": params, "plotting.PAPER_LEVELS": schema, "models.RESNET_DEPTHS": residual}
"""Public names of things without a docstring, and the modules where a text stands below their definition."""


def public_names():
    """Every public function and class, with the name by which it is called."""
    for name in lnb.__all__:
        thing = getattr(lnb, name)
        if callable(thing) and inspect.getdoc(thing) and not inspect.ismodule(thing):
            yield name, thing
    for module in _MODULES:
        names = vars(getattr(lnb, module))
        for name, thing in names.items():
            own = getattr(thing, "__module__", "").startswith(f"landscape_nb.{module}")
            public = callable(thing) or f"{module}.{name}" in DATA
            if public and name in names.get("__all__", [name] * own) and not name.startswith("_"):
                yield f"{module}.{name}", thing


def by_task():
    """Every task with its public names, each with the thing it names.

    Raises:
        ValueError: A name has no task, or a task has a name that is not public.
    """
    public = dict(public_names())
    tasks = {task: names.split() for task, names in TASKS.items()}
    tasks |= {
        f"{title}: `lnb.{module}`": [name for name in public if name.startswith(f"{module}.")]
        for module, title in _MODULES.items()
    }
    named = [name for names in tasks.values() for name in names]
    if sorted(named) != sorted(public):
        raise ValueError(f"TASKS: {sorted(set(named) ^ set(public))} have no task, or are not public")
    return {task: [(name, public[name]) for name in names] for task, names in tasks.items()}


def call(name, thing):
    """How a function is called, with its defaults."""
    signature, none = inspect.signature(thing), inspect.Parameter.empty
    shown = [
        p.replace(annotation=none, default=none if p.default is none else Written(p.default))
        for p in signature.parameters.values()
    ]
    return f"{name}{inspect.Signature(shown)}"


class Written:
    """A value as it would be written in a call: a function by its name."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return getattr(self.value, "__name__", repr(self.value))


def docstring(name, thing):
    """What is said of a public name; data and type aliases have only the text below their definition."""
    if name not in DATA:
        return inspect.getdoc(thing)
    body = ast.parse(inspect.getsource(DATA[name])).body
    defined = f"{name.split('.')[-1]} = "
    (below,) = (after for line, after in pairwise(body) if ast.unparse(line).startswith(defined))
    return inspect.cleandoc(below.value.value)


def entry(name, thing):
    """The page's lines on one name."""
    text = docstring(name, thing)
    lines = [f"### `{name}`", "", text.splitlines()[0], ""]
    if inspect.isfunction(thing) or (inspect.isclass(thing) and not is_dataclass(thing) and "Args:\n" in text):
        lines += ["```text", call(name, thing), "```", ""]  # not Python for ruff, which would break long lines
    if "Example:\n" in text:
        example = text.split("Example:\n")[1].split("\n\n")[0]
        lines += ["```python", textwrap.dedent(example).replace("  # doctest: +SKIP", "").rstrip(), "```", ""]
    return "\n".join(lines)


def page():
    """The whole page."""
    parts = [_HEAD]
    for task, names in by_task().items():
        parts += [f"## {task}\n", *(entry(name, thing) for name, thing in names)]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
