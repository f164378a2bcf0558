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
# # 08 · Is the convexity real?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/08_hessian.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/08_hessian.ipynb)
#
# **Question.** A plane through weight space looks like a bowl. Is the loss convex there, in the thousands of directions that the plane does not show?
#
# ![Top: contours of the loss around two deep perceptrons, a round bowl with skip connections and a dented one without. Below: at 25 points of each plane the size of the smallest eigenvalue of the Hessian beside the largest, close to zero at the centre and mostly larger around it.](images/08_hessian.png)
#
# *Above, the loss in two planes. Below, how large the most negative curvature is beside the most positive one, over all directions of weight space: smaller at the trained network than at most points around it.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | write down one whole Hessian; see what a random plot shows of it; find both ends of a spectrum with products alone; map them over a plane |
# | **You need** | notebook 02 or trust in filter normalization; eigenvalues; that the Hessian is the matrix of second derivatives |
# | **In the paper** | Li et al. (2018), section 6, Figure 7 |
# | **Takes** | 0.5 minutes, 0.8 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

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
import torch

import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": about a minute, on scikit-learn's digits · "full": the paper's networks, on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "epochs": (15, 40), "batch": 64, "lr": 0.05, "images": 200}
quick |= {"reach": 1.0, "points": 21, "map_points": 5, "steps": 80, "probes": 2}
quick |= {"more": ()}
full = {"data": "cifar10", "epochs": (300, 300, 300), "batch": 128, "lr": 0.1}
full |= {
    "images": 50_000,
    "reach": 1.0,
    "points": 51,
    "map_points": 31,
    "steps": 100,
    "probes": 10,
    "more": ("DenseNet-121",),
}
settings = lnb.choose_preset(PRESET, quick=quick, gallery=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]()

# %% [markdown]
# ## 1 · A Hessian that can be written down
#
# With n weights the Hessian has n² entries: 7 · 10¹¹ for ResNet-56. So we begin with a perceptron of 16 hidden neurons on the digits (in every preset). Its two weight matrices have 1,184 entries; a matrix of that size fits easily. One product with the Hessian, `operator @ v`, costs as much as a few gradients; its products with all unit vectors are its columns.

# %%
digits = lnb.datasets.digits()
perceptron = lnb.models.mlp((16,), **digits.shape, seed=settings.seed)
perceptron = lnb.train(
    perceptron, digits, epochs=5, batch_size=64, lr=0.05, seed=settings.seed
).model
objective = lnb.Objective(
    perceptron, digits.subset(200), metrics={"accuracy": lnb.accuracy}, batch_size=200
)
objective()

# %%
operator = lnb.hessian_operator(objective)
hessian = operator @ np.eye(operator.shape[0], dtype=operator.dtype)
eigenvalues = np.linalg.eigvalsh((hessian + hessian.T) / 2)
print(
    f"{len(eigenvalues)} eigenvalues, from {eigenvalues[0]:.3g} to "
    f"{eigenvalues[-1]:.3g}"
)
print(
    f"their sum, the trace, is {eigenvalues.sum():.1f}; the ten largest "
    f"alone make {eigenvalues[-10:].sum():.1f}"
)

# %% [markdown]
# > **Predict.** The perceptron has been trained, but not to the end. How many of the 1,184 eigenvalues are negative? And if you draw the loss along 300 random directions, how many of these curves bend down at the centre?

# %%
bending = lnb.predict(
    "What share of 300 random directions bends down at the centre?",
    ["about the same as of the eigenvalues", "a smaller one, but some", "none"],
)
bending

# %%
raw = lnb.random_directions(perceptron, 300, normalize="none", seed=settings.seed)
curvatures = np.array([lnb.curvature_along(objective, d) for d in raw])
negative = (eigenvalues < -1e-4 * eigenvalues[-1]).mean()  # what is smaller is rounding
down = float((curvatures < 0).mean())
print(f"negative: {negative:.0%} of the eigenvalues, {down:.1%} of the curvatures")

# %%
bending.reveal(bending.choices[2 if down == 0 else int(down < negative / 2)])

