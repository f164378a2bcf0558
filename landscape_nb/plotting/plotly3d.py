"""Surfaces to turn with the mouse, and films of them: they play without a kernel."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.interpolate import RegularGridInterpolator

from landscape_nb._common.checks import check_kind, check_whole
from landscape_nb._common.drawable import Plot, Plots, by_name, check_path, check_plot
from landscape_nb._common.schema import DIMS, EPOCH, REPEAT
from landscape_nb.plotting.heights import Heights, heights_of
from landscape_nb.plotting.smooth import smooth

if TYPE_CHECKING:
    import plotly.graph_objects as go

_HEIGHT = 520
_FRAME_MS = 400
_TURN_MS = 60
_MOST_TURNS = 360
_EYE = np.array([1.25, 1.25])
"""Where plotly's camera stands, seen from above."""
_LIFT = 0.01
"""A path is drawn by this part of the height above its surface, or the surface would hide it."""


def plotly_surface(
    planes: Plots,
    variable: str = "loss",
    log: bool = True,
    top: float | None = None,
    title: str = "",
    bottom: float | None = None,
    turns: int = 0,
) -> "go.Figure":
    """Interactive surfaces in three dimensions, to turn and zoom with the mouse.

    Args:
        planes: What `evaluate_plane` returned, or one of its variables; or several, in a list or by name, which stand
            side by side on one scale. Of several draws (`repeats=`) each has its place.
        variable: What the height shows.
        log: Whether the height is logarithmic; it is linear where a value is below zero.
        top: Heights above are cut off there; default the largest finite value.
        title: Title of the figure.
        bottom: Heights below are raised to it; default the smallest finite value.
        turns: With so many pictures, at most 360, a button turns all surfaces once around; 0 means no button.

    Returns:
        A plotly figure; the label under the mouse gives the value itself.

    Raises:
        TypeError: `planes` is not made of Datasets, or another argument has the wrong type.
        ValueError: A Dataset that is not a plane, or has no such variable; ends as in `plot_surfaces`.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
        >>> plotly_surface(bowl, log=False).data[0].type
        'surface'
    """
    planes, (variable,) = by_name("planes", planes, "plane", (variable,))
    check_kind("title", title, str, "a text")
    shown = {name: plane[variable] for name, plane in planes.items()}
    heights = heights_of(shown, log, bottom, top)
    figure = _scenes(heights, shown, title)
    if check_whole("turns", turns, 0, _MOST_TURNS):
        cameras = [_layout_of_cameras(angle, len(shown)) for angle in np.linspace(0, 2 * np.pi, turns, endpoint=False)]
        frames = [{"name": str(number), "layout": cameras} for number, cameras in enumerate(cameras)]
        _play(figure, frames, "turn", _TURN_MS)
    return figure


def plotly_film(
    planes: Mapping[str, Plot],
    variable: str = "loss",
    log: bool = True,
    top: float | None = None,
    title: str = "",
    bottom: float | None = None,
) -> "go.Figure":
    """A surface that changes from plane to plane, such as a network's from epoch to epoch.

    Args:
        planes: Planes by name, in order; all over the same grid. The name stands beside the slider.
        variable: What the height shows.
        log: Whether the height is logarithmic; it is linear where a value is below zero.
        top: Heights above are cut off there; default the largest finite value of all planes.
        title: Title of the figure.
        bottom: Heights below are raised to it; default the smallest finite value.

    Returns:
        A plotly figure with a button to play it and a slider to stop it anywhere; it needs no kernel.

    Raises:
        TypeError: `planes` is not a dict of Datasets, or another argument has the wrong type.
        ValueError: A Dataset that is not a plane, has several draws, has no such variable, or lies over another grid
            than the first; ends as in `plot_surfaces`.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
        >>> [frame.name for frame in plotly_film({"epoch 1": bowl + 1, "epoch 2": bowl}).frames]
        ['epoch 1', 'epoch 2']
    """
    check_kind("planes", planes, dict, "a dict of planes by name")
    named, (variable,) = by_name("planes", planes, "plane", (variable,))
    check_kind("title", title, str, "a text")
    _check_draws(planes, variable)
    shown = {name: plane[variable].transpose(*DIMS) for name, plane in named.items()}
    _check_grids(shown)
    heights = heights_of(shown, log, bottom, top)
    first = next(iter(shown))
    figure = _scenes(heights, {first: shown[first]}, title)
    frames = [
        {"name": name, "data": [_surface(heights, name, values)], "traces": [0]} for name, values in shown.items()
    ]
    _play(figure, frames, "play", _FRAME_MS)
    return figure


