"""DenseNets have the weights of their CIFAR form."""

from helpers import number_of_weights

from landscape_nb import models


def test_densenet121_has_the_weights_of_its_cifar_form():
    """6.96 million, as other implementations of this form with 10 classes have."""
    assert number_of_weights(models.densenet121()) == 6_956_298
