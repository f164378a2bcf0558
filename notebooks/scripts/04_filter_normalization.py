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
# # 04 · Filter normalization and its rivals
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/04_filter_normalization.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/04_filter_normalization.ipynb)
#
# **Question.** Which of the four minima is flat, once the scale of the weights no longer decides?
#
# ![Two panels with the loss along filter-normalized directions. Without and with weight decay the small-batch network has the wide valley and the large-batch network the narrow one.](images/04_filter_normalization.png)
#
# *The four networks of notebook 03, along ten filter-normalized random directions each.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | draw four minima in relative steps; compare four ways to normalize and find what each of them misses; see how much depends on the random direction |
# | **You need** | notebooks 02 and 03 |
# | **In the paper** | Li et al. (2018), sections 4 and 5, Figure 3, and the appendix |
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
import copy
from itertools import pairwise

import numpy as np
import torch

import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": about a minute, on scikit-learn's digits · "full": the paper's setting, on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "train": 720, "width": 0.25, "epochs": 14}
quick |= {"batches": (36, 180), "decay": 2.2e-2, "lr": 0.07}
full = {"data": "cifar10", "train": 50_000, "width": 1, "epochs": 300}
full |= {"batches": (128, 8192), "decay": 5e-4, "lr": 0.1}
quick |= {"images": 100, "points": 25}
full |= {"images": 5000, "points": 51}
settings = lnb.choose_preset(PRESET, quick=quick, gallery=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]().subset(settings.train)
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · The four networks of notebook 03
#
# One VGG-9, trained with small and large batches, without and with weight decay. If you have run notebook 03, the networks are on your disk and this takes a moment.

# %%
sides = dict(zip(("small", "large"), settings.batches, strict=True))
decays = {"no decay": 0.0, "decay": settings.decay}


# %%
def train(batch, decay):
    model = lnb.models.vgg9(settings.width, **data.shape, seed=settings.seed)
    options = {"lr": settings.lr, "weight_decay": decay, "seed": settings.seed}
    return lnb.train(model.to(settings.device), data, settings.epochs, batch, **options)


runs = {
    (side, name): train(batch, decay)
    for name, decay in decays.items()
    for side, batch in sides.items()
}

# %%
error = {key: 1 - run.history["test_accuracy"][-1] for key, run in runs.items()}
norms = {key: run.history["weight_norm"][-1] for key, run in runs.items()}
for side, name in runs:
    print(
        f"{side} batch, {name:9} test error {error[side, name]:6.1%}   norm of "
        f"the weights {norms[side, name]:5.1f}"
    )

# %% [markdown]
# **The paper's own test errors** (VGG-9 on CIFAR-10, batch 128 against 8192, Figure 3): 7.37 % against 11.07 % without weight decay, 6.0 % against 10.19 % with weight decay 5e-4.
#
# On the straight line of notebook 03, flatness changed sides with weight decay, and so did the scale of the weights, which alone can do it. Now every step will be measured relative to the weights that it moves: in a filter-normalized direction d, each filter of d is as long as the same filter of θ.
#
# > **Predict.** Four curves, loss against α: which network has the widest valley, which the narrowest? Does the order depend on weight decay?

# %%
order_turns = lnb.predict(
    "In relative steps, does weight decay turn the order of small and "
    "large batches around?",
    ["yes, as on the straight line", "no"],
)
order_turns

# %% [markdown]
# ## 2 · In relative steps
#
# Each network is measured along ten random directions: `repeats=10` draws them one after the other from the same seed.


# %%
def measure(model, normalize, repeats, reach=1.0, points=21):
    objective = lnb.Objective(model, sample, batch_size=100)
    (direction,) = lnb.random_directions(
        model, 1, normalize=normalize, seed=settings.seed
    )
    return lnb.evaluate_line(
        objective, direction, (-reach, reach), points, repeats=repeats
    )


curves = {
    ("filter", *key): measure(run.model, "filter", 10) for key, run in runs.items()
}


# %%
def draw_band(panel, line, label, number):
    plotting.draw_line(panel, line.median("repeat"), label=label, number=number)
    low, high = line.loss.min("repeat"), line.loss.max("repeat")
    panel.fill_between(
        line.alpha, low, high, color=panel.lines[-1].get_color(), alpha=0.2, linewidth=0
    )


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss along filter-normalized directions, median and range of ten "
    "directions. Without weight decay and with it, the curve of the "
    "small-batch network lies below and is wider than that of the "
    "large-batch network."
)

