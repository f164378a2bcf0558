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
# # 03 · Weight decay flips flat and sharp
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/03_batch_size_flip.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/03_batch_size_flip.ipynb)
#
# **Question.** Do small batches find flat minima and large batches sharp ones?
#
# ![Four panels with the loss on the straight line from a network trained with small batches to one trained with large batches. Without weight decay the wide valley is on the small-batch side, with weight decay on the large-batch side.](images/03_batch_size_flip.png)
#
# *The same two ways of training, joined by a straight line, without and with weight decay.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | train a VGG with small and large batches; walk from one minimum to the other; see the flat one become the sharp one; find out what decides |
# | **You need** | notebook 02, "the same function, any sharpness"; what weight decay does |
# | **In the paper** | Li et al. (2018), section 5, Figure 2 |
# | **Takes** | 0.4 minutes, 0.8 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

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
# "quick": about a minute, on scikit-learn's digits · "full": the paper's setting, on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "train": 720, "width": 0.25, "epochs": 14}
quick |= {"batches": (36, 180), "decay": 2.2e-2, "lr": 0.07}
full = {"data": "cifar10", "train": 50_000, "width": 1, "epochs": 300}
full |= {"batches": (128, 8192), "decay": 5e-4, "lr": 0.1}
quick |= {"images": 128}
full |= {"images": 5000}
settings = lnb.choose_preset(PRESET, quick=quick, gallery=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]().subset(settings.train)
sample = data.subset(settings.images, settings.images)

# %% [markdown]
# ## 1 · Four networks
#
# One VGG-9, trained four times from the same initial weights: with small and with large batches, without and with weight decay. Learning rate, its drops (÷ 10 after half of the epochs, and twice more) and number of epochs are the same for all.
#
# > **Predict.** Which of the four will have the longest weight vector at the end, and which the shortest?

