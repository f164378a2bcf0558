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
# # 11 · Six ways to make a plot lie
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/11_how_plots_lie.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/11_how_plots_lie.ipynb)
#
# **Question.** Every value in a picture of a loss is right. How can the picture be wrong, and how would we notice?
#
# ![Six misleading plots, each above its honest twin: a range too small, levels too high, directions that are not normalized, a rescaled network, batch-norm statistics of another network, and one hand-picked direction.](images/11_how_plots_lie.png)
#
# *Six lies (rows 1 and 3), each above the honest picture of the same networks (rows 2 and 4). No number in them is invented.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | make a plot say what you like in six ways; see how `lnb.diagnose` finds each of them, and from which number |
# | **You need** | notebook 02; what batch norm's running statistics are |
# | **In the paper** | Li et al. (2018), sections 3 and 4; its own practice in each of the six |
# | **Takes** | 0.6 minutes, 0.9 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

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
import matplotlib.pyplot as plt
import numpy as np

import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": seconds, on scikit-learn's digits · "full": VGG-9 and the perceptron on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "epochs": 12, "vgg_width": 0.25, "images": 1438}
quick |= {"vgg_images": 500, "points": 21}
full = {"data": "cifar10", "epochs": 300, "vgg_width": 1, "images": 50_000}
full |= {"vgg_images": 10_000, "points": 51}
settings = lnb.choose_preset(PRESET, quick=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]()

# %% [markdown]
# ## 1 · The range
#
# We need two perceptrons and two small VGG-9s (the paper's convolutional network, with batch norm), trained in the same way from different seeds. The first lie needs only one perceptron and an extent: how far the plane reaches.
#
# The two directions of the plane are random and *filter-normalized* (notebook 02): each filter, that is what feeds one neuron, is as long as the same filter of the network. So ±1 is a step as long as the weights. The loss is the one on the training images.


# %%
def train(model, seed, **how):
    return lnb.train(
        model, data, settings.epochs, batch_size=64, lr=0.05, seed=seed, **how
    ).model


# %%
def objective_of(model, images=settings.images):
    return lnb.Objective(model, data.subset(images), batch_size=500)


# %%
seeds = (2 * settings.seed, 2 * settings.seed + 1)  # another run's two are others
perceptrons = [train(lnb.models.mlp((64, 64), **data.shape, seed=s), s) for s in seeds]
vggs = [
    train(
        lnb.models.vgg9(settings.vgg_width, **data.shape, seed=s).to(settings.device), s
    )
    for s in seeds
]
[objective_of(model)()["loss"] for model in perceptrons + vggs]  # the loss of each

# %%
perceptron = perceptrons[0]
objective = objective_of(perceptron)
directions = lnb.random_directions(perceptron, 2, seed=settings.seed)
reaches = [0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0]
planes = {
    r: lnb.evaluate_plane(
        objective,
        directions,
        (-r, r),
        settings.points,
        store=settings.store(f"11 ±{r:g}"),
    )
    for r in reaches
}

# %% [markdown]
# `lnb.diagnose` looks at what was measured and says what is wrong with it. Problems and warnings count here; notes are good to know.
#
# > **Predict.** All nine planes have the same centre, the same directions and the same levels. The levels are the paper's: 0.1, 0.6, …, 9.6. Which of the planes look flat, and which look like a spike?


# %%
def verdict(plot, levels=plotting.PAPER_LEVELS):
    return [f.code for f in lnb.diagnose(plot, levels) if f.severity != "note"]


# %%
for reach, plane in planes.items():
    print(
        f"±{reach:<5g} loss {plane.loss.values.min():.3g} to "
        f"{plane.loss.values.max():.3g}  {verdict(plane)}"
    )


