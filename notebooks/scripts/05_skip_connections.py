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
# # 05 · Depth with and without skip connections
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/05_skip_connections.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/05_skip_connections.ipynb)
#
# **Question.** What changes around a plain network when it grows from 20 to 56 layers, and what do skip connections (shortcuts past the layers) change?
#
# ![Four contour plots of the loss. ResNet-20 and ResNet-56 with shortcuts lie in round bowls; without shortcuts the bowl of ResNet-20 is shallower and ResNet-56 sits on a high, uneven plateau.](images/05_skip_connections.png)
#
# *Loss around four trained networks, all on the same scales. Down the left column depth changes little. Down the right column, without shortcuts, the bowl dissolves.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | turn the paper's own pair around; train four networks; draw their loss planes on the same levels; measure roughness |
# | **You need** | notebook 02, or trust in filter normalization; what a residual block is |
# | **In the paper** | Li et al. (2018), section 6, Figures 1, 4 and 5 |
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
import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": about a minute, on scikit-learn's digits · "full": the paper's setting, on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
small = {"data": "digits", "train": 816, "epochs": 6, "batch": 48, "lr": 0.02}
quick = small | {"images": 100, "reach": 0.5, "points": 25, "depths": (20, 56)}
large = {"data": "cifar10", "train": 50_000, "epochs": 300, "batch": 128, "lr": 0.1}
full = large | {"images": 50_000, "reach": 1.0, "points": 51}
full |= {"depths": (20, 56, 110)}
settings = lnb.choose_preset(PRESET, quick=quick, gallery=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]().subset(settings.train)
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · The picture that made the paper famous
#
# Two networks of 56 layers, which the paper's authors trained on CIFAR-10 for 300 epochs and published: without shortcuts and with them. The surfaces are their training loss over a plane of filter-normalized random directions: range ±1, 51 × 51 points, the first 1,000 training images. The height is logarithmic, from 0.1 to 40 in both.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss surfaces of the authors' ResNet-56, on one scale. Without "
    "shortcuts: a ragged landscape of ridges and pits around a narrow "
    "ravine. With shortcuts: one smooth bowl."
)

# %%
shipped = lnb.shipped_planes("05")
shipped = {name: shipped[name] for name in ("ResNet-56, no shortcuts", "ResNet-56")}
pair = {"bottom": 0.1, "top": 40}
lnb.show_interactive(
    plotting.plotly_surface(shipped, turns=60, **pair),
    plotting.plot_surfaces(shipped, **pair),
    alt=alt,
)

# %% [markdown]
# In JupyterLab and on the course's pages, drag to turn them, or press *turn*. The data ship with this package; a computer with two cores needs about ten minutes for each (`lnb.progressive_plane`).
#
# > **Predict.** Is a deep plain network's landscape rough because it is deep, because it is plain, or because it trained badly? Note your answer; section 5 comes back to it.
#
# ## 2 · Four networks, live
#
# A ResNet adds the input of every second layer to its output: that is the shortcut. We build ResNet-20 and ResNet-56 with and without these additions. Nothing else differs: initialization, data, learning rate and number of epochs are the same.
#
# > **Predict.** After six epochs on the digits, which of the four networks will know its training images? Rank them.

# %%
kinds = {"": True, ", no shortcuts": False}
networks = {
    f"ResNet-{depth}{kind}": (depth, shortcuts)
    for depth in settings.depths
    for kind, shortcuts in kinds.items()
}
fewest = lnb.predict(
    "Which of the four knows the fewest of its training images?", list(networks)
)
fewest


# %%
def train(depth, shortcuts):
    model = lnb.models.resnet(depth, shortcuts, **data.shape, seed=settings.seed)
    model = model.to(settings.device)
    return lnb.train(
        model, data, settings.epochs, settings.batch, lr=settings.lr, seed=settings.seed
    )


runs = {name: train(*which) for name, which in networks.items()}

# %%
objectives = {
    name: lnb.Objective(
        run.model,
        sample,
        metrics={"accuracy": lnb.accuracy},
        batch_size=settings.images,
    )
    for name, run in runs.items()
}
accuracy = {name: objective()["accuracy"] for name, objective in objectives.items()}
accuracy

# %%
fewest.reveal(min(accuracy, key=accuracy.get))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
deep, plain = accuracy["ResNet-56"], accuracy["ResNet-56, no shortcuts"]
lnb.claim(
    "05-plain-deep-net-fails",
    deep > 0.9 and plain < 0.7,
    "With shortcuts, 56 layers learn their training images; without, they do not.",
    accuracy_with=deep,
    accuracy_without=plain,
)

