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
# # 00 · The whole story in five minutes
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/00_start_here.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/00_start_here.ipynb)
#
# **Question.** What does the loss of a network with 855,770 weights look like, and can a picture of it be trusted?
#
# ![Two surfaces of the training loss on one logarithmic scale. ResNet-56 without skip connections: ridges and pits around a narrow ravine. With them: one smooth bowl.](images/00_start_here.png)
#
# *Two networks of 56 layers, trained by the paper's authors on the same images. The one on the right has skip connections: shortcuts past its layers. How such a picture is made, and what it shows and hides, is what this notebook is about.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | turn the paper's most famous picture around; evaluate a loss anywhere in weight space; draw it along a line and over a plane; see what skip connections do |
# | **You need** | Python and PyTorch: what a module, a loss and a gradient step are |
# | **In the paper** | Li et al. (2018), *Visualizing the Loss Landscape of Neural Nets*, Figure 1 |
# | **Takes** | 0.7 minutes, 1.0 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

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
import numpy as np

import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": about a minute, on scikit-learn's digits · "full": the paper's setting, on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
small = {"data": "digits", "train": 816, "epochs": 6, "batch": 48, "lr": 0.02}
quick = small | {"images": 100, "reach": 0.5, "points": 25}
large = {"data": "cifar10", "train": 50_000, "epochs": 300, "batch": 128, "lr": 0.1}
full = large | {"images": 50_000, "reach": 1.0, "points": 51}
settings = lnb.choose_preset(PRESET, quick=quick, gallery=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]().subset(settings.train)
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · The picture
#
# The paper's authors trained two networks of 56 layers on CIFAR-10 for 300 epochs, without and with skip connections (also called shortcuts), and published the weights. This is the loss around each of them, over a plane of 51 × 51 points that ships with the course. The height is logarithmic, each step up is ten times the loss, and it is cut at 0.1 and at 40.

# %%
shipped = lnb.shipped_planes("05")
shipped = {name: shipped[name] for name in ("ResNet-56, no shortcuts", "ResNet-56")}
pair = {"bottom": 0.1, "top": 40}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss surfaces of the authors' ResNet-56, on one logarithmic scale. Without skip "
    "connections: ridges and pits around a narrow ravine. With them: one smooth bowl."
)

# %% tags=["answer"]
lnb.show_interactive(
    plotting.plotly_surface(shipped, turns=60, **pair),
    plotting.plot_surfaces(shipped, **pair),
    alt=alt,
)

# %% [markdown]
# In JupyterLab and on the course's pages, drag to turn them, or press *turn*. Both networks have learned their images. Their losses at the centre:

# %%
{name: round(p.attrs["origin_loss"], 4) for name, p in shipped.items()}

# %% [markdown]
# Now we make such a picture ourselves, small enough for a minute.
#
# ## 2 · A network is a point
#
# The data are real: 816 handwritten digits of 8×8 pixels. The network is the paper's ResNet-56. Its weights are 855,770 numbers, so the network is a *point* in a space of 855,770 dimensions (a few fewer here, because the images are grey), and its training loss is a height above that point.


# %%
def train(shortcuts):
    model = lnb.models.resnet(56, shortcuts, **data.shape, seed=settings.seed)
    model = model.to(settings.device)
    return lnb.train(
        model, data, settings.epochs, settings.batch, lr=settings.lr, seed=settings.seed
    )


run = train(shortcuts=True)
objective = lnb.Objective(
    run.model, sample, metrics={"accuracy": lnb.accuracy}, batch_size=settings.images
)
objective()

# %% [markdown]
# `objective` is the loss as a function of the weights: `objective(params)` measures anywhere, and never touches the model. Training went from the initial point to this one; how high were both?

# %%
before, after = (
    objective(params)["loss"] for params in (run.points[0], run.points[-1])
)
print(f"loss before training {before:.2f}, after {after:.4f}")

# %% [markdown]
# ## 3 · A step out of the minimum, in a random direction
#
# Nobody can look at 855,770 dimensions. We choose one direction at random, d, and walk: θ + α·d. But a random step of one size is huge for small weights and nothing for large ones, so each *filter* of d is scaled to the length of the filter it moves. This is **filter normalization**, the paper's remedy (notebook 02 shows what happens without).
#
# > **Predict.** Draw the curve you expect: how far can every filter be moved, relative to its length, before the loss is as high as that of guessing (ln 10 ≈ 2.3)? Vote; the course keeps your votes and shows them at the end.

# %%
far = lnb.predict(
    "How far before the loss is that of guessing, on the nearer side?",
    ["less than a tenth of its length", "a tenth to a half", "more than half of it"],
)
far

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss and accuracy along a random filter-normalized direction: a "
    "smooth valley around the trained network."
)