# %% tags=["answer"]
figure, panels = plotting.panels(2)
for panel, name in zip(panels, decays, strict=True):
    for number, side in enumerate(sides):
        label = f"{side} batch, test error {error[side, name]:.1%}"
        draw_band(panel, curves["filter", side, name], label, number)
    panel.set(
        title=name,
        yscale="log",
        ylim=(1e-4, 1e3),
        ylabel="training loss",
        xlabel="α, filter-normalized",
    )
    panel.legend(loc="upper center", fontsize=12)
lnb.show(figure, alt=alt)

# %% [markdown]
# Line: the median of the ten directions. Band: from the lowest to the highest. To put a number on it, take the **width** of a valley: the length of the part of the line on which the loss stays below 0.5. Points are 0.1 apart, so we follow the logarithm of the loss between them to where it crosses the level. Because the four minima are not equally deep, we also ask where the loss stays less than 0.5 above its own centre.


# %%
def width(line, level=0.5):
    fine = np.linspace(*line.alpha.values[[0, -1]], 2001)
    below = np.log(line.loss).interp(alpha=fine) < np.log(level)
    return below.mean("alpha") * (fine[-1] - fine[0])


# %%
def width_above_centre(line, rise=0.5):
    return width(line, line.loss.sel(alpha=0, method="nearest") + rise)


# %%
widths = {key: width(line) for key, line in curves.items()}
above = {key: width_above_centre(line) for key, line in curves.items()}

# %%
print(
    f"{'':23}below 0.5        less than 0.5 above the centre   (mean ± "
    "deviation of ten)"
)
for key, values in widths.items():
    both = [
        f"{v.mean().item():.2f} ± {v.std(ddof=1).item():.2f}"
        for v in (values, above[key])
    ]
    print(f"{key[1]} batch, {key[2]:9} {both[0]}      {both[1]}")


# %%
def smallest_ratios(measured):
    ratios = [
        measured["filter", "small", n] / measured["filter", "large", n] for n in decays
    ]
    return [float(ratio.min()) for ratio in ratios]


# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "04-no-flip",
    min(smallest_ratios(widths) + smallest_ratios(above)) > 1.2,
    "Filter-normalized, the small-batch valley is the wider one without "
    "and with decay, along each of ten directions, by both measures.",
    lowest_ratio_without_and_with_decay=smallest_ratios(widths),
    the_same_above_the_centre=smallest_ratios(above),
)

# %%
small_wider = [smallest > 1 for smallest in smallest_ratios(widths)]
order_turns.reveal(order_turns.choices[int(small_wider[0] == small_wider[1])])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
spread = {
    key: (values.std(ddof=1) / values.mean()).item() for key, values in widths.items()
}
lnb.claim(
    "04-directions-agree",
    max(spread.values()) < 0.25,
    "The ten directions agree: for no network does the width vary by more "
    "than a quarter (one standard deviation).",
    relative_spread_of_each_network=list(spread.values()),
)

# %% [markdown]
# One direction out of thousands of dimensions, and the next one tells nearly the same story. That is not surprising: along a random direction one sees a weighted average of *all* curvatures, and averages over many differ little. It also says what such curves cannot show: the few special directions.

# %% [markdown]
# ## 3 · The rivals
#
# Other ways to scale a random direction d to the weights w:
#
# | method | what it does |
# |---|---|
# | none | d as drawn, N(0, 1) in every weight |
# | weight | d · w, weight by weight |
# | layer | each layer of d gets the length of that layer of w |
# | filter | each filter of d gets the length of that filter of w |
#
# > **Predict.** In which of them does weight decay work against the small batches, as it did on the straight line?

# %%
reaches = {"none": 0.1, "weight": 1.0, "layer": 1.0, "filter": 1.0}
against = lnb.predict(
    "With which normalization does decay take most from the small batches' lead?",
    ["raw, none at all", *list(reaches)[1:]],
)
against

# %%
for method in ("none", "weight", "layer"):
    curves |= {
        (method, *key): measure(run.model, method, 3, reaches[method])
        for key, run in runs.items()
    }


# %% [markdown]
# All four, each with its directions (ten for *filter*, three for the others). Mind the range of *none*: a raw direction is many times as long as the weights, so its α ends at 0.1.

