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
# # 06 · Wide networks have wide, smooth basins
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/06_width.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/06_width.ipynb)
#
# **Question.** More channels in every layer: what does that do to the landscape, and can it make up for missing skip connections (shortcuts)?
#
# ![Eight contour plots of the loss in two rows. From left to right the networks have more channels and their basins grow, in the lower row without shortcuts as well.](images/06_width.png)
#
# *Loss around eight trained networks, all on the same scales. From left to right, every layer has twice as many channels. Upper row with shortcuts, lower row without.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | train eight networks of four widths, and a DenseNet; measure how wide and how smooth their basins are; prune some |
# | **You need** | notebook 05: what shortcuts do, how planes are compared |
# | **In the paper** | Li et al. (2018), section 6, Figure 6 |
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
import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": about a minute, on scikit-learn's digits · "full": the paper's setting, on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
small = {"data": "digits", "train": 816, "depth": 20, "channels": 4, "epochs": 6}
small |= {"batch": 48, "lr": 0.03}
quick = small | {"images": 100, "reach": 0.5, "points": 17, "groups": (4, 4, 4)}
quick |= {"growth": 8}
large = {"data": "cifar10", "train": 50_000, "depth": 56, "channels": 16, "epochs": 300}
large |= {"batch": 128, "lr": 0.1}
full = large | {"images": 50_000, "reach": 1.0, "points": 51, "groups": (6, 12, 24, 16)}
full |= {"growth": 32}
settings = lnb.choose_preset(PRESET, quick=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]().subset(settings.train)
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · Eight networks
#
# The paper multiplies the number of channels of ResNet-56 by k = 1, 2, 4 and 8: from 16 channels in the first stage to 128. Eight such networks take days. Digits are small, so we take 20 layers and start from 4 channels: k = 8 has 32.
#
# > **Predict.** All eight get the same few epochs. Which of them learn? Does width help more with shortcuts or without?


# %%
def train(model, lr=settings.lr):
    """The trained network, and its test error in percent."""
    run = lnb.train(
        model.to(settings.device),
        data,
        settings.epochs,
        settings.batch,
        lr=lr,
        seed=settings.seed,
    )
    return run.model, 100 * (1 - run.history["test_accuracy"][-1])


def resnet(k, shortcuts):
    width = k * settings.channels / 16
    return lnb.models.resnet(
        settings.depth, shortcuts, width, **data.shape, seed=settings.seed
    )


# %%
widths = [1, 2, 4, 8]
nets, errors = {}, {}
for which in ((k, shortcuts) for shortcuts in (True, False) for k in widths):
    nets[which], errors[which] = train(resnet(*which))


# %%
def measure(net):
    return lnb.Objective(net, sample, metrics={"accuracy": lnb.accuracy}, batch_size=50)


# %%
objectives = {which: measure(net) for which, net in nets.items()}
reached = {which: objective() for which, objective in objectives.items()}
for (k, shortcuts), values in reached.items():
    name = f"k = {k}, {'with' if shortcuts else 'no'} shortcuts"
    print(
        f"{name:22} loss {values['loss']:6.3f}  accuracy "
        f"{values['accuracy']:4.0%}  test error {errors[k, shortcuts]:4.1f} %"
    )

# %%
plain = [reached[k, False]["accuracy"] for k in widths]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "06-width-helps-plain-nets-train",
    plain[-1] > plain[0] + 0.2,
    "Without shortcuts, the widest network learns far more of its training "
    "images than the narrowest.",
    accuracy_without_shortcuts_for_k_1_2_4_8=plain,
)

# %% [markdown]
# ## 2 · Eight planes
#
# The same recipe as in notebook 05: two random, filter-normalized directions, the same range and levels in every panel. At α = 0.5 every filter has been moved by half its own length, whatever the width.
#
# > **Predict.** Follow the contour of loss 1.1 from k = 1 to k = 8. Does it grow? In which row does width change more?

# %%
where = lnb.predict(
    "From k = 1 to k = 8, where does the part below a loss of 1 grow by more?",
    ["with shortcuts", "without"],
)
where


# %%
def plane(objective, name):
    directions = lnb.random_directions(
        objective.origin, 2, normalize="filter", seed=settings.seed
    )
    extent, store = (-settings.reach, settings.reach), settings.store(f"06 {name}")
    return lnb.evaluate_plane(
        objective, directions, extent, settings.points, store=store
    )


