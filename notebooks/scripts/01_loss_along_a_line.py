# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · The loss along a line, and what it hides
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/01_loss_along_a_line.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/01_loss_along_a_line.ipynb)
#
# **Question.** Between two trained networks the loss rises like a wall. Are they really divided?
#
# ![Two panels. Left: along the straight line between two trained networks the loss rises to a high barrier, along a bent way it stays low. Right: the plane through both networks and the bend of that way, with both ways drawn over the contours.](images/01_loss_along_a_line.png)
#
# *Two trained networks, A and B. On the straight line between them stands a wall. The plane on the right shows a way around it, which the line cannot show.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | draw the loss between two networks, and from the start of training to its end; look at the same pair in a plane; ask the network at any point of it what it sees; find out how much of a wall is a matter of how neurons are numbered |
# | **You need** | PyTorch's `nn.Module`; what a training loss is |
# | **In the paper** | Li et al. (2018), section 3, "1-dimensional linear interpolation"; the method of Figure 2 |
# | **Takes** | 0.8 minutes, 0.9 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

# %%
import sys

if "google.colab" in sys.modules:  # nothing that Colab has is replaced
    archive = "https://github.com/landscape-nb/landscape-nb/archive/main.zip"
    # !pip list --format=freeze > colab.txt
    # !pip install -qc colab.txt landscape-nb || pip install -qc colab.txt {archive}
    # !python -c "import landscape_nb" || echo "Not installed. Is there a network?"

    from google.colab import output

    output.enable_custom_widget_manager()

# %%
import copy

import numpy as np
import torch
import xarray as xr

# %%
from scipy.ndimage import label as connected_parts
from torch.func import functional_call

import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": a minute, on scikit-learn's digits · "full": wider nets, on CIFAR-10;
# it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "epochs": 12, "hidden": (64, 64), "vgg_width": 0.25}
quick |= {"images": 400}
full = {"data": "cifar10", "epochs": 100, "hidden": (512, 512), "vgg_width": 1}
full |= {"images": 5000}
quick |= {"points": 81, "resolution": 41}
full |= {"points": 401, "resolution": 51}
settings = lnb.choose_preset(PRESET, quick=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]()
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · From one network to another
#
# We train a small perceptron three times. The three runs differ only in their seed: each starts from other weights and sees the images in another order.


# %%
def train(model, seed, epochs=settings.epochs, **options):
    return lnb.train(model, data, epochs, batch_size=64, lr=0.05, seed=seed, **options)


# %%
seeds = [10 * settings.seed + n for n in range(3)]
runs = [
    train(lnb.models.mlp(settings.hidden, **data.shape, seed=s), s, record=1)
    for s in seeds
]
A, B, C = (run.model for run in runs)
[round(run.history["test_accuracy"][-1], 3) for run in runs]

# %% [markdown]
# Three networks, equally good. A network is a point in the space of its weights, and two points define a line: at α lies the network with the weights (1 − α) · A + α · B. At α = 0 that is A, at α = 1 it is B, and the line goes on beyond both.
#
# > **Predict.** How good is the network at α = 0.5? Each of its weights is the mean of two weights of good networks. Sketch the loss from α = −0.5 to 1.5.

# %%
objective = lnb.Objective(A, sample, metrics={"accuracy": lnb.accuracy}, batch_size=200)
pairs = {"A → B": (A, B), "A → C": (A, C), "B → C": (B, C)}
lines = {
    name: lnb.interpolate(objective, *pair, (-0.5, 1.5), settings.points)
    for name, pair in pairs.items()
}


# %%
def titled(figure, text):
    for panel in figure.axes:
        panel.set_xlabel(text)
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss and accuracy along the lines between three pairs of networks: "
    "the loss is low at both ends with a barrier between, where the "
    "accuracy drops."
)

# %%
lnb.show(
    titled(
        plotting.plot_lines(lines, ("loss", "accuracy")),
        "α (0: first network, 1: second)",
    ),
    alt=alt,
)


# %%
def barrier(line):
    between = line.loss.sel(alpha=slice(-1e-9, 1 + 1e-9))
    return float(between.max() - max(between[0], between[-1]))