# %% [markdown]
# In the Hessian's eigenbasis a direction d has components aᵢ, and its curvature is dᵀHd / ‖d‖² = Σ λᵢaᵢ² / Σ aᵢ²: an average of *all* eigenvalues. A Gaussian direction has Gaussian aᵢ, so the weights aᵢ² are χ² distributed and their mean is the same for every eigenvalue. The curvature's mean is therefore the mean of the eigenvalues, trace / n, and its standard deviation is theirs times √(2/n).
#
# > **Predict.** Filter normalization stretches a direction where the filters are long. Will the curvatures still average to trace / n?

# %%
normalized = lnb.random_directions(
    perceptron, 300, normalize="filter", seed=settings.seed
)
filtered = np.array([lnb.curvature_along(objective, d) for d in normalized])
mean, spread = eigenvalues.mean(), eigenvalues.std() * np.sqrt(2 / len(eigenvalues))
print(f"trace / n {mean:.4f} ± {spread:.4f}")
for name, values in {"raw": curvatures, "filter-normalized": filtered}.items():
    print(f"{name:18}{values.mean():.4f} ± {values.std():.4f}")


# %%
def draw_averages(both, mean, eigenvalues):
    figure, (spectrum, panel) = plotting.panels(2)
    spectrum.plot(
        np.arange(1, len(eigenvalues) + 1), eigenvalues[::-1], ".", color="#0072B2"
    )
    spectrum.set_yscale("symlog", linthresh=1e-3)
    spectrum.set(
        xlabel="number",
        ylabel="eigenvalue (log scale)",
        title="all eigenvalues, sorted",
    )
    spectrum.axhline(0, color="0.5")
    for (name, values), colour in zip(both.items(), ("#0072B2", "#D55E00")):
        panel.hist(values, bins=40, alpha=0.6, color=colour, label=name)
    panel.axvline(mean, color="black", linestyle="--", label="trace / n")
    panel.axvline(0, color="0.5")
    panel.set(
        xlabel="curvature along the direction",
        ylabel="directions",
        title="300 random directions",
    )
    panel.legend()
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: 1,184 eigenvalues from 7.5 down to −0.3; most are nearly zero, and the "
    "last tenth is negative. Right: histograms of the curvature along 300 directions, "
    "all positive; the raw ones scatter around trace / n, the filter-normalized ones "
    "lie higher on average."
)

# %%
both = {"raw": curvatures, "filter-normalized": filtered}
lnb.show(draw_averages(both, mean, eigenvalues), alt=alt)

# %% [markdown]
# No random direction sees a single eigenvalue: what it sees is an average, and the few large positive eigenvalues decide it. So a plot that bends down proves negative curvature, and a plot that bends up proves only that positive curvature dominates. And only along raw directions is the average a fair one: in a filter-normalized direction the weights of long filters count more. (Böttcher & Wheeler, 2022, study this hiding of saddles in random projections.)

# %% [markdown]
# ## 2 · Turn a plot until it bends down
#
# The smallest eigenvalue's own direction is one in 1,184. Take a random direction and turn it towards that eigenvector, step by step. All directions have very nearly length one.
#
# `lnb.extreme_eigenvalues` finds both ends, λmin and λmax, with their eigenvectors v (section 3 says how). Its *residual* is the length of Hv − λv, divided by the largest |λ|: zero for an exact pair.

# %%
ends = lnb.extreme_eigenvalues(objective, seed=settings.seed)

# %%
print(f"λmin {ends.min:.3f}, λmax {ends.max:.3f}, ratio {ends.ratio:.3f}")
print(
    f"residuals {ends.residuals[0]:.1e} and {ends.residuals[1]:.1e}; exact "
    f"{eigenvalues[0]:.3f}, {eigenvalues[-1]:.3f}"
)


# %%
def turned(angle):
    along, across = lnb.scale(raw[0], 1 / lnb.norm(raw[0])), ends.min_vector
    return lnb.add(
        lnb.scale(along, np.cos(np.radians(angle))),
        lnb.scale(across, np.sin(np.radians(angle))),
    )


