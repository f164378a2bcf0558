"""The control of an argument: which widget it is, and which values that can take."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from landscape_nb.course.players import Control, as_texts

if TYPE_CHECKING:
    import ipywidgets

_STYLE = {"description_width": "9em"}
_WIDE = {"width": "min(100%, 45em)"}
_ROUNDING = 1e-9
_MOST_VALUES = 10_000
"""Values of a slider that are told one by one; with millions, each move would take seconds."""


def make_control(name: str, spec: Any, default: Any) -> "ipywidgets.Widget":
    """The widget for an argument, as `explore` describes it.

    Raises:
        TypeError: There is none for this.
        ValueError: A range is empty or its step is not above 0, or the argument's default is not among the values.

    Example:
        >>> make_control("power", (1, 3), 2).value
        2
    """
    import ipywidgets as widgets

    label = {"description": name.replace("_", " "), "style": _STYLE}
    if isinstance(spec, widgets.Widget) and spec.has_trait("value"):
        return spec
    if isinstance(spec, bool):
        if not (default is None or isinstance(default, bool)):
            raise ValueError(f"{name}: draw's default {default!r} is neither True nor False")
        return widgets.Checkbox(spec if default is None else default, **label)
    if isinstance(spec, list) and spec:
        first = _first_of(name, spec, default)
        if all(map(_is_number, spec)):
            return _with_tip(widgets.SelectionSlider(options=spec, value=first, layout=_WIDE, **label), name)
        return widgets.ToggleButtons(options=[(str(value), value) for value in spec], value=first, **label)
    if isinstance(spec, tuple) and len(spec) in (2, 3) and all(map(_is_number, spec)):
        return _with_tip(_range_slider(name, spec, default, label), name)
    raise TypeError(
        f"{name}: got {spec!r}, wants (low, high), (low, high, step), a bool, a list or a widget with a value"
    )


def _first_of(name: str, spec: list, default: Any) -> Any:
    """The choice that is shown first."""
    if bad := [value for value in spec if value is not None and not _is_comparable(value)]:
        raise ValueError(f"{name}: {bad[0]!r} does not equal itself, so that it cannot be chosen")
    if default is not None and not any(value is default or value == default for value in spec):
        raise ValueError(f"{name}: draw's default {default!r} is not one of {spec!r}")
    return spec[0] if default is None else default


def _is_comparable(value: Any) -> bool:
    """Whether a value equals itself, and says so in one word: NaN and arrays do not."""
    same = value == value
    return isinstance(same, bool | np.bool_) and bool(same)


def _range_slider(name: str, spec: tuple, default: Any, label: dict[str, Any]) -> "ipywidgets.Widget":
    import ipywidgets as widgets

    whole = all(isinstance(number, Integral) for number in spec)
    low, high, *step = map(int if whole else float, spec)
    if not (low < high and np.isfinite([low, high]).all()):
        raise ValueError(f"{name}: got {spec!r}, wants a low end below the high end")
    if step and not 0 < step[0] < np.inf:
        raise ValueError(f"{name}: got {spec!r}, wants a step above 0")
    if default is not None and not (_is_number(default) and low <= default <= high):
        raise ValueError(f"{name}: draw's default {default!r} is not a number from {low} to {high}")
    if whole and default is not None and default != int(default):
        raise ValueError(f"{name}: draw's default {default!r} is not whole, as {spec!r} is; write {float(low)!r}")
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    step = step[0] if step else 1 if whole else (high - low) / 20
    if (high - low) / step > _MOST_VALUES:
        raise ValueError(f"{name}: got {spec!r}, wants {_MOST_VALUES:,} values or fewer; give a step")
    return kind(low if default is None else default, min=low, max=high, step=step, layout=_WIDE, **label)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _with_tip(slider: "ipywidgets.Widget", name: str) -> "ipywidgets.Widget":
    """The slider with a tooltip, which ipywidgets 7 and 8 call by different names."""
    trait = "tooltip" if slider.has_trait("tooltip") else "description_tooltip"
    slider.set_trait(trait, f"{name}: drag, or click and press the arrow keys")
    return slider


def values_of(control: Any) -> Sequence[Any]:
    """Every value that a control can take, in its order; of one that takes what is typed, a pair, or several, its own.

    Example:
        >>> values_of(make_control("power", (1, 3), None))
        [1, 2, 3]
    """
    import ipywidgets as widgets

    if options := _options(control):
        return [value for _, value in options]
    if isinstance(control.value, bool):
        return [False, True]
    ends: list[Any] = [getattr(control, end, None) for end in ("min", "max", "step")]
    if not all(map(_is_number, (control.value, *ends))) or ends[2] <= 0 or (ends[1] - ends[0]) / ends[2] > _MOST_VALUES:
        return [control.value]
    steps = _steps(*ends)
    return [control.base**step for step in steps] if isinstance(control, widgets.FloatLogSlider) else steps


def _options(control: Any) -> list[tuple[str, Any]]:
    """The labels and values of a widget that has one of several; empty for any other."""
    options = getattr(control, "options", ())
    if not options or not isinstance(getattr(control, "index", ()), int | None):
        return []
    if isinstance(options, Mapping):
        found = list(options.items())
    elif all(isinstance(option, list | tuple) and len(option) == 2 for option in options):  # ipywidgets' own rule
        found = [(str(label), value) for label, value in options]
    else:
        found = list(zip(as_texts(options), options, strict=True))
    chosen = control.index is not None or any(value is None for _, value in found)
    return found if chosen else []


def _steps(low: float, high: float, step: float) -> list[Any]:
    """From the low end in steps; the high end belongs to them, even where no step leads there, as for a slider."""
    count = int(np.floor((high - low) / step + _ROUNDING))
    steps = [low + step * number for number in range(count + 1)]
    return [*steps[:-1], high] if high - steps[-1] <= _ROUNDING * step else [*steps, high]


def place_of(widget: Any) -> int:
    """Which of its values a control has, or the nearest.

    Example:
        >>> place_of(make_control("power", (1, 3), 2))
        1
    """
    if options := _options(widget):
        return next(k for k, (_, value) in enumerate(options) if k == widget.index or value is widget.value is None)
    values, now = values_of(widget), widget.value
    return int(np.argmin(np.abs(np.subtract(values, now)))) if _is_number(now) else list(values).index(now)


def described(name: str, widget: Any) -> Control:
    """What a player needs to know of a widget.

    Example:
        >>> described("power", make_control("power", (1, 3), 2)).kind
        'slider'
    """
    import ipywidgets as widgets

    values, options = list(values_of(widget)), _options(widget)
    if options:
        kind = "slider" if isinstance(widget, widgets.SelectionSlider) else "choice"
    elif isinstance(widget.value, bool):
        kind = "checkbox"
    else:
        kind = "slider" if len(values) > 1 else "fixed"
    label = getattr(widget, "description", "") or name.replace("_", " ")
    return Control(name, label, kind, values, place_of(widget), [label for label, _ in options])
