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
# # 12 · Your own model
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/landscape-nb/landscape-nb/blob/main/notebooks/12_your_own_model.ipynb)
# [![Launch Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/landscape-nb/landscape-nb/main?urlpath=lab/tree/notebooks/12_your_own_model.ipynb)
#
# **Question.** How do I draw the landscape of *my* network, with my data and my loss, and how do I know that the picture is right?
#
# ![Contours of the loss of a small transformer in the plane that two training runs share. The path of SGD and the path of Adam start at the same point and end in different places.](images/12_your_own_model.png)
#
# *A small transformer learns the Zen of Python, once with SGD and once with Adam. Both paths, drawn in the one plane that shows most of the two together.*

# %% [markdown]
# | | |
# |---|---|
# | **You will** | draw the plane of a model, a loss and data of your own; of a transformer; of a checkpoint from elsewhere; and have your plot examined |
# | **You need** | notebook 05; for sections 3 and 5, notebooks 10 and 11; how to write a `nn.Module` and a training loop |
# | **In the paper** | all of it: the tools of Li et al. (2018), on networks of which most are not in it |
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
import codecs
import contextlib
import copy
import io
import tempfile
import textwrap
from pathlib import Path

# %%
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader

# %%
import landscape_nb as lnb
from landscape_nb import exercises, plotting

# %% tags=["parameters"]
# "quick": a minute, on digits and the Zen of Python · "full": longer, on CIFAR-10 and
# more text; it goes on where it was stopped
PRESET = "quick"

# %%
quick = {"data": "digits", "images": 600, "epochs": 12, "points": 21, "text": "zen"}
quick |= {"width": 32, "windows": 52}
full = {"data": "cifar10", "images": 50_000, "epochs": 200, "points": 51}
full |= {"text": "library", "width": 128, "windows": 500}
quick |= {"theirs": "ResNet-20", "jobs": 1}
full |= {"theirs": "ShuffleNet", "jobs": -1}
settings = lnb.choose_preset(PRESET, quick=quick, full=full)
data = lnb.datasets.LOADERS[settings.data]()

# %% [markdown]
# ## 1 · Any module, any batch, any loss
#
# Here is a network that no library foresees: it takes an image and answers twice, with the class and with a measurement (how much ink there is). Its data come in dicts from a `DataLoader`, and its loss is a sum: cross-entropy with smoothed labels, plus a squared error.


# %%
class TwoAnswers(nn.Module):
    def __init__(self, pixels, classes):
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
        )
        self.scores, self.ink = nn.Linear(64, classes), nn.Linear(64, 1)

    def forward(self, image):
        features = self.body(image)
        return {"scores": self.scores(features), "ink": self.ink(features)[:, 0]}


# %%
rows = [
    {"image": x, "label": y, "ink": x.mean()}
    for x, y in zip(*data.subset(settings.images).train)
]
loader = DataLoader(rows, batch_size=50, shuffle=True)
{name: tuple(tensor.shape) for name, tensor in next(iter(loader)).items()}


# %%
def criterion(answers, batch):
    scores = F.cross_entropy(answers["scores"], batch["label"], label_smoothing=0.1)
    return scores + F.mse_loss(answers["ink"], batch["ink"])


# %% [markdown]
# A plain training loop, which we shall use for all that follows. `lnb.Recorder` copies the network whenever the loop says so, and `trajectory()` gives a run that may stand wherever one of `lnb.train` does. (In your own code, `torch.optim` does what `update` does here. If your loop has written files already, `lnb.checkpoints("run/epoch_*.pt", model)` reads them as such a run.)


# %%
def descend(model, loss_of, batches, update, every):
    recorder, memory = lnb.Recorder(model), {}
    for step, batch in enumerate(batches, 1):
        loss = loss_of(model, batch)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for number, (weight, gradient) in enumerate(
                zip(model.parameters(), gradients)
            ):
                weight -= update(memory.setdefault(number, {}), gradient, step)
        if step % every == 0:
            recorder.record()
    return recorder.trajectory()


# %%
def sgd(memory, gradient, step, rate=0.05, momentum=0.9):
    memory["velocity"] = momentum * memory.get("velocity", 0) + gradient
    return rate * memory["velocity"]


