"""Figures of what the library measures; no loss is computed here."""

from landscape_nb._common.schema import PAPER_LEVELS
from landscape_nb.plotting.contours import draw_contours, draw_path, plot_contours
from landscape_nb.plotting.image_sheet import draw_answers
from landscape_nb.plotting.lines import draw_line, plot_lines
from landscape_nb.plotting.plotly3d import plotly_film, plotly_path, plotly_surface
from landscape_nb.plotting.style import panels
from landscape_nb.plotting.surfaces3d import plot_surfaces

__all__ = [
    "PAPER_LEVELS",
    "draw_answers",
    "draw_contours",
    "draw_line",
    "draw_path",
    "panels",
    "plot_contours",
    "plot_lines",
    "plot_surfaces",
    "plotly_film",
    "plotly_path",
    "plotly_surface",
]
