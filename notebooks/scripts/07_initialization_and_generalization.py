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
# # 07 · Where training starts, and what flatness predicts
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/07_initialization_and_generalization.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/07_initialization_and_generalization.ipynb)
#
# **Question.** Two things are often read off a landscape: that training starts inside the basin, and that flat minima generalize. Do our measurements agree?
#
# ![Left: on the straight way from a trained network back to its start the loss climbs to the initial height, while straight ways of the same length in random directions stay near the bottom. Right: test error against sharpness for eighteen networks, scattered points.](images/07_initialization_and_generalization.png)
#
# *Left: from the minimum back to the start, and equally far in random directions. Right: sharpness and test error of eighteen networks; hollow marks are trained with the large batch.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | measure the rim of a basin and the height of the start; watch a film of the landscape while a plain network learns; try seven changes to its training; rank eighteen networks by sharpness and by test error |
# | **You need** | notebooks 05 and 06: planes, skip connections (shortcuts), how often a plane bends down |
# | **In the paper** | Li et al. (2018), section 6: initialization, generalization |
# | **Takes** | 1.0 minutes, 1.0 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

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
import pandas as pd
import torch
from scipy.ndimage import label

import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": about a minute, on scikit-learn's digits · "full": the same on CIFAR-10,
# for days; it goes on where it was stopped
PRESET = "quick"

# %%
small = {"data": "digits", "train": 816, "epochs": 6, "long": 24, "batch": 48}
small |= {"lr": 0.03, "width": 0.5}
quick = small | {"depth": 20, "images": 100, "points": 13, "reach": 1.0, "few": 400}
quick |= {"fits": {32: 8, 200: 50}}
large = {"data": "cifar10", "train": 50_000, "epochs": 300, "long": 1200, "batch": 128}
large |= {"lr": 0.1, "width": 1}
full = large | {"depth": 56, "images": 5000, "points": 51, "reach": 1.0, "few": 50_000}
full |= {"fits": {128: 30, 4096: 960}}
settings = lnb.choose_preset(PRESET, quick=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]().subset(settings.train)
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · The height of the start and the height of the rim
#
# The paper observes that its networks start at a loss below 2.5, while the walls around well-behaved minima rise above 4. So the start should lie inside the basin, and training has only to go down. We train two networks of 20 layers, with shortcuts and without, as notebook 06 does, and measure both heights.


# %%
def train(shortcuts):
    model = lnb.models.resnet(
        settings.depth, shortcuts, **data.shape, seed=settings.seed
    )
    how = {"lr": settings.lr, "seed": settings.seed}
    model = model.to(settings.device)
    return lnb.train(model, data, settings.epochs, settings.batch, **how)


def measure(model):
    return lnb.Objective(
        model, sample, metrics={"accuracy": lnb.accuracy}, batch_size=500
    )


# %%
names = {"with shortcuts": True, "no shortcuts": False}
runs = {name: train(shortcuts) for name, shortcuts in names.items()}
objectives = {name: measure(run.model) for name, run in runs.items()}

# %%
start = {name: measure(run.model_at(0))()["loss"] for name, run in runs.items()}
end = {name: objective()["loss"] for name, objective in objectives.items()}
for name in names:
    print(
        f"{name:15} loss at the start {start[name]:.4f}, after training {end[name]:.4f}"
    )

# %% [markdown]
# The start is at ln 10 = 2.3026, almost exactly, and so it must be: the weights of the last layer are drawn with a standard deviation of 0.001, so all ten classes get the same probability, whatever the layers before it do. The height of the start does not yet say anything about the landscape.
#
# And the rim? Pour water into the minimum: the rim is the level at which the water first reaches the edge of the plane.
#
# > **Predict.** At what loss does the water leave the range ±1, where every filter is changed by its own length? Above or below the start?