# %%
def adam(memory, gradient, step, rate=3e-3, beta1=0.9, beta2=0.999):
    memory["mean"] = beta1 * memory.get("mean", 0) + (1 - beta1) * gradient
    memory["square"] = beta2 * memory.get("square", 0) + (1 - beta2) * gradient**2
    return (
        rate
        * memory["mean"]
        / (1 - beta1**step)
        / ((memory["square"] / (1 - beta2**step)).sqrt() + 1e-8)
    )


# %%
torch.manual_seed(settings.seed)
model = TwoAnswers(data.train[0][0].numel(), len(data.class_names))
batches = [batch for _ in range(settings.epochs) for batch in loader]
descend(
    model,
    lambda m, batch: criterion(m(batch["image"]), batch),
    batches,
    adam,
    every=1000,
)
print(f"{len(batches)} steps")

# %% [markdown]
# An `Objective` needs three things said of such a model: how to read a batch (`forward=`), what the loss is (`criterion=`, which gets the outputs and the batch), and what else is to be measured.
#
# > **Predict.** Is the loss 0 if every class is right and the ink exact?

# %%
zero = lnb.predict(
    "Is the loss 0 if every class is right and the ink exact?", ["yes", "no"]
)
zero

# %%
objective = lnb.Objective(
    model,
    loader,
    criterion,
    metrics={
        "accuracy": lambda answers, batch: lnb.accuracy(
            answers["scores"], batch["label"]
        )
    },
    forward=lambda model, batch: model(batch["image"]),
)
objective()

# %% [markdown]
# It is not. Smoothed labels ask for a probability of 0.91 on the right class and 0.01 on the nine others, and the entropy of that is a floor that no network can go below:

# %%
wanted = torch.full((10,), 0.01)
wanted[0] = 0.91
floor = float(-(wanted * wanted.log()).sum())
zero.reveal("no" if floor > 0 else "yes")

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "12-a-loss-has-its-own-floor",
    objective()["loss"] > floor and objective()["accuracy"] > 0.95,
    "With smoothed labels a network that is nearly always right still has "
    "a loss above 0.5.",
    floor=floor,
    loss=objective()["loss"],
    accuracy=objective()["accuracy"],
)

# %% [markdown]
# So the paper's levels (0.1, 0.6, 1.1, …) would waste the first, and lines at chosen steps above *your* floor say more. Everything else is as always.

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours of the sum of both losses around the network with two "
    "answers: one bowl, lowest near the centre, with lines from 0.6 up."
)

# %%
directions = lnb.random_directions(model, 2, seed=settings.seed)
own_plane = lnb.evaluate_plane(objective, directions, (-1, 1), settings.points)
own_levels = [floor + step for step in (0.1, 0.2, 0.5, 1, 2, 4)]
lnb.show(
    plotting.plot_contours(own_plane, levels=own_levels, title="Two answers, one loss"),
    alt=alt,
)

# %% [markdown]
# ## 2 · A transformer
#
# Now a network of another kind: it reads characters and predicts the next one. Python's standard library brings a text, which its author has put into the public domain: the Zen of Python.


# %%
def zen():
    with contextlib.redirect_stdout(
        io.StringIO()
    ):  # the module prints itself when it is imported
        import this
    return codecs.decode(this.s, "rot13")


# %%
def library():
    modules = [
        __import__(name)
        for name in ("argparse", "random", "textwrap", "statistics", "fractions")
    ]
    return "\n".join(
        thing.__doc__ or "" for m in modules for thing in (m, *vars(m).values())
    )


# %%
text = {"zen": zen, "library": library}[settings.text]()
characters = sorted(set(text))
print(f"{len(text)} characters, {len(characters)} different ones")


# %%
class Block(nn.Module):
    def __init__(self, width, heads=4):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        maps = (nn.Linear(width, width) for _ in range(4))
        self.query, self.key, self.value, self.out = maps
        inner, outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.feed = nn.Sequential(inner, nn.ReLU(), outer)

    def attend(self, x):
        split = [
            f(x).unflatten(-1, (self.heads, -1)).transpose(-2, -3)
            for f in (self.query, self.key, self.value)
        ]
        scores = split[0] @ split[1].transpose(-1, -2) / split[0].shape[-1] ** 0.5
        future = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(future, -torch.inf).softmax(-1) @ split[2]
        return self.out(mixed.transpose(-2, -3).flatten(-2))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.feed(self.norm2(x))


# %%
LENGTH = 32  # characters that it sees