# %%
def draw_range(reach=0.03):
    figure, (lie, honest) = plotting.panels(2, size=(5.4, 4.8))
    for panel, r in ((lie, reach), (honest, 1.0)):
        plotting.draw_contours(panel, planes[r])
        panel.set(xticks=(-r, 0, r), yticks=(-r, 0, r))
        panel.set_title(f"±{r:g}: {', '.join(verdict(planes[r])) or 'nothing wrong'}")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The plane at a chosen range beside the plane at ±1, on the same "
    "levels. At ±0.03 there is no contour, at ±1 there is a bowl."
)

# %%
lnb.explore(draw_range, alt=alt, reach=reaches)

# %% [markdown]
# `too-narrow` means that fewer than two levels are crossed: the plane looks flat. `too-wide` means that more than two thirds of it lie above the last level, or that its rim is a hundred times as high as that level: all there is to see is a spike. The diagnosis comes with a wider extent to try next. Look that one up in the list above: one step need not be enough.

# %%
lnb.diagnose(planes[0.03])

# %% [markdown]
# ## 2 · The levels
#
# The same plane, ±1, and other levels. (`noise`: at many points the loss is known less exactly than the levels are apart, because it is a mean over so many images and no more.)
#
# > **Predict.** What does the bowl look like if the levels go up to 1000, as they do if a program chooses them for another network?

# %%
tops = [0.3, 1.0, 3.0, 9.6, 30.0, 100.0, 1000.0]
scales = {top: np.linspace(0.1, top, 20) for top in tops}
for top, levels in scales.items():
    print(f"20 levels from 0.1 to {top:<6g} {verdict(planes[1.0], levels)}")


# %%
def draw_levels(top=1000.0):
    figure, (lie, honest) = plotting.panels(2, size=(5.4, 4.8))
    for panel, t in ((lie, top), (honest, 9.6)):
        plotting.draw_contours(panel, planes[1.0], levels=scales[t])
        panel.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        panel.set_title(
            f"levels up to {t:g}: "
            f"{', '.join(verdict(planes[1.0], scales[t])) or 'nothing wrong'}"
        )
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The same plane on chosen levels and on the paper's. Up to 1000 there "
    "is one contour about the centre, on the paper's levels there is a "
    "bowl."
)

# %%
lnb.explore(draw_levels, alt=alt, top=tops)

# %% [markdown]
# With levels up to 1000 the plane crosses only the first of the twenty: one ring, and no slope. The range is not at fault, so the diagnosis is not `too-narrow` but `levels-too-coarse`. Levels that end at 0.3 make a spike of the same plane, and are closer to each other than the loss is known.

# %% [markdown]
# ## 3 · The scale of the weights
#
# The third lie needs two perceptrons, one trained without weight decay and one with 0.01. Which minimum is flatter? We ask raw directions first, N(0, 1) in every weight, then filter-normalized ones; five of each.
#
# > **Predict.** Weight decay makes weights small. What does that do to a curve along a direction that knows nothing of the weights?


# %%
def curve(model, direction, reach, repeats=1):
    objective = objective_of(model)
    return lnb.evaluate_line(objective, direction, (-reach, reach), 25, repeats=repeats)


# %%
def direction_of(model, normalize, seed=settings.seed):
    return lnb.random_directions(model, 1, normalize=normalize, seed=seed)[0]


# %%
def height(lines):
    """The mean loss at both ends."""
    return float(lines.loss.isel(alpha=[0, -1]).mean())


# %%
decays = {f"weight decay {d:g}": d for d in (0, 0.01)}
start = lnb.models.mlp((64, 64), **data.shape, seed=settings.seed)
pair = {name: train(start, settings.seed, weight_decay=d) for name, d in decays.items()}
pair_raw = {name: curve(m, direction_of(m, "none"), 0.3, 5) for name, m in pair.items()}
pair_fair = {
    name: curve(m, direction_of(m, "filter"), 1, 5) for name, m in pair.items()
}
for name, m in pair.items():
    centre = float(pair_raw[name].loss.sel(alpha=0, method="nearest")[0])
    print(
        f"{name}: ‖θ‖ {lnb.norm(lnb.parameters_of(m)):.1f}, loss at the centre "
        f"{centre:.2g}, at the ends:"
    )
    for how, drawn in (("raw", pair_raw[name]), ("filter-normalized", pair_fair[name])):
        print(f"  {how:17} {height(drawn):5.2f}  {verdict(drawn)}")