# %%
def rim(plane):
    loss = plane.loss.values
    centre = tuple(n // 2 for n in loss.shape)
    for level in np.unique(loss[loss >= loss[centre]]):
        pools = label(loss <= level)[0]
        pool = pools == pools[centre]
        if pool[[0, -1]].any() or pool[:, [0, -1]].any():
            return float(level)


# %%
def plane(name, objective, reach=settings.reach, points=settings.points):
    directions = lnb.random_directions(
        objective.origin, 2, normalize="filter", seed=settings.seed
    )
    extent, store = (-reach, reach), settings.store(f"07 {name}")
    return lnb.evaluate_plane(objective, directions, extent, points, store=store)


# %%
planes = {name: plane(name, objective) for name, objective in objectives.items()}
rims = {name: rim(p) for name, p in planes.items()}
rims

# %% [markdown]
# Planes around the authors' own networks, trained on CIFAR-10 for 300 epochs, come with this package, along four pairs of directions. The same measurement on them:

# %%
pairs = [lnb.shipped_planes("05", seed) for seed in range(4)]
shipped = {name: [rim(pair[name]) for pair in pairs] for name in pairs[0]}
for which, heights in shipped.items():
    print(f"{which:24}", *(f"{height:6.2f}" for height in heights))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "07-start-below-the-rim",
    max(start.values()) < 2.5,
    "All networks start at a loss below 2.5.",
    loss_at_the_start=list(start.values()),
    our_rims=list(rims.values()),
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
with_, without = shipped["ResNet-56"], shipped["ResNet-56, no shortcuts"]
lnb.claim(
    "07-rims-of-the-papers-networks",
    min(with_ + without) > 2.5 and all(a < b for a, b in zip(with_, without)),
    "Along each of four pairs of directions the rims around the paper's two networks "
    "of 56 layers are higher than 2.5, and higher without shortcuts than with them.",
    shipped=True,
    rims_with_shortcuts=with_,
    rims_without=without,
)

# %%
for which in shipped:
    below = [float((pair[which].loss < np.log(10)).mean()) for pair in pairs]
    print(f"{which:24}", *(f"{part:6.1%}" for part in below), " below ln 10")

# %% [markdown]
# So the paper's heights ("above 4") hold roughly: the rims are 3.8 to 4.4 with shortcuts and 4.7 to 6.0 without, above the start each time, but with shortcuts mostly a little below 4. (Through a ravine narrower than the grid the water could leave lower: these are upper bounds.) (Their own start is not among the files shipped here; their last layer is drawn as ours is, so it is at ln 10, too.) Our rims are far higher still, and the higher one belongs to the worse network. What differs between the paper's two is the size of the hole: with shortcuts 21 to 26 % of the plane lie below ln 10, without them 1 to 4 %. A rim alone does not tell a good landscape from a bad one.

# %% [markdown]
# ## 2 · Is the start inside?
#
# A height is not a place. The start is not in the drawn plane, and it may be far away. So we measure the distance, and walk: from the trained network straight back to its start, and equally far in two random filter-normalized directions. (Batch norm's statistics are computed anew at every point of every walk, so that the walks can be compared.)
#
# > **Predict.** How far away is the start, measured in lengths of the trained weights? Where is the loss higher: at the start, or at the end of a random way of the same length?


# %%
def walk(name, goal):
    origin = objectives[name].origin
    how = {"batch_norm": "recalibrated", "progress": False}
    return lnb.interpolate(objectives[name], origin, goal, (0, 1), 9, **how)


# %%
walks, relative = {}, {}
for name, run in runs.items():
    first, last = run.points
    distance = lnb.norm(lnb.towards(last, first))
    relative[name] = distance / lnb.norm(last)
    directions = lnb.random_directions(run.model, 2, seed=settings.seed)
    away = [lnb.move(last, [d], [distance / lnb.norm(d)]) for d in directions]
    walks[name] = walk(name, first), [walk(name, goal) for goal in away]
relative

# %%
highest = {
    name: (float(home.loss.max()), [float(w.loss.max()) for w in away])
    for name, (home, away) in walks.items()
}
for name, (home, away) in highest.items():
    print(
        f"{name:15} highest loss on the way to the start {home:.2f}, on random ways",
        *(f"{h:.2f}" for h in away),
    )

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "07-no-wall-before-the-start",
    all(home < start[name] + 0.5 for name, (home, _) in highest.items()),
    "On the straight way from the start to the trained network the loss "
    "never rises far above its initial value.",
    highest_on_the_way=[home for home, _ in highest.values()],
)