class Writer(nn.Module):
    def __init__(self, kinds, width, blocks=2):
        super().__init__()
        self.letters, self.places = (
            nn.Embedding(kinds, width),
            nn.Embedding(LENGTH, width),
        )
        self.blocks = nn.Sequential(
            *(Block(width) for _ in range(blocks)), nn.LayerNorm(width)
        )
        self.scores = nn.Linear(width, kinds, bias=False)
        for table in (self.letters, self.places):
            nn.init.normal_(table.weight, std=0.1)
        self.scores.weight = self.letters.weight  # tied: one tensor, used twice

    def forward(self, codes):
        x = self.letters(codes) + self.places(
            torch.arange(codes.shape[-1], device=codes.device)
        )
        return self.scores(self.blocks(x))


# %%
codes = torch.tensor([characters.index(c) for c in text])
windows = codes.unfold(0, LENGTH + 1, 1)
inputs, targets = windows[:, :-1], windows[:, 1:]
steps = 30 * settings.epochs


# %%
def next_letter(outputs, targets):
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


# %%
def write(seed, update):
    torch.manual_seed(seed)
    writer = Writer(len(characters), settings.width)
    picks = [torch.randint(len(inputs), (32,)) for _ in range(steps)]

    def loss_of(model, rows):
        return next_letter(model(inputs[rows]), targets[rows])

    return writer, descend(writer, loss_of, picks, update, every=settings.epochs)


# %%
writer, by_adam = write(settings.seed, adam)
_, by_sgd = write(settings.seed, sgd)

# %% [markdown]
# (Where data are pairs of inputs and targets, as here, `lnb.train(writer, (inputs, targets), criterion=next_letter, record=1)` does all that, and caches it. The loop above works for anything.)
#
# Filter normalization gives each slice of a direction along a tensor's first dimension the length of the same slice of the weights. It knows no layers, only tensors, so look at yours: is a slice along dimension 0 what *feeds one unit*? In a `Linear` it is one neuron's row; in an `Embedding` it is one letter's vector. A table of positions stored with the shape (1, 32, 32) would be a single "filter".
#
# > **Predict.** Which share of the transformer's weights does a direction move, if biases and the gains of layer norm stay put? And how often is the tied tensor in the list?

# %%
(direction,) = lnb.random_directions(writer, 1, seed=settings.seed)
for name, d in list(direction.items())[:8]:
    print(
        f"{name:24} {tuple(d.shape)!s:10} "
        f"{f'{len(d)} filters' if d.any() else 'stays put'}"
    )
print(
    f"… {len(direction)} tensors; scores.weight in the list: "
    f"{'scores.weight' in direction}"
)

# %% [markdown]
# The tied tensor is one parameter, under its first name, `letters.weight`: where a direction moves it, inputs and outputs move together, as in training. (Exercise 2 counts the share that moves.)
#
# Attention has a freedom of scale of its own: what a query multiplies, a key can divide. The transformer computes the same, and so its picture should be the same.


# %%
def rescaled(c):
    model = copy.deepcopy(writer)
    with torch.no_grad():
        for block in list(model.blocks)[:-1]:
            for factor, layer in ((c, block.query), (1 / c, block.key)):
                layer.weight *= factor
                layer.bias *= factor
    return model


# %%
def curve(model, normalize, reach):
    objective = lnb.Objective(model, sample, next_letter, batch_size=16)
    (d,) = lnb.random_directions(model, 1, normalize=normalize, seed=settings.seed)
    return lnb.evaluate_line(objective, d, (-reach, reach), 21)


# %%
spread = torch.linspace(0, len(inputs) - 1, settings.windows).long()
sample = (inputs[spread], targets[spread])
curves = {
    how: {f"c = {c:g}": curve(rescaled(c), how, reach) for c in (1, 10)}
    for how, reach in (("none", 0.05), ("filter", 1))
}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Loss along a raw and a filter-normalized direction for the "
    "transformer and its rescaled twin: on the left the curves part, on "
    "the right they coincide."
)

# %%
figure, panels = plotting.panels(2)
top = 1.05 * max(
    float(line.loss.max()) for pair in curves.values() for line in pair.values()
)
for panel, (how, pair) in zip(panels, curves.items()):
    for number, (name, line) in enumerate(pair.items()):
        plotting.draw_line(panel, line, label=name, number=number)
    panel.set(
        title={"none": "raw direction", "filter": "filter-normalized"}[how],
        ylim=(0, top),
    )
    panel.legend()

lnb.show(figure, alt=alt)