# %% [markdown]
# The shallow plain network has learned part of its images, the deep plain one barely starts. Is it a matter of a few more epochs, or of the ground it walks on?

# %% [markdown]
# ## 3 · Four planes
#
# Around each trained network we draw the loss over a plane: at (α, β) it is the loss with weights θ + α·d₁ + β·d₂, where d₁ and d₂ are two random directions, rescaled filter by filter to the length of the weights. So α = 0.5 means: every filter is moved by half its own length.
#
# > **Predict.** How do the contour lines look around a network that trains well, and around one that does not?


# %%
def plane(name):
    directions = lnb.random_directions(
        runs[name].model, 2, normalize="filter", seed=settings.seed
    )
    extent, store = (-settings.reach, settings.reach), settings.store(f"05 {name}")
    return lnb.evaluate_plane(
        objectives[name], directions, extent, settings.points, store=store
    )


planes = {name: plane(name) for name in networks}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours of the training loss around four networks on the same "
    "levels. With shortcuts, ResNet-20 and ResNet-56 lie in round bowls "
    "that reach below 0.1. Without, the bowl of ResNet-20 is shallower, "
    "and ResNet-56 sits on an uneven plateau above 1."
)

# %% tags=["answer"]
lnb.show(plotting.plot_contours(planes), alt=alt)

# %% [markdown]
# All four panels share directions' seed, range, levels and colours; otherwise nothing could be compared. The levels are the paper's: 0.1, 0.6, …, 9.6. The two deep ones as surfaces, with height and colours of section 1 (the range is ±0.5 here, and ±1 there):

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "The two deep networks' planes as surfaces, with the height of section "
    "1: a high, lopsided trough without shortcuts, a deep funnel with them."
)

# %%
lnb.show(
    plotting.plot_surfaces({name: planes[name] for name in shipped}, **pair), alt=alt
)

# %% [markdown]
# A slice at constant β shows what the eye misses on a surface. Move it, and watch the deep plain network: is its slice a valley?


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = "Slices of the four planes along α at a chosen β, on a logarithmic axis."


# %%
def draw(beta=0.0, log_height=True):
    figure, (panel,) = plotting.panels(1, size=(8.5, 5))
    for number, (name, p) in enumerate(planes.items()):
        plotting.draw_line(
            panel, p.sel(beta=beta, method="nearest"), label=name, number=number
        )
    panel.set(
        yscale="log" if log_height else "linear",
        ylim=(2e-3, 2e2) if log_height else (0, 10),
        title=f"β = {beta:.2f}",
    )
    panel.legend(loc="lower left")
    return figure


betas = planes["ResNet-20"].beta.values.round(3).tolist()
lnb.explore(draw, alt=alt, beta=betas, log_height=True)

# %% [markdown]
# **Notice**
#
# 1. With shortcuts the two depths have almost the same bowl, down to a loss below 0.1.
# 2. Without them the minimum rises with depth, and at 56 layers the bottom is a plateau near the loss of guessing, ln 10 ≈ 2.3.
# 3. The deep plain network's contours are not round: they have dents and corners, and its slice at β = 0 is shallow.

# %% [markdown]
# ## 4 · How convex is it near the centre?
#
# At every inner point of a plane, second differences give its two curvatures. Where the smaller one is clearly negative (beyond 5 % of the larger one) the surface bends down in some direction. We count such points on our planes, which reach ±0.5.
#
# > **Predict.** What part of each plane bends down?

# %%
bends = {name: lnb.nonconvex_fraction(p) for name, p in planes.items()}
low = {name: float((p.loss < 1).mean()) for name, p in planes.items()}
for name in networks:
    print(
        f"{name:24} bends down at {bends[name]:4.0%} of the points; loss below "
        f"1 at {low[name]:4.0%}"
    )