# %%
heights = [barrier(line) for line in lines.values()]
ends = [
    float(line.loss.sel(alpha=a, method="nearest"))
    for line in lines.values()
    for a in (0, 1)
]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "01-barrier",
    min(heights) > 20 * max(ends),
    "Between any two of the three networks stands a wall, more than twenty "
    "times as high as the loss at the ends.",
    barrier_for_each_pair=heights,
    highest_loss_at_an_end=max(ends),
)

# %% [markdown]
# Such a curve joins a few measured points; between them nothing was measured. Choose how many points there are: with two you see no wall, with three no valleys. The thin grey curve has all the points.


# %%
def draw(pair="A → B", alpha=0.5, points=5):
    line = lines[pair]
    coarse = line.isel(
        alpha=np.linspace(0, line.alpha.size - 1, points).round().astype(int)
    )
    here = line.sel(alpha=alpha, method="nearest")
    figure, (panel,) = plotting.panels(1, size=(8.5, 4.8))
    panel.plot(line.alpha, line.loss, color="0.6", linewidth=1)
    plotting.draw_line(panel, coarse, label=f"{points} points")
    panel.plot(coarse.alpha, coarse.loss, "o", color="#0072B2")
    panel.plot(here.alpha, here.loss, "*", color="#D55E00", markersize=18)
    panel.set(
        title=f"α = {alpha:.2f}: loss {float(here.loss):.3f}, accuracy "
        f"{float(here.accuracy):.0%}"
    )
    panel.set_xlabel("α")
    panel.legend(loc="upper right")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The loss on the line between two networks, drawn through a chosen "
    "number of points, with one point marked."
)

# %%
counts = [2, 3, 5, 9, 21, 81]
lnb.explore(draw, alt=alt, pair=list(lines), alpha=(-0.5, 1.5, 0.1), points=counts)

# %% [markdown]
# ## 2 · The line and batch norm
#
# A network with batch norm also carries running statistics: the mean and the variance of each layer's outputs. They belong to the weights with which they were measured. For the networks between two trained ones nobody has measured them. The paper interpolates them like the weights; one can also recalibrate them, that is, measure them anew at each point (REPAIR, Jordan et al. 2023).
#
# > **Predict.** Take two VGG-9 with batch norm. Does the wall come from the weights alone, or do unsuitable statistics raise it?

# %%
vggs = [
    train(
        lnb.models.vgg9(settings.vgg_width, **data.shape, seed=s).to(settings.device), s
    )
    for s in seeds[:2]
]
few = data.subset(settings.images // 2)
vgg_objective = lnb.Objective(
    vggs[0].model, few, metrics={"accuracy": lnb.accuracy}, batch_size=200
)

# %%
vgg_lines = {
    how: lnb.interpolate(
        vgg_objective, vggs[0].model, vggs[1].model, (-0.5, 1.5), 21, batch_norm=how
    )
    for how in ("interpolated", "recalibrated")
}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss and accuracy between two VGG-9 networks, with running statistics "
    "interpolated and recalibrated."
)

# %%
lnb.show(
    titled(
        plotting.plot_lines(vgg_lines, ("loss", "accuracy"), title="VGG-9"),
        "α (0: first network, 1: second)",
    ),
    alt=alt,
)

# %% [markdown]
# In the grey parts the *interpolated* curve is missing: beyond an end, extrapolation makes some running variance negative, and there is no network with a negative variance. (The recalibrated curve exists everywhere.) A missing loss is not an infinite loss, and a plot should not suggest one.

# %%
missing = vgg_lines["interpolated"].negative_variance
between = {
    how: line.sel(alpha=slice(-1e-9, 1 + 1e-9)) for how, line in vgg_lines.items()
}
mean_loss = {how: float(line.loss.mean()) for how, line in between.items()}
low = {how: float((line.accuracy < 0.9).mean()) for how, line in between.items()}
print(f"a negative variance at {float(missing.mean()):.0%} of the points")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "01-statistics-raise-the-wall",
    mean_loss["interpolated"] > 1.5 * mean_loss["recalibrated"]
    and low["recalibrated"] > 0,
    "Part of the wall comes from the running statistics: recalibrating "
    "them lowers the mean loss between the networks, but a wall remains.",
    mean_loss_interpolated_and_recalibrated=list(mean_loss.values()),
    part_of_the_way_below_90_percent=list(low.values()),
)

