"""Training as in the paper: SGD with Nesterov momentum or Adam, and learning-rate drops."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from landscape_nb._common.allocator import give_back
from landscape_nb._common.checks import check_choice, check_fraction, check_kind, check_positive, check_whole
from landscape_nb._common.progress import progress_bar
from landscape_nb._common.provenance import fingerprint, versions
from landscape_nb._common.rng import preserved_rng
from landscape_nb._common.schema import PRECISIONS
from landscape_nb.datasets import Augmentation, ImageData
from landscape_nb.objective.batches import batch_slices
from landscape_nb.objective.metrics import accuracy
from landscape_nb.objective.objective import Objective
from landscape_nb.objective.reductions import Metric
from landscape_nb.trajectories.captured import Captured
from landscape_nb.trajectories.run_files import (
    Expected,
    RunFiles,
    cache_directory,
    make_writable_cache,
    resume_name,
    state_name,
)
from landscape_nb.trajectories.training_log import TrainingLog, recorded_epochs
from landscape_nb.trajectories.trajectory import StateDict, Trajectory, snapshot
from landscape_nb.trajectories.updates import Updates
from landscape_nb.weights.copies import check_model, copied_model
from landscape_nb.weights.params import check_params, parameters_of

Pair = tuple[Tensor, Tensor]
"""Inputs of any shape, and their targets."""
PAPER_DROPS = (150 / 300, 225 / 300, 275 / 300)
_LAYOUT = torch.channels_last  # a third faster for convolutions on two cores
_TESTED_AT_ONCE = {"cpu": 128, "cuda": 512}
"""On a CPU, 512 samples at once take twice as long: large arrays get fresh memory each time. A GPU wants few calls."""
_READ_EVERY = 50
"""After how many updates a GPU's numbers are read: Python waits for them, and launches nothing meanwhile."""
_FEWEST_TO_RECORD = 20
"""Updates an epoch from which they are recorded: fewer are large, and a recording would hold their memory twice."""
_NET = "net/"
_RATES = {"sgd": 0.1, "adam": 1e-3}


def train(
    model: nn.Module,
    data: ImageData | Pair,
    epochs: int = 300,
    batch_size: int = 128,
    optimizer: Literal["sgd", "adam"] = "sgd",
    lr: float | None = None,
    weight_decay: float = 5e-4,
    momentum: float = 0.9,
    drops: Sequence[float] = PAPER_DROPS,
    augment: Augmentation | bool = True,
    record: int | Sequence[int] = (),
    criterion: Metric = F.cross_entropy,
    metrics: Mapping[str, Metric] | None = None,
    seed: int = 0,
    precision: Literal["full", "bfloat16"] = "full",
    cache: str | PathLike[str] | bool = True,
    progress: bool = True,
) -> Trajectory:
    """Train a copy of a model, as section 3.1 of Li et al. (2018) does by default.

    The run is cached under everything that determines it. A run that was interrupted goes on from its
    last finished epoch, and ends where an uninterrupted one ends; a damaged cache entry is reported
    with a warning and trained anew.

    Args:
        model: The network at its initial weights. It stays as it is; a copy is trained.
        data: An `ImageData`, or a pair (inputs, targets) without test data.
        epochs: Passes over the training data.
        batch_size: Samples a step.
        optimizer: `'sgd'` (Nesterov) or `'adam'`.
        lr: Initial learning rate; default 0.1 for SGD, 0.001 for Adam.
        weight_decay: Factor of the L2 penalty.
        momentum: Momentum of SGD.
        drops: When the learning rate is divided by ten, as fractions of the training; the default is
            the paper's epochs 150, 225 and 275 of 300.
        augment: How training images are varied; True means as the data say (digits: not at all).
        record: Epochs to record besides the initial and the final one; a number n means every nth.
        criterion: `criterion(outputs, targets)`, the mean loss of a batch.
        metrics: What else the history has, as functions of outputs and targets; default the accuracy.
        seed: Seed of the order of samples, of the augmentation and of dropout. (The initial weights
            are the model's.)
        precision: `'full'`, the model's own, or `'bfloat16'`: torch's autocast computes forward and backward
            passes in bfloat16, and keeps weights, updates and losses in float32. It is about twice as fast on
            processors that have bfloat16, and many times slower on others. Tests are in full precision.
        cache: A directory for cached runs; True means the one of `cache_directory`, False none.
        progress: Whether to show a progress bar.

    Returns:
        The run; its `model` is the trained network.

    Raises:
        ValueError: An argument is out of its range, or data and model do not fit.
        TypeError: An argument is of another kind.
        FloatingPointError: The loss, or a weight, became NaN or infinite.
        OSError: The cache directory cannot be written.

    Example:
        >>> from landscape_nb import datasets, models
        >>> data = datasets.digits().subset(200)
        >>> run = train(models.mlp(**data.shape), data, epochs=2, lr=0.05, cache=False, progress=False)
        >>> run.epochs, run.lr_drops, len(run.history["test_accuracy"])
        ([0, 2], [1], 2)
    """
    check_model("model", model)
    train_pair, test_pair, default = _parts(data)
    epochs, batch_size = check_whole("epochs", epochs, 1), check_whole("batch_size", batch_size, 1)
    _check_settings(optimizer, lr, weight_decay, momentum, drops)
    check_choice("precision", precision, PRECISIONS)
    _check_augment_and_cache(augment, cache)
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "lr": float(_RATES[optimizer] if lr is None else lr),
        "weight_decay": float(weight_decay),
        "momentum": float(momentum),
        "drops": drop_epochs(epochs, drops),
        "record": recorded_epochs(epochs, record),
        "seed": check_whole("seed", seed, 0),
        "precision": precision,
    }
    augmentation = default if augment is True else augment or None
    metrics = {"accuracy": accuracy} if metrics is None else metrics
    net = copied_model(model).train()
    check_params("model", parameters_of(net), parameters_of(net))
    if not any(p.requires_grad for p in net.parameters()):
        raise ValueError("model: none of its parameters is to be trained (requires_grad)")
    at_once = _TESTED_AT_ONCE.get(next(net.parameters()).device.type, 512)
    tried = test_pair or tuple(part[:at_once] for part in train_pair)
    tests = Objective(net, tried, criterion, metrics, batch_size=at_once)
    run = _Run(net, train_pair, tests, test_pair is not None, criterion, metrics, augmentation, settings)
    if cache is not False:
        key = fingerprint(model, train_pair, test_pair, criterion, metrics, augmentation, settings, versions())
        run.open(make_writable_cache(None if cache is True else cache, key))
    try:
        with preserved_rng():
            run.finish(progress)
    except KeyboardInterrupt:  # raised anew, as in `sweep`
        where = "; the same call goes on from its start" if cache is not False else ""
        raise KeyboardInterrupt(f"stopped in epoch {run.epoch + 1} of {epochs}{where}") from None
    trajectory = run.trajectory()
    del run, tests
    give_back()
    return trajectory