# %%
d1, d2 = lnb.random_directions(run.model, 2, normalize="filter", seed=settings.seed)
line = lnb.evaluate_line(
    objective, d1, extent=(-settings.reach, settings.reach), resolution=21
)
lnb.show(plotting.plot_lines(line, ("loss", "accuracy")), alt=alt)

# %%
as_high = abs(line.alpha[line.loss > np.log(10)])
nearest = float(as_high.min()) if as_high.size else np.inf
far.reveal(far.choices[int(nearest > 0.1) + int(nearest > 0.5)])

# %% [markdown]
# Further on one side than on the other. Many answers are still right there, as the right panel says: the wrong ones are very wrong.
#
# ## 4 · Two directions make a landscape
#
# With a second direction the line becomes a plane, and the curve a surface. And now the experiment of section 1, on digits: train the *same* network again, without its shortcuts.
#
# > **Predict.** Will its surface be steeper, flatter, or of another kind?

# %%
plain = train(shortcuts=False)
plain_objective = lnb.Objective(
    plain.model, sample, metrics={"accuracy": lnb.accuracy}, batch_size=settings.images
)
print(
    f"accuracy with shortcuts {objective()['accuracy']:.0%}, without "
    f"{plain_objective()['accuracy']:.0%}"
)


# %%
def plane(name, objective):
    directions = lnb.random_directions(
        objective.origin, 2, normalize="filter", seed=settings.seed
    )
    extent, store = (-settings.reach, settings.reach), settings.store(f"00 {name}")
    return lnb.evaluate_plane(
        objective, directions, extent, settings.points, store=store
    )


both = {"with shortcuts": objective, "without": plain_objective}
planes = {name: plane(name, each) for name, each in both.items()}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss surfaces of ResNet-56 on digits, on the scale of section 1. Without "
    "shortcuts: a high, lopsided trough with raised corners. With them: a smooth "
    "funnel."
)

# %%
in_order = {name: planes[name] for name in ("without", "with shortcuts")}
title = "ResNet-56 on digits"
lnb.show(plotting.plot_surfaces(in_order, title=title, **pair), alt=alt)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The same two planes as contours: an uneven plateau above 1 without shortcuts, "
    "concentric rings with them."
)

# %%
lnb.show(plotting.plot_contours(in_order, title=title), alt=alt)

# %%
{
    name: round(float(p.loss.min()), 3) for name, p in planes.items()
}  # the lowest point of each plane

# %% [markdown]
# Order, height and colours are those of section 1; the range is ±0.5 here, and ±1 there.
#
# **Notice**
#
# 1. With shortcuts the rings are round and the loss falls to almost nothing in the middle.
# 2. Without shortcuts even the lowest point of the plane is not far below the loss of guessing, 2.3; with them it is far lower.
# 3. This plain network's surface is high, not ragged as in section 1: in six epochs on digits it has hardly learned. What is the same is the order of the two.
#
# Move a horizontal cut through both surfaces. The bright part lies below the level: all those networks are at least that good.


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = "Which points of the two planes lie below a chosen level of the loss."


# %%
def draw(level=2.1):
    figure, panels = plotting.panels(2, size=(4.8, 4.6))
    for panel, (name, p) in zip(panels, in_order.items()):
        height = np.log(p.loss.transpose("beta", "alpha") / level)
        panel.contourf(p.alpha, p.beta, height, levels=[-99, 0, 99], cmap="cividis_r")
        share = float((height < 0).mean())
        panel.set(
            title=f"{name}: {share:.0%} below {level:g}",
            xlabel="α",
            ylabel="β",
            aspect="equal",
        )
    return figure


lnb.explore(draw, alt=alt, level=[0.1, 0.3, 0.6, 1.0, 1.6, 2.1, 2.6, 3.1, 5.1, 9.6])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
reached = objective()["accuracy"], plain_objective()["accuracy"]
lnb.claim(
    "00-shortcuts-train",
    reached[0] > 0.9 and reached[1] < 0.7,
    "With shortcuts, 56 layers learn the training images; without, they do not.",
    accuracy_with=reached[0],
    accuracy_without=reached[1],
)

# %% [markdown]
# At every inner point of a plane, second differences give two curvatures. Where the smaller one is clearly negative, the surface bends down; `nonconvex_fraction` counts such points. (Dents count however shallow they are, so a plateau has many.)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
bends = [lnb.nonconvex_fraction(p) for p in planes.values()]
lnb.claim(
    "00-plain-bends-down",
    bends[0] < 0.15 and bends[1] > 2 * bends[0],
    "With shortcuts the surface bends down at few points; without, at more "
    "than twice as many.",
    fraction_with=bends[0],
    fraction_without=bends[1],
)