# %%
planes = {
    (k, shortcuts): plane(objective, f"k = {k}{'' if shortcuts else ', no shortcuts'}")
    for (k, shortcuts), objective in objectives.items()
}
titled = {
    f"k = {k}, {'with' if shortcuts else 'no'} shortcuts": p
    for (k, shortcuts), p in planes.items()
}


# %%
def side_by_side(planes, columns, rows=1, size=(3.4, 3.9)):
    figure, panels = plotting.panels(columns, rows, size=size)
    for panel, (title, p) in zip(panels, planes.items()):
        filled = plotting.draw_contours(panel, p)
        panel.set_title(title)
        panel.label_outer()
    ticks = {"ticks": filled.levels[::2], "label": "loss"}
    bar = figure.colorbar(filled, ax=list(panels), **ticks)
    bar.set_ticklabels(plotting.PAPER_LEVELS[::2])
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Eight contour plots on the same levels. With shortcuts the basin "
    "deepens and widens from k = 1 to k = 8. Without, k = 1 and 2 have no "
    "basin below 1, and k = 8 has one."
)

# %% tags=["answer"]
lnb.show(side_by_side(titled, 4, 2, (3.4, 3.3)), alt=alt)

# %% [markdown]
# ## 3 · How wide, how smooth?
#
# Three numbers for each plane. How much of it lies below a loss of 1? A network that ends lower has a head start there, so also: how much lies less than 1 above its *own* centre? And how much of it bends down (notebook 05)?

# %%
area = {which: float((p.loss < 1).mean()) for which, p in planes.items()}
rise = {
    which: float((p.loss < 1 + reached[which]["loss"]).mean())
    for which, p in planes.items()
}
bends = {which: lnb.nonconvex_fraction(p) for which, p in planes.items()}
for k, shortcuts in planes:
    a, r, b = (numbers[k, shortcuts] for numbers in (area, rise, bends))
    name = f"k = {k}, {'with' if shortcuts else 'no'} shortcuts"
    print(
        f"{name:22} below 1: {a:4.0%}   less than 1 above the centre: {r:4.0%}  "
        f" bends down: {b:4.0%}"
    )


# %%
def against_width(panel, numbers, title):
    for shortcuts, stroke, colour in (
        (True, "o-", "#0072B2"),
        (False, "s--", "#D55E00"),
    ):
        values = [numbers[k, shortcuts] for k in widths]
        panel.plot(
            widths,
            values,
            stroke,
            color=colour,
            markersize=9,
            linewidth=2.2,
            label=f"{'with' if shortcuts else 'no'} shortcuts",
        )
    panel.set_xscale("log", base=2)
    panel.set_xticks(widths, [str(k) for k in widths])
    panel.set(
        xlabel="width factor k",
        ylabel="part of the plane",
        title=title,
        ylim=(-0.05, 0.62),
    )
    panel.grid(alpha=0.3)


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Three numbers of each plane against the width factor k. The part below a loss of "
    "1 grows with k in both rows, first with shortcuts. The part less than 1 above the "
    "centre grows with shortcuts and falls without. The part that bends down falls."
)

# %%
figure, panels = plotting.panels(3, size=(4.6, 4.2))
titles = "loss below 1", "less than 1 above the centre", "bends down"
for panel, numbers, title in zip(panels, (area, rise, bends), titles):
    against_width(panel, numbers, title)
panels[0].legend()
lnb.show(figure, alt=alt)

# %%
grown = {shortcuts: [area[k, shortcuts] for k in widths] for shortcuts in (True, False)}
growth = {shortcuts: row[-1] - row[0] for shortcuts, row in grown.items()}
where.reveal(where.choices[int(growth[False] > growth[True])])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "06-width-widens-the-basin",
    all(row[-1] > row[0] + 0.02 for row in grown.values()),
    "With shortcuts and without, the basin of loss below 1 is wider at k = "
    "8 than at k = 1.",
    part_below_1_with_shortcuts=grown[True],
    part_below_1_without=grown[False],
)

