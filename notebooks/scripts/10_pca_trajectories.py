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
# # 10 · The path in the plane that PCA finds
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/10_pca_trajectories.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/10_pca_trajectories.ipynb)
#
# **Question.** Training moves tens of thousands of weights. How much of its path can one plane show, and what does that say about the loss?
#
# ![Three panels. Left: the path of a training run over the contours of the loss, in the plane of its first two principal components. Middle: the path of a random walk in the plane of its own, a smooth arc. Right: the share of the first component for eight runs, beside that of walks with the same step lengths and the 61 percent of a long random walk.](images/10_pca_trajectories.png)
#
# *Left, a training run in its PCA plane. Middle, a random walk that follows no loss, in its own. Right, the first component's share: count what exceeds the walk with the same steps, not what exceeds zero.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | draw eight training runs in their PCA planes; measure whether their steps follow the gradient; compare with paths that follow no loss |
# | **You need** | what a principal component is; a contour plot of a loss (notebook 05); what random planes leave out (notebook 09) |
# | **In the paper** | Li et al. (2018), section 7, Figure 9 |
# | **Takes** | 1.1 minutes, 1.0 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

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
from itertools import combinations, pairwise

import ipywidgets as widgets
import numpy as np
import torch
from IPython.display import display

import landscape_nb as lnb
from landscape_nb import exercises, plotting
from landscape_nb.trajectories.random_walk import random_walk

# %% tags=["parameters"]
# "quick": a minute, on scikit-learn's digits · "full": the paper's VGG-9 on CIFAR-10;
# it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "width": 0.125, "epochs": 24, "batches": (64, 480)}
quick |= {"decay": 5e-3, "adam": 3e-3, "record": 1, "images": 100, "points": 11}
full = {"data": "cifar10", "width": 1, "epochs": 300, "batches": (128, 8192)}
full |= {"decay": 5e-4, "adam": 1e-3, "record": 5, "images": 5000, "points": 51}
settings = lnb.choose_preset(PRESET, quick=quick, gallery=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]()
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · Eight runs, a plane for each
#
# All runs start from the same weights of a small VGG-9. They differ in three ways: small or large batches, SGD or Adam, with weight decay or without. The learning rate is divided by ten three times, at 1/2, 3/4 and 11/12 of the training, as in the paper.

# %%
start = lnb.models.vgg9(settings.width, **data.shape, seed=settings.seed)
start = start.to(settings.device)
print(f"{sum(p.numel() for p in start.parameters()):,} weights")
rates = {"SGD": 0.1, "Adam": settings.adam}


# %%
def train(optimizer, batch, decay):
    options = {
        "optimizer": optimizer.lower(),
        "lr": rates[optimizer],
        "weight_decay": decay,
    }
    return lnb.train(
        start,
        data,
        settings.epochs,
        batch,
        record=settings.record,
        seed=settings.seed,
        **options,
    )


# %%
small, large = settings.batches
choices = [
    (o, batch, decay)
    for decay in (settings.decay, 0.0)
    for o in ("SGD", "Adam")
    for batch in (small, large)
]
runs = {choice: train(*choice) for choice in choices}

# %% [markdown]
# Each run is now a list of points in weight space, recorded after every epoch (after every fifth in the full preset). We look from the final point and ask for the two directions in which the path varies most, its first two *principal components*: PC1 and PC2.
#
# > **Predict.** Two directions out of tens of thousands. What part of the path's variance will they hold: under 1 %, about 10 %, more than half? And which kind of run will have the largest part?

# %%
held = lnb.predict(
    "How much of the path's variance do two components hold, in each run?",
    ["under 1 %", "about 10 %", "more than half"],
)
held

# %%
pcas = {choice: lnb.pca_directions(run, 2) for choice, run in runs.items()}
ours = {choice: 100 * pca.explained_variance_ratio for choice, pca in pcas.items()}


# %%
printed = [(24.57, 15.04), (87.78, 6.33), (32.80, 17.47), (71.74, 13.03)]
printed += [(73.65, 11.04), (81.87, 8.72), (77.97, 9.56), (80.31, 9.25)]
paper = dict(zip(choices, printed, strict=True))


def name(optimizer, batch, decay):
    return f"{optimizer}, batch {batch}, {'decay' if decay else 'no decay'}"


# %%
print(
    f"{'PC1 + PC2, % of the variance':30} here             in the paper "
    "(batches 128 and 8192)"
)
for choice in choices:
    print(
        f"{name(*choice):30}",
        *(f"{a:5.1f} + {b:4.1f}    " for a, b in (ours[choice], paper[choice])),
    )

# %%
both = [sum(share) for share in ours.values()]
held.reveal(held.choices[int(min(both) > 3) + int(min(both) > 50)])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "10-two-components-hold-most",
    min(both) > 60,
    "In each of the eight runs, two components hold most of the path's variance.",
    percent_in_two_components=both,
)

# %% [markdown]
# A random plane would hold about 2/n of the variance, next to nothing (notebook 09). The paper, with 40 to 94 % in two components, reads the large share as a sign that paths are low-dimensional. In each pair, the run with large batches has the larger share, in our table and in the paper's. Is a large share remarkable? Section 4 comes back to this.