# %%
def draw_walks(panel, name):
    home, away = walks[name]
    plotting.draw_line(panel, home, label="to the start")
    for number, w in enumerate(away):
        panel.plot(
            w.alpha,
            w.loss,
            "--",
            color="#D55E00",
            linewidth=1.8,
            label="random" if not number else None,
        )
    panel.axhline(
        np.log(10),
        color="0.4",
        linewidth=1.5,
        linestyle=":",
        label="height of the start",
    )
    panel.set(
        yscale="log",
        ylim=(5e-3, 50),
        xlabel="part of the distance to the start",
        title=name,
    )


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss on the straight way from each trained network to its start and on "
    "straight ways of the same length in random directions, with the height of the "
    "start as a dotted line. To the start it climbs to that line; in random "
    "directions it rises little."
)

# %%
figure, panels = plotting.panels(2, size=(5.6, 4.4))
for panel, name in zip(panels, names):
    draw_walks(panel, name)
panels[0].legend(loc="upper left")
lnb.show(figure, alt=alt)

# %%
ends = {name: [float(w.loss[-1]) for w in away] for name, (_, away) in walks.items()}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "07-the-way-home-is-special",
    max(ends["with shortcuts"]) < start["with shortcuts"] / 2,
    "With shortcuts, random steps as long as the way to the start end at "
    "less than half of its height.",
    loss_after_random_steps=ends["with shortcuts"],
    loss_at_the_start=start["with shortcuts"],
)

# %% [markdown]
# The start is near: training moved the weights by about a tenth of their length (0.11 and 0.09). But it lies in a direction that a random plane hardly shows (notebook 09). Equally far away in a random direction the loss is still below 0.1 with shortcuts, and almost unchanged without; on the way home it rises to the height of the start, without a wall in between. So the start is inside the basin here, as the paper supposes. But the drawn planes did not tell us so: their edges are about ten such distances away, in other directions. (After hundreds of epochs with weight decay the start is much farther than here: in the paper's Figure 2, at batch 128 with weight decay, the length of VGG-9's weights falls from about 60 to about 23, so its start is at least 1.6 of its final lengths away.)

# %% [markdown]
# ## 3 · Chaos, or a training that has not ended?
#
# The deep plain network of notebook 05 (plain: without shortcuts) and the narrow plain networks of notebook 06 had uneven planes and a high loss. Which of the two causes the other? The paper's own pair suggests that this is hard to tell: its text says the plain ResNet-56 needed a learning rate of 0.01, and that run has 10.83 % test error; the one it draws, with the others' rate of 0.1, has 13.31 %. So part of the error came from the way it was trained.
#
# We take the plain network of notebook 06 (k = 2) and train it four times as long. The learning rate drops at the same fractions of the training, so it stays high for longer, too. Nothing else changes.
#
# > **Predict.** If a plain network's landscape is at fault, no basin should appear, however long it is trained. Will one? And will the plane still bend down?

# %%
shape = data.shape | {"seed": settings.seed}
plain = lnb.models.resnet(settings.depth, False, settings.width, **shape)
plain = plain.to(settings.device)
how = {"batch_size": settings.batch, "lr": settings.lr, "seed": settings.seed}
parts = (0, 1 / 24, 1 / 12, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 1)
epochs = [round(part * settings.long) for part in parts]
long = lnb.train(plain, data, settings.long, record=epochs, **how)

# %%
stages = {epoch: measure(long.model_at(epoch)) for epoch in epochs}
points = settings.points - 2
stage_planes = {e: plane(f"epoch {e}", net, 0.5, points) for e, net in stages.items()}

# %%
loss = {epoch: objective()["loss"] for epoch, objective in stages.items()}
bends = {epoch: lnb.nonconvex_fraction(p) for epoch, p in stage_planes.items()}
low = {epoch: float((p.loss < 1).mean()) for epoch, p in stage_planes.items()}

# %%
for e in epochs:
    print(f"epoch {e:2}: loss {loss[e]:.3f}, below 1 at {low[e]:4.0%}", end=", ")
    print(f"bends down at {bends[e]:4.0%}")