# %%
longest = lnb.predict(
    "Which of the four ends with the longest weight vector?",
    [
        f"{side}, {decay}"
        for decay in ("no decay", "decay")
        for side in ("small", "large")
    ],
)
longest

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
first = lnb.norm(
    lnb.parameters_of(lnb.models.vgg9(settings.width, **data.shape, seed=settings.seed))
)
updates = {
    side: -(-len(data.train[0]) // batch) for side, batch in sides.items()
}  # in an epoch, rounded up
print(
    f"{'':16}{'batch':>6}{'updates':>9}{'training loss':>15}"
    f"{'test error':>12}{'norm of the weights':>22}"
)
for (side, name), run in runs.items():
    loss, accuracy, norm = (
        run.history[key][-1] for key in ("train_loss", "test_accuracy", "weight_norm")
    )
    print(
        f"{side + ', ' + name:16}{sides[side]:6}{updates[side] * settings.epochs:9}",
        end="",
    )
    print(f"{loss:15.1e}{1 - accuracy:12.1%}{first:14.1f} → {norm:.1f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# **The paper's own numbers** (VGG-9 on CIFAR-10, 300 epochs, Figure 2):
#
# | | batch | test error | norm of the weights, about |
# |---|---|---|---|
# | no weight decay | 128 | 7.37 % | 60 → 158 |
# | | 8192 | 11.07 % | 60 → 64 |
# | weight decay 5e-4 | 128 | 6.0 % | 60 → 23 |
# | | 8192 | 10.19 % | 60 → 39.5 |

# %% [markdown]
# Small batches do better on the test images, with and without decay. So if flatness is to explain why, the small-batch minimum must be the flat one both times.
#
# Mind the column *updates*. With the same number of epochs, large batches make far fewer of them. Whatever follows compares batch size **and** length of training: here as in the paper, where it was about 117,300 updates against 2,100.

# %%
norms = {key: run.history["weight_norm"][-1] for key, run in runs.items()}
longest.reveal(", ".join(max(norms, key=norms.get)))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
ratios = [norms["small", name] / norms["large", name] for name in decays]
lnb.claim(
    "03-norms-change-order",
    ratios[0] > 1.05 and ratios[1] < 0.7,
    "Small batches end with the longer weight vector without decay, and "
    "with the shorter one with it.",
    norm_small_over_large_without_decay=ratios[0],
    norm_small_over_large_with_decay=ratios[1],
)

# %% [markdown]
# ## 2 · From one minimum to the other
#
# Take both networks without decay and draw the straight line through them: at α the weights are (1 − α)·θₛ + α·θₗ. The small-batch network is at α = 0, the large-batch one at α = 1.
#
# > **Predict.** Around which end is the valley wider? And which end, when both networks were trained with weight decay?

# %%
flat = {
    name: lnb.predict(
        f"Which end has the wider valley, with {name}?", ["small batch", "large batch"]
    )
    for name in decays
}
flat["no decay"]

# %%
flat["decay"]


# %%
def walk(name, statistics, points):
    start, end = (runs[side, name].model for side in sides)
    measures = {
        "metrics": {"accuracy": lnb.accuracy},
        "extra_data": {"test": sample.test},
    }
    objective = lnb.Objective(start, sample, batch_size=settings.images, **measures)
    how = {
        "batch_norm": statistics,
        "store": settings.store(f"03 {name}, {statistics}"),
    }
    return lnb.interpolate(objective, start, end, (-0.5, 1.5), points, **how)


points = {"interpolated": 201, "recalibrated": 41, "frozen": 41}
lines = {(how, name): walk(name, how, points[how]) for how in points for name in decays}


# %%
def draw_walk(panel, line, quantity, title):
    plotting.draw_line(panel, line, quantity, "training", 0)
    plotting.draw_line(panel, line, f"test_{quantity}", "test", 1)
    for end in (0, 1):
        panel.axvline(end, color="0.4", linewidth=1)
    panel.set(title=title, ylabel=quantity, xlabel="α (0: small batch, 1: large batch)")
    panel.set_ylim({"loss": (0, 4), "accuracy": (0, 1.05)}[quantity])
    panel.legend(
        loc={"loss": "upper center", "accuracy": "best"}[quantity], fontsize=12
    )


# %%
def compare(statistics, quantity):
    """Without and with decay (columns), for each kind of statistics (rows)."""
    figure, panels = plotting.panels(2, len(statistics), (6.4, 4.2))
    pairs = [(how, name) for how in statistics for name in decays]
    for panel, (how, name) in zip(panels, pairs, strict=True):
        draw_walk(panel, lines[how, name], quantity, f"{name}: {how}")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss on the straight line from the small-batch network at 0 to the "
    "large-batch network at 1. Without weight decay (left) the valley is "
    "wide on the small-batch side; with it (right) the large-batch valley "
    "is the wider one. Above with interpolated batch-norm statistics, "
    "which end in grey beyond the steeper end; below with recalibrated "
    "ones, which do not."
)

# %% tags=["answer"]
lnb.show(compare(("interpolated", "recalibrated"), "loss"), alt=alt)

# %% [markdown]
# The order flips. Without decay (left) the loss stays low for a long way from the small-batch end. With decay (right) it rises at once there, sooner than at the large-batch end. That end has changed, too, but far less than the small-batch end (section 3 has the numbers).
#
# **The grey parts** of the upper row are not gaps in the drawing: no network exists there. Batch norm's running statistics are interpolated with the weights, as in the paper. Beyond an end the same formula extrapolates them, and a running *variance* soon becomes negative. The lower row finds the statistics anew from the training images at each point (*recalibrated*), so it exists everywhere: the sides *behind* the ends, which the argument needs too, are there. A third answer, *frozen*, keeps those of the small-batch network, and is wrong at the other end.

# %%
for (how, name), line in lines.items():
    between = line.loss.sel(alpha=slice(0, 1))
    print(f"{how:12} {name:9} highest loss on the way {between.max():9.2f}, ", end="")
    print(f"at α = 1 {between[-1]:.4f}")


# %%
def draw(statistics="frozen", quantity="accuracy"):
    return compare((statistics,), quantity)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The line between the two networks without and with weight decay, for "
    "a choice of batch norm's statistics."
)

# %%
lnb.explore(draw, alt=alt, statistics=list(points), quantity=["loss", "accuracy"])

# %% [markdown]
# **Notice**
#
# 1. *Interpolated*: the steep wall stands at the large-batch end without decay, and at the small-batch end with it.
# 2. *Recalibrated*: the hill between the ends is a small part of what it was. Most of it was batch norm with the wrong statistics, not the weights. (In notebook 01 a high one stayed: there the two networks started from different weights, here from the same.)
# 3. *Recalibrated*, beyond the ends: the flip is still there. The loss rises behind the large-batch network without decay, and behind the small-batch one with it.
# 4. *Frozen*: right at α = 0 only; at α = 1 it should be the loss of the large-batch network, and is far above it.

# %% [markdown]
# ## 3 · "Flat" as a number
#
# The **reach** of an end: how far we can walk from it towards the other end before the training loss reaches 0.5.