def drop_epochs(epochs: int, drops: Sequence[float] = PAPER_DROPS) -> list[int]:
    """After which epochs the learning rate is divided by ten.

    Example:
        >>> drop_epochs(300), drop_epochs(20), drop_epochs(1)
        ([150, 225, 275], [10, 15, 18], [])
    """
    return sorted({round(fraction * epochs) for fraction in drops} - {0, epochs})


class _Run:
    """A training run between two epochs, and what takes it one epoch further.

    An interrupted run ends bit for bit where an uninterrupted one ends. For that, an epoch depends on nothing but
    what a checkpoint keeps (the network's parameters and buffers, and the optimizer's buffers) and the number of
    the epoch, which seeds the order of samples, the augmentation and dropout anew. Random state that went
    on from epoch to epoch, or an optimizer buffer that a checkpoint leaves out, would break this without an error.
    """

    def __init__(self, net, pair, tests, has_tests, criterion, metrics, augment, settings):
        self.net = net.to(memory_format=_LAYOUT)
        self.device = next(net.parameters()).device
        self.inputs, self.targets = (part.to(self.device) for part in pair)  # once, not batch by batch
        self.has_tests = has_tests
        self.metrics = {"loss": criterion, **metrics}
        self.augment, self.settings = augment, settings
        chosen = {name: settings[name] for name in ("optimizer", "weight_decay", "momentum")}
        halved = settings["precision"] == "bfloat16"
        self.updates = Updates(net, self.metrics, halved=halved, samples=len(self.inputs), **chosen)
        precise = torch.float32 if self.device.type == "mps" else torch.float64
        self.totals = torch.zeros(len(self.metrics), dtype=precise, device=self.device)
        batches = len(self.inputs) // settings["batch_size"]
        self.recorded = self.device.type == "cuda" and self.updates.repeatable and batches >= _FEWEST_TO_RECORD
        # A recorded update reads its learning rate from the GPU's memory; fused optimizers want a float32 there.
        self.rate = torch.zeros((), dtype=torch.float32, device=self.device) if self.recorded else 0.0
        self.epoch = 0
        self.log = TrainingLog(net, tests, has_tests, settings)
        self.files: RunFiles | None = None

    def open(self, folder: Path) -> None:
        """Go on from what an earlier run with the same settings left in `folder`."""
        self.files = RunFiles(folder)
        found = self.files.read(self._expected())
        if found is None:
            return
        self.epoch, self.log.history = found.epoch, found.history
        self.log.states = {epoch: self._in_order(state) for epoch, state in found.states.items()}
        if found.resumable is None:
            self.net.load_state_dict(self.log.states[self.epoch])
        else:
            self._restore(found.resumable)

    def _expected(self) -> Expected:
        parts = ("train", "test") if self.has_tests else ("train",)
        quantities = {"lr", "weight_norm"} | {f"{part}_{name}" for part in parts for name in self.metrics}
        settings = self.settings
        weights = {prefix + name for name, _ in self.net.named_parameters() for prefix in ("", _NET)}
        # Adam's mean of squares may overflow while the weights stay finite: they stand still then.
        weights |= {f"{kind}/{number}" for kind in ("momentum", "mean") for number in range(len(self.updates.weights))}
        initial = self.log.states[0]
        return Expected(settings["epochs"], settings["record"], quantities, initial, self._resumable(), weights)

    def _in_order(self, state: StateDict) -> StateDict:
        """A state from a file, its tensors in the network's order: a file sorts them by name."""
        return {name: state[name] for name in self.log.states[0]}

    def finish(self, progress: bool) -> None:
        total = self.settings["epochs"]
        steps = len(self._batches(0))
        # Not an attribute: it holds the run, and a run that holds itself keeps its memory until Python looks for such.
        update = Captured(self._update) if self.recorded else self._update
        with progress_bar(total * steps, progress, self.epoch * steps, "Training") as bar:
            while self.epoch < total:
                bar.set_description(f"Epoch {self.epoch + 1}/{total}")
                self._train_epoch(bar, update)
                self._save()

    def trajectory(self) -> Trajectory:
        self.net.zero_grad()
        epochs = sorted(self.log.states)
        states = [self.log.states[epoch] for epoch in epochs]
        return Trajectory(
            self.net.to(memory_format=torch.contiguous_format).eval(),
            epochs,
            states,
            self.settings["drops"],
            self.log.history,
            self.settings | {"versions": versions()},
        )

    def _train_epoch(self, bar: tqdm, update: Callable[[Tensor, Tensor], None]) -> None:
        """One pass over the data, seeded by the run's seed and the epoch's number alone."""
        seed = np.random.SeedSequence([self.settings["seed"], self.epoch]).generate_state(1)[0]
        torch.manual_seed(int(seed))
        generator = torch.Generator().manual_seed(int(seed))
        rate = self.settings["lr"] * 0.1 ** sum(self.epoch >= drop for drop in self.settings["drops"])
        self._set_rate(rate)
        self.totals.zero_()
        self.net.train()
        batches = self._batches(int(seed))
        seen, drawn = 0, self._drawn([len(samples) for samples in batches], generator)
        for number, (samples, how) in enumerate(zip(batches, drawn, strict=True), 1):
            inputs = self._varied(self.inputs[samples], how, generator)
            if inputs.ndim == 4:
                inputs = inputs.contiguous(memory_format=_LAYOUT)
            update(inputs, self.targets[samples])
            seen += len(samples)
            if self.device.type == "cpu" or number % _READ_EVERY == 0 or number == len(batches):
                shown = {name: f"{mean:.3f}" for name, mean in self._means(seen).items()}
                bar.set_postfix(shown, refresh=False)
            bar.update()
        self.epoch += 1
        means = {f"train_{name}": value for name, value in self._means(seen).items()}
        self.log.record(self.epoch, means | {"lr": rate})

    def _set_rate(self, rate: float) -> None:
        if isinstance(self.rate, Tensor):
            self.rate.fill_(rate)
        else:
            self.rate = rate

    def _drawn(self, sizes: Sequence[int], generator: torch.Generator) -> Sequence[Tensor | None]:
        """How the images of each batch are varied: drawn for the whole epoch, and brought to the device at once."""
        if type(self.augment) is not Augmentation:  # a subclass may vary images in its own way
            return [None] * len(sizes)
        drawn = torch.cat([self.augment.draw(size, generator) for size in sizes])
        return drawn.to(self.device).split(list(sizes))

    def _varied(self, inputs: Tensor, how: Tensor | None, generator: torch.Generator) -> Tensor:
        """Inputs as the augmentation varies them."""
        if how is not None:
            return self.augment.crop(inputs, how)
        return self._augmented(inputs, generator) if self.augment else inputs

    def _augmented(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        try:
            varied = self.augment(inputs, generator)
        except Exception as error:  # a caller's function raises whatever it likes
            shape = tuple(inputs.shape)
            raise ValueError(
                f"augment: it failed on inputs of shape {shape} ({type(error).__name__}: {error})"
            ) from error
        check_kind("augment", varied, Tensor, "one that returns a tensor of inputs")
        if varied.ndim == 0 or len(varied) != len(inputs):
            raise ValueError(
                f"augment: it returned shape {tuple(varied.shape)} for {len(inputs)} inputs, wants as many"
            )
        return varied

    def _update(self, inputs: Tensor, targets: Tensor) -> None:
        """Update the weights, and add to the epoch's totals what was measured of the batch."""
        values = self.updates(inputs, targets, self.rate)
        self.totals += len(inputs) * torch.stack([values[name].to(self.totals).reshape(()) for name in self.metrics])

    def _means(self, seen: int) -> dict[str, float]:
        """What was measured so far in the epoch. It is read from the device, which has to finish for that."""
        means = dict(zip(self.metrics, (self.totals / seen).tolist(), strict=True))
        self.log.check_finite("loss", means["loss"], self.epoch + 1)
        return means

    def _batches(self, seed: int) -> list[Tensor]:
        """The numbers of shuffled samples, batch by batch."""
        order = torch.randperm(len(self.inputs), generator=torch.Generator().manual_seed(seed)).to(self.device)
        return [order[part] for part in batch_slices(len(order), self.settings["batch_size"])]

    def _save(self) -> None:
        if self.files is None:
            return
        names = [state_name(epoch) for epoch in self.log.states]
        if state_name(0) not in self.files.checksums:  # only now: a run that cannot begin leaves no files
            self.files.save(state_name(0), self.log.states[0])
        if self.epoch in self.log.states:
            self.files.save(state_name(self.epoch), self.log.states[self.epoch])
        if self.epoch < self.settings["epochs"]:
            names.append(resume_name(self.epoch))
            self.files.save(names[-1], self._resumable())
        content = {"epoch": self.epoch, "recorded": list(self.log.states), "history": self.log.history}
        self.files.commit(content | {"settings": self.settings, "versions": versions()}, names)

    def _resumable(self) -> StateDict:
        """The network's and the optimizer's tensors, named as in a file: `net/conv1.weight`, `momentum/0`."""
        tensors = {f"{_NET}{name}": tensor for name, tensor in snapshot(self.net).items()}
        for kind, buffers in self.updates.buffers.items():
            tensors |= {f"{kind}/{number}": buffer for number, buffer in enumerate(buffers)}
        return tensors

    def _restore(self, tensors: StateDict) -> None:
        state = {name.removeprefix(_NET): tensor for name, tensor in tensors.items() if name.startswith(_NET)}
        self.net.load_state_dict(state)
        for kind, buffers in self.updates.buffers.items():
            for number, buffer in enumerate(buffers):
                buffer.copy_(tensors[f"{kind}/{number}"])


def _parts(data: ImageData | Pair) -> tuple[Pair, Pair | None, Augmentation | None]:
    if isinstance(data, ImageData):
        return data.train, data.test, data.augmentation
    if not (isinstance(data, tuple | list) and len(data) == 2 and all(isinstance(part, Tensor) for part in data)):
        raise TypeError(f"data: got {type(data).__name__}, wants an ImageData or a pair of tensors (inputs, targets)")
    if len(data[0]) != len(data[1]):
        raise ValueError(f"data: got {len(data[0])} inputs and {len(data[1])} targets")
    return tuple(data), None, None


def _check_settings(optimizer, lr, weight_decay, momentum, drops) -> None:
    check_choice("optimizer", optimizer, _RATES)
    if lr is not None:
        check_positive("lr", lr)
    check_positive("weight_decay", weight_decay, or_zero=True)
    check_fraction("momentum", momentum, or_zero=True)
    check_kind("drops", drops, (list, tuple, np.ndarray), "a list of fractions of the training")
    for number, fraction in enumerate(drops):
        check_fraction(f"drops[{number}]", fraction)


def _check_augment_and_cache(augment: object, cache: Any) -> None:
    if not (isinstance(augment, bool | None) or callable(augment)):
        raise TypeError(f"augment: got {type(augment).__name__}, wants an Augmentation, True or False")
    check_kind("cache", cache, (bool, str, PathLike), "a directory, True or False")
    if cache is not False:
        cache_directory(None if cache is True else cache)