# %% [markdown]
# ## 2 · The path over its contours
#
# In each plane we measure the loss of 100 training images on a grid (5,000 in the full preset), and draw the path on top. Each point of the path is drawn where the plane comes closest to it (least squares, as `lnb.project` does). The square is the start, the star the end. Orange rings mark where the learning rate was divided by ten.
#
# Batch norm needs statistics of the activations. The contours here are *recalibrated*: at every point of the grid the statistics are computed anew from the 100 images. At the end of this section we see what happens otherwise.


# %%
def frame(values, margin=0.15):
    low, high = float(values.min()), float(values.max())
    return low - margin * (high - low), high + margin * (high - low)


def objective_for(run, batch_norm):
    options = {"batch_size": settings.images, "batch_norm": batch_norm}
    return lnb.Objective(run.model, sample, **options)


# %%
def measure(points, run, pca, what):
    path = lnb.project(points, pca.directions, pca.origin)
    extent = frame(path.alpha), frame(path.beta)
    fitted = objective_for(run, "recalibrate")
    grid = {"resolution": settings.points, "origin": pca.origin, "progress": False}
    grid["store"] = settings.store(f"10 {what}")
    return path, lnb.evaluate_plane(fitted, pca.directions, extent, **grid)


# %%
found = {
    choice: measure(runs[choice], runs[choice], pcas[choice], name(*choice))
    for choice in choices
}

# %% [markdown]
# > **Predict.** At the first ring the learning rate falls to a tenth. What will the path do there?

# %%
LEVELS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


def draw_in_plane(panel, path, plane, shares, until=None, levels=LEVELS):
    filled = plotting.draw_contours(panel, plane, levels=levels)
    plotting.draw_path(panel, path, until)
    stretch = 0.8 * np.ptp(plane.alpha.values) / np.ptp(plane.beta.values)
    first, second = 100 * np.array(shares)
    panel.set(
        aspect="auto", box_aspect=0.8, xlabel=f"distance along PC1 ({first:.0f} %)"
    )
    panel.set(ylabel=f"along PC2 ({second:.0f} %), stretched × {stretch:.1f}")
    return filled


# %%
def draw_run(panel, choice, until=None):
    shares = pcas[choice].explained_variance_ratio
    filled = draw_in_plane(panel, *found[choice], shares, until)
    panel.set_title(name(*choice))
    return filled


# %%
def draw(epoch=settings.epochs, optimizer="SGD", batch=small, weight_decay=True):
    figure, (panel,) = plotting.panels(1, size=(5.8, 4.4))
    choice = optimizer, batch, settings.decay if weight_decay else 0.0
    draw_run(panel, choice, epoch)
    panel.set_title(f"{panel.get_title()}: epoch {epoch}")
    return figure


# %%
options = {"min": 0, "max": settings.epochs, "step": 2 * settings.record}
slider = widgets.IntSlider(settings.epochs, description="epoch", **options)
play = widgets.Play(settings.epochs, interval=400, **options)
widgets.jslink((play, "value"), (slider, "value"))
display(play)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The path of a chosen run up to a chosen epoch in its PCA plane, over the contours "
    "of the recalibrated loss of 100 images."
)

# %%
select = {"optimizer": ["SGD", "Adam"], "batch": [small, large], "weight_decay": True}
lnb.explore(draw, alt=alt, epoch=slider, **select)

# %% [markdown]
# Press play, or drag the epoch. Below are the four runs with weight decay, all with the same levels. Both axes are distances in weight space: a unit is a distance of 1 between two networks' weights. But the panels are not drawn to scale. PC2 is stretched, by the factor on its axis, and each panel is as large as its own path.


# %%
def with_bar(figure, panels, filled):
    bar = figure.colorbar(filled, ax=list(panels), ticks=np.log10(LEVELS), shrink=0.9)
    bar.set_ticklabels([f"{level:g}" for level in LEVELS])
    bar.set_label("loss, recalibrated")


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Paths of SGD and Adam with small and large batches over the contours of "
    "their PCA planes. From a square at the start they run in an arc, from high "
    "contours to low ones, to a star. The orange rings of the learning-rate drops lie "
    "on the star or close to it."
)

# %%
figure, panels = plotting.panels(2, 2, size=(5.4, 4.0))
filled = [draw_run(panel, c) for panel, c in zip(panels, choices, strict=False)]
with_bar(figure, panels, filled[0])
lnb.show(figure, alt=alt)

# %% [markdown]
# The same as a surface. In JupyterLab and on the course's pages, press play and the first run walks down over its plane; turn it with the mouse. (Elsewhere you see the path from above.)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The path of SGD with small batches and decay, from a square at the start, on "
    "the slope of a wide valley, to a star near its floor."
)

# %%
path, plane = found[choices[0]]
still, (panel,) = plotting.panels(1, size=(6, 4.3))
with_bar(still, [panel], draw_run(panel, choices[0]))
lnb.show_interactive(
    plotting.plotly_path(plane, path, title=name(*choices[0])), still, alt=alt
)

