"""Progressive planes of the authors' networks: evaluations and error against dense ones; and the package adaptive.

`reference.npz` has the mean loss over the first 1,000 training images at 300 random points of the 51×51
plane (seed 0, −1 to 1), all images at each: that is what errors are measured against. It is made by
`python benchmarks/progress.py DATA`, in about ten minutes a network.
"""

import sys
from pathlib import Path

import adaptive
import numpy as np
import torch
from planes import goal
from scipy.interpolate import LinearNDInterpolator, RectBivariateSpline

import landscape_nb as lnb
from landscape_nb.engines.choose import one_by_one
from landscape_nb.surfaces.refinement import Refinement
from landscape_nb.surfaces.subsample import Estimate
from landscape_nb.weights.params import Affine

REFERENCE = Path(__file__).parent / "reference.npz"
NETS = {"ResNet-56": "resnet56.t7", "ResNet-56 without shortcuts": "resnet56_noshort.t7"}
RESOLUTION, IMAGES, ERROR = 51, 1000, 0.02
MEAN, STD = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)


def images(folder, count):
    """The first of the unchanged training images, as the authors scale them."""
    file = np.load(Path(folder) / "cifar10-lossless-4000.npz")
    x = torch.from_numpy(file["x"][:count]).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (x - mean) / std, torch.from_numpy(file["y"][:count]).long()


def planes(folder):
    x, y = images(folder, IMAGES)
    reference = np.load(REFERENCE)
    goals, rows = [], {}
    for name, file in NETS.items():
        objective = lnb.Objective(lnb.load_authors_checkpoint(Path(folder) / file), (x, y))
        directions = lnb.random_directions(objective.origin, 2, seed=0)
        *_, plane = lnb.progressive_plane(objective, directions, resolution=RESOLUTION, error=ERROR)
        at, losses = reference[f"{file}: points"], reference[f"{file}: losses"]
        misses = np.log10(plane.loss.values.ravel()[at]) - np.log10(losses)
        dense = RESOLUTION**2 * IMAGES
        goals += [
            goal(
                f"progressive 51×51, {name}: evaluations of the dense plane / ours",
                dense / plane.attrs["evaluations"],
                10,
            ),
            goal(
                f"progressive 51×51, {name}: RMS error of log10(loss)", np.sqrt((misses**2).mean()), ERROR, at_most=True
            ),
        ]
        rows[f"{name}: seconds to an error of {ERROR} (estimated {plane.attrs['estimated_error']:.3f})"] = plane.attrs[
            "seconds"
        ]
        goals += points_of_adaptive(name, np.log10(plane.loss.values))
    return goals, rows


def points_of_adaptive(name, heights):
    """Points that ours and adaptive.Learner2D measure on the same surface until it is 0.02 from the truth."""
    axis = np.linspace(-1, 1, RESOLUTION)
    truth = RectBivariateSpline(axis, axis, heights)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    plane = Refinement({"alpha": axis, "beta": axis}, ["loss"], ERROR, seed=0)
    while not len(plane.estimates) or error_of(plane.heights, heights) > ERROR:
        for number in plane.next_points():
            loss = 10 ** float(truth(*plane.coords(number))[0, 0])
            plane.add(number, Estimate({"loss": loss}, {"loss": 0.0}, 0.0, 1))
        plane.interpolate()
    learner = adaptive.Learner2D(lambda xy: float(truth(*xy)[0, 0]), bounds=[(-1, 1), (-1, 1)])
    found = np.inf
    while found > ERROR and learner.npoints < RESOLUTION**2:
        adaptive.runner.simple(learner, goal=lambda learner, more=learner.npoints + 50: learner.npoints >= more)
        points, values = np.array(list(learner.data)), np.array(list(learner.data.values()))
        found = error_of(LinearNDInterpolator(points, values)(grid), heights)
    return [
        goal(
            f"{name}: points of adaptive.Learner2D / ours, to an error of {ERROR}",
            learner.npoints / len(plane.estimates),
            1.0,
        )
    ]


def error_of(found, heights):
    return float(np.sqrt(np.mean((np.ravel(found) - heights.ravel()) ** 2)))


def make_reference(folder):
    x, y = images(folder, IMAGES)
    axis = np.linspace(-1, 1, RESOLUTION)
    at = np.random.default_rng(1).permutation(RESOLUTION**2)[:300]
    found = {}
    for file in NETS.values():
        objective = lnb.Objective(lnb.load_authors_checkpoint(Path(folder) / file), (x, y))
        affine = Affine(objective.origin, lnb.random_directions(objective.origin, 2, seed=0))
        places = np.stack([axis[at // RESOLUTION], axis[at % RESOLUTION]], 1)
        found |= {f"{file}: points": at, f"{file}: losses": one_by_one(objective, affine)(affine, places)["loss"]}
        np.savez(REFERENCE, **found)


if __name__ == "__main__":
    make_reference(sys.argv[1])