# %% [markdown]
# Along raw directions the two are equally high at the ends. But one raw step is a larger share of smaller weights (compare ‖θ‖), and here that hides a difference. In units of their own weights the network with weight decay is the flatter one: it starts higher and ends lower.
#
# The fourth lie goes further. Notebook 02 showed that a ReLU network can be rescaled without changing what it computes (Dinh et al., 2017): multiply one layer by c, divide the next by c. Raw curves depend on c. But so do curves along a filter-normalized direction that was *borrowed*: normalized to one network and used around its twin.

# %%
factors = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
twins = {c: lnb.rescale_relu(perceptron, "hidden.1", "hidden.3", c) for c in factors}
raw = {c: curve(twin, direction_of(twin, "none"), 0.3) for c, twin in twins.items()}
fair = {c: curve(twin, direction_of(twin, "filter"), 1) for c, twin in twins.items()}
borrowed = {
    c: curve(twin, direction_of(perceptron, "filter"), 1) for c, twin in twins.items()
}

# %%
families = {"raw": raw, "filter": fair, "borrowed": borrowed}
for name, family in families.items():
    one, ten = (float(family[c].loss[-1]) for c in (1.0, 10.0))
    print(
        f"{name:9} loss at the end for c = 1: {one:6.3g}, for c = 10: "
        f"{ten:6.3g}  {verdict(family[10.0])}"
    )


# %%
def draw_rescaled(c=10.0, directions="borrowed"):
    figure, axes = plotting.panels(2)
    for panel, family, title in zip(
        axes, (families[directions], fair), (directions, "filter-normalized, its own")
    ):
        plotting.draw_line(panel, family[1.0], label="the network")
        plotting.draw_line(panel, family[c], label=f"its twin, c = {c:g}", number=1)
        panel.set(title=title, yscale="log", ylim=(1e-3, 1e3))
        panel.legend(loc="lower left")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "A network and its rescaled twin. Left: along a chosen kind of "
    "direction; along a borrowed one the twin with c = 10 is far steeper. "
    "Right: along their own filter-normalized ones, where both curves "
    "coincide."
)

# %%
lnb.explore(draw_rescaled, alt=alt, c=factors, directions=list(families))


# %%
steps = {
    "its own": lnb.relative_steps(
        direction_of(twins[10.0], "filter"), lnb.parameters_of(twins[10.0])
    )
}
steps["borrowed"] = lnb.relative_steps(
    direction_of(perceptron, "filter"), lnb.parameters_of(twins[10.0])
)
steps  # the smallest and the largest ‖d‖ / ‖w‖ over all filters

# %% [markdown]
# Both directions are labelled as filter-normalized, which is true of both: each is so to one of the two networks. The number that tells them apart is the relative step of each filter: at ±1 every filter of a direction's *own* network is moved by its own length. The borrowed direction moves some filters by a tenth of that and others by ten times as much. Every line and plane keeps this number beside its values, so that `diagnose` can say `borrowed-scale`.

# %% [markdown]
# ## 4 · Batch norm's statistics
#
# Two trained VGG-9s and the straight line between them. At α = 0 and at α = 1 we know the loss: both nets are trained. But batch norm's running statistics are not weights. Who moves them? `frozen` keeps those of the first network everywhere, `interpolated` mixes them like the weights (as the paper does), `recalibrated` computes them anew from the data at every point (as in REPAIR, Jordan et al., 2023).
#
# > **Predict.** With frozen statistics, what will the curve show at α = 1, where the second trained network is?

# %%
at_end = lnb.predict(
    "With frozen statistics, the curve at the second trained network shows",
    ["its loss", "a little more", "over ten times as much"],
)
at_end

