"""Sliders around a pure function that draws."""

import asyncio
import base64
import gc
import html
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from inspect import Parameter
from typing import Any

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from landscape_nb._common import settings
from landscape_nb._common.checks import check_kind
from landscape_nb.course import players
from landscape_nb.course.controls import described, make_control, place_of, values_of
from landscape_nb.course.picture_cache import PictureCache, setting_key
from landscape_nb.course.widget_view import widget_view
from landscape_nb.plotting.log_ticks import simplify_ticks
from landscape_nb.plotting.names import name_in_jupyterlab
from landscape_nb.plotting.show import png

ERROR_CLASS = "landscape-nb-error"
_REST = 0.05
_AHEAD = 6
_MOST_BYTES = 64 * 2**20


def explore(draw: Callable[..., Figure], /, *, alt: str, **controls: Any) -> "Explorer":
    """Put sliders above a picture that a function draws; make this the last line of a cell.

    The picture follows the controls. Drags are debounced; the last pictures are cached (up to 64 MB); while a control
    rests, those that it would reach next are drawn; and where a setting cannot be drawn, a message says so. Readers
    without a kernel see the first picture. Where the environment variable `LANDSCAPE_NB_STRICT` is 1, every value
    of every control is drawn once and errors are raised, so that a notebook's tests see them.

    Args:
        draw: Called with one keyword argument a control; returns a matplotlib figure and changes
            nothing else.
        alt: What the picture shows, in a sentence, for readers who do not see it.
        **controls: For each argument of `draw`: `(low, high, step)` or `(low, high)` for a slider
            (of whole numbers, if all are whole), a bool for a checkbox, a list for a choice (a
            slider if they are numbers, buttons otherwise), or a widget with a value. The first value is
            the default of `draw`'s argument if it has one, else the first of the range.

    Returns:
        What the notebook displays.

    Raises:
        TypeError: `alt` is not a text, a control is none of these, or `draw` does not take the argument or does not
            return a figure.
        ValueError: A range is empty, its step is not above 0, or `draw`'s default is not among the values.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> def draw(power: int = 2) -> Figure:
        ...     figure, axes = plt.subplots()
        ...     _ = axes.plot([0, 1, 2], [x**power for x in (0, 1, 2)])
        ...     return figure
        >>> explore(draw, alt="A power of x", power=(1, 3)).values
        {'power': 2}
    """
    explorer = Explorer(draw, alt, controls)
    if settings.strict():
        explorer.sweep()
    return explorer