# %% [markdown]
# The rings crowd around the star. So look closely: the end of two runs, from two epochs before the first drop, each in the PCA plane of these last points alone.

# %%
drop = runs[choices[0]].epochs.index(runs[choices[0]].lr_drops[0])


def measure_end(choice):
    run = runs[choice]
    last = slice(drop - 2, None)
    pca = lnb.pca_directions(run.points[last], 2)
    path, plane = measure(run.points[last], run, pca, f"{name(*choice)}, end")
    path = path.assign_coords(epoch=("point", run.epochs[last]))
    return path.assign_attrs(lr_drops=run.lr_drops), plane, pca.explained_variance_ratio


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The end of two paths of SGD, enlarged. Two long steps lead to the first "
    "orange ring. There the path bends, and goes on to the star in many short steps."
)

# %%
figure, panels = plotting.panels(2, size=(5.5, 4.1))
for panel, choice in zip(panels, choices[:2], strict=True):
    filled = draw_in_plane(panel, *measure_end(choice))
    panel.set_title(f"{name(*choice)}: the end")
with_bar(figure, panels, filled)
lnb.show(figure, alt=alt)

# %% [markdown]
# How much of each path comes after the first drop? And what is the network's loss there, and one recorded point later?

# %%
for choice in choices:
    run = runs[choice]
    steps = [lnb.norm(lnb.towards(a, b)) for a, b in pairwise(run.points)]
    late = sum(steps[drop:]) / sum(steps)
    around = [
        lnb.Objective(run.model_at(run.epochs[i]), sample) for i in (drop, drop + 1)
    ]
    before, after = (objective()["loss"] for objective in around)
    print(f"{name(*choice):25} length {sum(steps):5.1f}, {late:.0%} after", end=" ")
    print(f"the drop; loss {before:.4f}, then {after:.4f}")

# %% [markdown]
# At the first drop the path all but stops: half of the epochs follow, and only a small part of the way. (It bends there, too. But it bends about as much in other epochs, and in the right panel the second axis is stretched: only the length of the steps is telling.) The paper has this kink too, and explains it: with shorter steps the noise is smaller. In the first run, SGD with small batches and decay, the loss falls sharply just there: it was the long steps that had kept it up.
#
# ### On the paper's data
#
# All eight runs are computed on the paper's data, too: a VGG-9 on CIFAR-10, with half the paper's width and for 20 epochs instead of 300. Their paths and planes ship with this package. (Statistics are frozen here, as in the paper. So the heights far from the star are those of no network that was trained; see below. The levels are others, too, from 0.25 to 100: a colour does not mean the same as above. PC2 is stretched in all panels, by 1.2 to 1.7.)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Paths on CIFAR-10 over the contours of their PCA planes: SGD above, Adam below, "
    "with batches of 128 and of 8192, with decay and without. Each goes from a square "
    "in an arc over its contours to a star, with the orange rings of the learning-rate "
    "drops close to it."
)

# %%
sizes, kinds = {"small": 128, "large": 8192}, ("decay", "no-decay")
there = [(o, s, k) for o in ("sgd", "adam") for k in kinds for s in sizes]
held_there = {}
levels = (0.25, 0.5, 0.75, 1, 1.5, 2, 5, 10, 100)
figure, panels = plotting.panels(4, 2, size=(3.3, 3.2))
for panel, (optimizer, size, kind) in zip(panels, there):
    job = f"cpu-vgg9-{optimizer}-{size}-{kind}"
    path, plane = (lnb.gallery_result(job, part) for part in ("path", "path-plane"))
    held = held_there[optimizer, size, kind] = path.attrs["shares"]
    filled = draw_in_plane(panel, path, plane, held, levels=levels)
    title = f"{optimizer.capitalize()}, batch {sizes[size]}\n{kind.replace('-', ' ')}"
    panel.set_title(title.replace("Sgd", "SGD"), fontsize=12)
    panel.set(xlabel=f"PC1 ({held[0]:.0%})", ylabel=f"PC2 ({held[1]:.0%})")
figure.colorbar(filled, ax=list(panels), label="loss", format=lambda x, _: f"{10**x:g}")
lnb.show(figure, alt=alt)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "10-two-components-hold-most-on-cifar10",
    min(sum(shares) for shares in held_there.values()) > 0.7,
    "On CIFAR-10, too, two components hold most of each path's variance.",
    shipped=True,
    **{
        f"shares_of_{optimizer}_batch_{sizes[size]}_{kind}".replace("-", "_"): shares
        for (optimizer, size, kind), shares in held_there.items()
    },
)

# %% [markdown]
# The paper's sums, in the order of the panels, are 40, 94, 85 and 91 % for SGD, and 50, 85, 88 and 90 % for Adam. With decay, the paths of small batches lie much closer to their planes here: 20 epochs have less time to wander than 300. The large batch has the larger sum in all four pairs, as in the paper. (Which way PC1 points is arbitrary: two of the paths run from right to left.)
#
# ### The networks are not in the picture
#
# The picture puts every network of the run onto the plane, and only the last one lies in it. Nor do the batch-norm statistics of the last network fit the earlier ones. The paper's code keeps the last network's statistics in the whole plane (*frozen*).
#
# > **Predict.** At the start the network guesses, and its loss is ln 10 ≈ 2.3. What loss would contours with frozen statistics show under the square at the start?