# %% [markdown]
# ## 3 · From the start of training to its end
#
# Goodfellow and others (2014) drew another line: from the initial weights to the trained ones. Training itself does not follow that line. Now the initial network is at α = 0 and the trained one at α = 1.
#
# > **Predict.** Between two trained networks there is a wall. Is there one between a network's start and its end?

# %%
starts = {
    f"seed {s}": lnb.interpolate(objective, run.points[0], run.points[-1], (0, 1), 41)
    for s, run in zip(seeds, runs)
}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss on the lines from the initial to the trained weights of three "
    "networks: all fall from 2.3 to almost 0."
)

# %%
lnb.show(
    titled(plotting.plot_lines(starts), "α (0: initial weights, 1: trained)"), alt=alt
)

# %%
rises = [float(line.loss.diff("alpha").max()) for line in starts.values()]
falls = [float(line.loss[0] - line.loss[-1]) for line in starts.values()]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "01-monotone",
    max(r / f for r, f in zip(rises, falls)) < 0.01,
    "From the start of training to its end the loss falls all the way: "
    "where it rises at all, then by less than 1 % of the fall.",
    largest_rise_between_neighbours=rises,
    fall_for_each_seed=falls,
)

# %% [markdown]
# It looks as if training were a walk downhill without obstacles. But the line is not the path: exercise 3 measures how far training strays from it. And the shape says less than it seems to. Frankle (2020) repeated the experiment with modern networks and found lines that stay flat almost to the end; Vlaar and Frankle (2022) found that the shape of the line does not tell how well the network does on test data.
#
# Let us push that to the extreme: 200 images with *random* labels. All that a network can do is to learn the images by heart.
#
# > **Predict.** What does the line from start to end look like for a network that has learned nonsense?


# %%
def nonsense(seed):
    images, labels = data.train[0][:200], data.train[1][:200]
    shuffled = labels[
        torch.randperm(200, generator=torch.Generator().manual_seed(seed))
    ]
    net = lnb.models.mlp(settings.hidden, **data.shape, seed=seed)
    run = lnb.train(net, (images, shuffled), 100, batch_size=50, lr=0.05, seed=seed)
    own = lnb.Objective(
        run.model,
        (images, shuffled),
        extra_data={"test": data.test},
        metrics={"accuracy": lnb.accuracy},
    )
    return lnb.interpolate(own, run.points[0], run.points[-1], (0, 1), 41)


# %%
by_heart = {f"seed {s}": nonsense(s) for s in seeds}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: with random labels, the training loss on the line from start to "
    "end. Right: the test accuracy on it, not far from the tenth that "
    "guessing gives."
)

# %%
figure = titled(
    plotting.plot_lines(by_heart, ("loss", "test_accuracy")),
    "α (0: initial weights, 1: trained)",
)
figure.axes[1].set(ylim=(0, 1), ylabel="accuracy on test images")
lnb.show(figure, alt=alt)

# %%
worst = [
    float(line.loss.diff("alpha").max() / (line.loss[0] - line.loss[-1]))
    for line in by_heart.values()
]
guessing = [float(line.test_accuracy[-1]) for line in by_heart.values()]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "01-shape-is-no-accuracy",
    max(worst) < 0.01 and max(guessing) < 0.3,
    "With random labels the line falls as smoothly, to a network that "
    "knows next to nothing about new images.",
    largest_rise_as_a_share_of_the_fall=worst,
    test_accuracy_at_the_end=guessing,
)

# %% [markdown]
# ## 4 · The same pair in a plane
#
# A line shows one way from A to B. Is there another? Let it have a bend: from A straight to a point M, and from there straight to B. We train M, and nothing but M, so that the loss is low at random points of both legs (Garipov et al. 2018). `lnb.train` trains any module, this one too:


# %%
class Bend(torch.nn.Module):
    """The way start → middle → end; its only weights are the middle's."""

    def __init__(self, start, end):
        super().__init__()
        self.ends = [lnb.parameters_of(start), lnb.parameters_of(end)]
        self.middle = copy.deepcopy(start)
        with torch.no_grad():
            for name, weight in self.middle.named_parameters():
                weight.copy_((self.ends[0][name] + self.ends[1][name]) / 2)

    def forward(self, images):
        end = self.ends[int(torch.rand(()) < 0.5)]
        t = torch.rand(()) if self.training else 1.0
        place = {
            name: (1 - t) * end[name] + t * w
            for name, w in self.middle.named_parameters()
        }
        return functional_call(self.middle, place, (images,))