# %%
def reach(line, level=0.5):
    fine = np.linspace(
        0, 1, 4001
    )  # between the measured points the logarithm is followed
    high = fine[np.log(line.loss).interp(alpha=fine).values >= np.log(level)]
    return [high[0], 1 - high[-1]] if len(high) else [1.0, 1.0]


reaches = {name: reach(lines["interpolated", name]) for name in decays}
for name, (small, large) in reaches.items():
    print(f"{name:9} reach of small batch {small:.3f}, of large batch {large:.3f}")
wider = {
    name: flat[name].choices[int(np.argmax(both))] for name, both in reaches.items()
}

# %%
flat["no decay"].reveal(wider["no decay"])

# %%
flat["decay"].reveal(wider["decay"])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
flip = [small / large for small, large in reaches.values()]
lnb.claim(
    "03-flat-end-flips",
    flip[0] > 2 and flip[1] < 0.5,
    "The small-batch end reaches at least twice as far without decay, and "
    "less than half as far with decay.",
    reach_small_over_large_without_decay=flip[0],
    reach_small_over_large_with_decay=flip[1],
)

# %% [markdown]
# Is that the wrong batch-norm statistics speaking? The other sides of the ends, recalibrated, say the same. There we compare the loss a quarter of the line *behind* each end.


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def behind_ends(line):
    return line.loss.sel(alpha=[-0.25, 1.25], method="nearest").values


behind = {name: behind_ends(lines["recalibrated", name]) for name in decays}
lnb.claim(
    "03-flips-with-recalibration",
    behind["no decay"][1] > 5 * behind["no decay"][0]
    and behind["decay"][0] > 5 * behind["decay"][1],
    "Behind the ends, recalibrated: without decay the loss is higher "
    "behind large batches, with decay behind small.",
    loss_behind_small_and_large_without_decay=behind["no decay"],
    loss_behind_small_and_large_with_decay=behind["decay"],
)

# %% [markdown]
# ## 4 · What decides: the scale of the weights
#
# Weight decay pulls at the weights in every update. Small batches make many updates.
#
# > **Predict.** Draw the norm of the weights against the number of *updates*, not epochs. How far apart are small and large batches then?


# %%
def draw_norms(against="updates"):
    figure, panels = plotting.panels(2, size=(6.4, 4.2))
    for panel, name in zip(panels, decays, strict=True):
        for side, stroke in zip(sides, ("-", "--"), strict=True):
            step = updates[side] if against == "updates" else 1
            norm = [first, *runs[side, name].history["weight_norm"]]
            colour = {"small": "#0072B2", "large": "#D55E00"}[side]
            panel.plot(
                [n * step for n in range(len(norm))],
                norm,
                stroke,
                color=colour,
                label=f"{side} batch",
                lw=2.5,
            )
        panel.set(
            title=name,
            xlabel=against,
            ylabel="norm of the weights",
            ylim=(0, 1.2 * max(norms.values())),
        )
        panel.legend(loc="lower right" if name == "no decay" else "upper right")
        panel.grid(alpha=0.3)
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The norm of the weights during training, for small and large batches, "
    "without and with weight decay. It grows without decay and shrinks "
    "with it, further for small batches, which make more updates."
)

# %%
lnb.explore(draw_norms, alt=alt, against=["updates", "epochs"])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
passes = round(settings.epochs * updates["large"] / updates["small"])
then = runs["small", "decay"].history["weight_norm"][passes - 1]
lnb.claim(
    "03-updates-shrink-the-weights",
    then > 4 / 3 * norms["small", "decay"],
    "After as many updates as large batches make, the small-batch weights "
    "are a third longer than at the end, or more.",
    norm_small_after_as_many_updates=then,
    norm_large_at_the_end=norms["large", "decay"],
    norm_small_at_the_end=norms["small", "decay"],
)

# %% [markdown]
# So part of the difference comes from the number of updates: small batches make five times as many. The rest is there after equally many updates: half-way through its few, the large batches' learning rate has already dropped, and the curves part before the dashed one ends. The weights themselves show the same:

# %%
figure, panels = plotting.panels(2, size=(6.4, 4.2))
for panel, name in zip(panels, decays, strict=True):
    for side, style in (
        ("small", {"color": "#0072B2"}),
        ("large", {"color": "#D55E00", "ls": "--"}),
    ):
        weights = torch.cat(
            [w.flatten() for w in runs[side, name].model.parameters() if w.ndim > 1]
        ).detach()
        panel.hist(
            weights.cpu().numpy(),
            80,
            range=(-0.5, 0.5),
            histtype="step",
            label=f"{side} batch",
            lw=2.5,
            **style,
        )
    panel.set(
        title=name, xlabel="weight", ylabel="how many", yscale="log", ylim=(0.7, None)
    )
    panel.legend(loc="upper right")