# %%
measured = {}
for choice in choices:
    frozen, pca = objective_for(runs[choice], "frozen"), pcas[choice]
    measured[choice] = lnb.plane_gap(frozen, runs[choice], pca.directions, pca.origin)


# %%
def recalibrated(choice):
    fitted, path = objective_for(runs[choice], "recalibrate"), found[choice][0]
    directions, origin = pcas[choice].directions, pcas[choice].origin
    places = zip(path.alpha.values.tolist(), path.beta.values.tolist(), strict=True)
    return [fitted(lnb.move(origin, directions, place))["loss"] for place in places]


# %%
def draw_gap(panel, choice):
    path = measured[choice]
    lines = {"the network": path.loss, "projection, frozen": path.plane_loss}
    lines["projection, recalibrated"] = recalibrated(choice)
    for (label, values), style in zip(lines.items(), ("-", "--", ":"), strict=True):
        panel.plot(path.epoch, values, style, label=label)
    panel.set(yscale="log", ylim=(1e-4, 1e6), xlabel="epoch", ylabel="training loss")
    panel.set_title(name(*choice))


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Training loss by epoch of the network itself and of its projection on the PCA "
    "plane, with frozen and with recalibrated statistics, for two runs. SGD with small"
    " batches: frozen, the projection is up to tens of thousands of times above the "
    "network in the first epochs; recalibrated, it lies below the network. Adam with "
    "large batches: all stay within a factor of a few."
)

# %%
figure, panels = plotting.panels(2)
for panel, choice in zip(panels, (choices[0], choices[3]), strict=True):
    panel.set_prop_cycle(color=("#0072B2", "#D55E00", "#009E73"))
    draw_gap(panel, choice)
panels[0].legend()
lnb.show(figure, alt=alt)


# %%
def largest_factor(path):
    return float(np.exp(np.abs(np.log(path.plane_loss / path.loss)).max()))


gaps = {choice: largest_factor(path) for choice, path in measured.items()}


# %%
for choice, path in measured.items():
    way = lnb.norm(lnb.towards(*runs[choice].points[:: len(path.point) - 1]))
    off = float(path.distance.max())
    print(
        f"{name(*choice):25} up to {off / way:3.0%} of the way off the plane,", end=" "
    )
    print(f"frozen contours wrong by up to × {float(f'{gaps[choice]:.2g}'):,.6g}")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "10-the-plane-shows-another-loss",
    gaps[choices[0]] > 100,
    "SGD with small batches and decay: somewhere on the path, contours with frozen "
    "statistics are wrong by more than a factor of 100.",
    largest_factor_for_each_run=list(gaps.values()),
)

# %% [markdown]
# Under the square of the first run, frozen contours show hundreds of times the network's loss, or more; under that of Adam with large batches they show about 2.3. Recalibrated contours have no such heights, and err the other way: soon the projection has a far lower loss than the network had. The plane leaves out the other directions in which the run strayed; and the network was measured with the statistics of its epoch, which lag behind its weights.
#
# Which of the two does the damage, the projection or the statistics? For the first run, here are the network and its projection, each with the statistics it had at that epoch and with the final ones.

# %%
run, pca, path = runs[choices[0]], pcas[choices[0]], found[choices[0]][0]
print(f"{'':5}{'statistics of the epoch':>26}{'final statistics':>26}")
print("epoch", *(f"{title:>12}" for title in 2 * ("network", "projection")))
for i in (0, 1, 3, 6, 12):
    place = [float(path.alpha[i]), float(path.beta[i])]
    both_points = run.points[i], lnb.move(pca.origin, pca.directions, place)
    nets = run.model_at(run.epochs[i]), run.model
    objectives = [lnb.Objective(net, sample, batch_size=100) for net in nets]
    losses = [o(weights)["loss"] for o in objectives for weights in both_points]
    print(f"{run.epochs[i]:5}", *(f"{loss:12,.2f}" for loss in losses))

# %% [markdown]
# With the statistics of its epoch, the projection's loss is nowhere near thousands of times the network's. In the early epochs, the factors of thousands come from the statistics: the final ones do as much to the network itself, as soon as it has left the start.

# %% [markdown]
# ## 3 · Do the steps follow the gradient?
#
# In their talk, the authors read more from these pictures: with small batches and weight decay, the steps stop following the gradient. The paper says that such paths "turn nearly parallel to the contours and orbit the solution when the stepsize is large". But a plane cannot show which way a gradient points in all dimensions. So measure it there: `lnb.step_cosines` gives the cosine between each recorded step and the negative gradient of the training loss (480 images, without the weight penalty) at the point where the step begins. At 1 the step goes straight down, at 0 along a contour, below 0 it goes *against* the gradient: uphill, at first.
#
# > **Predict.** Which of the eight runs will have negative cosines: those with small batches, those with weight decay, those with both? And when: before the first drop, or after it?