# %%
M = train(Bend(A, B), settings.seed, 2 * settings.epochs, weight_decay=0.0).model.middle
legs = [lnb.interpolate(objective, *pair, (0, 1), 41) for pair in ((A, M), (M, B))]
straight = lnb.interpolate(objective, A, B, (0, 1), 41)
bent = max(float(leg.loss.max()) for leg in legs)
print(
    f"highest loss: straight {float(straight.loss.max()):.2f}, by way of M {bent:.3f}"
)

# %% [markdown]
# A, B and M span a plane. Its first direction leads from A to B, as before; its second from the middle of that line to M. So A is at (0, 0), B at (1, 0) and M at (0.5, 1). Other third points give other planes through the same line: the third network C, or a step in a random direction, as long as the one to M.
#
# > **Predict.** Which of the three planes shows a way from A to B around the wall?

# %%
points = {
    name: lnb.parameters_of(net)
    for name, net in (("A", A), ("B", B), ("C", C), ("M", M))
}
half = lnb.scale(lnb.add(points["A"], points["B"]), 0.5)
across = {
    "the trained bend M": lnb.towards(half, points["M"]),
    "a third network C": lnb.towards(half, points["C"]),
}

# %%
(random,) = lnb.random_directions(half, 1, seed=settings.seed)
length = lnb.norm(across["the trained bend M"]) / lnb.norm(random)
across["a random step"] = lnb.scale(random, length)
along = lnb.towards(points["A"], points["B"])


# %%
def plane(name):
    extent = [(-0.5, 1.5), (-0.5, 1.5)]
    how = {"origin": points["A"], "store": settings.store(f"01 {name}")}
    pair = along, across[name]
    return lnb.evaluate_plane(objective, pair, extent, settings.resolution, **how)


planes = {name: plane(name) for name in across}


# %%
def mark(panel, third="M"):
    for label in panel.texts[:]:
        label.remove()
    panel.plot([0, 1], [0, 0], color="white", linewidth=2.5)
    panel.plot([0, 0.5, 1], [0, 1, 0], color="white", linewidth=2.5, linestyle="--")
    for name, x, y in (("A", 0, 0), ("B", 1, 0), (third, 0.5, 1)):
        box = {"boxstyle": "circle", "facecolor": "black", "edgecolor": "white"}
        panel.text(
            x,
            y,
            name,
            bbox=box,
            color="white",
            fontsize=14,
            ha="center",
            va="center",
            zorder=10,
        )
    panel.set(xlabel="α (from A to B)", ylabel="β (towards the third point)")


# %%
levels = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
ways = xr.concat(
    [
        leg.assign_coords(alpha=leg.alpha / 2 + start)
        for leg, start in zip(legs, (0, 0.5))
    ],
    "alpha",
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: the loss from A to B, with a wall on the straight way and "
    "almost none by way of M. Right: contours of the plane through A, B "
    "and M; the dashed way by M stays in a valley that goes around the "
    "wall."
)

# %% tags=["answer"]
figure, (left, right) = plotting.panels(2, size=(6.6, 5))
plotting.draw_line(left, straight, label="straight")
plotting.draw_line(left, ways, label="by way of M", number=1)
left.set(xlabel="share of the way from A to B", title="Two ways from A to B")
left.legend()
filled = plotting.draw_contours(right, planes["the trained bend M"], levels=levels)
mark(right)
right.set_title("The plane through A, B and M")
figure.colorbar(filled, ax=right, label="loss", format=lambda x, _: f"{10**x:.3g}")

lnb.show(figure, alt=alt)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Three planes through A and B on the same levels. Towards M a low "
    "valley joins A and B. Towards C and towards a random point R they lie "
    "in separate basins."
)

# %%
figure = plotting.plot_contours(planes, levels=levels, columns=3)
for panel, third in zip(figure.axes, ("M", "C", "R")):
    mark(panel, third)

lnb.show(figure, alt=alt)

# %% [markdown]
# Let us put a number on it: flood the plane, and note the level at which the lake around A meets the lake around B. That is the height of the lowest pass between them that *this plane* shows.