# %% jupyter={"source_hidden": true} tags=["hide-input"]
with_, without = (
    [bends["ResNet-20" + tail], bends["ResNet-56" + tail]]
    for tail in ("", ", no shortcuts")
)
lnb.claim(
    "05-depth-without-shortcuts",
    without[1] > without[0] + 0.05,
    "Without shortcuts, the deeper network's plane bends down at more points.",
    fraction_at_depth_20=without[0],
    fraction_at_depth_56=without[1],
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "05-shortcuts-keep-convexity",
    max(with_) < 0.15 and with_[1] < without[1] / 2,
    "With shortcuts, the planes of both depths look convex almost everywhere.",
    fraction_at_depth_20=with_[0],
    fraction_at_depth_56=with_[1],
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
basin = low["ResNet-56"], low["ResNet-56, no shortcuts"]
lnb.claim(
    "05-shortcuts-keep-the-basin",
    basin[0] > 0.1 and basin[1] < 0.02,
    "With shortcuts, 56 layers have a wide basin of loss below 1; without, "
    "there is none.",
    fraction_with=basin[0],
    fraction_without=basin[1],
)

# %% [markdown]
# Mind what this counts: dents, however shallow. On a plateau, where hardly anything slopes, a little unevenness is enough (notebook 07 finds 75 % on a level sheet). So a large part does not yet say that the plane of the deep plain network is ragged; section 5 asks that.

# %% [markdown]
# **Why.** A likely reason, which nothing here measures: without shortcuts a signal passes through every layer's weights, one after the other, and so does every perturbation of them: relative errors multiply, and more so the more layers there are. With shortcuts a block adds a correction to a signal that passes by unchanged, and perturbations add up instead of multiplying. The paper reads a transition off its planes: shallow plain networks have nearly convex surroundings, and beyond some depth they turn chaotic, unless there are shortcuts.
#
# ## 5 · How rough is it?
#
# "Chaotic" is more than bending down: a chaotic surface is full of pits. Two numbers say it. `local_minima` counts the inner points that lie lower than all eight around them. `roughness` fits a smooth quadratic around each point, in log loss, and takes the root mean square of what is left over.
#
# > **Predict.** Which of the three measures tells the authors' two networks apart on the whole plane, and which hardly does?

# %%
blind = lnb.predict(
    "Which measure hardly differs between the authors' two networks?",
    ["bends down", "local minima", "roughness"],
)
blind

# %%
measures = {
    "bends down": lnb.nonconvex_fraction,
    "local minima": lnb.local_minima,
    "roughness": lnb.roughness,
}
both = {f"{name} (paper's)": p for name, p in shipped.items()}
both |= {f"{name} (ours)": p for name, p in planes.items()}
numbers = {
    name: [measure(p) for measure in measures.values()] for name, p in both.items()
}
print(f"{'':33}" + "".join(f"{name:>14}" for name in measures))
for name, found in numbers.items():
    print(f"{name:33}" + "".join(f"{number:14.3g}" for number in found))

# %%
rough, smooth = (numbers[f"{name} (paper's)"] for name in shipped)
ratios = {name: a / b for name, a, b in zip(measures, rough, smooth, strict=True)}
blind.reveal(min(ratios, key=ratios.get))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "05-shipped-planes-are-rough",
    rough[1] > 5 * smooth[1] and rough[2] > 3 * smooth[2],
    "Along the first pair of directions the authors' plane without shortcuts has over"
    " five times as many minima and over three times the roughness of the one with "
    "them.",
    shipped=True,
    minima_without_and_with=[rough[1], smooth[1]],
    roughness_without_and_with=[rough[2], smooth[2]],
)

# %% [markdown]
# How much bends down hardly differs: outside any basin a loss levels off, and that is counted too, in both. Our own planes have next to no pits: at this scale the deep plain network is stuck, not surrounded by chaos. On the authors' planes, inside ±0.5, the part that bends down does tell the two apart:

# %%
middle = {"alpha": slice(-0.5, 0.5), "beta": slice(-0.5, 0.5)}
{name: round(lnb.nonconvex_fraction(p.sel(middle)), 2) for name, p in shipped.items()}

# %% [markdown]
# All that was one pair of directions. The paper repeats the plot of the plain network along others (appendix). Here it is from above, along the first pair and three more.
#
# > **Predict.** Is each of them ragged?

# %%
repeats = [lnb.shipped_planes("05", seed) for seed in range(4)]
plain_planes = {
    f"directions {seed}": planes["ResNet-56, no shortcuts"]
    for seed, planes in enumerate(repeats)
}
figure = plotting.plot_contours(plain_planes, columns=4)
figure.set_size_inches(14, 3.8)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours of the authors' ResNet-56 without shortcuts along four pairs "
    "of directions, range ±1: a narrow hole or ravine in ragged ground each time, and "
    "no two alike."
)

# %%
lnb.show(figure, alt=alt)