# %%
angles = list(range(0, 91, 10))
tilted = {a: lnb.evaluate_line(objective, turned(a), (-1, 1), 31) for a in angles}
bends = {a: lnb.curvature_along(objective, turned(a)) for a in angles}
low, high = (
    pick([float(pick(line.loss.values)) for line in tilted.values()])
    for pick in (min, max)
)


# %%
def draw_turned(degrees=90):
    figure, (line, panel) = plotting.panels(2)
    plotting.draw_line(line, tilted[0], label="random direction", number=0)
    plotting.draw_line(line, tilted[degrees], label=f"turned by {degrees}°", number=1)
    line.set(ylim=(0.98 * low, 1.02 * high))
    line.legend(loc="upper center")
    panel.plot(angles, list(bends.values()), color="0.6")
    panel.plot(degrees, bends[degrees], "o", color="#D55E00", markersize=12)
    panel.axhline(0, color="0.5")
    panel.set(
        xlabel="degrees towards the eigenvector of λmin",
        ylabel="curvature at the centre",
    )
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: the loss along a random direction bends up; turned towards the eigenvector "
    "of λmin it bends down. Right: the curvature at the centre against the angle."
)

# %%
lnb.explore(draw_turned, alt=alt, degrees=angles)

# %% [markdown]
# **Notice**
#
# 1. At 0° the curve bends up: the random direction shows a bowl.
# 2. By 20° it bends down, although most of the direction is still random.
# 3. At 90°, along the eigenvector itself, the trained network sits on top of a ridge, and the loss falls to both sides.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "08-random-plots-hide",
    negative > 0.05 and (curvatures > 0).all(),
    "Many eigenvalues are negative, but none of 300 random directions bends down.",
    negative_eigenvalues=negative,
    negative_curvatures=(curvatures < 0).mean(),
)

# %%
error = curvatures.std() / np.sqrt(len(curvatures))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "08-curvature-is-a-mean",
    abs(curvatures.mean() - mean) < 4 * error and filtered.mean() > 1.2 * mean,
    "Raw directions' curvatures average to trace / n; filter-normalized ones do not.",
    trace_by_n=mean,
    raw=curvatures.mean(),
    standard_error=error,
    filter_normalized=filtered.mean(),
)

# %% [markdown]
# ## 3 · Both ends without the matrix
#
# For ResNet-56 nobody writes the matrix down. Lanczos' method needs products alone: multiply a random vector by H, make the result orthogonal to all vectors before it, multiply again. After k products the Hessian, seen from the k vectors, is a k × k matrix, and its eigenvalues, the *Ritz values*, approach the outermost eigenvalues first.
#
# > **Predict.** How many products does it take until both ends are right to 5 %: about 20, about 200, or all 1,184?


# %%
def projected(operator, steps, seed):
    """The Hessian in an orthonormal basis: a random vector and what products add."""
    vector, basis, products = (
        np.random.default_rng(seed).standard_normal(operator.shape[0]),
        [],
        [],
    )
    for _ in range(steps):
        for known in basis * 2:  # twice, because of rounding
            vector = vector - (known @ vector) * known
        basis.append(vector / np.linalg.norm(vector))
        vector = operator @ basis[-1]
        products.append(vector)
    return np.array(basis) @ np.array(products).T


# %%
small = projected(operator, settings.steps, settings.seed)
ritz = {
    k: np.linalg.eigvalsh((small + small.T)[:k, :k] / 2)
    for k in range(1, settings.steps + 1)
}
errors = {
    name: [abs(ritz[k][i] / eigenvalues[i] - 1) for k in ritz]
    for name, i in (("λmin", 0), ("λmax", -1))
}
needed = {name: 1 + int(sum(error > 0.05 for error in e)) for name, e in errors.items()}
needed  # products until the error is below 5 %