# %%
bent = {shortcuts: [bends[k, shortcuts] for k in widths] for shortcuts in (True, False)}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "06-width-bends-down-less",
    bent[False][-1] < bent[False][0] / 2,
    "Without shortcuts, the plane at k = 8 bends down at less than half as "
    "many points as at k = 1.",
    bends_down_without_shortcuts=bent[False],
    bends_down_with=bent[True],
)

# %% [markdown]
# (It counts dents, however shallow: k = 1 without shortcuts sits on a plateau, where a little unevenness is enough.)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "06-width-is-no-substitute",
    all(area[k, True] > area[k, False] for k in widths[1:]),
    "From k = 2 on, the network with shortcuts has the wider basin at every width.",
    part_below_1_with_shortcuts=grown[True],
    part_below_1_without=grown[False],
)


# %%
own = [rise[k, False] for k in widths]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "06-flat-is-not-good",
    own[0] == max(own),
    "Measured from its own centre, the narrowest plain network has the "
    "flattest surroundings: it sits on a plateau.",
    part_less_than_1_above_the_centre_without_shortcuts=own,
)

# %% [markdown]
# We chose a loss of 1, one pair of directions and a range of ±0.5. Does the story depend on that? Here are two more pairs for each network, on a coarser grid (and every second point of the planes above: on another grid the edge has another weight).


# %%
def another(which, seed):
    directions = lnb.random_directions(nets[which], 2, seed=seed)
    extent, name = (-settings.reach, settings.reach), "k = {}, {}".format(*which)
    store, coarse = settings.store(f"06 {name}, {seed}"), settings.points // 2 + 1
    return lnb.evaluate_plane(
        objectives[which], directions, extent, coarse, store=store
    )


# %%
every = {"alpha": slice(None, None, 2), "beta": slice(None, None, 2)}
draws = {settings.seed: {which: p.isel(every) for which, p in planes.items()}}
draws |= {
    settings.seed + more: {
        which: another(which, settings.seed + more) for which in nets
    }
    for more in (1, 2)
}

# %% [markdown]
# Change the level, the range and the seed of the directions, and measure from zero or from each network's own centre.
#
# > **Predict.** At which level do the narrow plain networks look as good as the wide ones? And which of the four changes the order most?


# %%
def part_below(level, reach, seed, from_own_centre):
    """The part of each plane within ±reach that lies below a level."""
    within = {"alpha": slice(-reach, reach), "beta": slice(-reach, reach)}
    start = {which: reached[which]["loss"] * from_own_centre for which in nets}
    return {
        which: float((p.sel(within).loss < level + start[which]).mean())
        for which, p in draws[seed].items()
    }


# %%
def draw(level=1.0, reach=settings.reach, seed=settings.seed, from_own_centre=False):
    figure, (panel,) = plotting.panels(1, size=(6.8, 4.6))
    since = (
        f"less than {level:g} above the centre"
        if from_own_centre
        else f"below {level:g}"
    )
    title = f"{since}, within ±{reach:g}, seed {seed}"
    against_width(panel, part_below(level, reach, seed, from_own_centre), title)
    panel.set_ylim(-0.05, 1.05)
    panel.legend()
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The part of each of the eight planes below a chosen level, within a chosen range "
    "and for a chosen seed of directions, against width, with and without shortcuts."
)

# %%
levels, ranges = [0.3, 1.0, 2.1, 3.6], [settings.reach / 2, settings.reach]
how = {"level": levels, "reach": ranges, "seed": list(draws)}
lnb.explore(draw, alt=alt, from_own_centre=False, **how)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
parts = [part_below(1.0, settings.reach, seed, False) for seed in draws]
lnb.claim(
    "06-other-directions-agree",
    all(part[8, kind] > part[1, kind] for part in parts for kind in (True, False))
    and all(part[k, True] > part[k, False] for part in parts for k in widths[1:]),
    "Along each of three pairs of directions the basin of loss below 1 is wider at "
    "k = 8 than at k = 1, and from k = 2 on wider with shortcuts than without.",
    part_below_1_at_k_8_without_shortcuts=[part[8, False] for part in parts],
    part_below_1_at_k_8_with_shortcuts=[part[8, True] for part in parts],
)