# %%
for seed, both in enumerate(repeats):
    for name, p in both.items():
        print(
            f"directions {seed}, {name:24} local minima {lnb.local_minima(p):3}", end=""
        )
        print(f"   roughness {lnb.roughness(p):.3f}")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
minima = {
    name: [lnb.local_minima(planes[name]) for planes in repeats] for name in shipped
}
lnb.claim(
    "05-ragged-in-every-plane",
    all(a > 5 * b for a, b in zip(*minima.values(), strict=True)),
    "Along each of four pairs of directions the plain network's plane has "
    "over five times as many local minima as the other's.",
    shipped=True,
    minima_without_for_four_pairs=minima["ResNet-56, no shortcuts"],
    minima_with_for_four_pairs=minima["ResNet-56"],
)

# %% [markdown]
# Roughness differs in each pair, too, but less in directions 2: one plane does not give the number. Through the centre runs a ravine that is mostly narrower than the distance between two points of the grid. The grid sees it as a row of pits, so some of the minima are beads of one ravine. The slices below show it; their range is ±1, and ±0.5 in section 3.


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Slices along α at a chosen β through the planes of the authors' two "
    "networks: one valley with shortcuts; without, a narrow one between "
    "ragged walls."
)


# %%
def draw_shipped(beta=0.0):
    figure, (panel,) = plotting.panels(1, size=(8.5, 5))
    for name, p in shipped.items():
        number = list(networks).index(name)  # the colours of the figure in section 3
        plotting.draw_line(
            panel, p.sel(beta=beta, method="nearest"), label=name, number=number
        )
    panel.set(yscale="log", ylim=(3e-4, 3e2), title=f"β = {beta:.2f}")
    panel.legend(loc="lower left")
    return figure


lnb.explore(draw_shipped, alt=alt, beta=[round(b / 5, 1) for b in range(-5, 6)])

# %%
for name, p in shipped.items():
    reached, below = p.attrs["origin_loss"], float((p.loss < 1).mean())
    print(
        f"{name:24} loss {reached:.4f} at the centre, below 1 at {below:5.1%} "
        "of the points"
    )

# %% [markdown]
# Both networks learned: even the larger loss is far below that of guessing, 2.3, so "it did not train" does not explain it here. But it is more than 200 times the smaller one, so the two points are not equally good. The pictures show that their surroundings differ; they do not say which came first.

# %% [markdown]
# And without the depth? Two ResNet-20 were trained on CIFAR-10, for 20 epochs instead of the paper's 300, and ship with this package.
#
# > **Predict.** Is the plane of the plain ResNet-20 ragged, like that of the plain ResNet-56?

# %%
shallow = lnb.predict(
    "How rough is the plain ResNet-20's plane, beside the plain ResNet-56's?",
    ["about as rough", "clearly less rough", "less than a tenth as rough"],
)
shallow

# %%
twenty = {
    name: [lnb.gallery_result(job, part) for part in ("plane", "training")]
    for name, job in (
        ("ResNet-20, no shortcuts", "cpu-resnet20-plain"),
        ("ResNet-20", "cpu-resnet20-shortcuts"),
    )
}
for name, (p, training) in twenty.items():
    wrong = 1 - training.attrs["final_test_accuracy"]
    print(
        f"{name:24} test error {wrong:.1%}, local minima {lnb.local_minima(p)}", end=""
    )
    print(f", roughness {lnb.roughness(p):.4f}")

# %%
flat = [lnb.roughness(p) for p, _ in twenty.values()]
part = flat[0] / rough[2]
shallow.reveal(shallow.choices[int(part < 0.75) + int(part < 0.1)])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "05-twenty-layers-are-smooth-on-cifar10",
    max(flat) < rough[2] / 10
    and all(lnb.local_minima(p) == 1 for p, _ in twenty.values()),
    "On CIFAR-10, at 20 layers, the planes with shortcuts and without have one local "
    "minimum each, and less than a tenth of the roughness of the plain ResNet-56's.",
    shipped=True,
    roughness_at_20_layers_without_and_with=flat,
    roughness_at_56_layers_without=rough[2],
)

# %% [markdown]
# So missing shortcuts alone do not make a plane ragged: it takes depth as well, as in the paper. (One draw of weights and of directions each, and 20 epochs are not 300; `landscape-nb figure 5 --preset gallery --out 5.png` draws the planes.)