# %%
end_ratios = {
    how: [float(b / a) for a, b in zip(*(line.loss[[0, -1]] for line in pair.values()))]
    for how, pair in curves.items()
}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "12-attention-is-normalized",
    min(end_ratios["none"]) > 1.2
    and max(abs(r - 1) for r in end_ratios["filter"]) < 0.01,
    "Rescaling queries against keys changes the raw curve, and leaves the "
    "filter-normalized one as it is.",
    loss_at_the_ends_raw_after_over_before=end_ratios["none"],
    loss_at_the_ends_normalized_after_over_before=end_ratios["filter"],
)

# %% [markdown]
# ## 3 · Two optimizers, one plane
#
# SGD and Adam started from the same weights and saw the same windows of text in the same order. A plane of each run's own would hide how they differ; `shared_plane` takes the principal components of all points together, the directions in which they vary most (notebook 10). Its origin is the end of the first run, here Adam's.
#
# > **Predict.** Do both runs end in the same place?

# %%
pca = lnb.shared_plane([by_adam, by_sgd])
paths = {
    name: lnb.project(run, pca.directions, pca.origin)
    for name, run in (("Adam", by_adam), ("SGD", by_sgd))
}
print("share of the variance in the plane:", pca.explained_variance_ratio.round(3))


# %%
writer_objective = lnb.Objective(
    writer, sample, next_letter, {"accuracy": lnb.accuracy}, batch_size=16
)
extent = lnb.extent_of(list(paths.values()), margin=0.2)
terrain = lnb.evaluate_plane(
    writer_objective, pca.directions, extent, settings.points + 6, origin=pca.origin
)
letter_levels = (0.2, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 10)


# %%
def both_paths(panel, until=None):
    filled = plotting.draw_contours(panel, terrain, levels=letter_levels)
    for name, path in paths.items():
        plotting.draw_path(panel, path, until)
        style = {
            "textcoords": "offset points",
            "color": "white",
            "fontsize": 15,
            "weight": "bold",
            "ha": "center",
        }
        panel.annotate(name, (path.alpha[-1], path.beta[-1]), (0, 12), **style)
    return filled


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours of the transformer's loss in the plane that two runs share. "
    "From one start, marked by a square, the paths of SGD and Adam lead to "
    "two ends, marked by stars, that lie apart."
)

# %% tags=["answer"]
figure, (panel,) = plotting.panels(1, size=(8.5, 6))
filled = both_paths(panel)
figure.colorbar(filled, ax=panel, label="loss", format=lambda x, _: f"{10**x:.3g}")
panel.set(xlabel="first principal component", ylabel="second principal component")

lnb.show(figure, alt=alt)

# %%
starts, finals = ([run.points[i] for run in (by_adam, by_sgd)] for i in (0, -1))
ends = [writer_objective(point)["loss"] for point in finals]
moves = [lnb.towards(start, final) for start, final in zip(starts, finals)]
apart = lnb.norm(lnb.towards(*finals)) / max(map(lnb.norm, moves))

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "12-two-optimizers-two-places",
    max(ends) < 1 and apart > 0.5,
    "Both optimizers learn the text, and end more than half as far from "
    "each other as from where they started.",
    loss_of_adam_and_sgd=ends,
    distance_of_the_ends_over_the_longer_way=apart,
)

# %% [markdown]
# How much does the picture leave out? All networks on the two paths but the origin may lie off the plane; `plane_gap` compares their loss with the contours under them.

# %%
gaps = [
    lnb.plane_gap(writer_objective, run, pca.directions, pca.origin)
    for run in (by_adam, by_sgd)
]
for name, gap in zip(paths, gaps):
    print(
        f"{name:5} loss at the end {float(gap.loss[-1]):.2f}, in the plane "
        f"under it {float(gap.plane_loss[-1]):.2f}"
    )

# %% [markdown]
# A transformer can also say where it is. Move along the two runs, and read what the network at that point writes when it is given the first words of the text.


# %%
def continuation(point, start=text[:LENGTH], letters=60):
    model = copy.deepcopy(writer)
    model.load_state_dict(point | {"scores.weight": point["letters.weight"]})
    written = start
    for _ in range(letters):
        seen = torch.tensor([[characters.index(c) for c in written[-LENGTH:]]])
        with torch.no_grad():
            written += characters[int(model(seen)[0, -1].argmax())]
    return written