# %% [markdown]
# **Notice**
#
# 1. Without shortcuts, the contours around k = 1 are uneven; around k = 8 they are closed and round.
# 2. With shortcuts, the basin of k = 1 is much smaller than the others. From k = 2 on, twice the channels no longer double it.
# 3. In the left panel at the start of this section, the dashed curve leaves the ground only where the solid one is already high.
# 4. In the middle panel there, measured from the networks' own centres, the order without shortcuts turns around: the dashed curve ends lower than it starts. The narrow plain networks sit high, at losses well above 1, on ground that rises slowly. It is flat, and they are bad.
#
# **Why.** Perhaps this: a neuron adds up what many channels say. If every weight is moved a little at random, the errors of many channels partly cancel, and the more channels there are, the better. A second reason is about the plot itself: of a random direction in a larger space, a smaller part points where the loss rises. Then some of the flatness belongs to the directions and not to the network; exercise 4 lets you measure it.
#
# **The paper's own numbers** (CIFAR-10, 300 epochs, ResNet-56; test error in %, Figure 6):

# %%
papers = {True: [5.89, 5.07, 4.34, 3.93], False: [13.31, 10.26, 9.69, 8.70]}
for shortcuts, row in papers.items():
    ours = [errors[k, shortcuts] for k in widths]
    print("with shortcuts" if shortcuts else "no shortcuts")
    for k, theirs, error in zip(widths, row, ours):
        print(
            f"    k = {k}: paper {theirs:5.2f}, ours (ResNet-20 on digits, six "
            f"epochs) {error:5.1f}"
        )

# %% [markdown]
# Both rows of the paper fall with k. It concludes that wide networks have flat, smooth basins, and that flatness goes with a lower test error. Our narrow networks have simply not finished learning, so that our errors say less about the landscape; notebook 07 takes this up.

# %% [markdown]
# ### On the paper's data
#
# ResNet-20 of three widths were trained on CIFAR-10, too, for 20 epochs; k = 1 means four channels here. Their planes ship with this package. Mind the range: ±1 here, ±0.5 above. (The paper has 56 layers, sixteen channels at k = 1, and 300 epochs.)
#
# > **Predict.** Here k = 1 has learned: it gets 71 to 75 % of the test images right. Is its basin as wide as that of k = 4 now?

# %%
roles = {1: "resnet-k1", 2: "resnet-k2", 4: "resnet20"}
jobs = {
    (k, kind): f"cpu-{role}-{kind}"
    for kind in ("shortcuts", "plain")
    for k, role in roles.items()
}
shipped = {which: lnb.gallery_result(job, "plane") for which, job in jobs.items()}

# %%
titles = {}
for (k, kind), job in jobs.items():
    error = 1 - lnb.gallery_result(job, "training").attrs["final_test_accuracy"]
    plain_or_not = "" if kind == "shortcuts" else ", no shortcuts"
    titles[k, kind] = f"k = {k}{plain_or_not}\ntest error {error:.1%}"

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours around three ResNet-20 without shortcuts, trained on CIFAR-10, range ±1."
    " At k = 1 a small basin with a pointed outline in high ground; at k = 4 a wide, "
    "rounder one."
)

# %%
without = {titles[k, "plain"]: shipped[k, "plain"] for k in roles}
lnb.show(side_by_side(without, 3), alt=alt)

# %%
low, rough = {}, {}
for (k, kind), p in shipped.items():
    low[k, kind] = float((p.loss < p.attrs["origin_loss"] + 1).mean())
    rough[k, kind] = lnb.roughness(p)
    print(
        f"k = {k}, {kind:9}  less than 1 above the centre: {low[k, kind]:4.0%}   "
        f"roughness {rough[k, kind]:.3f}"
    )

# %%
wider, smoother = (
    {kind: [numbers[k, kind] for k in roles] for kind in ("shortcuts", "plain")}
    for numbers in (low, rough)
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "06-width-widens-on-cifar10",
    all(row[-1] > 3 * row[0] for row in wider.values())
    and all(row[0] > 3 * row[-1] for row in smoother.values()),
    "On CIFAR-10, with shortcuts and without, the part of the plane less than 1 above"
    " its own centre is over three times as large at k = 4 as at k = 1, and the plane"
    " is less than a third as rough.",
    shipped=True,
    part_with_shortcuts=wider["shortcuts"],
    part_without=wider["plain"],
    roughness_with_shortcuts=smoother["shortcuts"],
    roughness_without=smoother["plain"],
)

