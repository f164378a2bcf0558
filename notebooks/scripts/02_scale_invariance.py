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
# # 02 · ReLU and batch norm make sharpness arbitrary
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/02_scale_invariance.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/02_scale_invariance.ipynb)
#
# **Question.** If the loss rises steeply when we nudge the weights of a network, is its minimum sharp?
#
# ![Two panels. Left: along an un-normalized random direction, three networks that compute the same function have loss curves from flat to steep. Right: along the filter-normalized direction their curves coincide.](images/02_scale_invariance.png)
#
# *The three curves on the left belong to networks that give the same answer to every image. On the right the same three are drawn along filter-normalized directions: you see one curve, because they coincide.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | change a trained network's weights without changing what it computes; see its plot change; repair the plot |
# | **You need** | PyTorch's `nn.Module`; what ReLU and batch norm do |
# | **In the paper** | Li et al. (2018), section 3, "scale invariance", and section 4 |
# | **Takes** | 0.3 minutes, 0.9 GB of memory, measured on two fast cores limited to AVX2; an old laptop takes up to three times as long |

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
import torch

import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": seconds, on scikit-learn's digits · "full": VGG-9 and the perceptron on
# CIFAR-10; it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "epochs": 12, "vgg_width": 0.25, "images": 200, "points": 25}
full = {"data": "cifar10", "epochs": 300, "vgg_width": 1, "images": 5000, "points": 51}
settings = lnb.choose_preset(PRESET, quick=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]()
sample = data.subset(settings.images)

# %% [markdown]
# ## 1 · A network's weights are not its function
#
# We train a small perceptron with two hidden layers of 64 ReLU neurons, three times from different seeds. The first run is ours to play with; the others will tell whether what we see is luck.


# %%
def train(model, seed=settings.seed):
    return lnb.train(
        model, data, settings.epochs, batch_size=64, lr=0.05, seed=seed
    ).model


# %%
seeds = [3 * settings.seed + n for n in range(3)]  # another run's three are others
perceptrons = [train(lnb.models.mlp((64, 64), **data.shape, seed=s), s) for s in seeds]
perceptron = perceptrons[0]
lnb.Objective(perceptron, data, metrics={"accuracy": lnb.accuracy})()

# %% [markdown]
# A ReLU lets positive numbers through and stops the others, so relu(c·x) = c·relu(x) for every c > 0. Multiply the first layer (weights *and* biases) by c = 10 and divide the second layer's weights by 10.
#
# > **Predict.** Does the accuracy change? Does the loss? And which of the two networks has the longer weight vector?

# %%
changes = lnb.predict(
    "What changes, by more than rounding, when one layer is ten times as long?",
    ["nothing", "the loss alone", "the loss and the accuracy"],
)
changes

# %%
rescaled = lnb.rescale_relu(perceptron, "hidden.1", "hidden.3", 10.0)
images, labels = sample.train
with torch.no_grad():
    largest_change = (rescaled(images) - perceptron(images)).abs().max().item()
print(
    f"largest output {perceptron(images).abs().max().item():.1f}, largest "
    f"change of an output {largest_change:.1e}"
)

# %%
lengths = [lnb.norm(lnb.parameters_of(net)) for net in (perceptron, rescaled)]
apart = lnb.norm(lnb.towards(*map(lnb.parameters_of, (perceptron, rescaled))))
print(f"norms of the weights {lengths[0]:.1f} and {lengths[1]:.1f}, {apart:.1f} apart")
metrics = {"accuracy": lnb.accuracy}
now = lnb.Objective(rescaled, data, metrics=metrics)()
now

# %%
was = lnb.Objective(perceptron, data, metrics=metrics)()
differ = [abs(now[key] / was[key] - 1) > 1e-3 for key in ("loss", "accuracy")]
changes.reveal(changes.choices[sum(differ)])

# %% [markdown]
# Nothing changes but rounding. The two networks *are* the same function, at two points of weight space that lie far apart.

# %% [markdown]
# ## 2 · The same function, any sharpness
#
# Now draw the loss along a random direction d: at α it is the loss of the network with weights θ + α·d. `normalize="none"` takes d as it is drawn, N(0, 1) in every weight.
#
# > **Predict.** The direction is the same for both networks. Will the rescaled network's curve be the same, flatter or steeper?


# %%
def curve(model, normalize, reach):
    objective = lnb.Objective(model, sample, batch_size=settings.images)
    (direction,) = lnb.random_directions(model, 1, normalize=normalize, seed=0)
    return lnb.evaluate_line(objective, direction, (-reach, reach), settings.points)


def rescale_perceptron(c, model=perceptron):
    return lnb.rescale_relu(model, "hidden.1", "hidden.3", c)