# %%
uphill = lnb.predict(
    "After the first drop, which runs step against the gradient, on average?",
    ["those with small batches", "those with weight decay", "only those with both"],
)
uphill


# %%
def compare_steps(run):
    objective = lnb.Objective(run.model, data.subset(480), batch_size=120)
    return lnb.step_cosines(run, objective)


# %%
followed = {choice: compare_steps(run) for choice, run in runs.items()}


# %%
def draw_cosines(panel, choice):
    optimizer, batch, decay = choice
    colour, marker = ("#D55E00", "s") if decay else ("#0072B2", "o")
    label = "with weight decay" if decay else "without"
    cosine = followed[choice].cosine
    panel.plot(cosine.epoch, cosine, color=colour, marker=marker, label=label)
    panel.set(title=f"{optimizer}, batch {batch}", xlabel="epoch", ylim=(-0.55, 0.55))


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Cosine between each epoch's step and the negative gradient, for eight "
    "runs in four panels. Until the first drop of the learning rate, the "
    "first dotted line, all are small, and large batches with weight decay "
    "have sunk below zero. After it the runs with weight decay lie below "
    "zero nearly everywhere, and those without at zero or above."
)

# %%
figure, panels = plotting.panels(4, size=(3.8, 4.0))
for number, choice in enumerate(choices):
    draw_cosines(panels[number % 4], choice)
for panel in panels:
    panel.axhline(0, color="black", linewidth=1)
    for epoch in runs[choices[0]].lr_drops:
        panel.axvline(epoch, color="0.5", linestyle=":", linewidth=1.5)
panels[0].set_ylabel("cosine: step and negative gradient")
panels[0].legend(loc="lower left", fontsize=11)
lnb.show(figure, alt=alt)

# %%
print(f"{'mean cosine':25} before the first drop    after it")
for choice in choices:
    cosine = followed[choice].cosine.values
    print(
        f"{name(*choice):25} {cosine[:drop].mean():21.3f} {cosine[drop:].mean():11.3f}"
    )

# %% [markdown]
# **Notice**
#
# 1. Before the first drop all cosines are small, a few hundredths to a few tenths. That is little, and yet not chance: for two random directions in n dimensions a cosine is about ±1/√n, here 0.006.
# 2. After the drop, every run with weight decay steps against the gradient, on average, and every run without follows it. Batch size does not decide which. With large batches and decay the steps turn before the drop already.
# 3. In the first epoch after the drop, most runs with small batches have a peak: there they go down with the gradient. Those with large batches have none.

# %%
after = {c: float(s.cosine[drop:].mean()) for c, s in followed.items()}
against = {c for c, value in after.items() if value < 0}
by = {c for c in choices if c[1] == small}, {c for c in choices if c[2] > 0}
differ = [len(against ^ guess) for guess in (*by, by[0] & by[1])]
uphill.reveal(uphill.choices[int(np.argmin(differ))])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "10-decay-turns-steps-against-the-gradient",
    all((value < 0) == (choice[2] > 0) for choice, value in after.items()),
    "After the first drop of the learning rate, on average, all four runs with weight "
    "decay step against the gradient, and all four without follow it.",
    mean_cosine_after_the_drop=list(after.values()),
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
whole = {c: float(s.cosine.mean()) for c, s in followed.items()}
plain = {o: (whole[o, small, 0.0], whole[o, large, 0.0]) for o in ("SGD", "Adam")}
lnb.claim(
    "10-small-batches-alone-do-not",
    all(0 < few < many for many, few in plain.values()),
    "Without decay, epochs of small batches follow the gradient, and more "
    "closely than epochs of large ones: the authors' half about small "
    "batches is not reproduced here.",
    small_and_large_for_SGD_and_Adam=list(plain.values()),
)

# %% [markdown]
# So one half of the authors' statement holds here: weight decay does turn the steps against the gradient of the loss. The other half is not reproduced here: small batches alone do not turn them.
#
# Why does decay do it? It adds a pull on every weight toward zero. Compare the steps after the drop with the straight way to zero:


# %%
def shrinking(run):
    late = list(pairwise(run.points))[drop:]
    pulls = [[lnb.towards(a, b), lnb.scale(a, -1)] for a, b in late]
    return np.mean([lnb.cosines(pair)[0, 1] for pair in pulls])


for choice in choices:
    print(
        f"{name(*choice):25} cosine with the way to zero {shrinking(runs[choice]):6.3f}"
    )

# %% [markdown]
# The optimizer follows the loss *plus* the penalty. Once the loss is small, shrinking the weights is what is left to gain: a step pays a little loss for a little less penalty.
#
# Mind what a step is: all of an epoch's updates together, 23 with small batches and 3 with large ones. The noise of single updates cancels in part. The peaks at the drop fit the picture that noise keeps a run up on the walls of a valley: when the steps become short, it comes down.

# %% [markdown]
# ## 4 · A path that follows nothing
#
# A share of 90 % is remarkable only if it is larger than that of a *null model*, a path that follows no loss. The simplest is a random walk, which takes each step in a new random direction. What does PCA find in it?
#
# > **Predict.** In 10,000 dimensions 24 random steps are nearly at right angles to each other: the walk really uses 24 dimensions. What share does PC1 hold: 1/24, a tenth, more than half?

