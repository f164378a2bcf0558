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
# # 09 · Random directions do not see the path
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/09_random_directions_fail.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/09_random_directions_fail.ipynb)
#
# **Question.** Random planes show the surroundings of a minimum well. Why do they show almost nothing of the way that led there?
#
# ![Three panels with the same path on the same axes: in the plane of two random directions it is a dot, in the plane of the direction from start to end and a random one a straight line, in its PCA plane a curve.](images/09_random_directions_fail.png)
#
# *One training run, projected on three planes; all panels have the same axes. On two random directions it is a dot. On the direction from start to end and a random one it is straight. In the PCA plane, the one in which its points vary most, it is a curve. The percentages are the parts of its squared distances from the end (the star) that each plane holds.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | measure angles between random directions in 2 to over a million dimensions; project a training run on random planes; find out what they leave out |
# | **You need** | the cosine of an angle; random directions (notebook 02); filter normalization (notebook 04) |
# | **In the paper** | Li et al. (2018), section 7.1, Figure 8 |
# | **Takes** | 0.5 minutes, 0.9 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

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
# "quick": half a minute, on scikit-learn's digits · "full": the paper's VGG-9 on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "width": 0.125, "epochs": 24, "batches": (64, 480)}
quick |= {"decay": 5e-3, "adam": 3e-3, "record": 1}
full = {"data": "cifar10", "width": 1, "epochs": 300, "batches": (128, 8192)}
full |= {"decay": 5e-4, "adam": 1e-3, "record": 5}
drawn = {
    "quick": {"images": 100, "points": (25, 17)},
    "full": {"images": 5000, "points": (51, 51)},
}
quick |= drawn["quick"]
full |= drawn["full"]
settings = lnb.choose_preset(PRESET, quick=quick, gallery=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]()
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · In many dimensions, everything is at right angles
#
# Draw two directions with N(0, 1) in every weight. In two dimensions, every angle between them is as likely as any other.
#
# > **Predict.** In 10,000 dimensions, is every angle still possible? How large is the cosine, typically?


# %%
def random_cosines(n, pairs=400):
    x, y = np.random.default_rng([settings.seed, n]).standard_normal(
        (2, pairs, n), np.float32
    )
    return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))


# %%
def law(n):
    return np.sqrt(2 / (np.pi * n))


# %%
dimensions = [2, 10, 100, 1000, 10_000]
angles = {n: random_cosines(n) for n in dimensions}
size = {n: float(np.abs(angles[n]).mean()) for n in dimensions}
for n in dimensions:
    largest = np.abs(angles[n]).max()
    print(
        f"n = {n:6,}: mean |cos| {size[n]:.4f}, √(2/(πn)) = {law(n):.4f}, "
        f"largest |cos| of 400 {largest:.2f}"
    )

# %% [markdown]
# The cosine shrinks like 1/√n. Its expected size is **E|cos| ≈ √(2/(πn))** for large n (in two dimensions it is 2/π ≈ 0.64). In 10,000 dimensions every angle is still possible, but all 400 pairs are nearly orthogonal. Choose the dimension:


# %%
def draw(n=1000):
    figure, (fan, histogram) = plotting.panels(2, size=(5.6, 4.4))
    c = angles[n][:80]
    gap = np.full((2, 80), np.nan)
    rays = np.stack([[0 * c, 0 * c], [c, np.sqrt(1 - c**2)], gap])
    fan.plot(
        *rays.transpose(1, 2, 0).reshape(2, -1),
        color="#0072B2",
        alpha=0.5,
        linewidth=1.5,
    )
    fan.plot([0, 1], [0, 0], color="#D55E00", linewidth=4)
    fan.set(xlim=(-1.05, 1.05), ylim=(-0.05, 1.1), aspect="equal", xlabel="cosine")
    fan.set(yticks=[], xticks=[-1, -0.5, 0, 0.5, 1], title="80 of the directions")
    bins = np.linspace(-1, 1, 81)
    histogram.hist(angles[n], bins, histtype="stepfilled", color="#0072B2")
    histogram.set(xlim=(-1, 1), ylim=(0, 220), xlabel="cosine", ylabel="pairs")
    histogram.set_title(f"{n:,} dimensions")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Random directions by their angle to a fixed one, and the histogram of 400 "
    "cosines, in a chosen dimension: in 2 they point everywhere, in 1,000 nearly all, "
    "and in 10,000 all are nearly at right angles to it."
)

