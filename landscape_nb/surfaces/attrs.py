"""What determines the values on a line or a plane, as the `attrs` of their Dataset say it."""

import json
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from landscape_nb._common.compat import AnyBatchNorm
from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.weakly import weakly_cached
from landscape_nb.objective.objective import Objective
from landscape_nb.weights.directions import cosines
from landscape_nb.weights.normalization import relative_steps
from landscape_nb.weights.params import Params, norm


@weakly_cached
def origin_values(objective: Objective) -> dict[str, float]:
    """What an objective gives at its origin, measured once."""
    return objective.measure()


def describe_around(
    objective: Objective, axes: Sequence[Float[np.ndarray, "_"]], origin: Params, draws: Sequence[Sequence[Params]]
) -> dict:
    """What determines the values on a line or plane, as a Dataset's `attrs` say it."""
    made = [getattr(direction, "made", {}) for direction in draws[0]]
    return describe(objective, "line" if len(axes) == 1 else "plane", axes, dict(origin), draws) | {
        "normalization": _common(m.get("normalization", "unknown") for m in made),
        "seed": _common(m.get("seed", "none") for m in made),
        "directions": json.dumps(made),
        "relative_steps": _relative_steps(draws[0], origin),
        "direction_norms": [norm(direction) for direction in draws[0]],
        "direction_cosine": _cosine(draws[0]),
        "origin_loss": (origin_values(objective) if origin is objective.origin else objective(origin))["loss"],
    }


def _relative_steps(directions: Sequence[Params], origin: Params) -> list[float]:
    """The shortest and longest relative step of directions that are filter- or layer-normalized; else nothing."""
    methods = [getattr(direction, "made", {}).get("normalization") for direction in directions]
    if not set(methods) <= {"filter", "layer"}:
        return []
    steps = [relative_steps(d, origin, str(method)) for d, method in zip(directions, methods, strict=True)]
    return [min(low for low, _ in steps), max(high for _, high in steps)]


def _cosine(directions: Sequence[Params]) -> list[float]:
    """The cosine of the angle between two directions; nothing for a line, or where one is zero."""
    return [float(c) for c in cosines(directions)[0, 1:] if np.isfinite(c)]


def describe(objective: Objective, kind: str, axes: Sequence[Float[np.ndarray, "_"]], *geometry: object) -> dict:
    """What determines the values: the objective, the grid, and the points and directions it lies on."""
    return {
        "kind": kind,
        "extent": [float(end) for axis in axes for end in (axis[0], axis[-1])],
        "resolution": list(map(len, axes)),
        "samples": objective.samples,
        "reduction": objective.reductions["loss"],
        "metric_reductions": [objective.reductions[name] for name in objective.evaluator.measures if name != "loss"],
        "batch_norm": objective.batch_norm,
        "draws": objective.draws,
        "remarks": "; ".join(objective.remarks),
        "batch_norm_layers": sum(isinstance(module, AnyBatchNorm) for module in objective.model.modules()),
        "objective": objective.fingerprint,
        "geometry": fingerprint(*geometry),
    }


def _common(values: Iterable) -> object:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else ", ".join(map(str, distinct))