# %%
walks = {
    m: 100 * lnb.random_walk_variance_ratio(m, 10_000, 2, settings.seed)
    for m in (5, 10, 25, 100, 400)
}
for m, walk_share in walks.items():
    limit = 100 * lnb.random_walk_ratios(2, m)
    print(
        f"{m:4} points:",
        *(
            f"PC{k}: {a:4.1f} % (law {b:4.1f})  "
            for k, a, b in zip((1, 2), walk_share, limit)
        ),
    )

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "10-a-walk-has-a-large-PC1",
    all(
        abs(share[0] - 100 * 6 / np.pi**2) < 3 for m, share in walks.items() if m >= 25
    ),
    "A random walk's first component holds about 6/π² = 60.8 % of its "
    "variance, from 25 points to 400.",
    percent_for_each_length=[share[0] for share in walks.values()],
)

# %% [markdown]
# So 61 % in PC1 is what a path looks like that follows nothing. (The law is the share in infinitely many dimensions, from Antognini and Sohl-Dickstein.) Of the paper's eight values in section 1, six are above it, by 11 to 27 percentage points; the two with small batches and decay are below. A run's steps also shrink when the learning rate drops. A fairer comparison is therefore a walk whose steps are *as long as the run's*, each in a random direction.


# %%
def walk_like(run):
    points, walk = run.points, run.points[:1]
    directions = lnb.random_directions(
        start, len(points) - 1, normalize="none", seed=settings.seed, ignore=None
    )
    for before, after, direction in zip(points, points[1:], directions, strict=False):
        length = lnb.norm(lnb.towards(before, after))
        walk.append(lnb.move(walk[-1], [direction], [length / lnb.norm(direction)]))
    return walk


# %%
nulls = {
    c: 100 * lnb.pca_directions(walk_like(run), 2).explained_variance_ratio
    for c, run in runs.items()
}

# %%
for choice in choices:
    print(
        f"{name(*choice):30} PC1 {ours[choice][0]:5.1f} %, walk with these "
        f"steps {nulls[choice][0]:5.1f} %"
    )


# %%
def components(points):
    pca = lnb.pca_directions(points, 4, center="mean")
    return lnb.project(points, pca.directions, pca.origin).coordinate.values


# %%
wandering = [
    {"weights": torch.from_numpy(row)} for row in random_walk(300, 3000, settings.seed)
]
coordinates = {
    "SGD, small batch, decay": components(runs[choices[0]]),
    "random walk": components(wandering),
}


# %%
def draw_components(panel, title, first, second):
    xy = coordinates[title][:, [first - 1, second - 1]]
    xy = xy / np.abs(xy).max(axis=0)
    panel.plot(*xy.T, color="0.6", linewidth=1)
    dots = panel.scatter(
        *xy.T, c=np.linspace(0, 1, len(xy)), cmap="viridis", s=40, zorder=3
    )
    panel.set(
        xlabel=f"PC{first}", ylabel=f"PC{second}", xticks=[], yticks=[], title=title
    )
    return dots


# %%
def lissajous(first=1, second=2):
    figure, panels = plotting.panels(2, size=(5.4, 4.6))
    for panel, title in zip(panels, coordinates, strict=True):
        dots = draw_components(panel, title, first, second)
    figure.colorbar(dots, ax=list(panels), label="time", ticks=[0, 1])
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "A training run and a random walk, each drawn in two of its own first four "
    "principal components and coloured by time, from dark to bright."
)

# %%
lnb.explore(lissajous, alt=alt, first=(1, 4), second=(1, 4))

# %% [markdown]
# A long random walk draws Lissajous figures, curves whose coordinates are cosines of different frequencies: its k-th coordinate is about cos(πkt), with the time t from 0 to 1. (Each axis here is scaled to its largest value.) Even a path that follows no loss at all gives a smooth arc in the plane of PC1 and PC2.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: a training run over the contours of its PCA plane. Middle: a "
    "random walk in its PCA plane, coloured by time, is a smooth arc. "
    "Right: PC1's share for eight runs and, always smaller, for walks with "
    "the same step lengths; the dashed line is 61 percent."
)

# %% tags=["answer"]
figure, (left, middle, right) = plotting.panels(3, size=(5.1, 4.4))
draw_run(left, choices[0])
draw_components(middle, "random walk", 1, 2)
middle.set(title="random walk, no loss", xlabel="PC1 (61 %)", ylabel="PC2 (15 %)")
rows = range(len(choices))
blue, red = {"color": "#0072B2", "ms": 11}, {"color": "#D55E00", "ms": 11, "mew": 3}
right.plot([ours[c][0] for c in choices], rows, "o", **blue, label="training run")
right.plot([nulls[c][0] for c in choices], rows, "x", **red, label="walk, same steps")
right.axvline(600 / np.pi**2, color="black", linestyle="--", label="long random walk")
right.set(
    yticks=rows,
    yticklabels=map("{0[0]} {0[1]} {0[2]:g}".format, choices),
    xlabel="PC1, % of variance",
)
right.set(title="optimizer, batch, decay", xlim=(50, 100), ylim=(10.2, -0.5))
right.legend(fontsize=11, loc="lower right")
lnb.show(figure, alt=alt)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
noisy = choices[0]
explained = [nulls[c][0] / ours[c][0] for c in choices]
lnb.claim(
    "10-a-large-PC1-is-no-evidence",
    min(explained) > 0.55,
    "In every run, more than half of PC1's share is there in a random walk "
    "with the same step lengths.",
    walk_divided_by_run=explained,
)