# %%
lnb.explore(draw, alt=alt, n=dimensions)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
errors = [abs(size[n] / law(n) - 1) for n in dimensions[1:]]
lnb.claim(
    "09-cosine-law",
    max(errors) < 0.15,
    "From 10 dimensions up, the mean size of the cosine is √(2/(πn)) to within 15 %.",
    relative_errors=errors,
)

# %% [markdown]
# ## 2 · The same in networks
#
# Now the directions are those of networks: VGG-9 from 4 to 64 channels in its first layer. Beside raw Gaussian directions we take filter-normalized ones: each filter's numbers are scaled to the length of the filter, so that long filters count more than short ones, and biases and batch norm's weights stay as they are.

# %%
widths = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
how = {**data.shape, "seed": settings.seed}
networks = {width: lnb.models.vgg9(width, **how) for width in widths}
weights = {w: sum(p.numel() for p in net.parameters()) for w, net in networks.items()}


# %%
def mean_cosine(width, **how):
    table = np.abs(
        lnb.cosines(
            lnb.random_directions(networks[width], 6, seed=settings.seed, **how)
        )
    )
    return float(table[np.triu_indices(6, 1)].mean())


# %%
kinds = {
    "raw": {"normalize": "none", "ignore": None},
    "filter-normalized": {"normalize": "filter"},
}
in_networks = {
    kind: [mean_cosine(width, **how) for width in widths] for kind, how in kinds.items()
}


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Mean cosine of random directions against the number of weights, on "
    "logarithmic axes: raw directions lie about the law's line, filter-normalized "
    "ones above it, all of them near 0.01 or below."
)

# %%
figure, (panel,) = plotting.panels(1, size=(7.5, 4.6))
panel.loglog(
    [*weights.values()], law(np.array([*weights.values()])), "k--", label="√(2/(πn))"
)
for (kind, sizes), look, colour in zip(
    in_networks.items(), "o^", ("#0072B2", "#D55E00"), strict=True
):
    panel.loglog(
        [*weights.values()], sizes, look, color=colour, markersize=11, label=kind
    )
panel.set(xlabel="number of weights n", ylabel="mean |cos| of 15 pairs")
panel.legend()
lnb.show(figure, alt=alt)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "09-networks-too",
    max(max(sizes) for sizes in in_networks.values()) < 0.05,
    "In every VGG-9, two random directions have a mean cosine below 0.05, "
    "raw or filter-normalized.",
    raw=in_networks["raw"],
    filter_normalized=in_networks["filter-normalized"],
)

# %% [markdown]
# ## 3 · A path on two random directions
#
# The steps of training are directions, too, and a random direction knows nothing of them: it is nearly at right angles to each. We train a small VGG-9 four times (SGD and Adam, small and large batches) and keep the weights after every epoch.

# %%
start = lnb.models.vgg9(settings.width, **data.shape, seed=settings.seed)
start = start.to(settings.device)
number_of_weights = sum(p.numel() for p in start.parameters())
print(
    f"n = {number_of_weights:,} weights, √(2/n) = {(2 / number_of_weights) ** 0.5:.4f}"
)
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
decay = settings.decay
choices = [(name, batch, decay) for name in rates for batch in settings.batches]
runs = {choice: train(*choice) for choice in choices}
run = runs[choices[0]]
first, final = run.points[0], run.points[-1]

# %% [markdown]
# > **Predict.** From its first to its last point, a run covers a certain distance. Projected on the plane of two random directions, what part of that distance is left?