# %%
def draw_lanczos(steps=settings.steps):
    figure, (values, panel) = plotting.panels(2)
    numbers = np.repeat(np.arange(1, steps + 1), np.arange(1, steps + 1))
    found = np.concatenate([ritz[k] for k in range(1, steps + 1)])
    values.plot(numbers, found, ".", color="#0072B2", markersize=4)
    for end in (eigenvalues[0], eigenvalues[-1]):
        values.axhline(end, color="#D55E00", linestyle="--")
    values.set_yscale("symlog", linthresh=0.01)
    for each in (values, panel):
        each.set(xlabel="products", xlim=(0, len(ritz) + 1))
    values.set(ylabel="Ritz values (log scale)", ylim=(-3, 30))
    for number, (name, error) in enumerate(errors.items()):
        stroke = ("-", "--")[number]
        panel.plot(range(1, steps + 1), error[:steps], stroke, label=name)
    panel.axhline(0.05, color="0.5", linestyle=":")
    panel.set(yscale="log", ylim=(1e-7, 3), ylabel="relative error")
    panel.legend(loc="upper right")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: Ritz values against the number of products; their largest and smallest "
    "reach the dashed lines of the exact ends. Right: the relative errors of both ends "
    "fall, that of λmax much faster."
)

# %%
lnb.explore(draw_lanczos, alt=alt, steps=(10, settings.steps, 10))

# %% [markdown]
# The ends come first, and the map of the next section needs nothing else. The bulk of small eigenvalues stays blurred. `lnb.extreme_eigenvalues` does this with a basis that is restarted, so that memory holds at most 64 vectors, and it says how good the result is (the residuals above).

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "08-both-ends-in-one-run",
    max(needed.values()) < 30 and ends.products < 300 and max(ends.residuals) < 2e-3,
    "Fewer than thirty products find both ends of 1,184 eigenvalues to 5 %.",
    products_for_min_and_max=list(needed.values()),
    products_of_extreme_eigenvalues=ends.products,
)

# %% [markdown]
# ## 4 · The map
#
# Now the paper's Figure 7: at every point of a plane, how large is the most negative curvature beside the most positive one, abs(λmin / λmax)? Where it is near 0, the loss is convex in *all* directions, up to dents that are shallow beside its steepest bend; where it is near 0.5, what looks like a bowl is a saddle. Even ResNet-20 takes 8 seconds for one pair of eigenvalues on two cores, and a map needs dozens; so here a deep perceptron stands in, with shortcuts around every second layer and without.


# %%
class Deep(torch.nn.Module):
    """A perceptron of nine residual blocks, with or without their shortcuts."""

    def __init__(self, shortcuts, pixels=64, classes=10, width=24, blocks=9):
        super().__init__()
        self.shortcuts = shortcuts
        self.first, self.linear = (
            torch.nn.Linear(pixels, width),
            torch.nn.Linear(width, classes),
        )
        self.blocks = torch.nn.ModuleList(self.block(width) for _ in range(blocks))

    def block(self, width):
        kinds = (
            (lambda: torch.nn.Linear(width, width, bias=False)),
            (lambda: torch.nn.BatchNorm1d(width)),
        )
        first, second = ([make() for make in kinds] for _ in range(2))
        return torch.nn.Sequential(*first, torch.nn.ReLU(), *second)

    def forward(self, images):
        x = torch.relu(self.first(images.flatten(1)))
        for block in self.blocks:
            x = torch.relu(x + block(x) if self.shortcuts else block(x))
        return self.linear(x)


# %%
def build(name):
    if name == "DenseNet-121":
        return lnb.models.densenet121(**data.shape, seed=settings.seed)
    shortcuts = name == "shortcuts"
    if settings.data == "cifar10":
        return lnb.models.resnet(56, shortcuts, **data.shape, seed=settings.seed)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        return Deep(shortcuts)


# %%
def train(name, epochs):
    run = lnb.train(
        build(name).to(settings.device),
        data,
        epochs,
        settings.batch,
        lr=settings.lr,
        seed=settings.seed,
    )
    sample, metrics = data.subset(settings.images), {"accuracy": lnb.accuracy}
    return lnb.Objective(
        run.model, sample, metrics=metrics, batch_size=min(settings.images, 500)
    )


# %%
names = ("shortcuts", "no shortcuts", *settings.more)
nets = dict(zip(names, map(train, names, settings.epochs)))
for name, net in nets.items():
    print(name, net())