# %% [markdown]
# The planes make a film. Press play, or drag the slider below the surface; where nothing moves you see its pictures side by side. Height and colours mean the same in all of them.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "A film of the landscape around the plain network while it learns, at eight "
    "epochs: first a level sheet at 2.3, then steep walls around a floor that is "
    "still at 2, and from epoch 6 on a basin that grows deeper and wider."
)

# %%
film = {f"epoch {epoch}": p for epoch, p in stage_planes.items()}
lnb.show_interactive(
    plotting.plotly_film(film, bottom=0.01, top=10),
    plotting.plot_contours(film, columns=4),
    alt=alt,
)

# %% [markdown]
# For films of large networks, at a scale and with a beauty that a laptop cannot reach, see [losslandscape.com](https://losslandscape.com).


# %%
def draw(epoch=epochs[-1]):
    figure, panels = plotting.panels(2, size=(5.2, 4.4))
    plotting.draw_contours(panels[0], stage_planes[epoch])
    panels[0].set_title(f"no shortcuts, after epoch {epoch}")
    look = {"linewidth": 2, "markersize": 8}
    below = [low[e] for e in epochs]
    down = [bends[e] for e in epochs]
    panels[1].plot(epochs, below, "o-", color="#0072B2", label="loss below 1", **look)
    panels[1].plot(epochs, down, "s--", color="#D55E00", label="bends down", **look)
    panels[1].axvline(epoch, color="black", linewidth=1.5)
    panels[1].set(xlabel="epoch", ylabel="part of the plane", ylim=(-0.03, 1.03))
    panels[1].legend(loc="upper center")
    panels[1].grid(alpha=0.3)
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: contours around the plain network after a chosen epoch. Right: the part of "
    "the plane below a loss of 1, and the part that bends down, against the epoch."
)

# %%
lnb.explore(draw, alt=alt, epoch=epochs)

# %% [markdown]
# **Notice**
#
# 1. At epoch 0 the plane has one colour: around the start the loss is ln 10 everywhere.
# 2. In the first epochs the loss stays high, and no point of the plane lies below 1.
# 3. At the end there is a basin, round and wide (about a third of the plane lies below 1), of the same network and along directions of the same seed.
# 4. The part that bends down does not follow the loss: it falls, and rises again while the loss goes on falling. It is largest at epoch 0, on level ground: it counts dents however shallow.
#
# **Why.** A plane shows the surroundings of one point. The missing basin of this plain network in notebook 06 was an unfinished training: the same architecture has a basin, once training gets there. That does not acquit the architecture: with shortcuts six epochs were enough at the same width (notebook 06: a loss below 0.1 against more than 1). And it does not explain everything: at the paper's scale (notebook 05, section 5) the plain ResNet-56 reached a loss of 0.14, and its basin is a narrow hole in ragged ground.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "07-a-basin-comes-with-training",
    loss[epochs[-1]] < 0.3 and low[epochs[1]] == 0 and low[epochs[-1]] > 0.08,
    "Trained four times as long, the plain network ends in a basin of loss below 1; "
    "after its first epoch there was none.",
    loss_at_these_epochs=list(loss.values()),
    part_below_1=list(low.values()),
    part_that_bends_down=list(bends.values()),
)

# %% [markdown]
# ## 4 · So what should one do?
#
# Training longer is one remedy. But suppose that six epochs are all we can pay for: what helps the plain network *now*? We change one thing at a time.
#
# - **The learning rate.** A smaller one, a larger one, and a *warm-up*: the first epoch with a tenth of the rate, as He et al. (2016) did for their ResNet-110.
# - **The initial weights.** *Fixup* (Zhang, Dauphin and Ma, 2019) trains deep residual networks without batch norm, because it starts them small: it scales the convolutions down by a power of the depth, and sets the last layer to zero. Our network has batch norm and no shortcuts, so we borrow the two ideas, not the method: all convolutions divided by √depth; the last layer at zero. And the opposite: a last layer with He's normal weights, as large as those of the layers before it. (The paper's, and ours so far, have a standard deviation of 0.001.)
# - **Batch norm.** We take it out, to see what it does for us.
#
# > **Predict.** Which of these helps the plain network most? Does any do harm?