# %%
excess = [ours[c][0] - nulls[c][0] for c in choices if c[1] == large]


# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "10-large-batches-exceed-the-walk",
    min(excess) > 5,
    "With large batches, PC1 holds clearly more than in a random walk with "
    "the same steps.",
    percentage_points_above_the_walk=excess,
)

# %% [markdown]
# **Notice**
#
# 1. The random walk draws an arc as smooth as the training run's.
# 2. In the right panel, every dot lies to the right of its cross: PC1 does hold more of a run than of a walk with its steps. But the crosses begin near 60 %, not near 0.
# 3. In most pairs, the run with small batches is clearly nearer to its walk, in percentage points, than the one with large batches.

# %% [markdown]
# In a random walk successive steps are at right angles: their cosine is 0. And in the runs?

# %%
for choice in choices:
    steps = [lnb.towards(a, b) for a, b in pairwise(runs[choice].points)]
    turns = [lnb.cosines(pair)[0, 1] for pair in pairwise(steps)]
    print(
        f"{name(*choice):30} mean cosine of successive epochs' steps "
        f"{np.mean(turns):5.2f}"
    )

# %% [markdown]
# **Why.** A path is a *sum* of steps. Where it is at epoch 20 depends on all the steps before, so that points of neighbouring epochs are close together and others far apart: slow waves carry the most variance, even when the steps themselves have nothing in common. For a walk, the eigenvalues fall like 1/k², and 1 + 1/4 + 1/9 + … = π²/6, so that the first has 6/π². Steps of unequal length change it somewhat (the crosses). What exceeds the crosses comes from steps that are not at right angles: they point the same way, epoch after epoch, as the cosines above show for neighbours.
#
# So what does the plane say about the loss? That one plane shows most of a path says little: a long random walk has 76 % in its plane. The excess says that successive steps agree. And the contours say what the loss is *in the plane*, not what it was on the path.

# %% [markdown]
# ## 5 · Four runs in one plane
#
# A plane of its own flatters every run. Runs can only be compared in a plane that they share: `lnb.shared_plane` takes the components of all their points together.
#
# > **Predict.** Four runs from the same start. Do they end close to each other, and how much of each path will the common plane show?

# %%
four = choices[:4]
shared = lnb.shared_plane([runs[c] for c in four])
together = {c: lnb.project(runs[c], shared.directions, shared.origin) for c in four}
first, second = 100 * shared.explained_variance_ratio

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Paths of four runs in one shared plane: from a common start the two optimizers "
    "go different ways, to four ends."
)

# %%
figure, (panel,) = plotting.panels(1, size=(7.4, 5.0))
for (choice, path), colour in zip(
    together.items(), ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), strict=True
):
    panel.plot(
        path.alpha, path.beta, "o-", color=colour, markersize=5, label=name(*choice)
    )
    panel.plot(
        path.alpha[-1],
        path.beta[-1],
        "*",
        color=colour,
        markersize=20,
        markeredgecolor="black",
    )
panel.plot(path.alpha[0], path.beta[0], "s", color="black", markersize=11)
panel.set(xlabel=f"distance along PC1 ({first:.0f} %)")
panel.set(ylabel=f"distance along PC2 ({second:.0f} %)")
panel.set(title="one plane for four runs, to scale", aspect="equal")
panel.legend(fontsize=11)
lnb.show(figure, alt=alt)

# %% [markdown]
# In this plane the two optimizers part at once, and Adam's two runs go the same way at different speeds. The axes say how much of the four runs' variance the plane holds. But the picture does not say how far each run is from the plane, which goes through the end of the first run, nor how far apart the ends are:

# %%
own, common = (
    [float((path.distance**2).mean() ** 0.5) for path in group]
    for group in ([found[c][0] for c in four], together.values())
)
farther = [b / a for a, b in zip(own, common, strict=True)]
apart = [
    lnb.norm(lnb.towards(a, b))
    for a, b in combinations([runs[c].points[-1] for c in four], 2)
]
for choice, a, b in zip(four, own, common, strict=True):
    print(
        f"{name(*choice):24} root mean square distance from its own plane "
        f"{a:.2f}, from the shared one {b:.2f}"
    )
print(f"distances between two of the four ends: {min(apart):.1f} to {max(apart):.1f}")


# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "10-a-shared-plane-shows-less",
    min(farther) > 1.2,
    "Each run is farther from the shared plane than from its own.",
    times_farther_for_each_run=farther,
)

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · PC1 by hand** (●○○, 5 minutes). `rows` holds the points of the first run, one point in each row. What share of the variance does the first principal component carry? Use NumPy only.