# %%
stops = list(range(0, 31, 3))
written = {
    name: {stop: continuation(run.points[stop]) for stop in stops}
    for name, run in (("Adam", by_adam), ("SGD", by_sgd))
}
for name, texts in written.items():
    for stop in (0, 6, 15, 30):
        print(f"{name:5} step {stop * settings.epochs:3}  {texts[stop][LENGTH:]!r}")


# %%
def draw(optimizer="Adam", point=30):
    figure, (left, right) = plotting.panels(2, size=(5.8, 4.6))
    both_paths(left, until=point)
    left.set(xlabel="first principal component", ylabel="second principal component")
    gap = gaps[list(paths).index(optimizer)]
    right.axis("off")
    lines = textwrap.fill(written[optimizer][point], 34, replace_whitespace=False)
    right.text(0, 0.95, lines, family="monospace", fontsize=14, va="top")
    right.set_title(
        f"{optimizer}, step {point * settings.epochs}: loss "
        f"{float(gap.loss[point]):.2f}"
    )
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Left: both paths up to a chosen point. Right: what the network at "
    "that point writes."
)

# %%
lnb.explore(draw, alt=alt, optimizer=["Adam", "SGD"], point=stops)

# %% [markdown]
# **Notice**
#
# 1. Both paths start at the square and part at once.
# 2. The texts change along the paths, as the printed lines show: from nonsense at step 0 to sentences of the Zen of Python in Adam's last line of the run shown; SGD comes as far as words and pieces of them.
# 3. Adam's end is the plane's origin, and its contour is its loss. SGD's end lies off the plane: its loss is lower than the contour under it, as the gap says.
#
# **Why.** SGD's step is proportional to the gradient (here with momentum); Adam divides every weight's step by the size of its own past gradients, so that weights with small gradients (rare letters, say) move about as fast as others. The two follow different ways down the same landscape, and each ends at a low loss. Whether a low path joins the two ends, this one plane cannot say.

# %% [markdown]
# ## 4 · A checkpoint from elsewhere
#
# Somebody sends a file of weights and names the architecture. Here we play both roles and need no download. They trained in parallel on several GPUs (`nn.DataParallel`), so PyTorch put `module.` before every name. (The full preset takes an architecture of torchvision's instead; the cells are the same.)


# %%
def architecture(seed=0):
    if settings.theirs == "ResNet-20":
        return lnb.models.resnet(20, **data.shape, seed=seed)
    from torchvision.models import shufflenet_v2_x0_5  # 160 MB of memory

    torch.manual_seed(seed)
    return shufflenet_v2_x0_5(num_classes=len(data.class_names))


# %%
def accuracy(net):
    return lnb.Objective(
        net, data.test, metrics={"accuracy": lnb.accuracy}, batch_size=200
    )()["accuracy"]


# %%
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "theirs.safetensors"
theirs = lnb.train(
    architecture(settings.seed),
    data,
    (settings.epochs + 1) // 2,
    64,
    lr=0.02,
    seed=settings.seed,
)
save_file(
    {f"module.{name}": tensor for name, tensor in theirs.model.state_dict().items()},
    file,
)
reported = accuracy(theirs.model)
print(
    f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, accuracy as they "
    f"report it {reported:.1%}"
)

# %% [markdown]
# > **Predict.** Loading with `strict=False` gives no error. What will the accuracy be?

# %%
as_loaded = lnb.predict(
    "What is the accuracy after loading with strict=False?",
    ["the reported one", "a few points less", "that of guessing"],
)
as_loaded

# %%
careless, careful = architecture(1), architecture(1)
careless.load_state_dict(load_file(file), strict=False)
careful.load_state_dict(
    {name.removeprefix("module."): tensor for name, tensor in load_file(file).items()}
)
loaded = {
    name: accuracy(net) for name, net in (("careless", careless), ("careful", careful))
}
loaded

# %%
lost = reported - loaded["careless"]
as_loaded.reveal(as_loaded.choices[int(lost > 0.001) + int(loaded["careless"] < 0.3)])

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "12-check-before-you-draw",
    loaded["careless"] < 0.3 and loaded["careful"] == reported > 0.8,
    "The carelessly loaded network guesses, without any error; the other "
    "has the reported accuracy.",
    accuracy_careless=loaded["careless"],
    accuracy_careful=loaded["careful"],
    accuracy_reported=reported,
)