# %%
def nearest(axis, value):
    return int(np.abs(axis.values - value).argmin())


# %%
def lowest_pass(plane):
    at_a, at_b = ((nearest(plane.alpha, a), nearest(plane.beta, 0)) for a in (0, 1))
    for level in np.unique(plane.loss):
        lakes, _ = connected_parts(plane.loss.values <= level)
        if lakes[at_a] and lakes[at_a] == lakes[at_b]:
            return float(level)


# %%
passes = {"on the line": float(straight.loss.max())} | {
    name: lowest_pass(p) for name, p in planes.items()
}
{name: round(level, 3) for name, level in passes.items()}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "01-a-way-around",
    bent < passes["on the line"] / 10,
    "By way of a trained bend, the loss from A to B stays below a tenth of "
    "the wall's height.",
    highest_loss_straight=passes["on the line"],
    highest_loss_by_the_bend=bent,
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "01-a-random-plane-does-not-show-it",
    passes["the trained bend M"] < passes["a random step"] / 3,
    "The way around is there, but a plane through A and B in a random "
    "direction does not show it.",
    pass_towards_the_bend=passes["the trained bend M"],
    pass_in_a_random_direction=passes["a random step"],
)

# %% [markdown]
# Slide the line sideways through a plane. At β = 0 it is the line of section 1.


# %%
def slide(plane="the trained bend M", beta=0.0):
    chosen = planes[plane]
    figure, (left, right) = plotting.panels(2, size=(5.6, 4.4))
    plotting.draw_line(
        left, chosen.sel(beta=beta, method="nearest"), label=f"β = {beta:.2f}"
    )
    left.set(
        title=f"loss along α at β = {beta:.2f}", xlabel="α (from A to B)", ylim=(0, 2)
    )
    height(right, chosen)
    right.axhline(beta, color="white", linewidth=2.5)
    return figure


# %%
def height(panel, plane):
    plotting.draw_contours(panel, plane, levels=levels)
    panel.plot(
        [0, 1], [0, 0], "o", color="white", markeredgecolor="black", markersize=9
    )
    panel.set(
        xlabel="α (from A to B)",
        ylabel="β",
        title="bright is high",
        xticks=[-0.5, 0, 0.5, 1, 1.5],
    )


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = "Left: the loss along α at a chosen β. Right: where that line lies in the plane."

# %%
lnb.explore(slide, alt=alt, plane=list(planes), beta=(-0.5, 1.5, 0.25))

# %% [markdown]
# ## 5 · What the wall is made of
#
# A point of the plane is more than a height: it is a network, and one can ask it. Choose α and β, and see what the network *there* says about eight images on which none of the networks was trained, and how sure it is.
#
# > **Predict.** On top of the wall, at α = 0.5 and β = 0: will the network be unsure, or sure and wrong?

# %%
labels = [1, 2, 3, 4, 5, 7, 8, 9]
images = data.test[0][[data.test[1].tolist().index(label) for label in labels]]
pictures = data.images(images)
terrain = planes["the trained bend M"]


# %%
def answers(alpha, beta, images=images):
    place = lnb.move(points["A"], [along, across["the trained bend M"]], [alpha, beta])
    with torch.no_grad():
        return functional_call(A, place, (images,)).softmax(1)


# %%
def probe(alpha=0.5, beta=0.0):
    here = terrain.sel(alpha=alpha, beta=beta, method="nearest")
    figure, (left, right) = plotting.panels(2, size=(5.6, 4.6))
    height(left, terrain)
    left.plot(alpha, beta, "*", color="#D55E00", markeredgecolor="white", markersize=20)
    right_share = f"{float(here.accuracy):.0%} of the training images right"
    left.set_title(f"loss {float(here.loss):.3f}, {right_share}")
    plotting.draw_answers(
        right, pictures, labels, answers(alpha, beta), data.class_names
    )
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: the plane through A, B and M with one point marked. Right: "
    "eight digits, each with the answer of the network at that point."
)

# %%
lnb.explore(probe, alt=alt, alpha=(-0.5, 1.5, 0.25), beta=(-0.5, 1.5, 0.25))

