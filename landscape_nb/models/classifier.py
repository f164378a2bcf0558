"""A network that knows which images it takes."""

from torch import Tensor, fx, nn

from landscape_nb._common.checks import check_kind
from landscape_nb.models.sizes import SMALLEST_IMAGE


class ImageClassifier(nn.Module):
    """A classifier that knows which images it takes.

    Args:
        channels: Channels of an image.
        image_size: The height and width that the layers are made for; None takes any from 8×8 up.
    """

    def __init__(self, channels: int, image_size: tuple[int, int] | None = None):
        super().__init__()
        self.channels, self.image_size = channels, image_size

    def check(self, images: Tensor) -> None:
        """Raise a `ValueError` unless `images` has the shape that the network takes; in a trace it has none."""
        if isinstance(images, fx.Proxy):
            return
        check_kind("images", images, Tensor, "a tensor of shape (n, channels, height, width)")
        shape = tuple(images.shape)
        size = self.image_size or shape[2:]
        if shape[1:] == (self.channels, *size) and len(size) == 2 and min(size) >= SMALLEST_IMAGE:
            return
        sides = "×".join(map(str, self.image_size)) if self.image_size else "8×8 or more"
        raise ValueError(
            f"images: got a tensor of shape {shape}; this network takes (N, {self.channels}, height, width) "
            f"with height×width {sides}"
        )