# %% [markdown]
# **Why.** Probably (nothing here measures it) this: without shortcuts a perturbation passes through the weights of all 56 layers and is multiplied on its way; with shortcuts every block adds a correction to a signal that passes by. Notebook 05 looks closer: two depths, with and without shortcuts, on the same levels, and numbers that say "ragged".
#
# ## 5 · Can the picture be trusted?
#
# Partly, and the course says where. First, every plane remembers how it was made:

# %%
{
    key: planes["without"].attrs[key]
    for key in ("normalization", "seed", "samples", "batch_norm", "wall_time")
}

# %% [markdown]
# Second, "ragged" can be counted: how many inner points of a plane lie lower than all eight points around them?
#
# > **Predict.** How many such pits do the two surfaces of section 1 have, and how many do our two have?

# %%
more_pits = lnb.predict(
    "How many pits does section 1's first surface have, compared with the second?",
    ["about as many", "two to five times as many", "more than five times as many"],
)
more_pits

# %% jupyter={"source_hidden": true} tags=["hide-input"]
pits = {name: lnb.local_minima(p) for name, p in (shipped | planes).items()}
lnb.claim(
    "00-pits-without-shortcuts",
    pits["ResNet-56, no shortcuts"] > 5 * pits["ResNet-56"],
    "The authors' network without shortcuts has over five times as many "
    "pits in its plane as the one with them.",
    shipped=True,
    pits_without=pits["ResNet-56, no shortcuts"],
    pits_with=pits["ResNet-56"],
)

# %%
pits

# %%
more = pits["ResNet-56, no shortcuts"] / pits["ResNet-56"]
more_pits.reveal(more_pits.choices[int(more > 1.5) + int(more > 5)])

# %% [markdown]
# Ours have next to none: the chaos is not there at this scale, and a course that showed it anyway would be lying. Third, the plane is a slice along two directions out of hundreds of thousands. Notebooks 08 to 10 look at the others.

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · Read a height** (●○○, 3 minutes). What is the loss at α = 0.3, β = −0.1 in the plane of the network with shortcuts? You need `objective`, `d1`, `d2` and `lnb.move`.

# %%
my_loss = ...
exercises.check_loss_at(my_loss, objective, [d1, d2], [0.3, -0.1])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_loss = objective(lnb.move(objective.origin, [d1, d2], [0.3, -0.1]))["loss"]
# ```
# </details>
#
# **2 · The size of a basin** (●○○, 3 minutes). Which fraction of the plane with shortcuts lies below a loss of 0.6?

# %%
my_fraction = ...
exercises.check_area_below(my_fraction, planes["with shortcuts"], 0.6)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_fraction = float((planes["with shortcuts"].loss < 0.6).mean())
# ```
# </details>
#
# **3 · Count the pits yourself** (●●○, 8 minutes). How many inner points of `rough`, the first surface of section 1, lie lower than all eight around them? Without `lnb.local_minima`.

# %%
rough = shipped["ResNet-56, no shortcuts"]
loss = rough.loss.values

my_pits = ...
exercises.check_local_minima(my_pits, rough)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# inner = loss[1:-1, 1:-1]
# around = [np.roll(loss, (i, j), (0, 1))[1:-1, 1:-1] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
# my_pits = int(np.all([inner < other for other in around], axis=0).sum())
# ```
# </details>

# %% [markdown]
# ## What this does not show
#
# - Two random directions out of hundreds of thousands: a surface that looks convex may bend down elsewhere.
# - Our plain network hardly trained, and its plane is not ragged; the authors' did train, and its plane is. Whether the chaos held it back, or is the surroundings of a worse point, the picture does not say.
# - Batch norm's running statistics stay those of the centre, so that some of the height far away is their mismatch.
#
# ## To discuss
#
# 1. A colleague shows you one such picture, of one network, without saying how the directions were scaled. What would you ask?
# 2. The funnel has room for millions of networks that do as well as this one. Does it matter which of them training finds?
# 3. How many random planes would you want to see before you believed that the plain network's surface is rough?
#
# ## Take away
#
# - A loss landscape is a measurement: a model, data, two directions, a range. Each of them can be chosen badly.
# - With directions normalized filter by filter, and the same range and levels, networks can be compared.
# - In six epochs 56 layers learn with shortcuts and not without. The authors' plain network, trained for 300 epochs on CIFAR-10, learned too, and its surroundings are ragged.
#
# ## Where next
#
# [02](02_scale_invariance.ipynb) shows why directions must be normalized · [05](05_skip_connections.ipynb) compares depths.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
