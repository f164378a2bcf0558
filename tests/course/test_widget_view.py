"""A widget's output is what ipywidgets itself gives."""

import ipywidgets

from landscape_nb.course.widget_view import MIME, widget_view


def test_the_view_is_that_of_ipywidgets():
    slider = ipywidgets.IntSlider()
    assert widget_view(slider)[MIME] == slider._repr_mimebundle_()[MIME]