# %%
seen = lnb.predict(
    "What part of the distance does a random plane show?",
    ["most of it", "a twentieth to a half", "less than a twentieth"],
)
seen


# %%
def part_of_way(run, seed):
    directions = lnb.random_directions(run.model, 2, seed=seed)
    ends = lnb.project(run.points[:1], directions, run.points[-1])
    return float(ends.in_plane[0] / np.hypot(ends.in_plane[0], ends.distance[0]))


# %%
parts = {
    choice: [part_of_way(runs[choice], settings.seed + s) for s in range(5)]
    for choice in choices
}
for (optimizer, batch, _), values in parts.items():
    print(
        f"{optimizer:4} batch {batch:3}:",
        " ".join(f"{value:.4f}" for value in values),
        " (five random planes)",
    )

# %%
typical = [float(np.median(values)) for values in parts.values()]
seen.reveal(seen.choices[int(max(typical) < 0.5) + int(max(typical) < 0.05)])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "09-a-random-plane-shows-nothing",
    max(typical) < 0.05,
    "A random plane shows less than 5 % of the distance between first and last point.",
    median_part_for_each_run=typical,
)

# %% [markdown]
# Raw Gaussian directions would leave about √(2/n) of it, 0.008 here (section 5 says why). The directions above are filter-normalized and weigh filters unequally; with the seeds 0, 1 and 2 the medians lie between about 0.4 and 3 times that. The same happens in the paper's Figure 8a: the path moves by about 0.001 in the picture.
#
# ## 4 · One good direction is not enough
#
# We could take the direction from start to end (the line of Goodfellow, Vinyals and Saxe) as the first axis, and a random one as the second. That is the paper's Figure 8b: 0 is the start, a square; 1 is the end, a star. An orange ring marks each drop of the learning rate; here they are all close to the star.
#
# > **Predict.** The path in this picture will look like a straight line. Did training go straight?

# %%
objective = lnb.Objective(run.model, sample, batch_size=settings.images)
way = lnb.towards(first, final)
sideways = {
    seed: lnb.random_directions(run.model, 1, seed=seed)[0] for seed in range(2)
}
side_paths = {seed: lnb.project(run, (way, d), first) for seed, d in sideways.items()}


# %%
ZOOMS = (1, 0.1, 0.02)


def plane(seed, reach):
    extent = (-0.5, 1.5), (-reach, reach)
    axes = (way, sideways[seed])
    how = {"origin": first, "store": settings.store(f"09 direction {seed}, ±{reach}")}
    return lnb.evaluate_plane(objective, axes, extent, settings.points, **how)


planes = {(seed, reach): plane(seed, reach) for seed in sideways for reach in ZOOMS}

# %%
LEVELS = (0.01, 0.1, 0.6, 1.1, 2.1, 4.1, 10, 100, 1e3, 1e4, 1e5)


def draw_side_panel(panel, reach, random_direction):
    plotting.draw_contours(panel, planes[random_direction, reach], levels=LEVELS)
    plotting.draw_path(panel, side_paths[random_direction])
    panel.set(
        xlabel="from start (0) to end (1)",
        ylabel="random direction",
        ylim=(-reach, reach),
    )
    panel.set_title(f"vertical axis ±{reach:g}, random direction {random_direction}")


def draw_side(reach=1, random_direction=0):
    figure, (panel,) = plotting.panels(1, size=(7, 4.4))
    draw_side_panel(panel, reach, random_direction)
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The path over the contours of the plane of start to end and a random "
    "direction; the vertical axis can be zoomed."
)

# %%
lnb.explore(draw_side, alt=alt, reach=list(ZOOMS), random_direction=(0, 1))

# %% [markdown]
# The largest zoom, for both random directions:

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The path in the planes of two random directions, the vertical axis zoomed in "
    "by 50: two different jagged curves over contours that are nearly vertical "
    "stripes."
)