# %%
between = objective_of(vggs[0], settings.vgg_images)
policies = ("frozen", "interpolated", "recalibrated")
paths = {
    p: lnb.interpolate(between, *vggs, resolution=21, batch_norm=p) for p in policies
}
own = between()["loss"], objective_of(vggs[1], settings.vgg_images)()["loss"]
for policy, path in paths.items():
    print(
        f"{policy:13} loss at α = 1: "
        f"{float(path.loss.sel(alpha=1, method='nearest')):.3g}, its own: "
        f"{own[1]:.3g}"
    )


# %%
def draw_between(statistics="frozen"):
    figure, (panel,) = plotting.panels(1, size=(8, 5))
    plotting.draw_line(
        panel, paths["recalibrated"], label="recalibrated at every point"
    )
    plotting.draw_line(panel, paths[statistics], label=statistics, number=1)
    panel.plot(
        [0, 1],
        own,
        "*",
        color="black",
        markersize=16,
        label="both networks, as trained",
    )
    panel.set(yscale="log", ylim=(1e-4, 1e3), xlabel="α (0: first network, 1: second)")
    panel.legend(loc="upper center")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The loss between two networks with chosen batch-norm statistics and "
    "with recalibrated ones. The frozen curve meets the first network "
    "only; the recalibrated one meets both, with a wall between them."
)

# %%
lnb.explore(draw_between, alt=alt, statistics=list(policies))

# %%
frozen = float(paths["frozen"].loss.sel(alpha=1, method="nearest"))
statistics_found = {
    policy: "wrong-statistics" in verdict(path) for policy, path in paths.items()
}
lnb.diagnose(paths["frozen"])

# %% [markdown]
# The prediction:

# %%
at_end.reveal(at_end.choices[int(frozen > 1.1 * own[1]) + int(frozen > 10 * own[1])])

# %% [markdown]
# With frozen statistics the curve passes far above the second network at α = 1: that network's weights run there with the first one's statistics.
#
# `interpolate` also measures each end with that network's own statistics and keeps both numbers. A curve that ends elsewhere is found: `wrong-statistics`. (Where a running variance would be negative beyond the ends, `diagnose` says that, too.)

# %% [markdown]
# ## 5 · One seed
#
# Two perceptrons, A and B, that differ in nothing but the seed (of their first weights and of the batches' order). We draw each along 20 filter-normalized directions.

# %%
count = 20
draws = [curve(model, direction_of(model, "filter"), 1, count) for model in perceptrons]
heights = [d.loss.isel(alpha=[0, -1]).mean("alpha").values for d in draws]
for name, h in zip("AB", heights):
    print(f"{name}: loss at ±1 over {count} directions: mean {h.mean():.3g}, ", end="")
    print(f"standard deviation {h.std():.2g}, from {h.min():.3g} to {h.max():.3g}")


# %%
def draw_pair(panel, a, b, title):
    for number, (name, draw, chosen) in enumerate(zip("AB", draws, (a, b))):
        plotting.draw_line(
            panel, draw.isel(repeat=chosen), label=f"network {name}", number=number
        )
    panel.set(title=title, ylim=(0, 10))
    panel.legend(loc="upper center")


# %%
def draw_seeds(pick_a=0, pick_b=0):
    figure, (lie, honest) = plotting.panels(2)
    draw_pair(lie, pick_a, pick_b, f"directions {pick_a} and {pick_b}")
    draw_spread(honest, "all directions")
    return figure


# %%
def draw_spread(panel, title):
    for number, (name, draw) in enumerate(zip("AB", draws)):
        mean, spread = draw.loss.mean("repeat"), draw.loss.std("repeat")
        plotting.draw_line(
            panel, mean.to_dataset(), label=f"network {name}, mean", number=number
        )
        panel.fill_between(
            draw.alpha,
            mean - spread,
            mean + spread,
            alpha=0.25,
            color=("#0072B2", "#D55E00")[number],
        )
    panel.set(title=title, ylim=(0, 10))
    panel.legend(loc="upper center")


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: networks A and B, each along one chosen direction. Right: their "
    "means and spreads over 20 directions, which overlap."
)