# %%
figure, panels = plotting.panels(4, 2, (4.4, 3.8))
places = [(name, method) for name in decays for method in reaches]
for panel, (name, method) in zip(panels, places, strict=True):
    for number, side in enumerate(sides):
        draw_band(panel, curves[method, side, name], f"{side} batch", number)
    panel.set(title=f"{method}, {name}", yscale="log", ylim=(1e-4, 1e3), xlabel="α")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Eight panels: four normalizations, without and with weight decay. The "
    "small-batch curve is the wide one in all of them; without "
    "normalization it loses part of its lead with decay, and gains some in "
    "the others."
)

# %%
panels[0].legend(loc="upper center", fontsize=12)
lnb.show(figure, alt=alt)

# %%
widths = {key: width(line).mean().item() for key, line in curves.items()}
order = {
    method: [widths[method, "small", n] / widths[method, "large", n] for n in decays]
    for method in reaches
}
for method, (without, with_) in order.items():
    small = [widths[method, "small", n] for n in decays]
    print(
        f"{method:7} width of small over large batch: without decay {without:.2f}, "
        f"with {with_:.2f} (small: {small[0]:.2f}, {small[1]:.2f})"
    )

# %%
pulls = {method: with_ / without for method, (without, with_) in order.items()}
against.reveal(against.choices[list(reaches).index(min(pulls, key=pulls.get))])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
raw, filtered = order["none"], order["filter"]
lnb.claim(
    "04-decay-pulls-apart",
    raw[1] < raw[0] and filtered[1] > filtered[0],
    "Weight decay takes from the small batches' lead along raw directions, "
    "and adds to it along filter-normalized ones.",
    raw_ratio_without_and_with_decay=raw,
    filter_ratio_without_and_with_decay=filtered,
)

# %% [markdown]
# **Notice**
#
# 1. Along *raw* directions the small-batch valley is narrower with decay than without: its weights are shorter there.
# 2. Along the other three it is wider with decay than without.
# 3. A step of α is not the same step in every method; compare networks within a method only.
# 4. Another direction changes the width little; on the flanks the loss may change tenfold and more. Who is first does not change.
#
# **Not reproduced at this scale:** a full flip along raw *random* directions. Decay only shrinks the small batches' lead there (the ratio printed above stays over 1). The straight line of notebook 03 does flip.
#
# So would layer normalization do? The paper's appendix shows two trained networks that it puts in the wrong order. Let us look for such a pair among our four: from the widest valley to the narrowest, by each of the two.

# %%
for method in ("filter", "layer"):
    ranked = sorted(runs, key=lambda key: -widths[method, *key])
    print(
        f"{method}: "
        + " > ".join(
            f"{side}, {name} ({error[side, name]:.1%} errors)" for side, name in ranked
        )
    )

# %% [markdown]
# **Not found here:** the two orders are the same, or differ only between neighbours whose widths are nearly equal. In the run shown, measured below 0.5, the wider of any two valleys also makes fewer errors; measured above the centre (section 2), the two large-batch networks change places. Four networks are too few to make a rule of either. Networks that were trained alike have filters of like lengths, and then the two normalizations differ little.
#
# What can go wrong is plain all the same. Layer normalization undoes a factor on a whole layer. But batch norm cancels a factor on *every single filter*. Let us give each filter of a network its own factor between 1/4 and 4, without changing an answer.


# %%
def with_factors(model, seed=0, most=4.0):
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    modules = list(model.features)
    for layer, norm in [
        (m, n) for m, n in pairwise(modules) if isinstance(m, torch.nn.Conv2d)
    ]:
        c = most ** (2 * torch.rand(len(layer.weight), generator=generator) - 1)
        with torch.no_grad():
            layer.weight *= c[:, None, None, None]
            layer.bias *= c
            norm.running_mean *= c
            norm.running_var.copy_(c**2 * (norm.running_var + norm.eps) - norm.eps)
    return model


# %% [markdown]
# > **Predict.** The function is the same. Which of the four curves stay the same?

# %%
network = runs["small", "no decay"].model
twin = with_factors(network, settings.seed)
twins = {
    method: measure(twin, method, 10 if method == "filter" else 3, reaches[method])
    for method in reaches
}
change = {}
for method, line in twins.items():
    change[method] = abs(
        width(line).mean().item() / widths[method, "small", "no decay"] - 1
    )
    print(f"{method:7} the width of the valley changes by {change[method]:.1%}")

