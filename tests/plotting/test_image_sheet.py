"""The sheet of images with a network's answers."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from landscape_nb import plotting

IMAGES = np.linspace(0, 1, 3 * 64).reshape(3, 8, 8, 1)
PROBABILITIES = np.array([[0.75, 0.25], [0.9, 0.1], [np.nan, np.nan]])


@pytest.fixture
def panel():
    figure, (panel,) = plotting.panels(1)
    yield panel
    plt.close(figure)


def test_right_and_wrong_differ_by_more_than_colour(panel):
    plotting.draw_answers(panel, IMAGES, [0, 1, 1], PROBABILITIES, names=["cat", "dog"])
    assert [text.get_text() for text in panel.texts] == ["✓ cat (75 %)", "✗ cat (90 %)\nis dog", "no answer\nis dog"]
    assert [frame.get_linestyle() for frame in panel.patches] == ["-", "--", "--"]


def test_images_are_where_their_frames_are(panel):
    plotting.draw_answers(panel, IMAGES, [0, 1, 1], PROBABILITIES, columns=2)
    for image, frame, source in zip(panel.images, panel.patches, IMAGES, strict=True):
        left, right, bottom, top = image.get_extent()
        assert (left, bottom) == frame.get_xy()
        assert (right - left, top - bottom) == pytest.approx((frame.get_width(), frame.get_height()))
        np.testing.assert_array_equal(image.get_array(), source[..., 0])
    tops = [image.get_extent()[3] for image in panel.images]
    assert tops[0] == tops[1] > tops[2]
    assert panel.get_ylim()[0] < panel.images[2].get_extent()[2]


def test_counts_must_agree(panel):
    with pytest.raises(ValueError, match="3 images, 2 labels, 3 rows"):
        plotting.draw_answers(panel, IMAGES, [0, 1], PROBABILITIES)