# %%
lnb.explore(
    draw_seeds,
    alt=alt,
    pick_a=list(range(0, count, 3)),
    pick_b=list(range(0, count, 3)),
)

# %% [markdown]
# Choose for one network the direction with the lowest ends and for the other the one with the highest, and the order is yours. (The slider offers seven of the twenty; here all are searched.)

# %%
found = {
    name: lnb.diagnose(d).codes
    for name, d in (("one", draws[0].isel(repeat=[0])), ("twenty", draws[0]))
}
chosen = int(heights[0].argmin()), int(heights[1].argmax())
turned = int(heights[0].argmax()), int(heights[1].argmin())
ratios = [float(heights[0][a] / heights[1][b]) for a, b in (chosen, turned)]
print(
    f"loss at the ends, A / B: {ratios[0]:.2f} or {ratios[1]:.2f}; of the "
    f"means {heights[0].mean() / heights[1].mean():.2f}"
)
print(f"diagnose: of one direction {found['one']}, of twenty {found['twenty']}")

# %% [markdown]
# ## All six at once


# %%
def contour(plane, levels=plotting.PAPER_LEVELS):
    return lambda panel: plotting.draw_contours(panel, plane, levels=levels)


# %%
def lines(family):
    def draw(panel):
        for number, (name, line) in enumerate(family.items()):
            plotting.draw_line(panel, line, label=name, number=number)
        panel.set(yscale="log", ylim=(1e-4, 1e3), xlabel="α")
        panel.legend(loc="lower left", fontsize=10)

    return draw


# %%
def twin_lines(family):
    return lines({"network": family[1.0], "twin, c = 10": family[10.0]})


# %%
def mean_lines(family):
    return lines({name: line.mean("repeat") for name, line in family.items()})


# %%
picked = dict(zip("AB", (d.isel(repeat=r) for d, r in zip(draws, chosen))))
gallery = {
    "range": (contour(planes[0.03]), contour(planes[1.0])),
    "levels": (contour(planes[1.0], scales[1000.0]), contour(planes[1.0])),
    "raw directions": (mean_lines(pair_raw), mean_lines(pair_fair)),
    "borrowed scale": (twin_lines(borrowed), twin_lines(fair)),
    "statistics": tuple(
        lines({policy: paths[policy]}) for policy in ("frozen", "recalibrated")
    ),
    "one seed": (lines(picked), mean_lines(dict(zip("AB", draws)))),
}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Twelve panels. Lies: a flat plane at ±0.03; a plane with one contour "
    "on levels up to 1000; two networks equally high at the ends of raw "
    "directions; a rescaled twin more than ten times as high at the ends; "
    "a wall that does not come down to the second network; network B "
    "sharper than A. Each honest twin below shows something else."
)

