"""Prints how far single-precision gradients are from those of double precision in the default layout.

Usage: python tests/gradients.py THREADS. A line begins when a network's turn comes, and ends with the largest error of
a tensor beside its norm: where a process dies or hangs, the last line names the network.

ReLU and maxima are replaced by smooth functions: where rounding decides a sign, gradients jump.
"""

import copy
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import shufflenet_v2_x0_5

import landscape_nb as lnb
from landscape_nb import models
from landscape_nb.trajectories.updates import Updates

DIGITS = {"channels": 1, "image_size": 8}
PHOTOS = {"channels": 3, "image_size": 32}
SHORTCUTS = {"with shortcuts": True, "without shortcuts": False}
COURSE = {
    "a perceptron": lambda: models.mlp((64, 64), **DIGITS),
    "a deep perceptron": lambda: models.mlp((64,) * 4, True, **DIGITS),
    "VGG-9, width 1/8": lambda: models.vgg9(0.125, **DIGITS),
    "VGG-9, width 1/4": lambda: models.vgg9(0.25, **DIGITS),
    "DenseNet, growth 8": lambda: models.densenet(growth=8, **DIGITS),
    "ShuffleNet": lambda: shufflenet_v2_x0_5(num_classes=10),
    "large VGG-9": lambda: models.vgg9(**PHOTOS),
    "DenseNet-121": lambda: models.densenet121(**PHOTOS),
}
for with_or_without, shortcuts in SHORTCUTS.items():
    for channels in (4, 8, 16, 32):
        COURSE[f"ResNet-20 of {channels} channels {with_or_without}"] = lambda c=channels, s=shortcuts: models.resnet(
            20, s, c / 16, **DIGITS
        )
    COURSE[f"ResNet-56 {with_or_without}"] = lambda s=shortcuts: models.resnet(56, s, **DIGITS)
    COURSE[f"large ResNet-56 {with_or_without}"] = lambda s=shortcuts: models.resnet(56, s, **PHOTOS)


class Around(nn.Module):
    """A convolution and what calls it, between a convolution that gives it channels and a linear map."""

    def __init__(self, convolution, call=lambda convolution, x: convolution(x)):
        super().__init__()
        self.first, self.convolution, self.call = nn.Conv2d(3, 4, 3, padding=1), convolution, call
        self.linear = nn.LazyLinear(10)
        self(torch.zeros(2, 3, 8, 8))

    def forward(self, images):
        return self.linear(torch.tanh(self.call(self.convolution, torch.tanh(self.first(images)))).flatten(1))


def along_rows(convolution, x):
    """A convolution in one dimension, over what lies channels-last without being told to."""
    return convolution(x.flatten(2).transpose(1, 2).contiguous().transpose(1, 2))


def by_hand(linear, x):
    return F.conv2d(x, linear.weight[:, :, None, None], stride=2)


def twice(convolution, x):
    return convolution(convolution(x))


def enlarged(convolution, x):
    """A convolution of so many pixels that AVX-512 takes several steps through an image."""
    return F.avg_pool2d(convolution(F.interpolate(x, scale_factor=8)), 8)


KINDS = {
    "many pixels": lambda: Around(nn.Conv2d(4, 8, 1, 2), enlarged),
    "one dimension": lambda: Around(nn.Conv1d(4, 6, 1, 2), along_rows),
    "a linear map as filters": lambda: Around(nn.Linear(4, 6, bias=False), by_hand),
    "stride in one direction": lambda: Around(nn.Conv2d(4, 8, 1, (1, 2))),
    "stride 4": lambda: Around(nn.Conv2d(4, 8, 1, 4)),
    "weight norm": lambda: Around(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 1, 2))),
    "down to a pixel": lambda: Around(nn.Conv2d(4, 4, 1, 2), lambda c, x: c(twice(c, x))),
    "one channel": lambda: Around(nn.Conv2d(1, 4, 1, 2), lambda c, x: c(x.mean(1, keepdim=True))),
    "transposed": lambda: Around(nn.ConvTranspose2d(4, 3, 1, 2, output_padding=1)),
    "groups": lambda: Around(nn.Conv2d(4, 8, 1, 2, groups=2)),
}


def smooth(network):
    """The network with means in the place of maxima."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
    return network


def batch_for(name, network):
    generator = torch.Generator().manual_seed(0)
    large = "large" in name or name in ("DenseNet-121", "ShuffleNet")
    side, count = (32, 4) if large else (8, 64)
    channels = 3 if large or isinstance(network, Around) else 1
    images = torch.randn(count, channels, side, side, generator=generator)
    return images, torch.randint(10, (count,), generator=generator)


def trained(network, batch):
    """The gradient of the first step of a training."""
    found, step = {}, Updates._step

    def spy(updates, rate):
        found.update({name: p.grad.clone() for name, p in updates.net.named_parameters()})

    Updates._step = spy
    lnb.train(network, batch, epochs=1, batch_size=len(batch[0]), cache=False, progress=False)
    Updates._step = step
    return found


def differentiated(network, batch):
    """The gradient in double precision, in the default layout."""
    network, (images, labels) = copy.deepcopy(network).double(), batch
    F.cross_entropy(network(images.double()), labels).backward()
    return {name: p.grad for name, p in network.named_parameters()}


def product(network, batch):
    """The Hessian times a direction."""
    objective = lnb.Objective(network, batch)
    direction = lnb.random_directions(network, 1, normalize="none")[0]
    return lnb.hessian_vector_product(objective, direction, ignore=None)


def largest_error(found, wanted):
    total = lnb.norm(dict(wanted))
    errors = {
        name: float((found[name] - wanted[name]).norm() / (wanted[name].norm() + 1e-3 * total)) for name in wanted
    }
    return max(errors.values())


def report(name, compute):
    print(name, end=": ", flush=True)
    print(f"{compute():.1e}", flush=True)


def main(threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    F.relu = lambda x, inplace=False: F.gelu(x)
    for name, make in (COURSE | KINDS).items():
        network = smooth(make())
        batch = batch_for(name, network)
        report(f"training, {name}", lambda n=network, b=batch: largest_error(trained(n, b), differentiated(n, b)))
    for name, make in ({"ResNet-20": COURSE["ResNet-20 of 4 channels with shortcuts"]} | KINDS).items():
        network = make().eval()
        batch = batch_for(name, network)
        wanted = product(copy.deepcopy(network).double(), (batch[0].double(), batch[1]))
        last = copy.deepcopy(network).to(memory_format=torch.channels_last)
        images = batch[0].contiguous(memory_format=torch.channels_last), batch[1]
        report(f"Hessian, {name}", lambda n=last, b=images, w=wanted: largest_error(product(n, b), w))


if __name__ == "__main__":
    main(int(sys.argv[1]))