# %% [markdown]
# (`landscape-nb figure 6 --preset gallery --out 6.png` draws both rows.) All six have learned now, though none to the end, and the narrow ones less far. Counted from each network's own centre, the wide network still has the wider basin. One draw of directions and of weights for each. Shortcuts hardly matter here: at 20 layers the paper, too, finds little difference.

# %% [markdown]
# ## 4 · Another way: every layer sees all before it
#
# A shortcut *adds* what came before to a layer's output. A DenseNet *keeps* it: every layer gets the outputs of all earlier layers of its group, side by side. The paper draws DenseNet-121 beside a ResNet-110 without shortcuts (Figure 4), and finds a smooth bowl.
#
# Ours has 28 layers and 46,000 weights, between the ResNet of k = 1 and that of k = 2. It gets the paper's learning rate of 0.1, more than three times that of the eight; each network is drawn as it ended.
#
# > **Predict.** It has no additions around its layers, and its channels are few. Does its plane look like the upper or the lower row?

# %%
dense = lnb.models.densenet(
    settings.groups, growth=settings.growth, **data.shape, seed=settings.seed
)
dense, _ = train(dense, lr=0.1)
dense_plane = plane(measure(dense), "DenseNet")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Three contour plots on the same levels: without shortcuts there is no "
    "basin below a loss of 1; with shortcuts and in the DenseNet there is "
    "a closed basin at the centre."
)

# %%
three = {
    "k = 2, no shortcuts": planes[2, False],
    "k = 2, with shortcuts": planes[2, True],
    "DenseNet": dense_plane,
}
lnb.show(side_by_side(three, 3), alt=alt)

# %%
dense_area = float((dense_plane.loss < 1).mean())
weights = {
    name: sum(p.numel() for p in net.parameters())
    for name, net in (("ResNet", nets[2, False]), ("DenseNet", dense))
}
for name, part in (("ResNet", area[2, False]), ("DenseNet", dense_area)):
    print(f"{name:9} {weights[name]:,} weights, below a loss of 1: {part:.0%}")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "06-dense-connections-help-too",
    dense_area > area[2, False] + 0.05
    and area[2, False] < 0.02
    and weights["ResNet"] > weights["DenseNet"],
    "A DenseNet has a basin of loss below 1 where a ResNet of more weights "
    "without shortcuts has none or hardly any.",
    part_below_1_densenet=dense_area,
    part_below_1_k_2_without_shortcuts=area[2, False],
    part_below_1_k_2_with_shortcuts=area[2, True],
)

# %% [markdown]
# The upper row. Adding and keeping have one thing in common: there is a way from the image to the answer, and back for the gradient, on which few layers lie. That may be the reason, or the learning rate: three times the rate alone takes this plain network from 51 % to 80 % of its training images (notebook 07, section 4).
#
# ### A DenseNet on the paper's data
#
# One of 22 layers was trained on CIFAR-10 for 20 epochs, beside the ResNets of section 3. It has about as many weights (72,000) as those of k = 2 (68,000). Mind the range: ±1.
#
# > **Predict.** All three have learned here. Is the DenseNet's plane the smoothest?

# %%
there = {
    "k = 2, no shortcuts": "cpu-resnet-k2-plain",
    "k = 2, with shortcuts": "cpu-resnet-k2-shortcuts",
    "DenseNet": "cpu-densenet",
}
dense_there, rough_there = {}, {}
for network, job in there.items():
    error = 1 - lnb.gallery_result(job, "training").attrs["final_test_accuracy"]
    p = lnb.gallery_result(job, "plane")
    dense_there[f"{network}\ntest error {error:.1%}"] = p
    rough_there[network] = lnb.roughness(p)
    print(f"{network:22} roughness {rough_there[network]:.3f}")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours around three networks trained on CIFAR-10, range ±1. Each has a closed "
    "basin at the centre, of about the same size; farther out, the DenseNet's contours "
    "are the roundest."
)

# %%
lnb.show(side_by_side(dense_there, 3), alt=alt)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
smoothness = list(rough_there.values())
lnb.claim(
    "06-densenet-is-smooth-on-cifar10",
    smoothness[0] > smoothness[1] > smoothness[2] and smoothness[0] > 2 * smoothness[2],
    "On CIFAR-10 the plane of a DenseNet is less than half as rough as that of a "
    "ResNet of as many weights without shortcuts; with shortcuts, it lies in between.",
    shipped=True,
    roughness_without_shortcuts_with_them_and_densenet=smoothness,
)