# %% tags=["answer"]
figure, axes = plotting.panels(3, 4, size=(4.8, 3.6))
for number, (name, both) in enumerate(gallery.items()):
    for row, (draw, kind) in enumerate(zip(both, ("lie", "honest"))):
        panel = axes[6 * (number // 3) + 3 * row + number % 3]
        draw(panel)
        panel.set_title(
            f"{number + 1} · {name}: {kind}",
            color=("#A33B00", "#004C7A")[row],
            fontweight="bold",
        )
        panel.xaxis.set_major_locator(plt.MaxNLocator(4, steps=(1, 2, 5, 10)))
lnb.show(figure, alt=alt)

# %% [markdown]
# **Notice**
#
# 1. Lies 1 and 2 show no contour and one contour of the same bowl; nothing but an axis or a list of levels was changed.
# 2. In 3 the honest picture shows a difference at the ends that the lie hides; in 4 the lie shows one that is not there: in the honest picture the two curves coincide.
# 3. In 5 the frozen curve never comes down to the second network; the recalibrated one does.
# 4. In 6 the order of A and B was chosen by choosing directions; their means over 20 directions are much closer to each other (the last claim below has the ratios).

# %%
lies = [verdict(planes[r]) for r in (0.03, 16.0)] + [
    verdict(planes[1.0], scales[t]) for t in (1000.0, 0.3)
]
expected = ("too-narrow", "too-wide", "levels-too-coarse", "too-wide")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "11-range-and-levels-are-found",
    all(code in lie for code, lie in zip(expected, lies))
    and verdict(planes[1.0]) == [],
    "diagnose finds both ranges and both sets of levels, and has nothing "
    "against the honest plane.",
    lies_found=sum(code in lie for code, lie in zip(expected, lies)),
    found_in_the_honest_plane=len(verdict(planes[1.0])),
)

# %%
raw_ratio, fair_ratio = (
    height(f["weight decay 0"]) / height(f["weight decay 0.01"])
    for f in (pair_raw, pair_fair)
)
flagged = [
    "un-normalized" in verdict(f["weight decay 0"]) for f in (pair_raw, pair_fair)
]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "11-raw-directions-hide-a-difference",
    0.7 < raw_ratio < 1.4 and fair_ratio > 2 and flagged == [True, False],
    "Raw curves of the two networks end about equally high, "
    "filter-normalized ones do not; diagnose flags the raw ones alone.",
    raw_ratio=raw_ratio,
    filter_normalized_ratio=fair_ratio,
)

# %%
borrowed_ratio, own_ratio = (height(f[10.0]) / height(f[1.0]) for f in (borrowed, fair))
scale_found = ["borrowed-scale" in verdict(f[10.0]) for f in (borrowed, fair)]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "11-borrowed-scale-is-found",
    borrowed_ratio > 2 and abs(own_ratio - 1) < 1e-2 and scale_found == [True, False],
    "A borrowed scale more than doubles the same function's curve, its own "
    "scale leaves it; diagnose flags the former.",
    borrowed=borrowed_ratio,
    its_own=own_ratio,
    largest_relative_step=steps["borrowed"][1],
)

# %%
recalibrated = float(paths["recalibrated"].loss.sel(alpha=1, method="nearest"))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "11-frozen-statistics-build-a-wall",
    frozen > 10 * own[1]
    and frozen > 10 * recalibrated
    and list(statistics_found.values()) == [True, False, False],
    "Frozen statistics raise the loss of a trained network more than "
    "tenfold; diagnose flags them and no others.",
    frozen=frozen,
    recalibrated=recalibrated,
    its_own=own[1],
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "11-one-seed-proves-nothing",
    ratios[0] < 0.75
    and ratios[1] > 1.33
    and "one-seed" in found["one"]
    and "one-seed" not in found["twenty"],
    "Chosen directions make either network the flatter one; diagnose notes "
    "a single draw.",
    ratios_of_chosen_directions=ratios,
    ratio_of_means=heights[0].mean() / heights[1].mean(),
)

# %% [markdown]
# **Why.** A picture depends on six things besides the network, its data and its loss: the extent, the levels, the directions' scale, whose weights that scale was taken from, what moves batch norm's statistics, and the draw. Each is free. The first two stand on the axes and the contours, for those who look; the other four are not in the picture at all. `diagnose` checks what the measured values tell, and what was noted when they were measured: the directions' draw and scale, their relative steps, both networks' own losses.
#
# | lie | what `diagnose` says | the number beside the plot |
# |---|---|---|
# | range | `too-narrow`, `too-wide` | lowest and highest loss |
# | levels | `levels-too-coarse`, `too-wide`, `noise` | the levels, and the standard error |
# | raw directions | `un-normalized` | ‖θ‖ of both networks |
# | borrowed scale | `borrowed-scale` | ‖d‖ / ‖w‖ of each filter: 1 |
# | statistics | `wrong-statistics` | the second network's own loss, at α = 1 |
# | one seed | a note, `one-seed` | mean and spread over draws |
#
# **The paper's own practice** for the same six: ±1 wherever networks are compared by filter-normalized plots; levels 0.1, 0.6, …, 9.6; filter normalization, each network by its own weights; running statistics interpolated with the weights, and frozen on planes; and one draw for each figure, with ten directions for a curve and repeated planes in the appendix.

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · Which plot lies?** (●○○, 5 minutes). Three planes of the same perceptron, by three people who all swear that they measured every value. Look at their axes and losses (`suspects["A"].alpha`, `suspects["A"].loss`); then ask `lnb.diagnose`.