# %% [markdown]
# **Notice**
#
# 1. At A (0, 0), at B (1, 0) and at M (0.5, 1) the network knows the digits, and gives each of its answers a high probability.
# 2. On the wall (0.5, 0) it is less sure on the whole, and some answers are wrong.
# 3. Go from A to B by way of M, by (0.25, 0.5) and (0.75, 0.5): the table below says how often the network is right there.
#
# Eight images are few. On all test images:


# %%
def knows(alpha, beta):
    given = answers(alpha, beta, data.test[0]).max(1)
    return float((given.indices == data.test[1]).float().mean()), float(
        given.values.mean()
    )


# %%
asked = {
    name: knows(*place)
    for name, place in {
        "A": (0, 0),
        "B": (1, 0),
        "M": (0.5, 1),
        "wall": (0.5, 0),
    }.items()
}
halfway = {"A–M": knows(0.25, 0.5), "M–B": knows(0.75, 0.5)}
for name, (right, sure) in (asked | halfway).items():
    print(f"{name:5} right {right:.0%}, mean probability of the answer {sure:.2f}")
(*good, wall) = asked.values()

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "01-unsure-on-the-wall",
    wall[1] < min(sure for _, sure in good) - 0.15
    and wall[0] < min(right for right, _ in good) - 0.05,
    "On the wall the network is less often right and less sure than at A, B and M.",
    accuracy_at_A_B_M_and_the_wall=[right for right, _ in asked.values()],
    mean_probability_of_the_answer=[sure for _, sure in asked.values()],
)

# %% [markdown]
# **Why.** A hidden neuron has no fixed place: exchange two of them, together with their weights, and the network computes the same. Even if two runs found the same features, they would have them in different orders, and the mean of two different features is neither of them. So a wall says how two networks are *numbered* as much as how they differ. Exercise 2 builds one between a network and itself.
#
# How much of our walls is numbering? `lnb.match_neurons` renumbers the hidden neurons of B, layer by layer, so that its weights come as close to A's as it can bring them (weight matching, Ainsworth et al. 2023). What B computes does not change. In a VGG-9 the channels of the convolutions change places in the same way.
#
# > **Predict.** With B renumbered, is the wall between A and B gone? And the one between the two VGG-9, which have eight hidden layers instead of two?

# %%
left = {
    name: lnb.predict(
        f"Of the wall between two {name}s, how much is left after renumbering?",
        ["nearly all", "from a third to nearly all", "less than a third"],
    )
    for name in ("perceptron", "VGG-9")
}
left["perceptron"]

# %%
left["VGG-9"]

# %%
first, second = (run.model for run in vggs)
renumbered = lnb.match_neurons(A, B)
vgg_renumbered = lnb.match_neurons(first, second)

# %%
line = lnb.interpolate(objective, A, renumbered, (0, 1), 41)
options = {"batch_norm": "recalibrated", "progress": False}
vgg_line = lnb.interpolate(vgg_objective, first, vgg_renumbered, (0, 1), 11, **options)

# %%
walls = {
    "perceptron": {"as trained": lines["A → B"], "renumbered": line},
    "VGG-9, recalibrated": {
        "as trained": vgg_lines["recalibrated"],
        "renumbered": vgg_line,
    },
}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The loss between two perceptrons and between two VGG-9, as trained "
    "and with the second network's neurons renumbered, on one scale. "
    "Renumbering leaves a low bump of the perceptrons' wall; of the "
    "VGG-9's more than half stays."
)

# %%
figure, panels = plotting.panels(2, size=(5.6, 4.6))
panels[0].sharey(panels[1])
for panel, (name, both) in zip(panels, walls.items()):
    for number, (how, each) in enumerate(both.items()):
        between = each.sel(alpha=slice(-1e-9, 1 + 1e-9))
        plotting.draw_line(panel, between, label=how, number=number)
    panel.set(title=name, xlabel="α (0: first network, 1: second)")
    panel.legend()

lnb.show(figure, alt=alt)

# %% [markdown]
# **Notice**
#
# 1. Both ends stay where they were: the renumbered network computes what the other computed.
# 2. Between the perceptrons a low bump is left of the wall.
# 3. Between the VGG-9 the wall is lower and narrower, but still high, although the running statistics fit.