for panel in panels:
    panel.set_ylim(0.7, max(each.get_ylim()[1] for each in panels))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Histograms of the weights. Without decay the two batch sizes have "
    "similar ones. With decay the small-batch weights crowd around zero."
)

# %%
lnb.show(figure, alt=alt)

# %% [markdown]
# Is it the scale, or something else that differs between the networks? Let us change the scale and nothing else. Batch norm undoes any factor c on the layer before it (notebook 02), so the small-batch network can be made shorter or longer without changing a single answer.
#
# > **Predict.** Take the pair without decay, and make the small-batch weights a tenth as long, c = 0.1. Which end is the flat one then?

# %%
flat_by_hand = lnb.predict(
    "With the small-batch weights a tenth as long, which end is the flat one?",
    ["small batch", "large batch"],
)
flat_by_hand


# %%
def rescaled(model, c):
    convolutions = [
        int(n)
        for n, m in model.features.named_children()
        if isinstance(m, torch.nn.Conv2d)
    ]
    for layer, norm in [
        *((f"features.{n}", f"features.{n + 1}") for n in convolutions),
        ("hidden.0", "hidden.1"),
    ]:
        model = lnb.rescale_batch_norm(model, layer, norm, c)
    return model


# %%
original = runs["small", "no decay"].model
with torch.no_grad():
    wanted, outputs = original(sample.test[0]), rescaled(original, 0.1)(sample.test[0])
print(
    f"largest output {wanted.abs().max():.1f}, largest change of an output "
    f"{(outputs - wanted).abs().max():.1e}"
)


# %%
def walk_from_rescaled(name, c):
    start, end = (runs[side, name].model for side in sides)
    objective = lnb.Objective(start, sample, batch_size=settings.images)
    return lnb.interpolate(objective, rescaled(start, c), end, (0, 1), 51)


factors = [0.1, 0.3, 1.0, 3.0]
by_hand = {
    (name, c): walk_from_rescaled(name, c) for name in decays for c in factors if c != 1
}
by_hand |= {
    (name, 1.0): lines["interpolated", name].sel(alpha=slice(0, 1)) for name in decays
}


# %%
def draw_by_hand(c=0.1):
    figure, panels = plotting.panels(2, size=(6.4, 4.2))
    for panel, name in zip(panels, decays, strict=True):
        plotting.draw_line(panel, by_hand[name, 1.0], label="as trained", number=0)
        plotting.draw_line(
            panel, by_hand[name, c], label=f"small-batch weights × {c:g}", number=1
        )
        panel.set(
            title=name,
            ylim=(0, 4),
            ylabel="training loss",
            xlabel="α   (0: small batch,  1: large batch)",
        )
        panel.legend(loc="upper right", fontsize=12)
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The line between the two networks as trained, and after the "
    "small-batch network was rescaled by c: with c below 1 its end becomes "
    "steep, with c above 1 wide."
)

# %%
lnb.explore(draw_by_hand, alt=alt, c=factors)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
trained, shorter, longer = (
    reach(by_hand[which], 0.3)
    for which in (("decay", 1.0), ("no decay", 0.1), ("decay", 3.0))
)
lnb.claim(
    "03-scale-alone-decides",
    shorter[0] < shorter[1] / 2 and longer[0] > 5 * trained[0],
    "Rescaling alone decides: × 0.1 makes the flat small-batch end the "
    "steep one, and with decay × 3 makes its reach more than five times as "
    "long (rim at a loss of 0.3).",
    reach_of_small_and_large_without_decay_a_tenth_as_long=shorter,
    reach_of_small_with_decay_before_and_after_times_3=[trained[0], longer[0]],
)

# %%
flat_by_hand.reveal(flat_by_hand.choices[int(shorter[1] > shorter[0])])

# %% [markdown]
# **Why.** On the straight line both networks take the same absolute steps: θₗ − θₛ is one vector. For short weights that is a large relative step, for long weights a small one, and through batch norm only the relative step counts. So the end with the longer weights looks flat. With decay that is the large-batch end, which decay had little time to shrink. Without decay the norms differ by a tenth only, which is little for so much longer a reach: there something remains when the scale is taken out. The plot mixes the scale of the weights with the shape of the minimum, and rescaling shows that the scale alone can turn it around. [Notebook 04](04_filter_normalization.ipynb) takes the scale out.