# %% [markdown]
# Choose the normalization, the direction and the largest factor, and watch when the twin's curve leaves the network's own. (Another direction moves both curves. What counts is whether they part.)

# %%
strongest = [1.0, 2.0, 4.0, 8.0]
stretched = {}
for most in strongest:
    twin = with_factors(network, settings.seed, most)
    for method, reach in reaches.items():
        stretched[method, most] = measure(twin, method, 3, reach)


# %%
def draw_stretched(normalization="layer", most=4.0, direction=1):
    figure, (panel,) = plotting.panels(1, size=(7, 4.6))
    names = "the network", f"its twin, filters × 1/{most:g} to {most:g}"
    both = curves[normalization, "small", "no decay"], stretched[normalization, most]
    for number, (label, line) in enumerate(zip(names, both, strict=True)):
        line = line.isel(repeat=direction - 1)
        plotting.draw_line(panel, line, label=label, number=number)
    title = f"normalization: {normalization}, direction {direction}"
    panel.set(title=title, yscale="log", ylim=(1e-4, 1e3))
    panel.set(xlabel="α", ylabel="training loss")
    panel.legend(loc="upper center")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "A network and its twin whose filters were multiplied by random factors, along "
    "one direction. Normalized by layer or not at all, the twin's curve leaves the "
    "network's, further for larger factors; by filter or by weight, the two coincide."
)

# %%
directions = [1, 2, 3]
how = {"normalization": ["layer", "filter", "none", "weight"], "direction": directions}
lnb.explore(draw_stretched, alt=alt, most=strongest, **how)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "04-layer-is-not-enough",
    change["filter"] < 0.01 and change["weight"] < 0.01 and change["layer"] > 0.05,
    "A factor on every filter changes the layer-normalized valley, and "
    "leaves the filter- and weight-normalized alone.",
    change_of_the_width_by_method=[change[method] for method in reaches],
)

# %% [markdown]
# **Why.** A normalization hides a freedom of scale if the direction scales with the weights, factor by factor. *Layer* gives all filters of a layer one common factor, and long and short filters then get steps of the same size. *Filter* follows each filter. *Weight* does too, and is invariant to even more; but it moves a weight only in proportion to its own size, so that it never asks what a weight near zero would do.

# %% [markdown]
# ## 4 · In two dimensions
#
# Two filter-normalized directions for each network, the same range and levels for all.


# %%
def plane(side, name):
    model, store = runs[side, name].model, settings.store(f"04 {side}, {name}")
    objective = lnb.Objective(model, sample, batch_size=100)
    directions = lnb.random_directions(model, 2, normalize="filter", seed=settings.seed)
    return lnb.evaluate_plane(
        objective, directions, (-1, 1), settings.points, store=store
    )


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours of the training loss around the four networks on the same "
    "levels. The two small-batch networks have wide bowls, the two "
    "large-batch networks narrow ones."
)

# %%
planes = {
    f"{side} batch, {name}\ntest error {error[side, name]:.1%}": plane(side, name)
    for side, name in runs
}
lnb.show(plotting.plot_contours(planes), alt=alt)

# %%
area = {name: float((p.loss < 0.5).mean()) for name, p in planes.items()}
small_first = list(area.values())

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "04-bowls-keep-the-order",
    small_first[0] > 1.5 * small_first[1] and small_first[2] > 1.5 * small_first[3],
    "In the plane, too, more of the surroundings of the small-batch "
    "networks has a loss below 0.5, with or without decay.",
    fraction_for_small_and_large_without_decay=small_first[:2],
    fraction_for_small_and_large_with_decay=small_first[2:],
)

# %% [markdown]
# ### On the paper's data
#
# All four are computed on the paper's data, too: VGG-9 on CIFAR-10, with half the paper's width and for 20 epochs instead of 300. Their planes ship with this package. (In 20 epochs batch 8192 makes 140 updates, against 2,100 in the paper: it has not learned all that it could.)

# %%
shipped, title = {}, "batch {}, {}\ntest error {:.1%}"
for decay in ("no-decay", "decay"):
    for size, batch in (("small", 128), ("large", 8192)):
        job = f"cpu-vgg9-sgd-{size}-{decay}"
        error = 1 - lnb.gallery_result(job, "training").attrs["final_test_accuracy"]
        name = title.format(batch, decay.replace("-", " "), error)
        shipped[name] = lnb.gallery_result(job, "plane")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours around four VGG-9 trained on CIFAR-10, range ±1. Batch 128, without and "
    "with decay: wide bowls. Batch 8192, without and with decay: narrow ones, whose "
    "walls rise above 9 before ±0.9."
)