class Explorer:
    """The widgets that `explore` makes, and the pictures drawn so far.

    Attributes:
        widgets: The control of each argument, by name.
    """

    def __init__(self, draw: Callable[..., Figure], alt: str, controls: dict[str, Any]):
        import ipywidgets as widgets  # a quarter of a second, for those who have sliders

        self.draw, self.alt = draw, alt
        defaults = _defaults(draw)
        check_kind("alt", alt, str, "a sentence that says what the picture shows")
        if unknown := [name for name in controls if not _takes(draw, name)]:
            raise TypeError(f"controls: draw() takes no argument {', '.join(map(repr, unknown))}")
        self.widgets: dict[str, Any] = {
            name: make_control(name, spec, defaults.get(name)) for name, spec in controls.items()
        }
        self._pictures = PictureCache(_MOST_BYTES)
        self._positions: dict[str, list[Bbox]] = {}
        self._following: asyncio.Task | None = None
        self._image = widgets.Image(format="png", value=self.picture(**self.values))
        self._image.layout.max_width = "100%"
        self._message = widgets.HTML()
        for name, control in self.widgets.items():
            control.observe(partial(self._changed, name), "value")

    @property
    def values(self) -> dict[str, Any]:
        """The current value of every control."""
        return {name: control.value for name, control in self.widgets.items()}

    def picture(self, /, **values: Any) -> bytes:
        """The PNG for these values of the controls, drawn if it has not been."""
        key = setting_key(values)
        picture = self._pictures.get(key)
        if picture is None:
            with _garbage_left():
                picture = self._rendered(self._figure(values), values)
            self._pictures.keep(key, picture)
        return picture

    def _figure(self, values: dict[str, Any]) -> Figure:
        figure = self.draw(**values)
        if not isinstance(figure, Figure):
            raise TypeError(f"draw: returned {type(figure).__name__}, wants a matplotlib Figure")
        return figure

    def _rendered(self, figure: Figure, values: dict[str, Any]) -> bytes:
        """The PNG.

        Constrained layout takes longer than drawing, for it measures all texts. So panels are laid out once for a kind
        of figure; while only numbers change they stay, which also keeps the picture from jumping under a drag.
        What is a kind of figure: the choices, its size and the number of panels. A label that becomes longer than it
        was in the first picture may be cut off.
        """
        simplify_ticks(figure)
        if figure.get_layout_engine() is None:
            return png(figure)
        choices = {name: value for name, value in values.items() if not _is_number(value)}
        key = repr((choices, figure.get_size_inches(), len(figure.axes)))
        if key not in self._positions:
            picture = png(figure)
            self._positions[key] = [panel.get_position(original=True) for panel in figure.axes]
            return picture
        figure.set_layout_engine("none")
        for panel, position in zip(figure.axes, self._positions[key], strict=True):
            panel.set_position(position)
        return png(figure)

    def sweep(self) -> int:
        """Draw every value of every control, the others as they are; an error is raised.

        Returns:
            How many pictures were drawn.
        """
        settings = [
            self.values | {name: value} for name, control in self.widgets.items() for value in values_of(control)
        ]
        for setting in settings:
            self.picture(**setting)
        return len(settings)

    def _changed(self, name: str, _: object) -> None:
        if self._following:
            self._following.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or settings.strict():
            self._redraw()
        else:
            self._following = loop.create_task(self._follow(name))

    async def _follow(self, name: str) -> None:
        """Redraw when the control rests; then draw what it would reach next, until it moves again.

        A drag sends a value every few milliseconds, and each cancels the task of the one before (`_changed`) while it
        sleeps: so only the last is drawn. Drawing itself is not interrupted, and sleeping between pictures is
        what lets the kernel read the next value; without it the slider would hang until all are drawn.
        """
        await asyncio.sleep(_REST)
        self._redraw()
        for setting in self._nearest(name):
            await asyncio.sleep(_REST)
            with suppress(Exception):  # the message comes when that setting is chosen
                self.picture(**setting)

    def _nearest(self, name: str) -> list[dict[str, Any]]:
        """The current setting with other values of a control, the nearest first."""
        values, at = list(values_of(self.widgets[name])), place_of(self.widgets[name])
        others = sorted(range(len(values)), key=lambda i: (abs(i - at), -i))[1:]
        return [self.values | {name: values[i]} for i in others[:_AHEAD]]

    def _redraw(self) -> None:
        try:
            self._image.value = self.picture(**self.values)
            self._message.value = ""
        except Exception as error:
            reason = html.escape(_reason(self.values, error))
            self._message.value = f'<p class="{ERROR_CLASS}">⚠ {reason}. The picture shows the setting before.</p>'
            if settings.strict():
                raise

    def _picture_or_reason(self, /, **values: Any) -> bytes:
        """The picture, or one of the words that a class would see."""
        try:
            return self.picture(**values)
        except Exception as error:
            if settings.strict():
                raise
            words = Figure(figsize=(6, 3))
            words.text(0.5, 0.5, _reason(values, error), ha="center", va="center", wrap=True)
            return png(words)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        """The widgets, and beside them the picture, or pictures, for a reader without a kernel."""
        import ipywidgets as widgets

        words = widgets.HTML(html.escape(self.alt), layout={"display": "none"}).add_class("landscape-nb-alt")
        box = widgets.VBox([*self.widgets.values(), self._message, words, self._image])
        still = base64.b64encode(self._image.value).decode()
        bundle = widget_view(box) | {"image/png": still, "text/plain": self.alt}
        if settings.players():
            controls = [described(name, widget) for name, widget in self.widgets.items()]
            bundle[players.MIME] = players.player(self.alt, controls, self._picture_or_reason)
        name_in_jupyterlab()
        return bundle, {"image/png": {"alt": self.alt}}


@contextmanager
def _garbage_left() -> Iterator[None]:
    """Put off garbage collection: with a notebook's many objects it takes several times as long as a picture."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _reason(values: dict[str, Any], error: Exception) -> str:
    setting = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"{setting} could not be drawn: {type(error).__name__}: {error}"


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _takes(draw: Callable, name: str) -> bool:
    """Whether a function takes an argument by its name."""
    parameters = inspect.signature(draw).parameters
    named = name in parameters and parameters[name].kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return named or any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())


def _defaults(draw: Callable) -> dict[str, Any]:
    parameters = inspect.signature(draw).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