# %% [markdown]
# It is. (One draw of weights and directions for each. The paper's DenseNet has 121 layers, and its picture is in three dimensions: `landscape-nb figure 4 --preset gallery --out 4.png` draws this one so.)
#
# ## 5 · Width to spare: pruning
#
# If a wide network's loss hardly minds random changes, some of its weights may not be needed. Pruning tests that: set the smallest weights of each layer to zero. In weight space this is one more step, in a direction that is not random.
#
# > **Predict.** Remove 40 % of each layer's weights, the smallest ones, and train no further. Which widths survive?

# %%
survives = lnb.predict(
    "With shortcuts, which width keeps the smallest part of its accuracy?",
    [f"k = {k}" for k in widths],
)
survives


# %%
def prune(weights, fraction):
    def cut(w):
        return w * (w.abs() >= w.abs().quantile(fraction)) if w.ndim > 1 else w

    return {name: cut(w) for name, w in weights.items()}


# %%
fractions = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def accuracies(objective):
    return [objective(prune(objective.origin, f))["accuracy"] for f in fractions]


kept = {which: accuracies(objective) for which, objective in objectives.items()}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Accuracy on the training images against the part of the weights "
    "removed, for four widths, with and without shortcuts. With shortcuts, "
    "k = 1 is the lowest up to half of the weights, and from 30 to 60 "
    "percent k = 8 keeps the highest accuracy. Without, all four fall "
    "steeply at 40 percent."
)

# %%
figure, panels = plotting.panels(2, size=(5.6, 4.4))
for panel, shortcuts in zip(panels, (True, False)):
    for k, stroke, colour in zip(
        widths, ("o:", "s-.", "^--", "D-"), ("#E69F00", "#56B4E9", "#D55E00", "#0072B2")
    ):
        panel.plot(
            fractions,
            kept[k, shortcuts],
            stroke,
            color=colour,
            markersize=7,
            linewidth=2.2,
            label=f"k = {k}",
        )
    panel.set(
        xlabel="part of each layer's weights removed", ylabel="accuracy", ylim=(0, 1.04)
    )
    panel.set_title(f"{'with' if shortcuts else 'no'} shortcuts")
    panel.grid(alpha=0.3)
panels[1].legend()
lnb.show(figure, alt=alt)

# %%
for k in widths:
    objective = objectives[k, True]
    (d,) = lnb.random_directions(nets[k, True], 1, seed=settings.seed)
    step = lnb.norm(
        lnb.towards(objective.origin, prune(objective.origin, 0.4))
    ) / lnb.norm(d)
    losses = [
        objective(at)["loss"]
        for at in (
            prune(objective.origin, 0.4),
            lnb.move(objective.origin, [d], [step]),
        )
    ]
    print(
        f"k = {k}: a step of {step:.2f}; loss when pruned {losses[0]:.2f}, "
        f"after a random step {losses[1]:.2f}"
    )

# %% [markdown]
# A step of pruning is short, but it costs more than a random step of the same length: compare the two losses in each line. It is not a random step: it pulls every filter towards zero; the frozen statistics of batch norm may no longer fit.

# %%
point = fractions.index(0.4)
lasting = [kept[k, True][point] / kept[k, True][0] for k in widths]
survives.reveal(survives.choices[lasting.index(min(lasting))])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "06-wide-nets-can-be-pruned",
    lasting[-1] > lasting[0] and lasting[-1] > 0.7,
    "With shortcuts, the widest network keeps more of its accuracy than "
    "the narrowest when 40 % of its weights go.",
    part_of_the_accuracy_kept_for_k_1_2_4_8=lasting,
)

# %% [markdown]
# With shortcuts the wider networks keep the larger part here, though one had not finished learning, k = 1. Without shortcuts even the two widest lose nearly half of their accuracy, and the two narrowest more than half. With another seed the order changes, and k = 2 may come first (see the claim); only k = 1 was last each time: this is a hint, not a law.

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · The price of width** (●○○, 3 minutes). By which factor does the number of weights grow from k = 1 to k = 8? Guess first, then count.