# %% [markdown]
# Around a network that has not learned, the ratio would speak of the training, not of the shortcuts. So the net without shortcuts gets 40 epochs, the other 15; still its loss stays higher.
#
# > **Predict.** In which plane will negative curvature be larger beside the positive one? And where: at the centre, or far from it?

# %%
larger = lnb.predict(
    "In which plane is negative curvature larger beside the positive one?",
    [*nets, "about as large in both"],
)
larger


# %%
edge = settings.reach * settings.map_points / (settings.map_points - 1)


def measure(name, net):
    """The loss up to the outer edge of the map's squares, and the map."""
    pair = lnb.random_directions(net.origin, 2, normalize="filter", seed=settings.seed)
    keep = [{"store": settings.store(f"08 {what} {name}")} for what in ("plane", "map")]
    plane = lnb.evaluate_plane(net, pair, (-edge, edge), settings.points, **keep[0])
    reach = (-settings.reach, settings.reach)
    return plane, lnb.curvature_map(net, pair, reach, settings.map_points, **keep[1])


# %%
measured = {name: measure(name, net) for name, net in nets.items()}
maps = {name: pair[1] for name, pair in measured.items()}


# %%
def draw_map(panel, cmap, title):
    x, y = np.meshgrid(cmap.alpha, cmap.beta, indexing="ij")
    colours = {"vmin": 0, "vmax": 0.5, "cmap": "viridis"}
    shown = panel.pcolormesh(x, y, cmap.ratio, shading="nearest", **colours)
    for a, b, ratio in zip(x.flat, y.flat, cmap.ratio.values.flat):
        if x.size < 100:
            style = {"fontsize": 9, "color": "black" if ratio > 0.2 else "white"}
            panel.text(a, b, f"{ratio:.2f}", ha="center", va="center", **style)
    panel.set(xlabel="α (first direction)", ylabel="β (second direction)")
    panel.set(title=title, aspect="equal")
    return shown


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours of the loss, a round bowl with shortcuts and a dented one without; "
    "below each, over the same range, abs(λmin / λmax) at 25 points: close to 0 at "
    "the centre, and anything from there to about 0.7 at the rim."
)

# %% tags=["answer"]
count = len(measured)
figure, axes = plotting.panels(count, 2, (4.8, 4.4))
for column, (name, (plane, cmap)) in enumerate(measured.items()):
    above, below = axes[column], axes[count + column]
    plotting.draw_contours(above, plane)
    above.set_title(f"loss, {name}")
    shown = draw_map(below, cmap, "abs(λmin / λmax)")
    for panel in (above, below):
        ticks = np.linspace(-settings.reach, settings.reach, 5)
        panel.set(xlim=(-edge, edge), ylim=(-edge, edge), xticks=ticks, yticks=ticks)
figure.colorbar(shown, ax=list(axes[count:]), label="abs(λmin / λmax)", extend="max")
lnb.show(figure, alt=alt)

# %%
centre = {
    name: float(cmap.ratio.sel(alpha=0, beta=0, method="nearest"))
    for name, cmap in maps.items()
}
median = {name: float(cmap.ratio.median()) for name, cmap in maps.items()}
inside = {"alpha": slice(-0.5, 0.5), "beta": slice(-0.5, 0.5)}
visible = {
    name: lnb.nonconvex_fraction(pair[0].sel(inside)) for name, pair in measured.items()
}
cost = sum(int(cmap.products.sum()) for cmap in maps.values())
print(
    f"{cost} Hessian-vector products; residuals up to "
    f"{max(float(c.residual.max()) for c in maps.values()):.1e}"
)
for name in nets:
    print(
        f"{name:13} ratio {centre[name]:.3f} at the centre, median "
        f"{median[name]:.3f}; bends down at {visible[name]:.0%} inside ±0.5"
    )

# %%
most = max(median, key=median.get)
clear = median[most] > 2 * min(median.values())
larger.reveal(most if clear else "about as large in both")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "08-convex-at-the-centre",
    all(centre[name] < median[name] for name in nets),
    "In both planes the ratio is smaller at the trained network than at the median "
    "point.",
    centre=list(centre.values()),
    median=list(median.values()),
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "08-dents-are-visible",
    visible["shortcuts"] < 0.05 and visible["no shortcuts"] > 0.1,
    "Inside ±0.5 the plane bends down hardly anywhere with shortcuts, and at more "
    "than a tenth of the points without.",
    fraction_with=visible["shortcuts"],
    fraction_without=visible["no shortcuts"],
)