# %%
figure, panels = plotting.panels(2, size=(6.4, 4.4))
for panel, number in zip(panels, sideways, strict=True):
    draw_side_panel(panel, ZOOMS[-1], number)
lnb.show(figure, alt=alt)

# %% [markdown]
# **Notice**
#
# 1. With a vertical axis of ±1 the path is a straight horizontal line.
# 2. Zoomed in by 50, the same path is a jagged curve, and the contours under it have become nearly vertical stripes: along the random direction the loss hardly changes on this scale (the numbers below), except in a narrow dip around the start.
# 3. Another random direction makes another curve of the same path. Neither is the shape of the training.

# %%
seen = [
    float(np.abs(p.beta).max()) * lnb.norm(sideways[s]) / lnb.norm(way)
    for s, p in side_paths.items()
]
missed = float(side_paths[0].distance.max()) / lnb.norm(way)
print(
    f"sideways in the picture: {', '.join(f'{s:.3f}' for s in seen)} of the "
    f"way; off the picture: {missed:.2f} of the way"
)

# %%
for zoom in ZOOMS:
    column = planes[0, zoom].loss.sel(alpha=1, method="nearest")
    print(
        f"through the end, vertical axis ±{zoom:g}: largest loss / smallest "
        f"{float(column.max() / column.min()):.2f}"
    )
gap = lnb.plane_gap(objective, run, (way, sideways[0]), first)
print(
    f"largest loss on the path {float(gap.loss.max()):.1f}, under it in the "
    f"picture {float(gap.plane_loss.max()):.0f}"
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "09-straight-only-in-the-picture",
    missed > 0.2 and max(seen) < missed / 10,
    "The path leaves the straight line by more than a fifth of its way; "
    "the picture shows less than a tenth of that.",
    sideways_off_the_picture=missed,
    sideways_in_the_picture=seen,
)

# %% [markdown]
# ### The same on the paper's data
#
# A VGG-9 of half the paper's width, trained on CIFAR-10 for 20 epochs (batch 128, weight decay 5e-4); its path ships with this package. The arrangement is that of the paper's Figure 8.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Three panels. Two random directions: a jagged path of about 0.002. From start to "
    "end and a random direction, both axes alike: a straight horizontal line. The same "
    "with the vertical axis magnified and the horizontal one cut to the path: another "
    "jagged path, of about 0.0015."
)

# %%
lnb.show(lnb.paper_figure(8), alt=alt)

# %%
there = lnb.gallery_result("cpu-vgg9-sgd-small-decay", "random-paths")
moved = {name: float(np.abs(there[name]).max()) for name in there.data_vars}
moved

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "09-at-the-papers-scale",
    max(moved["random_alpha"], moved["random_beta"], moved["mixed_beta"]) < 0.01,
    "Along random directions the shipped path moves by less than a hundredth of the "
    "weights.",
    shipped=True,
    along_two_random_directions=[moved["random_alpha"], moved["random_beta"]],
    beside_the_way_to_the_end=moved["mixed_beta"],
)

# %% [markdown]
# A filter-normalized direction is as long as the weights, so 0.002 is two thousandths of their length. The paper's axes show about the same, 0.001. And as in the paper the way from the start (0) to the end (1) looks straight until it is magnified.

# %% [markdown]
# ## 5 · Which plane sees the path?
#
# Three planes for the same run. How much of the path's squared distances from its end does each of them hold? The third is the plane of its first two principal components, the two directions in which its points vary most; it is the subject of [notebook 10](10_pca_trajectories.ipynb).

# %%
pca = lnb.pca_directions(run, 2)
two = lnb.random_directions(run.model, 2, seed=settings.seed)
three = {
    "two random": two,
    "start to end, random": [way, sideways[0]],
    "two principal": pca.directions,
}


# %%
unit = {
    title: [lnb.scale(d, 1 / lnb.norm(d)) for d in pair]
    for title, pair in three.items()
}
seen_by = {title: lnb.project(run, pair, final) for title, pair in unit.items()}