# %% [markdown]
# ### On the paper's data
#
# All four are computed on the paper's data, too: VGG-9 on CIFAR-10, decay 0 and 5e-4, but with half the paper's width and for 20 epochs instead of 300. Mind the scale of the losses: up to 7 here, 4 above. They ship with this package.
#
# > **Predict.** Without decay the small-batch weights grow from 43 to 70 in 20 epochs, the large-batch weights hardly, to 44 (the paper: from 60 to 158 and 64). With decay they shrink to 33 and 42 (the paper: to 23 and 39.5). Is that enough for the flip?

# %%
flips_there = lnb.predict(
    "Does the flat end change sides between the ends on CIFAR-10, after 20 epochs?",
    ["yes", "no"],
)
flips_there

# %%
kinds, grown, there = ("no-decay", "decay"), {}, {}
for kind in kinds:
    between = f"cpu-vgg9-between-{kind}"
    for how in ("interpolated", "recalibrated"):
        there[how, kind] = lnb.gallery_result(between, f"between-{how}")
    for side in sides:
        job = f"cpu-vgg9-sgd-{side}-{kind}"
        training = grown[side, kind] = lnb.gallery_result(job, "training")
        error = 1 - training.attrs["final_test_accuracy"]
        print(f"{side} batch, {kind:8}: test error {error:.1%}")


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left and middle: the loss on the line between small and large batch, without and "
    "with decay, above with interpolated, below with recalibrated statistics. Between "
    "the ends, interpolated, the loss rises slowly from the small-batch end to a high "
    "hill and falls steeply to the large-batch end; recalibrated, a low hill of about "
    "1 is left, little above the large-batch end. Behind the ends, recalibrated, the "
    "loss rises more at the large-batch end without decay, and at the small-batch end "
    "with it. Right: the norm of the weights over 20 epochs. Without decay it grows "
    "with small batches, with decay it falls by a quarter; with large batches it "
    "hardly changes."
)

# %%
figure, panels = plotting.panels(3, 2, size=(4.8, 3.8))
walks = [(how, kind) for how in ("interpolated", "recalibrated") for kind in kinds]
for panel, (how, kind) in zip(panels[[0, 1, 3, 4]], walks):
    draw_walk(panel, there[how, kind], "loss", f"{how}, {kind.replace('-', ' ')}")
    panel.set_ylim(0, 7)
panels[5].set_axis_off()
for (side, kind), training in grown.items():
    norm = [training.attrs["initial_norm"], *training.weight_norm.values]
    panels[2].plot(
        norm,
        "-" if side == "small" else "--",
        color="#0072B2" if kind == "decay" else "#D55E00",
        linewidth=2.5,
        label=f"{side}, {kind.replace('-', ' ')}",
    )
panels[2].set(xlabel="epoch", ylabel="norm of the weights", ylim=(0, None))
panels[2].set_xticks(range(0, 21, 5))
panels[2].legend(loc="lower left", fontsize=12)
lnb.show(figure, alt=alt)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
def reach_above(line, rise=1):
    """How far from each end until the loss is so much above that end's own."""
    ends = line.loss.sel(alpha=[0, 1], method="nearest").values
    return [reach(line, loss + rise)[end] for end, loss in enumerate(ends)]


reached = {kind: reach_above(there["interpolated", kind]) for kind in kinds}
lnb.claim(
    "03-no-flip-in-twenty-epochs",
    all(small > 2 * large for small, large in reached.values()),
    "On CIFAR-10, after 20 epochs, between the ends, the small-batch end is the flat "
    "one without decay, and with decay it still is (rim at 1 above each end's own "
    "loss).",
    shipped=True,
    reach_of_small_and_large_without_decay=reached["no-decay"],
    reach_of_small_and_large_with_decay=reached["decay"],
)

# %%
sides_there = [small > large for small, large in reached.values()]
flips_there.reveal(flips_there.choices[int(sides_there[0] == sides_there[1])])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
beyond = {kind: behind_ends(there["recalibrated", kind]) for kind in kinds}
lnb.claim(
    "03-order-turns-behind-the-ends-on-cifar10",
    beyond["no-decay"][1] > beyond["no-decay"][0]
    and beyond["decay"][0] > beyond["decay"][1],
    "On CIFAR-10, too, the loss behind the ends, recalibrated, is higher behind large "
    "batches without decay, and behind small ones with it.",
    shipped=True,
    loss_behind_small_and_large_without_decay=beyond["no-decay"],
    loss_behind_small_and_large_with_decay=beyond["decay"],
)