# %%
middle = {
    name: cmap.sel(alpha=0, beta=0, method="nearest") for name, cmap in maps.items()
}
smallest = [float(point.lambda_min) for point in middle.values()]
largest = [float(point.lambda_max) for point in middle.values()]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "08-both-ends-grow",
    smallest[1] < 2 * smallest[0] < 0 and largest[1] > 2 * largest[0],
    "Without shortcuts both ends of the spectrum at the trained network "
    "are more than twice as large.",
    smallest_with_and_without=smallest,
    largest_with_and_without=largest,
)

# %% [markdown]
# **Not reproduced at this scale.** In the paper's Figure 7 the networks differ by their ratio. Here it depends on the seed which of the two medians is larger (see the claim; on another processor the networks end a little elsewhere). At the trained network both ends are larger in size without shortcuts, with each of three seeds; which ratio is larger changes with the seed there, too. What differs is the share of points inside ±0.5 at which the plane bends down, and the size of both ends. (Further out a loss levels off around every network, and bends down there, too.)
#
# (The paper's Figure 7 has colours from 0 to 0.5; the ratio of its DenseNet-121 is below 0.01 over a large region.)

# %% [markdown]
# ### The map of the paper's own networks
#
# The two ResNet-56 that the paper's authors trained on CIFAR-10 and published both reached a low loss (0.0007 and 0.12 on the images used here), so a failed training does not explain their maps, although the second is not as good. Even on 100 images a pair of eigenvalues takes 40 seconds on two cores; 25 points in the plane of each network were computed once and ship with this package.
#
# > **Predict.** On the digits the ratio could not tell the two networks apart. Will it here?

# %%
tells = lnb.predict(
    "Is the median ratio more than three times as large without shortcuts?",
    ["yes", "no"],
)
tells

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "abs(λmin / λmax) at 25 points of two planes, range ±1. The authors' "
    "ResNet-56: 0.01 at the centre, 0.05 to 0.1 around it, mostly about 0.1 at the "
    "rim, and 0.25 to 0.6 at four points there. Without shortcuts: close to 0 at the "
    "centre, and 0.4 to 1.1 at more than half of the points."
)

# %%
shipped = lnb.shipped_planes("08")
figure, axes = plotting.panels(2, size=(5.4, 4.4))
for panel, (name, cmap) in zip(axes, shipped.items()):
    shown = draw_map(panel, cmap, name)
figure.colorbar(shown, ax=list(axes), label="abs(λmin / λmax)", extend="max")
lnb.show(figure, alt=alt)

# %%
usual = {name: float(cmap.ratio.median()) for name, cmap in shipped.items()}
for name, cmap in shipped.items():
    at, above = (
        cmap.sel(alpha=0, beta=0),
        [int((cmap.ratio > level).sum()) for level in (0.15, 0.3, 0.7)],
    )
    print(
        f"{name:24} centre: {float(at.lambda_min):8.3g} and "
        f"{float(at.lambda_max):8.3g}, ratio {float(at.ratio):.2g}, "
        f"residual {float(at.residual * at.lambda_max):.2g}"
    )
    print(
        f"{'':24} median ratio {usual[name]:.2f}; above 0.15, 0.3, 0.7 at "
        f"{above} of {cmap.ratio.size} points"
    )

# %%
contrast = usual["ResNet-56, no shortcuts"] / usual["ResNet-56"]
tells.reveal(tells.choices[int(contrast <= 3)])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "08-the-papers-contrast",
    usual["ResNet-56, no shortcuts"] > 3 * usual["ResNet-56"],
    "In the shipped planes of the authors' networks the median of abs(λmin / λmax) is"
    " more than three times as large without shortcuts.",
    shipped=True,
    median_with=usual["ResNet-56"],
    median_without=usual["ResNet-56, no shortcuts"],
)