# %%
helps = lnb.predict(
    "What helps the plain network most?",
    [
        "warm-up",
        "rate / 3",
        "rate × 3",
        "convolutions / √depth",
        "last layer zero",
        "last layer He's",
    ],
)
helps


# %%
def fit_plain(model=plain, lr=settings.lr, warm=0):
    options = how | {"progress": False}
    if warm:
        options["lr"] = lr / 10
        model = lnb.train(model, data, warm, drops=(), **options).model
    options["lr"] = lr
    run = lnb.train(model, data, settings.epochs - warm, **options)
    return run.history["train_accuracy"][-1]


# %%
def started(convolutions=1.0, last=1.0):
    """The plain network with its initial weights multiplied by these factors."""
    model = copy.deepcopy(plain)
    with torch.no_grad():
        for p in model.parameters():
            p *= convolutions if p.ndim == 4 else 1
        model.linear.weight *= last
    return model


# %%
def without_batch_norm():
    model = copy.deepcopy(plain)
    for name, layer in list(plain.named_modules()):
        if isinstance(layer, torch.nn.BatchNorm2d):
            model.set_submodule(name, torch.nn.Identity())
    return model


# %%
he = np.sqrt(2 / plain.linear.in_features) / 1e-3
accuracy = {"as before": fit_plain()}
accuracy["warm-up"] = fit_plain(warm=1)
accuracy["rate / 3"] = fit_plain(lr=settings.lr / 3)
accuracy["rate × 3"] = fit_plain(lr=3 * settings.lr)

# %%
accuracy["convolutions / √depth"] = fit_plain(started(settings.depth**-0.5))
accuracy["last layer zero"] = fit_plain(started(last=0))
accuracy["last layer He's"] = fit_plain(started(last=he))
accuracy["no batch norm"] = fit_plain(without_batch_norm())
residual = lnb.models.resnet(settings.depth, True, settings.width, **shape)
accuracy["with shortcuts"] = fit_plain(residual.to(settings.device))
pd.Series(accuracy).round(2).to_frame("training accuracy in the last epoch")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Bars of the training accuracy after the same six epochs. A last layer with "
    "He's weights brings the plain network close to the one with shortcuts; a larger "
    "rate helps, and smaller convolutions end higher here; a last layer at zero "
    "changes little; warm-up and a smaller rate end lower; without batch norm nothing "
    "is learned."
)

# %%
figure, (panel,) = plotting.panels(1, size=(8, 4.6))
colours = ["0.5"] + ["#0072B2"] * (len(accuracy) - 2) + ["#009E73"]
bars = panel.barh(list(accuracy), list(accuracy.values()), color=colours)
panel.bar_label(bars, fmt="{:.0%}", padding=4)
panel.axvline(accuracy["as before"], color="0.3", linestyle=":")
panel.invert_yaxis()
panel.set(xlim=(0, 1.1), xlabel="training accuracy in the last of six epochs")
lnb.show(figure, alt=alt)

# %%
helps.reveal(max(helps.choices, key=accuracy.get))

# %%
idle = ("warm-up", "rate / 3", "last layer zero", "no batch norm")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "07-a-larger-last-layer-helps",
    accuracy["last layer He's"] > 0.85
    and accuracy["rate × 3"] > accuracy["as before"] + 0.1
    and all(accuracy[name] < accuracy["as before"] + 0.1 for name in idle),
    "In six epochs a last layer with He's weights lets the plain network learn, and a "
    "larger rate helps; warm-up, a smaller rate, a last layer at zero and leaving "
    "batch norm out do not.",
    as_before=accuracy["as before"],
    larger_last_layer=accuracy["last layer He's"],
    larger_rate=accuracy["rate × 3"],
    the_four_that_do_not=[accuracy[name] for name in idle],
    smaller_convolutions=accuracy["convolutions / √depth"],
)