# %%
def share(path):
    inside, outside = float((path.in_plane**2).sum()), float((path.distance**2).sum())
    return inside / (inside + outside)


shares = {title: share(path) for title, path in seen_by.items()}
{title: f"{value:.3%}" for title, value in shares.items()}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "One training run in three planes, all axes alike. On two random directions it "
    "is a dot, on start to end and a random direction a straight line, on two "
    "principal components a curve. The titles give the shares of the squared "
    "distances that each plane holds."
)

# %% tags=["answer"]
figure, panels = plotting.panels(3, size=(5.0, 4.2))
reach = 1.15 * lnb.norm(way)
for panel, (title, path) in zip(panels, seen_by.items(), strict=True):
    sign = np.sign(path.alpha[0].item())
    panel.plot(sign * path.alpha, path.beta, "o-", color="#0072B2", markersize=5)
    panel.plot(sign * path.alpha[0], path.beta[0], "s", color="black", markersize=11)
    panel.plot(0, 0, "*", color="#D55E00", markersize=20, markeredgecolor="black")
    panel.set(
        xlim=(-0.3 * reach, reach), ylim=(-0.5 * reach, 0.5 * reach), aspect="equal"
    )
    panel.set(
        title=f"{title}: {shares[title]:.2%}", xlabel="distance", ylabel="distance"
    )
lnb.show(figure, alt=alt)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "09-principal-components-see-it",
    shares["two principal"] > 1000 * shares["two random"],
    "The plane of two principal components holds over a thousand times as "
    "much of the path as a random plane.",
    share_of_the_random_plane=shares["two random"],
    share_of_the_principal_plane=shares["two principal"],
)

# %% [markdown]
# **Why.** Let u be a random unit vector in n dimensions, and x any fixed one. ‖x‖² is the sum of n squared coordinates; by symmetry each random coordinate holds 1/n of it on average. So ⟨u, x⟩ is about ‖x‖/√n, two random directions hold 2/n of the square, and √(2/n) of the length. Nothing about training is used here. A random plane misses *every* path. It does show something around a minimum, because there one does not ask for a particular direction: a random one holds a little of each, and the curvature along it is an average over all of them (notebook 08).
#
# **The paper's own numbers**, read off its Figure 8 (VGG-9 with 2.79 million weights):
#
# | | paper | here |
# |---|---|---|
# | 8a, two random directions: movement in the picture | about 10⁻³ | about 10⁻², as a part of the way (section 3) |
# | 8b, start to end × random: vertical axis | ±1 | the first zoom |
# | 8c, zoom: vertical axis on which the path has a shape | ±0.001 | ±0.02 |

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · The angle in a large network** (●○○, 3 minutes). ResNet-50 for ImageNet has 25,557,032 weights. What is the mean |cos| of two random Gaussian directions?

# %%
my_cosine = ...
exercises.check_expected_cosine(my_cosine, 25_557_032)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_cosine = np.sqrt(2 / (np.pi * 25_557_032))
# ```
# 1.6 ⋅ 10⁻⁴: on average, the angle differs from 90° by less than a hundredth of a degree.
# </details>
#
# **2 · What the picture leaves out** (●○○, 5 minutes). What part of the displacement from the end of `run` back to its middle (`middle` below) is off the plane `unit["start to end, random"]`? The origin is `final`.