# %% [markdown]
# **Notice**
#
# 1. With shortcuts the ratio is at most 0.15 at 21 of 25 points: there the strongest bend upwards is more than six times the strongest downwards. The dents are shallow beside the steepest bend; that is all the ratio can say.
# 2. Without them the ratio is above 0.3 at 15 points, and above 0.7 at nine: there the loss bends down almost as strongly as up. This is not a bowl but a saddle.
# 3. At both centres the ratio is small. But a small ratio does not mean little negative curvature: without shortcuts λmin is tens of times larger in size than with them (the residuals printed above are as large as λmin itself without shortcuts, and half of it with them: trust the order of magnitude only), and λmax hides it, being a thousand times larger.

# %% [markdown]
# ## 5 · The whole spectrum, from a few vectors
#
# Each Ritz value of the Lanczos matrix also has a weight, the squared first entry of its eigenvector; together they say how the eigenvalues are distributed (stochastic Lanczos quadrature). For the small perceptron we can compare the estimate with the truth.

# %%
density = lnb.spectral_density(
    objective, steps=settings.steps, probes=settings.probes, seed=settings.seed
)

# %%
estimate = (density.weights * density.nodes).sum("node").mean().item()
print(
    f"trace / n: exact {mean:.4f}, from {density.attrs['products']} "
    f"products {estimate:.4f}"
)


# %%
def draw_density(panel, density, title, exact=None):
    panel.semilogy(
        density.eigenvalue,
        density.density.clip(min=1e-7),
        color="#0072B2",
        label="estimate",
    )
    if exact is not None:
        heights, edges = np.histogram(exact, bins=60, density=True)
        panel.stairs(
            heights, edges, color="#D55E00", linestyle="--", linewidth=2, label="exact"
        )
        panel.legend()
    panel.axvline(0, color="0.5", linewidth=1)
    panel.set(
        ylim=(1e-6, 1e2), xlabel="eigenvalue", ylabel="density (log scale)", title=title
    )


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Three spectral densities on a logarithmic axis: a tall peak at zero and "
    "single large eigenvalues far to the right. The estimate follows the exact "
    "histogram of the small perceptron, whose axis is its own; without shortcuts the "
    "spectrum reaches much further."
)

# %%
figure, axes = plotting.panels(1 + len(nets), size=(4.8, 4.2))
draw_density(axes[0], density, "small perceptron", eigenvalues)

# %%
for panel, (name, net) in zip(axes[1:], nets.items()):
    found = lnb.spectral_density(net, steps=40, probes=settings.probes, width=0.5)
    draw_density(panel, found, f"deep, {name}")
    panel.set_xlim(1.5 * smallest[1], 1.2 * largest[1])
lnb.show(figure, alt=alt)

# %% [markdown]
# **Why.** Most eigenvalues are nearly zero, a handful is large and positive, and some are negative but smaller. A random direction averages over all of them, so the handful decides, and the plot bends up. Turn the direction by twenty degrees towards the right eigenvector, or let Lanczos look for the ends, and the negative ones appear. So the convexity of a plane is real in one sense (positive curvature dominates, mostly by a factor of more than ten at a trained network) and an illusion in another (a true minimum has no negative eigenvalue at all).

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · Power iteration** (●●○, 10 minutes). Find the perceptron's largest eigenvalue with products `operator @ v` alone. Start from a random vector.

# %%
start = (
    np.random.default_rng(0).standard_normal(operator.shape[0]).astype(operator.dtype)
)

my_eigenvalue = ...
exercises.check_largest_eigenvalue(my_eigenvalue, eigenvalues)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# v = start
# for _ in range(200):
#     v = operator @ (v / np.linalg.norm(v))
# my_eigenvalue = float(np.linalg.norm(v))
# ```
# It converges to the eigenvalue of largest *size*; here that is the positive end. Lanczos needs fewer products and gives both ends.
# </details>
#
# **2 · The trace from random directions** (●○○, 5 minutes). Estimate the sum of all eigenvalues from the curvatures along random directions (Hutchinson's estimator).

# %%
size = operator.shape[0]