# %%
small, large = ([barrier(each) for each in both.values()] for both in walls.values())
shares = small[1] / small[0], large[1] / large[0]
results = [
    guess.choices[int(share < 0.9) + int(share < 1 / 3)]
    for guess, share in zip(left.values(), shares, strict=True)
]
left["perceptron"].reveal(results[0])

# %%
left["VGG-9"].reveal(results[1])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "01-numbering",
    shares[0] < 1 / 3 and shares[1] > 2 * shares[0],
    "Renumbering takes away at least two thirds of the perceptrons' wall, "
    "but less of the VGG-9's: more than twice the part stays.",
    perceptron_before_and_after=small,
    vgg9_before_and_after=large,
    share_that_stays=shares,
)

# %% [markdown]
# What stays may be a real difference, or a better numbering that the search did not find: it improves one layer at a time and stops where no single layer can do better. Ainsworth and others found the wall nearly gone between *wide* ResNets on CIFAR-10; our networks are narrow, where less fits.
#
# Such findings have names. That trained networks are joined by some path of low loss, as A and B are by way of M, is *mode connectivity*: in thousands of dimensions a wall on one line does not divide, and there is nearly always a way around (Draxler et al. 2018, Garipov et al. 2018). That the straight line already is such a path is *linear mode connectivity*: Frankle et al. (2020) found it between runs that share the beginning of training, and from then on see the images in different orders.
#
# The paper draws such lines in its Figure 2, between a VGG-9 trained with small batches and one trained with large ones, and asks which of the two valleys is wider. Its test errors at the ends, on CIFAR-10:
#
# | | batch 128 (α = 0) | batch 8192 (α = 1) |
# |---|---|---|
# | without weight decay | 7.37 % | 11.07 % |
# | weight decay 0.0005 | 6.0 % | 10.19 % |
#
# What such a width is worth is the subject of notebooks 02 to 04, and notebook 03 puts our own numbers beside these.

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · The height of the wall** (●○○, 3 minutes). How high is the barrier between B and C: the highest loss between them, minus the higher of the two ends?

# %%
line = lines["B → C"]

my_barrier = ...
exercises.check_barrier(my_barrier, line)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# between = line.loss.sel(alpha=slice(0, 1))
# my_barrier = float(between.max() - max(between[0], between[-1]))
# ```
# </details>
#
# **2 · A wall between a network and itself** (●●○, 10 minutes). Make a network that computes what A computes, at another point: put the neurons of the first hidden layer (`hidden[1]`) in reverse order. Which weights of `hidden[3]` must follow? Then draw the line from A to it.

# %%
my_twin = ...  # start from copy.deepcopy(A)
exercises.check_same_function(my_twin, A, images)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_twin = copy.deepcopy(A)
# with torch.no_grad():
#     my_twin.hidden[1].weight.copy_(A.hidden[1].weight.flip(0))
#     my_twin.hidden[1].bias.copy_(A.hidden[1].bias.flip(0))
#     my_twin.hidden[3].weight.copy_(A.hidden[3].weight.flip(1))
# lnb.interpolate(objective, A, my_twin, (0, 1), 21).loss.max()
# ```
# The neurons' rows move, and so do the columns that read them. Both ends are the same function, and between them stands a wall.
# </details>
#
# **3 · How far training keeps away from the line** (●●○, 8 minutes). `runs[0]` recorded its weights after every epoch. How far from the straight line between its first and its last point was it at most, as a fraction of the line's length? `lnb.towards`, `lnb.project` and `lnb.norm` help.

# %%
my_detour = ...
exercises.check_detour(my_detour, runs[0])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# start, end = runs[0].points[0], runs[0].points[-1]
# direction = lnb.towards(start, end)
# my_detour = lnb.project(runs[0], [direction], start).distance.max().item() / lnb.norm(direction)
# ```
# </details>
#
# **4 · Read the plane** (●○○, 3 minutes). What is the loss half way between A and M, that is, at α = 0.25, β = 0.5?

# %%
directions = [along, across["the trained bend M"]]

my_loss = ...
exercises.check_loss_at(my_loss, objective, directions, [0.25, 0.5])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_loss = objective(lnb.move(points["A"], directions, [0.25, 0.5]))["loss"]
# ```
# </details>
#
# **5 · Renumber a layer yourself** (●●●, 20 minutes). Do one step of `lnb.match_neurons` by hand: put the neurons of B's first hidden layer (`hidden[1]`) in the order in which they fit A's best. How alike two neurons are is the inner product of the weights that lead to them, plus that of the weights that lead away from them (columns of `hidden[3]`). `scipy.optimize.linear_sum_assignment` with `maximize=True` finds the best order. How high is the wall between A and your network?