# %% [markdown]
# The first cell after loading is a measurement: does the network do what its makers say? Only then is there something to draw.
#
# Somebody else's network may be large, and its plane slow. `progressive_plane` measures from coarse to fine, where the surface bends, and yields what it has: each time a whole plane, with an estimate of its error. Draw them as they come, and stop when you have seen enough.

# %%
theirs_objective = lnb.Objective(careful, data.subset(100), batch_size=100)
directions = lnb.random_directions(careful, 2, seed=settings.seed)
stages = list(
    lnb.progressive_plane(theirs_objective, directions, (-0.5, 0.5), 25, error=0.02)
)
chosen = [stages[0], stages[len(stages) // 2], stages[-1]]
named = {
    f"{int(p.measured.sum())} points, error {p.estimated_error:.2g}": p for p in chosen
}

# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours of the loss around the network that was loaded, from coarse "
    "to fine: the same round bowl each time, whose bottom is below 0.1, "
    "ever more exactly."
)

# %%
lnb.show(
    plotting.plot_contours(
        named, columns=3, points=True, title=f"Somebody's {settings.theirs}"
    ),
    alt=alt,
)

# %% [markdown]
# For the networks that the paper's authors released there is `lnb.load_authors_checkpoint`; it takes the `module.` away, and reads depth, width and skip connections off the file.

# %%
released = lnb.datasets.data_directory() / "resnet56.t7"
if released.exists():
    found = lnb.load_authors_checkpoint(released)
    print(f"{sum(p.numel() for p in found.parameters()):,} weights")
else:
    print("put the authors' resnet56.t7 into", released.parent.name, "to read it")

# %% [markdown]
# ## 5 · Is the picture right?
#
# `lnb.diagnose` looks at the measured values for what makes a plot mislead (notebook 11). It cannot prove a picture right, but it finds known mistakes. Here is one of the transformer as it might come out at the first try: raw directions, a range that somebody guessed.

# %%
raw = lnb.random_directions(writer, 2, normalize="none", seed=settings.seed)
first_try = lnb.evaluate_plane(writer_objective, raw, (-0.005, 0.005), 7)
lnb.diagnose(first_try)

# %%
normalized = lnb.random_directions(writer, 2, seed=settings.seed)
second_try = lnb.evaluate_plane(writer_objective, normalized, (-1, 1), settings.points)
lnb.diagnose(second_try)

# %%
found = [
    [f.code for f in lnb.diagnose(p) if f.severity != "note"]
    for p in (first_try, second_try)
]

# %% jupyter={"source_hidden": true} tags=["hide-input"]
lnb.claim(
    "12-diagnose-finds-it",
    {"too-narrow", "un-normalized"} <= set(found[0]) and not found[1],
    "The first try is found too narrow and un-normalized; in the second "
    "nothing is found but notes.",
    problems_and_warnings=[len(codes) for codes in found],
)

# %% [markdown]
# A large plane can take hours, and computers are switched off. With `store=` every finished piece is kept; the same call goes on where it stopped, and anything measured with other weights, data or settings is refused. With `n_jobs=` the pieces are shared among processes (each loads PyTorch into memory of its own; the quick preset uses one).

# %%
keep = {
    "store": Path(folder.name) / "plane.zarr",
    "n_jobs": settings.jobs,
    "progress": False,
}
for attempt in ("at first", "again"):
    kept = lnb.evaluate_plane(
        writer_objective, normalized, (-1, 1), settings.points, **keep
    )
    print(f"{attempt:8} {kept.attrs['wall_time']:.2f} s")

# %%
try:
    lnb.evaluate_plane(theirs_objective, directions, (-1, 1), settings.points, **keep)
except ValueError as error:
    print(str(error).split(" (")[0].replace(folder.name, "…"))


# %% [markdown]
# Range and levels are choices. Move them, and watch how the same transformer looks flat or steep.


# %%
def zoom(reach=1.0, top=9.6):
    part = second_try.sel(
        alpha=slice(-reach - 1e-9, reach + 1e-9),
        beta=slice(-reach - 1e-9, reach + 1e-9),
    )
    figure, (panel,) = plotting.panels(1, size=(6.4, 5))
    levels = [0.1 + (top - 0.1) * n / 10 for n in range(11)]
    filled = plotting.draw_contours(panel, part, levels=levels)
    figure.colorbar(filled, ax=panel, label="loss", format=lambda x, _: f"{10**x:.3g}")
    grave = [f.code for f in lnb.diagnose(part, levels) if f.severity != "note"]
    panel.locator_params(nbins=5)
    panel.set_title(f"diagnosis: {', '.join(grave) or 'nothing but notes'}")
    return figure


# %% jupyter={"source_hidden": true} tags=["hide-input"]
alt = (
    "Contours of the transformer's loss with a chosen range and highest "
    "level, and what diagnose says of it."
)

# %%
reaches = [round(float(a), 4) for a in second_try.alpha.values if a > 0]

lnb.explore(zoom, alt=alt, reach=reaches, top=[1.0, 2.0, 5.0, 9.6, 50.0])

# %%
lnb.predictions()

# %% [markdown]
# ## Exercises
#
# **1 · A loss of your own** (●●○, 8 minutes). Write cross-entropy with smoothed labels by hand: 0.9 of the target on the right class, and 0.1 spread evenly over *all* classes. It gets scores (n, classes) and labels (n,), and gives the mean over n.

# %%
my_criterion = ...
exercises.check_label_smoothing(my_criterion, 0.1)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_criterion(outputs, targets):
#     logs = F.log_softmax(outputs, 1)
#     right = logs.gather(1, targets[:, None])[:, 0]
#     return -(0.9 * right + 0.1 * logs.mean(1)).mean()
# ```
# </details>
#
# **2 · What moves** (●○○, 5 minutes). Which share of the transformer's weights does `direction` move?

# %%
my_share = ...
exercises.check_moving_share(my_share, direction)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# moved = sum(int((d != 0).sum()) for d in direction.values())
# my_share = moved / sum(d.numel() for d in direction.values())
# ```
# </details>
#
# **3 · Hold the rest still** (●●○, 8 minutes). How does the loss depend on *where the transformer looks*, that is, on queries and keys alone? Make a filter-normalized direction that moves only the weights with `query.weight` or `key.weight` in their names: `ignore=` takes a function that is True for names that stay put.

# %%
looking = [
    name
    for name in writer_objective.origin
    if "query.weight" in name or "key.weight" in name
]

my_direction = ...
exercises.check_moves_only(my_direction, writer_objective.origin, looking)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# (my_direction,) = lnb.random_directions(writer, 1, ignore=lambda name: name not in looking)
# ```
# </details>
#
# **4 · A plot that stands** (●●○, 10 minutes). Here is a plane of the network with two answers. Ask `lnb.diagnose`, and measure a plane of the same `objective` in which it finds no problem and no warning.

# %%
poor = lnb.evaluate_plane(
    objective, lnb.random_directions(model, 2, normalize="none"), (-3, 3), 7
)

my_plane = ...
exercises.check_sound_plane(my_plane, objective)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# directions = lnb.random_directions(model, 2)
# my_plane = lnb.evaluate_plane(objective, directions, (-1, 1), 11)
# ```
# </details>

# %% [markdown]
# ## What this does not show
#
# - **What your plane means.** Filter normalization knows tensors, not layers. Whether a slice along dimension 0 is a unit of *your* network, only you know.
# - **Gains and biases.** They stay put, also those of layer norm; how sensitive the network is to them is not in the picture (`ignore=None` moves them).
# - **That a plot is right.** `diagnose` knows the mistakes that it looks for, and no others.
# - **How a transformer generalizes.** This one is measured on the text that it was trained on. The optimizers were compared at one learning rate each.
#
# ## To discuss
#
# 1. Which freedoms of scale does your own architecture have, and does filter normalization undo them?
# 2. Two optimizers end in different places. What would you measure before saying that one place is better?
# 3. Which picture of your network would convince you that you were wrong?
#
# ## Take away
#
# - Any module, any batch, any loss: say how to read a batch, and what the loss is.
# - Before drawing, measure: does the loaded network do what it should?
# - Look at the list of tensors, choose levels above your loss's own floor, and ask `diagnose`.
#
# ## References
#
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the Loss Landscape of Neural Nets*. NeurIPS 2018, [arXiv 1712.09913](https://arxiv.org/abs/1712.09913).
# - A. Vaswani and others: *Attention Is All You Need*. NIPS 2017, [arXiv 1706.03762](https://arxiv.org/abs/1706.03762).
# - D. Kingma, J. Ba: *Adam: A Method for Stochastic Optimization*. ICLR 2015, [arXiv 1412.6980](https://arxiv.org/abs/1412.6980).
# - T. Peters: *The Zen of Python*. [PEP 20](https://peps.python.org/pep-0020/), 2004.