# %% [markdown]
# **Partly reproduced at this scale.** Between the ends, the small-batch end is the flat one without decay, as in the paper. With decay it is the steep one there, and here it is still the flat one. Behind the ends the order does turn, but weakly: with decay 1.4 against 1.1. And the length of the weights alone does not decide here: with decay the large-batch network has the longer weights and the steeper end. Decay had 20 epochs instead of 300: it shortened the small-batch weights by a quarter, in the paper by more than a half.

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · Count updates** (●○○, 3 minutes). CIFAR-10 has 50,000 training images. The paper's appendix trains a ResNet-56 with batches of 4096. How many updates are that in 300 epochs?

# %%
my_updates = ...
exercises.check_updates(my_updates, samples=50_000, batch_size=4096, epochs=300)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_updates = -(-50_000 // 4096) * 300
# ```
# Thirteen batches in an epoch, 3,900 updates. With batches of 128 there are 391 in an epoch and 117,300 in all: 30 times as many.
# </details>
#
# **2 · Another level** (●○○, 5 minutes). We chose a loss of 0.5 as the rim. With weight decay, how far does the *large-batch* end reach if the rim is at 1? Is it still the flat one?

# %%
line = lines["interpolated", "decay"]

my_reach = ...
exercises.check_reach(my_reach, line, 1.0, start=1.0, end=0.0)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_reach = reach(line, 1.0)[1]
# ```
# `reach(line, 1.0)[0]` is that of the small-batch end: shorter still, so the order is the same at this level.
# </details>
#
# **3 · Scale a layer by hand** (●●○, 10 minutes). Without `rescale_batch_norm`: make the first convolution (`features[0]`) of a copy of `original` three times as long. Which buffers of its batch norm (`features[1]`) must follow, and by which factor, for the same outputs?

# %%
my_network = ...  # start from copy.deepcopy(original)
exercises.check_same_function(my_network, original, sample.test[0])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# import copy
#
# my_network = copy.deepcopy(original)
# with torch.no_grad():
#     my_network.features[0].weight *= 3
#     my_network.features[0].bias *= 3
#     my_network.features[1].running_mean *= 3
#     my_network.features[1].running_var *= 9
# ```
# A variance grows with the square of the factor.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **Batch size alone.** Large batches made far fewer updates, and section 4 shows how much of the difference is that.
# - **That either minimum is flat.** The line is one direction out of many, and its length is the distance of *these* two networks.
# - **The weights alone.** The hill between the ends is mostly batch norm with interpolated statistics: recalibrated, it almost vanishes. The paper interpolates them too.
# - **Scale.** 720 digits and seconds of training. Errors on the few test images differ by luck from seed to seed, and so do ratios; the orders of norms and reaches do not.
#
# ## To discuss
#
# 1. If the flat minimum can be chosen by rescaling, what is left of "flat minima generalize better"?
# 2. Is weight decay a different landscape, a different way through the same one, or both? (The loss drawn here is without the penalty.)
# 3. How would you compare batch sizes fairly: same epochs, same updates, same training loss?
#
# ## Take away
#
# - On the line between two networks, the end with the longer weights often looks flat. Scale alone can decide it; it need not be the only cause, and on CIFAR-10 after 20 epochs it does not decide.
# - The order of test errors did not flip with it. So this flatness does not explain it.
# - Interpolated plots need a word on batch norm: whose statistics, and what where there are none.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - N. S. Keskar, D. Mudigere, J. Nocedal, M. Smelyanskiy, P. T. P. Tang: *On Large-Batch Training for Deep Learning: Generalization Gap and Sharp Minima*. ICLR 2017, [arXiv 1609.04836](https://arxiv.org/abs/1609.04836).
# - I. J. Goodfellow, O. Vinyals, A. M. Saxe: *Qualitatively characterizing neural network optimization problems*. ICLR 2015, [arXiv 1412.6544](https://arxiv.org/abs/1412.6544).
# - K. Jordan, H. Sedghi, O. Saukh, R. Entezari, B. Neyshabur: *REPAIR: REnormalizing Permuted Activations for Interpolation Repair*. ICLR 2023, [arXiv 2211.08403](https://arxiv.org/abs/2211.08403).