my_trace = ...  # from `curvatures` and `size`
exercises.check_trace(my_trace, eigenvalues)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_trace = size * curvatures.mean()
# ```
# Along `filtered` the mean is another one: such directions are not a fair sample of all directions.
# </details>
#
# **3 · A saddle that looks like a bowl** (●○○, 5 minutes). Take the direction v₁ + v₂, the sum of the eigenvectors of λmin and λmax. What is the curvature dᵀHd / ‖d‖² along it?

# %%
my_curvature = ...
exercises.check_mixed_curvature(my_curvature, ends)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_curvature = lnb.curvature_along(objective, lnb.add(ends.min_vector, ends.max_vector))
# ```
# It is (λmin + λmax) / 2, positive, although half of the direction points downhill from a ridge.
# </details>
#
# **4 · Why filter-normalized curvatures are larger** (●●●, 20 minutes). In section 1 the curvatures along filter-normalized directions did not average to trace / n. What do they average to, exactly? Compute it from the Hessian's diagonal and the lengths of the filters, and compare it with `filtered.mean()`. (In a filter of k weights and length ℓ, all weights have the same share of the direction's squared length on average: ℓ² / k.)

# %%
diagonal = np.diag(hessian)
weights = [w for w in perceptron.parameters() if w.ndim > 1]
weights = [w.detach() for w in weights]  # a row of each is a filter

my_mean = ...
exercises.check_filtered_mean(my_mean, diagonal, weights)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# filters = [row for w in weights for row in w]
# squares = [float(row.square().sum()) for row in filters]
# parts = np.split(diagonal, np.cumsum([len(row) for row in filters])[:-1])
# my_mean = float(np.average([part.mean() for part in parts], weights=squares))
# ```
# Off the diagonal the signs cancel on average. Each filter's mean curvature counts by the filter's squared length, and the ten filters of the output layer, where the loss bends most, have 14 % of the weights but about 30 % of the squared length.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **The paper's contrast, on the digits.** There the ratio of the plain deep net does not stand out; its loss is higher than that of the other net, and its λmax with it. In the authors' networks it does.
# - **The whole surroundings.** A map shows the spectrum in one plane, along two random directions, at 25 points. An eigenvalue of the shipped maps may be wrong by 5 % of its size and half a percent of λmax.
# - **Biases and batch norm.** Tensors of one dimension are held constant, as in the paper, and running statistics are those of the centre.
# - **Other data.** It is the Hessian of the loss on 200 images, in the shipped maps on 100. Other images would give other eigenvalues.
# - **Scale.** Perceptrons on 8×8 digits. The full preset runs the same cells with ResNet-56 on CIFAR-10.
#
# ## To discuss
#
# - A network with negative eigenvalues is not at a local minimum. Why does training stop there all the same?
# - Is abs(λmin / λmax) a fair measure of convexity, if a single large λmax can hide everything else? What would you draw instead?
# - Filter-normalized directions give other averages than raw ones. Which of the two would you trust to tell convexity, and which to compare two networks?
#
# ## Take away
#
# - The curvature along a random direction is an average over all eigenvalues. Bending down is a proof; bending up is not.
# - Both ends of a spectrum cost some tens of Hessian-vector products, never the matrix.
# - Say which residual an eigenvalue has, and how many products it took, and put λmin and λmax beside their ratio.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - B. Pearlmutter: *Fast Exact Multiplication by the Hessian*. Neural Computation, 1994.
# - R. Lehoucq, D. Sorensen, C. Yang: *ARPACK Users' Guide*. SIAM, 1998.
# - K. Wu, H. Simon: *Thick-Restart Lanczos Method for Large Symmetric Eigenvalue Problems*. SIAM Journal on Matrix Analysis and Applications, 2000.
# - B. Ghorbani, S. Krishnan, Y. Xiao: *An Investigation into Neural Net Optimization via Hessian Eigenvalue Density*. ICML 2019, [arXiv 1901.10159](https://arxiv.org/abs/1901.10159).
# - L. Böttcher, G. Wheeler: *Visualizing high-dimensional loss landscapes with Hessian directions*. 2022, [arXiv 2208.13219](https://arxiv.org/abs/2208.13219).