# %%
middle = run.points[len(run.points) // 2]

my_part = ...
exercises.check_part_outside(my_part, middle, unit["start to end, random"], final)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# found = lnb.project([middle], unit["start to end, random"], final)
# my_part = float(found.distance[0] / np.hypot(found.distance[0], found.in_plane[0]))
# ```
# </details>
#
# **3 · How many random directions would do?** (●●○, 5 minutes). How many random directions does it take, in a network of 29,026 weights, until their common projection keeps half of a displacement's *length*?

# %%
my_number = ...
exercises.check_directions_needed(my_number, 29_026, 0.5)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_number = 0.5**2 * 29_026
# ```
# k directions hold about k/n of the squared length. Half of the length is a quarter of the square: about 7,256 directions.
# </details>
#
# **4 · Coordinates in a skew plane** (●●○, 10 minutes). The paper's code projects with ⟨x, d⟩/‖d‖. The axes below are neither of length 1 nor orthogonal. Find the right coordinates (α, β) of the first point, with `final` at (0, 0).

# %%
skew = [
    lnb.scale(pca.directions[0], 2.0),
    lnb.add(pca.directions[0], pca.directions[1]),
]

my_coordinates = ...
exercises.check_coordinates(my_coordinates, first, skew, final)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# x = lnb.towards(final, first)
# gram = [[lnb.dot(a, b) for b in skew] for a in skew]
# my_coordinates = np.linalg.solve(gram, [lnb.dot(x, d) for d in skew])
# ```
# `lnb.project` finds the same by a QR decomposition, which is more exact when the directions are nearly parallel.
# </details>
#
# **5 · How many dimensions does a filter-normalized direction have?** (●●●, 20 minutes). In the figure of section 2, filter-normalized directions are less orthogonal than raw ones, as if there were fewer dimensions: N of them, if E cos² = 1/N. Find N for the network `start` from the lengths and sizes of its filters. (In a filter of k weights and length ℓ, the parts of two independent directions have E⟨d, d'⟩² = ℓ⁴ / k, and the filters' products are not correlated.)

# %%
filters = [row for w in start.parameters() if w.ndim > 1 for row in w.detach()]

my_dimension = ...
exercises.check_effective_dimension(my_dimension, [row[None] for row in filters])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# squares = np.array([float(row.square().sum()) for row in filters])
# sizes = np.array([row.numel() for row in filters])
# my_dimension = squares.sum() ** 2 / (squares**2 / sizes).sum()
# ```
# In the quick preset N is about 10,700, although `start` has 29,026 weights, and √(2/(πN)) is close to the mean |cos| that section 2 measured. Two things cost dimensions. All convolutions' filters start about equally long, so one of the first layer, with 9 weights, counts as much as one of the last, with 288. And the filters of the linear layers start so short that they hardly count.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **That random planes are useless.** They miss a given *path*. What they say about the curvature around a point is another matter: an average over all directions (notebooks 04 and 08; Böttcher and Wheeler say what it hides).
# - **That the path is low-dimensional.** A plane that sees most of a path says less than it seems to; see [notebook 10](10_pca_trajectories.ipynb).
# - **The loss of the networks on the path.** The contours of section 4 are drawn with the final network's batch-norm statistics: under the first half of the path they show far more than the ln 10 ≈ 2.3 that the network had at most (the numbers of section 4).
# - **The paper's scale.** Here n is about 29,000, a hundredth of the paper's. By the law, its 10⁻³ is here 10⁻².
#
# ## To discuss
#
# - Gradient steps are not random directions. Where in sections 3 and 4 does it matter that the *plane* is random, and where would it matter if the path were?
# - Filter-normalized directions are less orthogonal than raw ones with as many weights. Which weights decide how many dimensions they "really" have?
# - Someone shows a path that looks straight on the line from start to end, and concludes that training met no obstacles. What would you ask for?
#
# ## Take away
#
# - Random Gaussian directions in n dimensions have a mean |cos| of about √(2/(πn)), with each other and with any direction that was fixed before. For filter-normalized ones it is larger, and still small.
# - A random plane shows about √(2/n) of a path's movement, because each random direction holds 1/n of its square; a straight-looking path may be straight in the picture only.
# - Always say what a projection leaves out.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - I. Goodfellow, O. Vinyals, A. Saxe: *Qualitatively characterizing neural network optimization problems*. ICLR 2015, [arXiv 1412.6544](https://arxiv.org/abs/1412.6544).
# - L. Böttcher, G. Wheeler: *Visualizing high-dimensional loss landscapes with Hessian directions*, [arXiv 2208.13219](https://arxiv.org/abs/2208.13219).