# %%
factors = [0.1, 0.3, 1.0, 3.0, 10.0]
raw = {c: curve(rescale_perceptron(c), "none", 0.3) for c in factors}
for c in factors:
    print(f"c = {c:4}   loss at α = 0.3: {float(raw[c].loss[-1]):14,.2f}")

# %% [markdown]
# One function, five "sharpnesses". The reason: a step of about 0.3 in every weight is large for a layer whose weights have become ten times smaller, and small for one whose weights have grown. A plot along raw directions measures the weights' scale, and the scale can be chosen freely.

# %% [markdown]
# ## 3 · Batch norm: all layers at once
#
# Batch norm divides what a layer gives by its standard deviation over the data. So the scale of the layer *before* it does not matter: multiply a convolution by c, and its batch norm divides by c. (With frozen running statistics, these must be rescaled with it; `rescale_batch_norm` does that.) We train a small VGG-9 and rescale all of its convolutions at once.

# %%
vgg = lnb.models.vgg9(settings.vgg_width, **data.shape, seed=settings.seed)
vgg = train(vgg.to(settings.device))
layers = [
    name for name, m in vgg.features.named_children() if isinstance(m, torch.nn.Conv2d)
]
print(f"{len(layers)} convolutions")


# %%
def rescale_vgg(c):
    model = vgg
    for name in layers:
        model = lnb.rescale_batch_norm(
            model, f"features.{name}", f"features.{int(name) + 1}", c
        )
    return model


# %% [markdown]
# > **Predict.** For the perceptron, c made one layer larger and another smaller. Here every layer grows. What will the raw curve do as c grows from 0.1 to 10?

# %%
grows = lnb.predict(
    "As all convolutions grow by c, with the same outputs, the raw curve becomes",
    ["steeper", "flatter", "neither"],
)
grows

# %%
raw_vgg = {c: curve(rescale_vgg(c), "none", 0.1) for c in factors}
for c in factors:
    print(f"c = {c:4}   loss at α = 0.1: {float(raw_vgg[c].loss[-1]):14,.2f}")

# %%
rise = float(raw_vgg[10.0].loss[-1] / raw_vgg[0.1].loss[-1])
grows.reveal("flatter" if rise < 0.9 else "steeper" if rise > 1.1 else "neither")

# %% [markdown]
# ## 4 · The remedy: measure steps in units of the filter
#
# Filter normalization (the paper's section 4) rescales the direction, filter by filter, to the length of the filter it moves: d ← d · ‖w‖ / ‖d‖, where a filter is what feeds one neuron or one output channel. When the weights grow by c, so does the direction, and α becomes a *relative* step. Biases and batch norm's own parameters stay put.

# %%
normalized = {c: curve(rescale_perceptron(c), "filter", 1) for c in factors}
normalized_vgg = {c: curve(rescale_vgg(c), "filter", 1) for c in factors}
curves = {"perceptron": (raw, normalized), "VGG-9": (raw_vgg, normalized_vgg)}


# %%
def compare(pair, shown, title=""):
    figure, panels = plotting.panels(2)
    for panel, lines, name in zip(panels, pair, ("raw direction", "filter-normalized")):
        for number, c in enumerate(shown):
            plotting.draw_line(panel, lines[c], label=f"c = {c:g}", number=number)
        panel.set(title=title + name, yscale="log", ylim=(1e-3, 1e3))
        panel.legend(loc="lower left")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss along a raw and a filter-normalized direction, for the network "
    "and its rescaled twin."
)


# %%
def draw(c=10.0, network="perceptron"):
    return compare(curves[network], (1.0, c))


lnb.explore(draw, alt=alt, c=factors, network=list(curves))

# %% [markdown]
# **Notice**
#
# 1. At c = 1 both panels show the same network twice, so the curves coincide.
# 2. On the left the two curves part as soon as you move c, for the perceptron whether c grows or shrinks.
# 3. On the right they never part, although the networks' weights differ by a factor of up to ten.
#
# Here is the whole range at once:

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: along the raw direction the three rescaled VGG-9 networks have "
    "different curves, flatter for larger c. Right: along the "
    "filter-normalized direction the three curves coincide."
)

# %% tags=["answer"]
lnb.show(compare(curves["VGG-9"], (0.1, 1.0, 10.0), "VGG-9, "), alt=alt)

# %% [markdown]
# Seeing is one seed. Does it hold for all three perceptrons? We compare the loss at the ends of each curve before and after rescaling by 10.


# %%
def end_ratio(model, normalize, reach):
    before, after = (
        curve(m, normalize, reach).loss
        for m in (model, rescale_perceptron(10.0, model))
    )
    return (after[[0, -1]].mean() / before[[0, -1]].mean()).item()