# %% [markdown]
# **What helped.** A larger last layer brings the plain network close to the one with shortcuts. A likely reason: the gradient reaches all other layers through the last one. Where that layer is 250 times smaller than He's, so are the first gradients, and the plain network spends its few epochs waiting. A larger rate shortens the wait.
#
# **What did not help.** Warm-up, a smaller rate and a last layer at zero all make the first steps smaller still. They are remedies for steps that are too large, and here the steps were too small. Without batch norm the plain network learns nothing.
#
# **Not settled.** Dividing the convolutions by √depth changes no output at all, since batch norm divides the factor out again; the same step is then only larger beside the weights (notebook 02), and whether that helps depends on the seed: it did here, and not with the two others (the last number of the claim).
#
# So there is a remedy even without shortcuts, and it is one number in the initial weights. Do not carry it over blindly: six epochs, twenty layers and digits are an easy case, and a deeper network may need another cure. What does carry over is the method: change one thing at a time, train for the same epochs, compare a number. And the network with shortcuts, which needed none of this, is still ahead.

# %% [markdown]
# ## 5 · Does flat mean good?
#
# The paper reads from its plots that flatter minima, filter-normalized, come with lower test errors (its VGG-9, Figures 2 and 3: 7.37 % at batch 128 against 11.07 % at batch 8192; with weight decay 6.0 % against 10.19 %). Four networks are a short list. We train eighteen: three architectures, two batch sizes, three weight decays, on only 400 digits, so that there are errors to compare. The large batch gets more epochs, so that all make about a hundred updates (in the paper it does not: 8192 makes 2,100 updates where 128 makes 117,300).
#
# Two measures of sharpness: how much the loss rises, on average, when every filter is moved by half its length in a random direction; and the largest eigenvalue of the Hessian, the matrix of second derivatives (notebook 08): how strongly the loss bends up in the direction where it bends most. The second depends on the scale of the weights (notebook 02).
#
# > **Predict.** Order the networks by sharpness and by test error. How much do the two orders agree: 1 for the same, 0 for none, −1 for the reverse? (This number is the *rank correlation*.)


# %%
few = data.subset(settings.few)
shape = few.shape | {"seed": settings.seed}
kinds = {
    "VGG-9": lambda: lnb.models.vgg9(0.125, **shape),
    "MLP, 1 hidden layer": lambda: lnb.models.mlp((64,), True, **shape),
    "MLP, 4 hidden layers": lambda: lnb.models.mlp((64,) * 4, True, **shape),
}


# %%
def fit(kind, batch, decay):
    how = {"lr": 0.05, "weight_decay": decay, "seed": settings.seed, "progress": False}
    return lnb.train(kinds[kind](), few, settings.fits[batch], batch, **how)


# %%
recipes = [
    (kind, batch, decay)
    for kind in kinds
    for batch in settings.fits
    for decay in (0.0, 5e-3, 5e-2)
]
fits = {recipe: fit(*recipe) for recipe in recipes}


# %%
def rise(objective):
    directions = lnb.random_directions(objective.origin, 3, seed=settings.seed)
    lines = [
        lnb.evaluate_line(objective, d, (-0.5, 0.5), 3).loss.values for d in directions
    ]
    return float(
        np.mean([(left + right) / 2 - centre for left, centre, right in lines])
    )


# %%
seen = {recipe: measure(run.model) for recipe, run in fits.items()}
error = [100 * (1 - run.history["test_accuracy"][-1]) for run in fits.values()]
sharpness = [rise(objective) for objective in seen.values()]
ends = [lnb.extreme_eigenvalues(net, tolerance=0.02) for net in seen.values()]
eigenvalue = [pair.max for pair in ends]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: the loss on the way from a trained network to its start, and on "
    "straight ways of the same length in random directions. Right: test error against "
    "sharpness of eighteen networks of three architectures; hollow marks are those of "
    "the large batch."
)

# %% tags=["answer"]
figure, panels = plotting.panels(2, size=(5.8, 4.6))
draw_walks(panels[0], "with shortcuts")
panels[0].legend(loc="upper left")
styles = dict(zip(kinds, (("o", "#0072B2"), ("s", "#D55E00"), ("^", "#009E73"))))
for (kind, batch, decay), x, y in zip(recipes, sharpness, error):
    marker, colour = styles[kind]
    fill = "full" if batch == min(settings.fits) else "none"
    name = kind if fill == "full" and not decay else None
    how = {"color": colour, "fillstyle": fill, "ms": 11, "mew": 2}
    panels[1].plot(x, y, marker, **how, label=name)