# %%
lnb.show(plotting.plot_contours(shipped, columns=2), alt=alt)

# %%
above = [float((p.loss < p.attrs["origin_loss"] + 1).mean()) for p in shipped.values()]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "04-small-batches-are-flatter-on-cifar10",
    above[0] > 2 * above[1] and above[2] > 2 * above[3],
    "On CIFAR-10, without and with decay, the loss is less than 1 above the centre in "
    "more than twice as large a part of the small-batch network's plane.",
    shipped=True,
    fraction_without_decay_small_and_large=above[:2],
    fraction_with_decay_small_and_large=above[2:],
)

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · How long is a step?** (●○○, 5 minutes). At α = 1, how long is the step along `direction`, compared with the weights that it moves (all but biases and batch norm)? Guess first.

# %%
weights = lnb.parameters_of(network)
(direction,) = lnb.random_directions(network, 1, normalize="filter", seed=0)

my_ratio = ...
exercises.check_relative_length(my_ratio, direction, weights)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_ratio = lnb.norm(direction) / lnb.norm({name: w for name, w in weights.items() if w.ndim > 1})
# ```
# Every filter of the direction is as long as its filter of the weights, so the whole is, too. At α = 1 the noise is as long as the trained weights, in every filter.
# </details>
#
# **2 · Layer normalization by hand** (●○○, 5 minutes). Make the layer-normalized version of `raw`: one factor for each tensor; tensors of one dimension become zero.

# %%
(raw,) = lnb.random_directions(network, 1, normalize="none", ignore=None)

my_direction = ...
exercises.check_layer_normalized(my_direction, raw, weights)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_direction = {
#     name: d * weights[name].norm() / d.norm() if d.ndim > 1 else torch.zeros_like(d) for name, d in raw.items()
# }
# ```
# </details>
#
# **3 · How far do directions differ?** (●●○, 5 minutes). The ten curves of the small-batch network without decay at α = 0.5: what is the standard deviation of their loss, divided by its mean? Compare with the spread of the *widths* above.

# %%
values = (
    curves["filter", "small", "no decay"].loss.sel(alpha=0.5, method="nearest").values
)

my_spread = ...
exercises.check_relative_spread(my_spread, values)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_spread = values.std(ddof=1) / values.mean()
# ```
# On the steep flank the loss differs more between directions than the width does: a small shift of a steep wall is a large change of its height.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **That flatness causes good test results.** Four networks, two orders that agree but for one pair. The large-batch networks also made far fewer updates (notebook 03), and [notebook 07](07_initialization_and_generalization.ipynb) looks at more networks.
# - **That wider is better between any two networks.** The two large-batch networks differ little in width, and in test error by a few images. Four networks are not a law, however they are ordered.
# - **Everything near the minimum.** Biases and batch norm stay put, its running statistics are frozen, and dead filters do not move.
# - **Special directions.** Ten random ones agree because they average. The steepest one is not among them.
# - **Scale.** 720 digits, 100 of them in the curves, seconds of training.
#
# ## To discuss
#
# 1. Weight normalization is invariant to more than filter normalization. Would you prefer it? What would it hide?
# 2. The paper compares minima at different training losses. Should curves start from the same height?
# 3. Adaptive sharpness measures (a worst case in relative steps) do not track generalization well in later work. What does that say about Figure 3?
#
# ## Take away
#
# - In relative steps the small-batch minima are the flatter ones, with and without weight decay, as in the paper's Figure 3.
# - Layer normalization undoes one factor for each layer, filter normalization one for each filter: that is the freedom that batch norm leaves. ReLU alone leaves more: a factor on one neuron divides a column of the next layer, and filter normalization does not follow it.
# - Repeat the plot along several directions, and show their spread.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - M. Andriushchenko, F. Croce, M. Müller, M. Hein, N. Flammarion: *A Modern Look at the Relationship between Sharpness and Generalization*. ICML 2023, [arXiv 2302.07011](https://arxiv.org/abs/2302.07011).
# - N. S. Keskar and others: *On Large-Batch Training for Deep Learning: Generalization Gap and Sharp Minima*. ICLR 2017, [arXiv 1609.04836](https://arxiv.org/abs/1609.04836).