# %% [markdown] slideshow={"slide_type": "slide"}
# The paper's test errors (in %, Figure 5):
#
# | depth | with shortcuts | without |
# |---|---|---|
# | 20 | 7.37 | 8.18 |
# | 56 | 5.89 | 13.31 |
# | 110 | 5.79 | 16.44 |

# %% [markdown]
# Ours, on the digits:

# %%
{
    name: round(100 * (1 - run.history["test_accuracy"][-1]), 1)
    for name, run in runs.items()
}

# %% [markdown]
# Our plain networks get stuck at a far higher error than theirs. What carries over is that the plain network does worse at both depths, and more so at 56.

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · A coarser grid** (●○○, 5 minutes). Keep every second point of the authors' plane without shortcuts, in both directions. How many local minima does it have now, and why not a quarter as many?

# %%
whole = shipped["ResNet-56, no shortcuts"]
coarse = whole.isel(alpha=slice(None, None, 2), beta=slice(None, None, 2))

my_minima = ...
exercises.check_local_minima(my_minima, coarse)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_minima = lnb.local_minima(coarse)
# ```
# A quarter of the points, but about half of the minima: neighbours that are further apart are less alike, so more of the points are lower than all around them. A number of minima means little without its grid.
# </details>
#
# **2 · A point off the grid** (●○○, 5 minutes). What is the loss of ResNet-20 at α = 0.123, β = −0.2? (The directions are those of `plane`.)

# %%
objective = objectives["ResNet-20"]
directions = lnb.random_directions(runs["ResNet-20"].model, 2, seed=settings.seed)

my_loss = ...
exercises.check_loss_at(my_loss, objective, directions, [0.123, -0.2])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_loss = objective(lnb.move(objective.origin, directions, [0.123, -0.2]))["loss"]
# ```
# </details>
#
# **3 · A measure that depends on the grid** (●●●, 15 minutes). A simpler roughness: how far is log loss from the mean of its four neighbours, root mean square over the inner points? Compute it for the authors' plane with shortcuts. Then do it on every second point only, and compare with what `lnb.roughness` says of both. Why does a smooth bowl become "rougher"?

# %%
bowl = shipped["ResNet-56"]

my_rms = ...
exercises.check_neighbour_rms(my_rms, bowl)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# import numpy as np
#
# def neighbour_rms(plane):
#     h = np.log(plane.loss.values)
#     around = (h[:-2, 1:-1] + h[2:, 1:-1] + h[1:-1, :-2] + h[1:-1, 2:]) / 4
#     return float(np.sqrt(np.mean((h[1:-1, 1:-1] - around) ** 2)))
#
# my_rms = neighbour_rms(bowl)
# every_second = slice(None, None, 2)
# neighbour_rms(bowl.isel(alpha=every_second, beta=every_second))
# ```
# The mean of the neighbours misses a curved surface by its curvature times the spacing squared: twice the spacing, about four times the number (0.026 and 0.096). `lnb.roughness` fits the curvature first, and says 0.046 and 0.047.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **Cause and effect.** Our deep plain network hardly trained, and its plane is not ragged; the authors' was trained to a loss of 0.14, against 0.0006 with shortcuts, and its plane is. Did its landscape hold it back, or do we see the surroundings of a worse point? The picture alone cannot tell.
# - **All directions.** Two random directions out of 855,770. A surface that looks convex says that positive curvature dominates; a dent in it proves that negative curvature exists.
# - **Batch norm's part.** Its running statistics stay those of the centre, so that part of the ruggedness away from it is a mismatch of statistics.
# - **Scale.** 816 digits of 8×8 pixels and six epochs, and planes on 100 images. The paper's networks are these, its data and training are not.
#
# ## To discuss
#
# 1. Which experiment could tell whether the landscape makes training fail, or failed training ends in a rough place?
# 2. A shortcut adds the input to the output. What would you expect of one that adds half of it?
# 3. The levels were the paper's. Which levels would hide the difference between the two columns?
#
# ## Take away
#
# - On the digits the plain network's bowl is shallower at 20 layers, and a plateau at 56. Trained on CIFAR-10, the plain 56 layers lie in a narrow hole in ragged ground (29 to 55 pits, against 2 to 5 with shortcuts), and the plain 20 layers in a smooth bowl.
# - Comparing landscapes takes the same normalization, range, levels and seed in every panel, and a number beside the picture.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - K. He, X. Zhang, S. Ren, J. Sun: *Deep Residual Learning for Image Recognition*. CVPR 2016, [arXiv 1512.03385](https://arxiv.org/abs/1512.03385).