def plotly_path(
    plane: Plot,
    path: xr.Dataset,
    log: bool = True,
    top: float | None = None,
    title: str = "",
    bottom: float | None = None,
) -> "go.Figure":
    """A training run on the surface of the loss, and a ball that walks along it.

    Each point stands on the surface above its projection, where the loss is that of the plane, not the run's own.

    Args:
        plane: The loss over the plane, as `evaluate_plane` returned it.
        path: What `project` or `plane_gap` returned for the two directions of the plane.
        log: Whether the height is logarithmic; it is linear where a value is below zero.
        top: Heights above are cut off there; default the largest finite value.
        title: Title of the figure.
        bottom: Heights below are raised to it; default the smallest finite value.

    Returns:
        A plotly figure with a button to play it and a slider of epochs; it needs no kernel.

    Raises:
        TypeError: `plane` or `path` is not a Dataset, or another argument has the wrong type.
        ValueError: A Dataset that is not a plane, or has several draws; a path without coordinates, or with epochs
            that are not numbers; ends as in `plot_surfaces`.

    Example:
        >>> a = np.linspace(-1, 1, 5)
        >>> bowl = xr.Dataset({"loss": (("alpha", "beta"), a[:, None] ** 2 + a**2)}, {"alpha": a, "beta": a})
        >>> path = xr.Dataset({"alpha": ("point", [1.0, 0.5, 0.0]), "beta": ("point", [1.0, 0.0, 0.0])})
        >>> len(plotly_path(bowl, path).frames)
        3

    Source: Li et al. (2018), Figure 9, in three dimensions.
    """
    check_plot("plane", plane, "plane")
    (name, values), *others = _loss_of(plane).items()
    if others:
        raise ValueError(f"plane: has {1 + len(others)} draws, wants one; take one with isel(repeat=0)")
    check_path("path", path, DIMS)
    check_kind("title", title, str, "a text")
    heights = heights_of({name: values}, log, bottom, top)
    figure = _scenes(heights, {name: values}, title)
    points = _on_surface(heights, name, values, path)
    figure.add_traces([_track(points), _walker(points[-1])])
    epochs = path[EPOCH].values if EPOCH in path.coords else np.arange(len(points))
    frames = [
        {"name": f"{epoch:.8g}", "data": [_walker(point)], "traces": [2]}
        for epoch, point in zip(epochs.tolist(), points, strict=True)
    ]
    _play(figure, frames, "play", _FRAME_MS, active=len(frames) - 1)
    return figure


def _loss_of(plane: Plot) -> dict[str, xr.DataArray]:
    draws, (variable,) = by_name("plane", plane, "plane", ("loss",))
    return {name: draw[variable].transpose(*DIMS) for name, draw in draws.items()}


def _check_draws(planes: Mapping[str, Plot], variable: str) -> None:
    for name, plane in planes.items():
        values = plane[variable] if isinstance(plane, xr.Dataset) else plane
        if values.sizes.get(REPEAT, 1) > 1:
            draws, one = values.sizes[REPEAT], f"planes[{name!r}].isel(repeat=0)"
            raise ValueError(f"planes[{name!r}]: has {draws} draws, wants one; take one with {one}")


def _check_grids(shown: Mapping[str, xr.DataArray]) -> None:
    first, *others = shown.items()
    for name, values in others:
        if not all(np.array_equal(values[dim], first[1][dim]) for dim in DIMS):
            raise ValueError(
                f"planes[{name!r}]: lies over another grid than planes[{first[0]!r}]; a film wants one grid"
            )


def _scenes(heights: Heights, shown: Mapping[str, xr.DataArray], title: str) -> "go.Figure":
    """Surfaces side by side; a text where nothing is finite."""
    import plotly.graph_objects as go

    figure = go.Figure(layout={"title": title, "height": _HEIGHT, "margin": {"l": 0, "r": 0, "t": 50, "b": 0}})
    for number, (name, values) in enumerate(shown.items()):
        scene, left, right = _scene_name(number), number / len(shown), (number + 1) / len(shown)
        figure.add_trace(_surface(heights, name, values, scene=scene, bar=number == len(shown) - 1))
        figure.update_layout({scene: _axes(heights, str(values.name)) | {"domain": {"x": [left, right], "y": [0, 1]}}})
        text = name if len(shown) > 1 else ""
        if not np.isfinite(heights.of[name]).any():
            text = f"{text}<br>no finite {values.name}".removeprefix("<br>")
        if text:
            where = {"x": (left + right) / 2, "y": 1, "xref": "paper", "yref": "paper", "yanchor": "bottom"}
            figure.add_annotation(text=text, showarrow=False, font_size=16, **where)
    return figure


def _scene_name(number: int) -> str:
    return f"scene{number + 1}" if number else "scene"