panels[1].set(
    xscale="log",
    xlabel="rise of the loss at half a filter's length",
    ylabel="test error (%)",
)
panels[1].set_title("filled: small batch, hollow: large")
panels[1].legend()
lnb.show(figure, alt=alt)


# %%
every = range(len(recipes))


def agreement(values, rows=every):
    ranks = [pd.Series([column[n] for n in rows]).rank() for column in (values, error)]
    return float(np.corrcoef(*ranks)[0, 1])


def interval(values):
    rng = np.random.default_rng(0)
    draws = [rng.choice(every, len(every)) for _ in range(500)]
    return np.nanquantile(
        [agreement(values, rows) for rows in draws], [0.025, 0.975]
    ).tolist()


# %%
measures = {"rise of the loss": sharpness, "largest eigenvalue": eigenvalue}
within = {
    name: [agreement(m, range(6 * n, 6 * n + 6)) for n in range(len(kinds))]
    for name, m in measures.items()
}
for name, m in measures.items():
    print(
        f"{name:19} all: {agreement(m):+.2f}, 95 % interval "
        f"{interval(m)[0]:+.2f} to {interval(m)[1]:+.2f}"
    )
    print(
        " " * 19,
        *(f"{kind}: {value:+.2f}  " for kind, value in zip(kinds, within[name])),
    )

