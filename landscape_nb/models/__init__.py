"""The paper's networks, at any width, input size, number of channels and number of classes.

Architectures as in section 3 of Li et al. (2018): VGG-9, ResNets of three stages with and without skip
connections (shortcuts), wide ResNets, DenseNet-121 in its form for CIFAR; besides them a plain perceptron. They
are made with new weights, or read from the files that the paper's authors released.
"""

from landscape_nb.models.authors import load_authors_checkpoint
from landscape_nb.models.classifier import ImageClassifier
from landscape_nb.models.dense import DenseLayer, DenseNet, densenet, densenet121
from landscape_nb.models.initial import Net
from landscape_nb.models.plain import MLP, VGG9, mlp, vgg9
from landscape_nb.models.residual import RESNET_DEPTHS, ResidualBlock, ResNet, resnet

__all__ = [
    "MLP",
    "RESNET_DEPTHS",
    "VGG9",
    "DenseLayer",
    "DenseNet",
    "ImageClassifier",
    "Net",
    "ResNet",
    "ResidualBlock",
    "densenet",
    "densenet121",
    "load_authors_checkpoint",
    "mlp",
    "resnet",
    "vgg9",
]