def _surface(heights: Heights, name: str, values: xr.DataArray, scene: str = "scene", bar: bool = True) -> "go.Surface":
    import plotly.graph_objects as go

    return go.Surface(
        x=values.alpha.values,
        y=values.beta.values,
        z=_short(heights.of[name].T),
        customdata=_short(values.transpose(*DIMS).values.T.astype(float)),
        colorscale="Viridis",
        cmin=heights.low,
        cmax=heights.high,
        lighting={"ambient": 0.6, "diffuse": 0.7, "specular": 0.1},
        colorbar={"title": str(values.name), "tickvals": heights.ticks, "ticktext": heights.labels},
        showscale=bar,
        scene=scene,
        hovertemplate=f"α %{{x:.2f}}<br>β %{{y:.2f}}<br>{values.name} %{{customdata:.3g}}<extra></extra>",
    )


def _short(numbers: Float[np.ndarray, "b a"]) -> Float[np.ndarray, "b a"]:
    """The numbers in float32, half as long in a notebook, unless their differences would be lost, or the largest."""
    finite = numbers[np.isfinite(numbers)]
    span = np.ptp(finite) if finite.size else 0.0
    seen = 1e-3 * span or 1e-6 * abs(finite).max(initial=0)
    with np.errstate(over="ignore"):
        short = numbers.astype(np.float32)
    return short if np.allclose(short, numbers, rtol=0, atol=seen, equal_nan=True) else numbers


def _axes(heights: Heights, variable: str) -> dict[str, Any]:
    """What the axes say and where they end.

    The axis of heights goes a little beyond its ends: plotly cuts surfaces there, and of one that lies in an end, as
    where it was cut off above, it would leave specks.
    """
    beyond = (heights.high - heights.low) / 100
    axis = {"title": variable, "tickvals": heights.ticks, "ticktext": heights.labels}
    axis |= {"range": [heights.low - beyond, heights.high + beyond]}
    return {"xaxis_title": "α", "yaxis_title": "β", "zaxis": axis, "aspectratio": {"x": 1, "y": 1, "z": 0.8}}


def _layout_of_cameras(angle: float, scenes: int) -> dict[str, Any]:
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ _EYE
    eye = dict(zip("xyz", (*turned.tolist(), 1.0), strict=True))
    return {_scene_name(number): {"camera": {"eye": eye}} for number in range(scenes)}


def _on_surface(
    heights: Heights, name: str, values: xr.DataArray, path: xr.Dataset
) -> Float[np.ndarray, "points three"]:
    """The points of a path a little above their surface; NaN outside the plane."""
    fine, above = smooth((values.alpha.values, values.beta.values), heights.of[name], cells=100)
    surface = RegularGridInterpolator(fine, above, bounds_error=False)
    flat = np.stack([path[dim].values for dim in DIMS], -1)
    lifted = surface(flat) + _LIFT * (heights.high - heights.low)
    return np.concatenate([flat, lifted[:, None]], 1)


def _track(points: Float[np.ndarray, "points three"]) -> "go.Scatter3d":
    import plotly.graph_objects as go

    coordinates = dict(zip("xyz", _short(points.T), strict=True))
    style = {"line": {"color": "black", "width": 5}, "marker": {"color": "black", "size": 3}}
    return go.Scatter3d(**coordinates, mode="lines+markers", showlegend=False, hoverinfo="skip", **style)


def _walker(point: Float[np.ndarray, "three"]) -> "go.Scatter3d":
    """The ball that walks along a path: frames that hold it alone keep a long run's figure small."""
    import plotly.graph_objects as go

    x, y, z = point[:, None].tolist()
    style = {"color": "#d62728", "size": 9, "line": {"color": "white", "width": 1}}
    return go.Scatter3d(x=x, y=y, z=z, mode="markers", showlegend=False, hoverinfo="skip", marker=style)


def _play(figure: "go.Figure", frames: Sequence[dict[str, Any]], word: str, pause: int, active: int = 0) -> None:
    """Frames with a button that plays them, one that stops, and a slider."""
    figure.frames = frames
    timing = {"frame": {"duration": pause, "redraw": True}, "fromcurrent": True, "transition": {"duration": 0}}
    still = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate", "transition": {"duration": 0}}
    buttons = [
        {"label": f"▶ {word}", "method": "animate", "args": [None, timing]},
        {"label": "❚❚ stop", "method": "animate", "args": [[None], still]},
    ]
    place = {"type": "buttons", "direction": "left", "x": 0.02, "y": 0, "xanchor": "left", "yanchor": "bottom"}
    figure.update_layout(updatemenus=[place | {"buttons": buttons, "showactive": False}])
    if word == "play":
        steps = [{"label": f["name"], "method": "animate", "args": [[f["name"]], still]} for f in frames]
        figure.update_layout(sliders=[{"steps": steps, "active": active, "x": 0.2, "len": 0.75, "y": 0}], margin_b=110)
