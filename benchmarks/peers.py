"""Other packages' planes and eigenvalues, called as their documentation says, on the same model and data."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from gradfield.torch_adapter import model_loss_fn
from loss_landscape_3d import LossLandscapeCalculator
from nngeom import Model
from nngeom.lossland import plane_slice_2d

AUTHORS_BATCH = 128


def gradfield(model, x, y, directions, alphas, betas):
    """Draws directions of its own; the whole data in one batch, which is all it takes."""
    loss = model_loss_fn(model, F.cross_entropy, x, y)
    grid = np.meshgrid(alphas, betas, indexing="ij")
    return lambda: loss(*grid)


def nngeom(model, x, y, directions, alphas, betas):
    """Square planes around 0 only, so as many points of one as were asked for, at least."""
    adapter = Model(copy.deepcopy(model), loss_fn=lambda module, batch: F.cross_entropy(module(batch[0]), batch[1]))
    flat = [np.concatenate([d[name].numpy().ravel() for name, _ in model.named_parameters()]) for d in directions]
    steps = int(np.ceil(np.sqrt(len(alphas) * len(betas))))
    return lambda: plane_slice_2d(adapter, (x, y), 1.0, steps, [d.astype(np.float64) for d in flat]).losses


def loss_landscape_3d(model, x, y, directions, alphas, betas, batch_size):
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    moves = [{name: d.get(name, torch.zeros_like(tensor)) for name, tensor in state.items()} for d in directions]
    batches = list(zip(x.split(batch_size), y.split(batch_size), strict=True))
    calculator = LossLandscapeCalculator(copy.deepcopy(model), batches, F.cross_entropy)
    return lambda: calculator.calculate(alphas, betas, *moves, state)


def authors(model, x, y, directions, alphas, betas):
    """The authors' way, written again: set the weights, then the mean over batches of 128, point by point."""
    net = copy.deepcopy(model).eval()
    origin = [parameter.data.clone() for parameter in net.parameters()]
    moves = [[direction[name] for name, _ in net.named_parameters()] for direction in directions]
    batches = list(zip(x.split(AUTHORS_BATCH), y.split(AUTHORS_BATCH), strict=True))

    def loss_at(alpha, beta):
        for parameter, weight, dx, dy in zip(net.parameters(), origin, *moves, strict=True):
            parameter.data = weight + float(alpha) * dx + float(beta) * dy
        total, correct = 0.0, 0
        with torch.no_grad():
            for images, labels in batches:
                outputs = net(images)
                total += F.cross_entropy(outputs, labels).item() * len(labels)
                correct += outputs.max(1)[1].eq(labels).sum().item()
        return total / len(y)

    return lambda: np.array([[loss_at(alpha, beta) for beta in betas] for alpha in alphas])