# %%
my_match = ...  # start from copy.deepcopy(B)
exercises.check_same_function(my_match, B, images)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# from scipy.optimize import linear_sum_assignment
#
# (a, b), (a_next, b_next) = ([net.hidden[n] for net in (A, B)] for n in (1, 3))
# alike = a.weight @ b.weight.T + a_next.weight.T @ b_next.weight
# order = linear_sum_assignment(alike.detach(), maximize=True)[1]
# my_match = copy.deepcopy(B)
# with torch.no_grad():
#     my_match.hidden[1].weight.copy_(b.weight[order])
#     my_match.hidden[1].bias.copy_(b.bias[order])
#     my_match.hidden[3].weight.copy_(b_next.weight[:, order])
# print(barrier(lnb.interpolate(objective, A, my_match, (0, 1), 21)))
# ```
# The one layer takes away about half of the wall. With the second hidden layer renumbered too, and both in turn until nothing changes, it is `lnb.match_neurons`.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **A wall does not prove division.** It is a property of one line out of infinitely many.
# - **A way around is not the road of training.** M was trained to be on it; no optimizer needs to find it.
# - **What stays after renumbering is not proof either.** The search may have missed a better numbering.
# - **The test error.** The walls here are measured on training images; the shape of a line has not been shown to predict how a network generalizes.
# - **Widths.** Nothing here is normalized. How wide a valley looks depends on the scale of the weights (notebook 02).
# - **Scale.** Small perceptrons on 8×8 digits have walls of a height of their own; those of large networks differ.
#
# ## To discuss
#
# 1. One pair of networks has a wall between them, another has none: which pair would you rather average?
# 2. Goodfellow's line falls all the way. What would have to be measured to say that training is easy?
# 3. A plane showed a way that the line had hidden. What may a plane hide, and how could one find out?
#
# ## Take away
#
# - Along a line, independently trained networks are divided by a wall; from start to end the loss simply falls. Neither shape says how well they generalize.
# - Between networks with batch norm, say what the running statistics are.
# - Part of a wall is numbering. Renumber the neurons before you say that two networks differ.
# - A wall on a line, and on a random plane, can have a way around it. To see one, look for it.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - I. Goodfellow, O. Vinyals, A. Saxe: *Qualitatively Characterizing Neural Network Optimization Problems*. 2014, [arXiv 1412.6544](https://arxiv.org/abs/1412.6544).
# - J. Frankle: *Revisiting "Qualitatively Characterizing Neural Network Optimization Problems"*. 2020, [arXiv 2012.06898](https://arxiv.org/abs/2012.06898).
# - T. Vlaar, J. Frankle: *What Can Linear Interpolation of Neural Network Loss Landscapes Tell Us?* ICML 2022, [arXiv 2106.16004](https://arxiv.org/abs/2106.16004).
# - T. Garipov, P. Izmailov, D. Podoprikhin, D. Vetrov, A. G. Wilson: *Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs*. NeurIPS 2018, [arXiv 1802.10026](https://arxiv.org/abs/1802.10026).
# - F. Draxler, K. Veschgini, M. Salmhofer, F. Hamprecht: *Essentially No Barriers in Neural Network Energy Landscape*. ICML 2018, [arXiv 1803.00885](https://arxiv.org/abs/1803.00885).
# - J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin: *Linear Mode Connectivity and the Lottery Ticket Hypothesis*. ICML 2020, [arXiv 1912.05671](https://arxiv.org/abs/1912.05671).
# - S. Ainsworth, J. Hayase, S. Srinivasa: *Git Re-Basin: Merging Models modulo Permutation Symmetries*. ICLR 2023, [arXiv 2209.04836](https://arxiv.org/abs/2209.04836).
# - K. Jordan, H. Sedghi, O. Saukh, R. Entezari, B. Neyshabur: *REPAIR: REnormalizing Permuted Activations for Interpolation Repair*. ICLR 2023, [arXiv 2211.08403](https://arxiv.org/abs/2211.08403).