# %% jupyter={"source_hidden": true} tags=["hide-input"]
raw_ratios = [end_ratio(model, "none", 0.3) for model in perceptrons]
normalized_ratios = [end_ratio(model, "filter", 1) for model in perceptrons]
lnb.claim(
    "02-raw-is-arbitrary",
    min(raw_ratios) > 2,
    "Rescaling by c = 10 more than doubles the loss at the ends of the raw curve.",
    ratio_for_each_seed=raw_ratios,
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "02-normalized-is-invariant",
    max(abs(r - 1) for r in normalized_ratios) < 1e-3,
    "Along filter-normalized directions, rescaling by c = 10 changes the "
    "ends of the curve by less than 0.1 %.",
    ratio_for_each_seed=normalized_ratios,
)

# %% jupyter={"source_hidden": true} tags=["hide-input"]
ends = [raw_vgg[c].loss[[0, -1]].mean().item() for c in (0.1, 10.0)]
lnb.claim(
    "02-batch-norm-flattens",
    ends[0] > ends[1],
    "Before batch norm, larger weights make the raw curve flatter, with "
    "the same outputs.",
    loss_at_the_ends_for_the_smallest_and_the_largest_c=ends,
)

# %% [markdown]
# **Why.** Let a network's layer 1 be scaled by c and layer 2 by 1/c. The filter-normalized direction is scaled in the same way, because ‖w‖ is. So θ + α·d of the rescaled network *is* the rescaled version of θ + α·d, for every α: the same function again, and the same loss. A raw direction stays as it is, and θ + α·d becomes another function.

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · Filter-normalize a direction yourself** (●○○, 5 minutes). Given `weights` and `direction`, two dicts with the same keys, make the filter-normalized direction: each slice along dimension 0 gets the norm of that slice of the weights; tensors of one dimension become zero.

# %%
weights = lnb.parameters_of(perceptron)
(direction,) = lnb.random_directions(perceptron, 1, normalize="none", ignore=None)

my_direction = ...
exercises.check_filter_normalized(my_direction, direction, weights)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def norms(tensor):
#     return torch.linalg.vector_norm(tensor, dim=1, keepdim=True)
#
# my_direction = {
#     name: d * norms(weights[name]) / norms(d) if d.ndim > 1 else torch.zeros_like(d)
#     for name, d in direction.items()
# }
# ```
# (`dim=1` is enough for a perceptron; a convolution's filters have three dimensions, `dim=(1, 2, 3)`.)
# </details>
#
# **2 · Hide the sharpness somewhere else** (●●○, 5 minutes). Rescale the *second* hidden layer (`"hidden.3"`) against the output layer (`"linear"`) by hand, with a factor of 5, on a copy of the network. Which biases must follow?

# %%
my_network = ...  # start from copy.deepcopy(perceptron)
exercises.check_same_function(my_network, perceptron, images)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# import copy
#
# my_network = copy.deepcopy(perceptron)
# with torch.no_grad():
#     my_network.hidden[3].weight *= 5
#     my_network.hidden[3].bias *= 5
#     my_network.linear.weight /= 5
# ```
# The bias of the scaled layer follows; the output layer's bias does not, because nothing after it is undone.
# </details>
#
# **3 · Read a value off the line** (●○○, 3 minutes). What is the loss of the perceptron at α = 0.5 along the filter-normalized direction with seed 0, on all of `data`?

# %%
objective = lnb.Objective(perceptron, data)
directions = lnb.random_directions(perceptron, 1, seed=0)

my_loss = ...
exercises.check_loss_at(my_loss, objective, directions, [0.5])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_loss = objective(lnb.move(objective.origin, directions, [0.5]))["loss"]
# ```
# </details>

# %% [markdown]
# ## What this does not show
#
# - Filter normalization undoes *this* freedom of scale. It is not invariant under every change of coordinates: other symmetries, and reparametrizations that are not rescalings, remain.
# - Zero directions for biases and batch norm hide how sensitive the network is to *them*.
# - A dead filter (all weights zero) gets no perturbation at all.
# - That a plot is comparable between networks does not mean that its flatness predicts the test error.
#
# ## To discuss
#
# 1. Weight decay makes weights smaller while training. What does it do to a raw plot of sharpness, if the network has batch norm?
# 2. Optimizers measure their steps in raw weights, too. Which of them would take the same path on the rescaled network?
# 3. Is there a rescaling that filter normalization does not undo? Think of a ReLU network without batch norm, and a factor of its own for each neuron.
#
# ## Take away
#
# - The same function lies at many points of weight space; sharpness along raw directions depends on which of them you hold.
# - Filter-normalized directions measure relative steps, and give one answer for all points that differ by a factor on a layer.
# - Draw curves of different networks in the same picture only after normalizing.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - L. Dinh, R. Pascanu, S. Bengio, Y. Bengio: *Sharp Minima Can Generalize For Deep Nets*. ICML 2017, [arXiv 1703.04933](https://arxiv.org/abs/1703.04933).