# %%
suspects = {"A": planes[8.0], "B": planes[0.1], "C": planes[1.0]}

my_suspects = ...  # a name, or a set of names
exercises.check_which_mislead(my_suspects, suspects)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_suspects = {name for name, plane in suspects.items() if verdict(plane)}
# ```
# </details>
#
# **2 · Repair it** (●○○, 5 minutes). Measure the plane of the spike, `planes[16.0]`, anew, so that only notes are left.

# %%
my_plane = ...
exercises.check_repaired(my_plane, planes[16.0])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_plane = lnb.evaluate_plane(objective, directions, (-1, 1), 15)
# ```
# </details>
#
# **3 · Whose scale?** (●●○, 10 minutes). Three directions, all of them labelled "filter"; one of them was normalized to another network. Which one? The perceptron's weights are in `weights`. Find it without `diagnose`: nothing is measured yet.

# %%
weights = lnb.parameters_of(perceptron)
strangers = {
    "x": lnb.random_directions(perceptron, 1, seed=5)[0],
    "y": lnb.random_directions(perceptrons[1], 1, seed=6)[0],
    "z": lnb.random_directions(perceptron, 1, seed=7)[0],
}

my_stranger = ...  # "x", "y" or "z"
exercises.check_foreign_direction(my_stranger, strangers, weights)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# shares = {name: lnb.relative_steps(direction, weights) for name, direction in strangers.items()}
# my_stranger = max(shares, key=lambda name: shares[name][1])
# ```
# </details>

# %% [markdown]
# ## What this does not show
#
# - **All lies.** Smoothing, a cut axis, a test loss called training loss, a different loss in each panel: `diagnose` sees none of them.
# - **Intent.** Each of the six can happen in good faith: an old script's extent, a program's choice of levels, a direction made for the checkpoint before.
# - **That the honest plot is the truth.** It is two random directions out of thousands, filter-normalized and frozen, with limits of their own (notebooks 02, 08 and 09).
# - **Scale.** Small networks on 8×8 digits. How strong a lie is depends on the network. Lie 4, as told here, needs a freedom of scale, which ReLU gives, and lie 5 needs batch norm.
#
# ## To discuss
#
# - Open the last paper with a loss landscape that you read. Which of the six things does it state?
# - Recalibrated statistics and frozen ones give different walls between two networks. Which is "the" loss between them?
# - Should a plotting library refuse to draw a misleading plot, warn, or stay silent?
#
# ## Take away
#
# - Same range, levels, normalization and statistics in every panel, and more than one draw; and say them under the picture.
# - `lnb.diagnose(dataset, levels)` needs no new measurement. Its silence is not a certificate.
# - Put one number beside each picture that would have been different if the picture lied.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - L. Dinh, R. Pascanu, S. Bengio, Y. Bengio: *Sharp Minima Can Generalize For Deep Nets*. ICML 2017, [arXiv 1703.04933](https://arxiv.org/abs/1703.04933).
# - K. Jordan, H. Sedghi, O. Saukh, R. Entezari, B. Neyshabur: *REPAIR: REnormalizing Permuted Activations for Interpolation Repair*. ICLR 2023, [arXiv 2211.08403](https://arxiv.org/abs/2211.08403).