# %%
rows = np.stack(
    [
        np.concatenate([w.cpu().numpy().ravel() for w in point.values()])
        for point in runs[noisy].points
    ]
)

my_share = ...
exercises.check_share(my_share, rows)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# variances = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
# my_share = variances[0] / variances.sum()
# ```
# </details>
#
# **2 · Nothing, in two components** (●○○, 3 minutes). What share do the first *two* components of a long random walk hold together? Compare it with the table of section 1.

# %%
my_walk_share = ...
exercises.check_walk_share(my_walk_share, 2)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_walk_share = 6 / np.pi**2 * (1 + 1 / 4)
# ```
# 76 %. In the paper's columns, that is more than the 39.6 % and 50.3 % of the two runs with small batches and decay, and less than the others; all of ours have more.
# </details>
#
# **3 · One run in another's plane** (●●○, 10 minutes). Take the straight way of Adam (small batches, decay) from its start to its end. What part of its length is outside the PCA plane of SGD (small batches, decay), when that plane is put through Adam's start?

# %%
adam, plane = runs["Adam", small, settings.decay], pcas[noisy].directions

my_part = ...
exercises.check_part_outside(my_part, adam.points[-1], plane, adam.points[0])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# found_there = lnb.project(adam.points[-1:], plane, adam.points[0])
# my_part = float(found_there.distance[0] / np.hypot(found_there.distance[0], found_there.in_plane[0]))
# ```
# </details>
#
# **4 · Make a plane look better** (●●○, 10 minutes). Keep fewer epochs of the same run: every sixth point of `rows`. What does PC1 hold now? Think first: does it grow or fall, and why?

# %%
my_sparse_share = ...
exercises.check_share(my_sparse_share, rows[::6])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# fewer = rows[::6] - rows[::6].mean(axis=0)
# variances = np.linalg.svd(fewer, compute_uv=False) ** 2
# my_sparse_share = variances[0] / variances.sum()
# ```
# It grows, here by several percentage points: five points span four directions at most, and what the path did between them no longer counts. The share depends on which epochs were saved.
# </details>
#
# **5 · Less than nothing?** (●●●, 20 minutes). In the paper, SGD with small batches and decay has only 24.6 % in PC1, far *below* the 61 % of a random walk. How can a path have less than one that follows nothing? Invent a rule for such a path, without a loss: 60 points or so in 1,000 dimensions, with at most 25 % in PC1. Each point must still depend on the one before it: steps have to be shorter than the cloud of points is wide.

# %%
my_path = ...
exercises.check_lingering_path(my_path, 0.25)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# random, point, my_path = np.random.default_rng(0), np.zeros(1000), []
# for _ in range(60):
#     point = 0.75 * point + random.standard_normal(1000)
#     my_path.append(point)
# ```
# A random walk goes away for good, and PC1 shows the way it went. Pull the point back by a quarter before each step, and it wanders around one place: no direction is special, and many components share the variance. That fits the paper's word "orbit". A low share does not mean that a path is complicated, nor a high one that it is simple.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **That training is low-dimensional.** A share of 60 % in one component is what a random walk has. Only the excess over a fair null counts, and ours (steps of the same lengths) is one of many.
# - **That batch size is the cause.** Large batches here make 3 updates an epoch and small ones 23; in the paper 7 and 391. Fewer updates may make a path shorter and straighter, whatever the noise; nothing here takes the two apart.
# - **The loss of the networks on the path.** The contours belong to the plane, with statistics that no network of the run had.
# - **What a single update does.** The cosines of section 3 are those of whole epochs. And the gradient is that of a network with fixed batch-norm statistics, while training differentiates through them; in the first epochs the recorded statistics lag behind the weights.
# - **The paper's numbers.** Its small-batch SGD run with decay has a PC1 of 24.6 % over 300 epochs, far *below* a random walk. A likely reason, not tested here: at a large learning rate it wanders around a point instead of leaving it (exercise 5). Our 24 epochs on digits do not reproduce that low value.
#
# ## To discuss
#
# - A path that jitters around a fixed point has *small* principal components, all alike. What would you see of the paper's 24.6 % if the first epochs were left out?
# - Which null model would you accept: a random walk, a walk with momentum, the run's own steps in random order?
# - Two papers show paths in "the PCA plane", one of a single run, the other of ten runs together. Which questions can each answer?
#
# ## Take away
#
# - PCA finds the plane that holds most of a path's variance; two components held most of it in all of our runs.
# - Whether steps follow the gradient is a question about all dimensions, not about a plane. Here weight decay turns them against it, at the latest in the second half of training; small batches alone do not.
# - A random walk, without any loss, has 61 % in its first component and 76 % in two, and draws the same smooth arcs. Draw the null model beside the data: only the excess says something about training.
# - Say how far the path is from the plane, what loss the networks had, and which batch-norm statistics the contours use: the picture does not tell.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - J. Antognini, J. Sohl-Dickstein: *PCA of high dimensional random walks with comparison to neural network training*. NeurIPS 2018, [arXiv 1806.08805](https://arxiv.org/abs/1806.08805).
