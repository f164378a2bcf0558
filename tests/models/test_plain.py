"""Networks without skip connections: VGG-9 has the paper's size, a perceptron its layers."""

from helpers import number_of_weights

from landscape_nb import models


def test_vgg9_has_about_2_79_million_weights():
    assert round(number_of_weights(models.vgg9()) / 1e6, 2) == 2.79


def test_a_perceptron_with_batch_norm_has_two_more_vectors_a_layer():
    plain, normed = (models.mlp((5, 7), batch_norm=which, channels=1, image_size=8) for which in (False, True))
    assert number_of_weights(plain) == 64 * 5 + 5 + 5 * 7 + 7 + 7 * 10 + 10
    assert number_of_weights(normed) == number_of_weights(plain) + 2 * (5 + 7)
