"""Surfaces to turn hold the values where they are; films show each plane, and paths stand on their surface."""

import numpy as np
import pytest
import xarray as xr
from helpers import plane_over

from landscape_nb import plotting

BOWL = plane_over(lambda a, b: 0.5 + a**2 + b**2 / 4, a=np.linspace(-1, 1, 21), b=np.linspace(-2, 2, 21))


def test_a_surface_holds_the_values_where_they_are():
    data = plane_over(lambda a, b: 1 + a + 10 * (b + 2))
    surface = plotting.plotly_surface(data, log=False).data[0]
    assert np.shape(surface.z) == (13, 9)
    assert surface.z[12][0] == pytest.approx(data.loss.sel(alpha=-1, beta=2).item())
    assert surface.x[0] == -1
    assert surface.y[12] == 2


def test_surfaces_side_by_side_have_one_scale_and_a_scene_each():
    figure = plotting.plotly_surface({"one": BOWL, "ten": 10 * BOWL}, bottom=0.1, top=40)
    assert [surface.scene for surface in figure.data] == ["scene", "scene2"]
    for surface, scene in zip(figure.data, (figure.layout.scene, figure.layout.scene2), strict=True):
        assert (surface.cmin, surface.cmax) == pytest.approx((-1, np.log10(40)))
        low, high = scene.zaxis.range  # plotly would leave specks of a surface that lies in an end
        assert -1.05 < low < -1.01
        assert 0.01 < high - np.log10(40) < 0.05
    assert figure.layout.scene.domain.x[1] <= figure.layout.scene2.domain.x[0]
    assert [text.text for text in figure.layout.annotations] == ["one", "ten"]


def test_a_turn_moves_all_cameras_once_around_at_one_height():
    figure = plotting.plotly_surface([BOWL, BOWL], turns=8)
    for scene in ("scene", "scene2"):
        eyes = [frame.layout[scene].camera.eye for frame in figure.frames]
        angles = np.unwrap([np.arctan2(eye.y, eye.x) for eye in eyes])
        np.testing.assert_allclose(np.diff(angles), np.pi / 4)
        assert {eye.z for eye in eyes} == {1.0}
        np.testing.assert_allclose([np.hypot(eye.x, eye.y) for eye in eyes], np.hypot(1.25, 1.25))
    assert figure.layout.updatemenus[0].buttons[0].args[0] is None
    assert not plotting.plotly_surface(BOWL).frames


def test_a_film_shows_each_plane_on_one_scale():
    planes = {f"epoch {n}": BOWL * n for n in (4, 2, 1)}
    film = plotting.plotly_film(planes)
    assert [frame.name for frame in film.frames] == list(planes)
    assert [step.args[0][0] for step in film.layout.sliders[0].steps] == list(planes)
    for frame, plane in zip(film.frames, planes.values(), strict=True):
        np.testing.assert_allclose(frame.data[0].z, np.log10(plane.loss.transpose("beta", "alpha")))
        assert (frame.data[0].cmin, frame.data[0].cmax) == pytest.approx((np.log10(0.5), np.log10(4 * 2.5)))
    np.testing.assert_allclose(film.data[0].z, film.frames[0].data[0].z)


def test_a_film_of_different_grids_is_refused():
    other = plane_over(lambda a, b: 1 + a**2 + b**2)
    with pytest.raises(ValueError, match=r"^planes\['other'\]: lies over another grid than planes\['bowl'\]"):
        plotting.plotly_film({"bowl": BOWL, "other": other})
    with pytest.raises(TypeError, match="^planes: got list, wants a dict"):
        plotting.plotly_film([BOWL])


def test_a_path_stands_on_its_surface_and_a_ball_walks_along_it():
    alpha, beta = np.array([0.93, 0.51, 0.0]), np.array([-1.7, 0.3, 0.0])
    path = xr.Dataset({"alpha": ("point", alpha), "beta": ("point", beta)}, {"epoch": ("point", [0, 5, 10])})
    figure = plotting.plotly_path(BOWL, path)
    assert [frame.name for frame in figure.frames] == ["0", "5", "10"]
    lift = 0.01 * (np.log10(2.5) - np.log10(0.5))
    wanted = np.stack([alpha, beta, np.log10(0.5 + alpha**2 + beta**2 / 4) + lift])
    _, track, ball = figure.data
    np.testing.assert_allclose([track.x, track.y, track.z], wanted, atol=2e-3)
    walked = [frame.data[0] for frame in figure.frames]
    np.testing.assert_allclose(np.hstack([[at.x, at.y, at.z] for at in walked]), wanted, atol=2e-3)
    assert {frame.traces for frame in figure.frames} == {(figure.data.index(ball),)}


def test_a_figure_grows_with_a_path_and_not_with_its_square():
    def size(count):
        along = np.linspace(1, 0, count)
        path = xr.Dataset({"alpha": ("point", along), "beta": ("point", along)})
        return len(plotting.plotly_path(BOWL, path).to_json())

    assert size(400) - size(200) < 1.5 * (size(200) - size(1))


def test_what_lies_outside_the_plane_is_not_drawn():
    path = xr.Dataset({"alpha": ("point", [3.0, 0.0]), "beta": ("point", [0.0, 0.0])})
    z = plotting.plotly_path(BOWL, path).data[1].z
    assert np.isnan(z[0])
    assert np.isfinite(z[1])


def test_epochs_that_are_text_are_refused():
    path = xr.Dataset({"alpha": ("point", [0.5]), "beta": ("point", [0.5])}, {"epoch": ("point", ["last"])})
    with pytest.raises(ValueError, match="^path: has .*'last'.* as epochs, wants numbers$"):
        plotting.plotly_path(BOWL, path)


def test_a_path_over_several_draws_is_refused():
    draws = xr.concat([BOWL, BOWL], "repeat")
    with pytest.raises(ValueError, match=r"^plane: has 2 draws, wants one; take one with isel\(repeat=0\)$"):
        plotting.plotly_path(draws, xr.Dataset({"alpha": ("point", [0.0]), "beta": ("point", [0.0])}))


def test_a_film_of_several_draws_is_refused():
    draws = xr.concat([BOWL, BOWL], "repeat")
    message = r"^planes\['end'\]: has 2 draws, wants one; take one with planes\['end'\].isel\(repeat=0\)$"
    for plane in (draws, draws.loss):
        with pytest.raises(ValueError, match=message):
            plotting.plotly_film({"start": BOWL, "end": plane})
    assert len(plotting.plotly_film({"start": BOWL, "end": draws.isel(repeat=[0])}).frames) == 2


def test_late_epochs_have_a_name_each():
    path = xr.Dataset({"alpha": ("point", [0.5, 0.0]), "beta": ("point", [0.5, 0.0])})
    figure = plotting.plotly_path(BOWL, path.assign_coords(epoch=("point", [1_000_000, 1_000_001])))
    assert [frame.name for frame in figure.frames] == ["1000000", "1000001"]


@pytest.mark.parametrize("change", [lambda loss: loss * 1e100, lambda loss: loss + 1e8, lambda loss: loss * 1e-100])
def test_values_that_float32_does_not_hold_keep_their_differences(change):
    plane = change(BOWL)
    surface = plotting.plotly_surface(plane, log=False).data[0]
    wanted = plane.loss.transpose("beta", "alpha").values
    for found in (surface.z, surface.customdata):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-3 * np.ptp(wanted))
    assert plotting.plotly_surface(BOWL).data[0].z.dtype == "float32"