# %% [markdown]
# The interval comes from drawing the eighteen networks anew with replacement, 500 times. It is wide, and contains 0: eighteen networks, tested on 359 images (one image is 0.28 %), do not settle an order. And look inside the architectures: what holds between them need not hold within one.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
least, most = interval(sharpness)
lnb.claim(
    "07-the-relation-is-not-firm",
    most - least > 0.5,
    "The 95 % interval of the rank correlation between rise and test "
    "error, over all eighteen, is wider than 0.5.",
    interval_of_the_rise=[least, most],
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
means = {name: float(np.mean(values)) for name, values in within.items()}
lnb.claim(
    "07-two-measures-disagree",
    means["rise of the loss"] > 0 > means["largest eigenvalue"],
    "Within an architecture, on average, the rise goes with the test error "
    "and the eigenvalue goes against it.",
    rise_within_each_architecture=within["rise of the loss"],
    eigenvalue_within_each_architecture=within["largest eigenvalue"],
)

# %% [markdown]
# So the answer depends on the measure. Weight decay may be one reason: it shortens the weights, and the same function then has larger eigenvalues (notebook 02). The filter-normalized rise does not see the scale, and it supports the paper here, within an architecture and on average. It does not do so in each architecture with each seed, and it does not put all eighteen networks in order.

# %% [markdown]
# ### What later work says
#
# | work | what it found |
# |---|---|
# | Dinh et al. (2017) | the sharpness of a ReLU network can be made anything without changing a single output: raw sharpness cannot decide |
# | Fort & Jastrzębski (2019) | low-loss regions behave like many intersecting wedges: what one sees around one point is not the shape of the whole |
# | Frankle (2020) | on the straight line from start to end, the loss of larger networks hardly rises, but it also stays high until shortly before the end: the simple picture belongs to easy tasks such as ours |
# | Vlaar & Frankle (2022) | the shape of such a line changes with the initialization and the data, and does not tell how the test accuracy changes |
# | Andriushchenko et al. (2023) | sharpness that respects rescalings, measured on modern networks, follows the learning rate more than the test error, and can even run against it |
#
# So a plot is good for seeing *that* something differs, and for asking why. As a measure of generalization, flatness has not been reliable.

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · The rim of a line** (●○○, 3 minutes). Along `line`, how high does the loss rise on the lower of its two sides?

# %%
objective = objectives["with shortcuts"]
(d,) = lnb.random_directions(objective.origin, 1, seed=settings.seed)
line = lnb.evaluate_line(objective, d, (-1, 1), 21)

my_rim = ...
exercises.check_rim(my_rim, line)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# sides = line.loss[line.alpha < 0], line.loss[line.alpha > 0]
# my_rim = min(float(side.max()) for side in sides)
# ```
# </details>
#
# **2 · How far did it go?** (●●○, 5 minutes). The plain network was trained for four times as many epochs. How far is its last point from its first, in lengths of the last?

# %%
first, last = long.points[0], long.points[-1]

my_distance = ...
exercises.check_relative_distance(my_distance, first, last)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_distance = lnb.norm(lnb.towards(first, last)) / lnb.norm(last)
# ```
# </details>
#
# **3 · A dull rival** (●●○, 8 minutes). Perhaps no landscape is needed. What is the rank correlation of the test error with the plain *training loss* of the last epoch, `history["train_loss"][-1]`, over the eighteen networks?

# %%
my_correlation = ...
exercises.check_rank_correlation(
    my_correlation, [run.history["train_loss"][-1] for run in fits.values()], error
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# from scipy.stats import spearmanr
#
# training = [run.history["train_loss"][-1] for run in fits.values()]
# my_correlation = float(spearmanr(training, error).statistic)
# ```
# Compare it with the two measures of sharpness above, before believing in either.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **Why training fails.** Both networks of section 2 start below the rim, with a straight way down. After six epochs the loss is below 0.05 with shortcuts and above 0.5 without.
# - **The paper's distances.** Six epochs with a small learning rate leave the weights near their start. Three hundred epochs do not.
# - **A recipe for deep networks.** Section 4 tries seven changes on one small network, one at a time and for six epochs. With more epochs, or more layers, the order may change.
# - **A verdict on flatness.** Eighteen small networks on 400 digits, two measures, one seed of directions. They show how little such a list can prove, either way.
# - **Cause.** Batch size and weight decay change sharpness and test error together; a correlation does not say that one makes the other.
#
# ## To discuss
#
# 1. The start is at ln 10 whatever the network. What would you measure to tell a good initialization from a bad one?
# 2. Somebody shows that sharp networks test worse, over a hundred networks of one architecture. What would you ask before using sharpness to choose between architectures?
# 3. The plain network found its basin by training on. Design an experiment in which the landscape, and not the training, has to be the cause.
#
# ## Take away
#
# - Starts below 2.5, and rims above the start, are easily confirmed, for good and bad networks alike (rims near 4 for the paper's, far higher for ours); what differs is the size of the hole.
# - The start was inside the basin: there was no wall on the straight way to it. A random plane does not show that; it has to be measured.
# - A missing basin may be a picture of an unfinished training. Compare networks at a comparable loss.
# - A plain network that does not learn may need larger first steps, not smaller ones: change one thing at a time, and measure.
# - Whether flat means good depends on the measure, the networks and the number of them: give the interval.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - L. Dinh, R. Pascanu, S. Bengio, Y. Bengio: *Sharp Minima Can Generalize For Deep Nets*. ICML 2017, [arXiv 1703.04933](https://arxiv.org/abs/1703.04933).
# - H. Zhang, Y. Dauphin, T. Ma: *Fixup Initialization: Residual Learning Without Normalization*. ICLR 2019, [arXiv 1901.09321](https://arxiv.org/abs/1901.09321).
# - K. He, X. Zhang, S. Ren, J. Sun: *Deep Residual Learning for Image Recognition*. CVPR 2016, [arXiv 1512.03385](https://arxiv.org/abs/1512.03385).
# - S. Fort, S. Jastrzębski: *Large Scale Structure of Neural Network Loss Landscapes*. NeurIPS 2019, [arXiv 1906.04724](https://arxiv.org/abs/1906.04724).
# - J. Frankle: *Revisiting "Qualitatively Characterizing Neural Network Optimization Problems"*. 2020, [arXiv 2012.06898](https://arxiv.org/abs/2012.06898).
# - T. Vlaar, J. Frankle: *What Can Linear Interpolation of Neural Network Loss Landscapes Tell Us?* ICML 2022, [arXiv 2106.16004](https://arxiv.org/abs/2106.16004).
# - M. Andriushchenko, F. Croce, M. Müller, M. Hein, N. Flammarion: *A Modern Look at the Relationship between Sharpness and Generalization*. ICML 2023, [arXiv 2302.07011](https://arxiv.org/abs/2302.07011).