# %%
narrow, wide = nets[1, True], nets[8, True]

my_factor = ...
exercises.check_weight_growth(my_factor, narrow, wide)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def count(model):
#     return sum(p.numel() for p in model.parameters())
#
# my_factor = count(wide) / count(narrow)
# ```
# A convolution has inputs × outputs × 9 weights, so twice the channels make four times the weights.
# </details>
#
# **2 · Prune by hand** (●●○, 8 minutes). Set the smaller half of the weights to zero in every tensor with more than one dimension, each with its own threshold. The result is a dict like `weights`.

# %%
weights = lnb.parameters_of(nets[8, True])

my_weights = ...
exercises.check_pruned(my_weights, weights, 0.5)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_weights = {
#     name: w * (w.abs() >= w.abs().median()) if w.ndim > 1 else w for name, w in weights.items()
# }
# ```
# </details>
#
# **3 · One seed is not evidence** (●○○, 5 minutes). Evaluate the plane of k = 8 without shortcuts along directions of another seed, 9 × 9 points. Which part of *that* plane lies below 1?

# %%
my_plane = ...
my_area = ...
exercises.check_area_below(my_area, my_plane, 1)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# directions = lnb.random_directions(nets[8, False], 2, seed=7)
# my_plane = lnb.evaluate_plane(objectives[8, False], directions, (-0.5, 0.5), 9)
# my_area = float((my_plane.loss < 1).mean())
# ```
# </details>
#
# **4 · The network or the direction?** (●●●, 15 minutes). A random direction has little to do with the few directions in which the loss bends most. For k = 2 with shortcuts, divide the largest eigenvalue of the Hessian (`lnb.extreme_eigenvalues`; `tolerance=0.01` is enough) by the curvature along the random direction `d` (`lnb.curvature_along`). Then do the same for k = 8.

# %%
objective = objectives[2, True]
(d,) = lnb.random_directions(nets[2, True], 1, seed=settings.seed)

my_ratio = ...
exercises.check_curvature_gap(my_ratio, objective, d)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_ratio = lnb.extreme_eigenvalues(objective, tolerance=0.01).max / lnb.curvature_along(objective, d)
# ```
# The plane shows an average over very many nearly flat directions. Is the ratio larger for k = 8? Then more of the flatness belongs to the direction.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **Width alone.** Twice the channels are four times the weights, and after the same epochs the wide networks have come further. The middle panel of section 3 takes out the depth of the bottom and turns the order around without shortcuts, because those networks stand at different stages of training.
# - **The sharpest directions.** In a space of many more dimensions a random direction may look flatter for that reason alone (exercise 4).
# - **That pruning needs flatness.** Small weights may be small because they do little; the pruned direction is chosen, the plane's are random.
# - **Why a DenseNet is smooth.** Ours differs from the ResNets in learning rate and number of layers as well; and the paper's DenseNet-121 on CIFAR-10 takes days (the full preset trains it).
# - **Scale.** Twenty layers, 4 to 32 channels, mostly digits. The paper's are 56 layers with 16 to 128 channels on CIFAR-10, trained for 300 epochs.
#
# ## To discuss
#
# 1. A wide network pruned to the size of a narrow one often does better than the narrow one trained from scratch. What would you draw to find out why?
# 2. Fair comparison: same epochs, same computing time, same number of weights, or same training loss? What would each choice show here?
# 3. In the limit of infinite width the loss along training becomes nearly quadratic. What would this notebook's figures look like there?
#
# ## Take away
#
# - Width widens the basin of low loss of a plain network. On CIFAR-10 it also makes the plane smoother; on the digits the plane bends down at fewer points. There, with shortcuts, twice the channels no longer double the basin from k = 2 on; on CIFAR-10 they nearly do.
# - At every width on the digits the network with shortcuts has the wider basin below 1; on CIFAR-10, at 20 layers, the two hardly differ.
# - Before saying "flatter", ask how low the bottom is. A plateau is flat, too.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - S. Zagoruyko, N. Komodakis: *Wide Residual Networks*. BMVC 2016, [arXiv 1605.07146](https://arxiv.org/abs/1605.07146).
# - J. Frankle, M. Carbin: *The Lottery Ticket Hypothesis*. ICLR 2019, [arXiv 1803.03635](https://arxiv.org/abs/1803.03635).
