"""The control of an argument: which widget it is, and which values that can take."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from landscape_nb.course.players import Control

if TYPE_CHECKING:
    import ipywidgets

_STYLE = {"description_width": "9em"}
_WIDE = {"width": "min(100%, 45em)"}


def make_control(name: str, spec: Any, default: Any) -> "ipywidgets.Widget":
    """The widget for an argument, as `explore` describes it.

    Raises:
        TypeError: There is none for this.

    Example:
        >>> make_control("power", (1, 3), 2).value
        2
    """
    import ipywidgets as widgets

    label = {"description": name.replace("_", " "), "style": _STYLE}
    if isinstance(spec, widgets.Widget):
        return spec
    if isinstance(spec, bool):
        return widgets.Checkbox(spec if default is None else default, **label)
    if isinstance(spec, list) and spec:
        first = spec[0] if default is None else default
        if all(isinstance(value, int | float) for value in spec):
            return _with_tip(widgets.SelectionSlider(options=spec, value=first, layout=_WIDE, **label), name)
        return widgets.ToggleButtons(options=spec, value=first, **label)
    if isinstance(spec, tuple) and len(spec) in (2, 3) and all(isinstance(v, int | float) for v in spec):
        whole = all(isinstance(value, int) for value in spec)
        low, high, *step = spec
        kind = widgets.IntSlider if whole else widgets.FloatSlider
        step = step[0] if step else 1 if whole else (high - low) / 20
        first = low if default is None else default
        return _with_tip(kind(first, min=low, max=high, step=step, layout=_WIDE, **label), name)
    raise TypeError(
        f"{name}: got {spec!r}, wants (low, high), (low, high, step), a bool, a list of choices or a widget"
    )


def _with_tip(slider: "ipywidgets.Widget", name: str) -> "ipywidgets.Widget":
    """The slider with a tooltip, which ipywidgets 7 and 8 call by different names."""
    trait = "tooltip" if slider.has_trait("tooltip") else "description_tooltip"
    slider.set_trait(trait, f"{name}: drag, or click and press the arrow keys")
    return slider


def values_of(control: Any) -> Sequence[Any]:
    """Every value that a control can take.

    Example:
        >>> values_of(make_control("power", (1, 3), None))
        [1, 2, 3]
    """
    import ipywidgets as widgets

    if hasattr(control, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    if isinstance(control, widgets.Checkbox):
        return [False, True]
    if isinstance(control, widgets.IntSlider | widgets.Play):
        return list(chain(range(control.min, control.max, control.step), [control.max]))
    steps = np.arange(control.min, control.max, control.step)
    return [*map(float, steps), control.max]


def place_of(widget: Any) -> int:
    """Which of its values a control has, or the nearest.

    Example:
        >>> place_of(make_control("power", (1, 3), 2))
        1
    """
    values, now = list(values_of(widget)), widget.value
    return int(np.argmin(np.abs(np.subtract(values, now)))) if type(now) in (int, float) else values.index(now)


def described(name: str, widget: Any) -> Control:
    """What a player needs to know of a widget.

    Example:
        >>> described("power", make_control("power", (1, 3), 2)).kind
        'slider'
    """
    import ipywidgets as widgets

    values = list(values_of(widget))
    if isinstance(widget, widgets.Checkbox):
        kind = "checkbox"
    elif isinstance(widget, widgets.SelectionSlider) or not hasattr(widget, "options"):
        kind = "slider"
    else:
        kind = "choice"
    return Control(name, widget.description or name.replace("_", " "), kind, values, place_of(widget))
