"""Real images as tensors: scikit-learn's digits (offline), Fashion-MNIST, CIFAR-10."""

import gzip
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from landscape_nb._common import settings
from landscape_nb._common.checks import check_choice, check_kind, check_whole
from landscape_nb._common.paths import local_path
from landscape_nb._common.provenance import fingerprint

Pair = tuple[Float[Tensor, "_ c h w"], Int[Tensor, "_"]]
"""Images and their classes, as many as images."""

_DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
_CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FASHION_CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


@dataclass(frozen=True)
class Augmentation:
    """Random crops and flips of training images (section 3.1: pad by 4, flip).

    Attributes:
        pad: Pixels of zero padding on each side before a random crop to the old size.
        flip: Whether half of the images are mirrored left to right.

    Raises:
        ValueError: `pad` is not a whole number from 0 up.
        TypeError: `flip` is neither True nor False.
    """

    pad: int = 4
    flip: bool = True

    def __post_init__(self):
        check_whole("pad", self.pad, 0)
        check_kind("flip", self.flip, (bool, np.bool_), "True or False")

    def __call__(self, images: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Return augmented copies of `images`, drawn with `generator`."""
        return self.crop(images, self.draw(len(images), generator))

    def draw(self, count: int, generator: torch.Generator) -> Int[Tensor, "n 3"]:
        """How images are varied: each one's first row and first column in the padded image, and 1 if it is mirrored.

        Drawn on the CPU, the same for every device.
        """
        highs = 2 * self.pad + 1, 2 * self.pad + 1, 2
        drawn = torch.cat([torch.randint(high, (count, 1), generator=generator) for high in highs], 1)
        drawn[:, 2] *= int(self.flip)
        return drawn

    def crop(self, images: Float[Tensor, "n c h w"], drawn: Int[Tensor, "n 3"]) -> Float[Tensor, "n c h w"]:
        """Return copies of `images` varied as `draw` has drawn, on their device."""
        count, _, height, width = images.shape
        padded = torch.nn.functional.pad(images, [self.pad] * 4)
        row, column, mirrored = drawn.to(images.device).split(1, dim=1)
        rows = row + torch.arange(height, device=images.device)
        columns = column + torch.arange(width, device=images.device)
        columns = torch.where(mirrored.bool(), columns.flip(1), columns)
        number = torch.arange(count, device=images.device)[:, None, None]
        cropped = padded[number, :, rows[:, :, None], columns[:, None, :]]
        return cropped.permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images and labels for training and testing, normalized.

    Attributes:
        name: What the data is.
        train: Normalized images (n, channels, height, width), float32, and labels (n,), int64.
        test: The same for testing.
        mean: What was subtracted, per channel, from pixels scaled to [0, 1].
        std: What they were then divided by, per channel.
        class_names: The names of labels 0, 1, ….
        augmentation: How training varies the images; None where that does not make sense.
        source: Where the files came from.
    """

    name: str
    train: Pair
    test: Pair
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    augmentation: Augmentation | None = None
    source: str = ""

    @property
    def shape(self) -> dict[str, int | tuple[int, int]]:
        """The arguments of a network for these images: `resnet(20, **data.shape)`."""
        channels, height, width = self.train[0].shape[1:]
        return {"channels": channels, "classes": len(self.class_names), "image_size": (height, width)}

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ whenever an image, a label or the normalization differs."""
        return fingerprint(self.train, self.test, self.mean, self.std)

    def subset(self, train: int, test: int | None = None) -> "ImageData":
        """Keep the first `train` training and `test` (default: all) test images.

        Args:
            train: How many training images to keep.
            test: How many test images to keep; default all.

        Returns:
            The smaller data; images are not copied.

        Raises:
            ValueError: There are fewer images than that.

        Example:
            >>> len(digits().subset(100).train[0])
            100
        """
        for name, count, pair in (("train", train, self.train), ("test", test, self.test)):
            whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
            if count is not None and not (whole and 1 <= count <= len(pair[0])):
                raise ValueError(f"{name}: got {count!r}, wants 1 to {len(pair[0])} images of {self.name}")
        images, labels = self.train
        test_images, test_labels = self.test
        return replace(self, train=(images[:train], labels[:train]), test=(test_images[:test], test_labels[:test]))

    def images(self, normalized: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w c"]:
        """Undo the normalization, for showing: pixels in [0, 1], channels last.

        Args:
            normalized: Images as in `train` and `test`.

        Returns:
            Pixels that `imshow` draws.
        """
        if not isinstance(normalized, Tensor) or normalized.ndim != 4:
            got = tuple(normalized.shape) if isinstance(normalized, Tensor) else type(normalized).__name__
            raise ValueError(f"normalized: got {got}, wants images: a tensor of shape (n, channels, height, width)")
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (self.mean, self.std))
        return (normalized * std + mean).clamp(0, 1).permute(0, 2, 3, 1)


def digits() -> ImageData:
    """Scikit-learn's handwritten digits: 1,797 real images of 8×8 grey pixels, inside the package.

    Every fifth image is for testing (359), the others (1,438) for training. Training does not vary the images: a
    mirrored digit is not a digit.

    Returns:
        The data, normalized with the mean and standard deviation of the training images.

    Example:
        >>> data = digits()
        >>> data.train[0].shape, data.test[0].shape
        (torch.Size([1438, 1, 8, 8]), torch.Size([359, 1, 8, 8]))
    """
    table = np.loadtxt(_digits_file(), delimiter=",")
    pixels, labels = table[:, :-1].reshape(-1, 1, 8, 8) / 16, table[:, -1]
    test = np.arange(len(labels)) % 5 == 4
    mean, std = (float(f(pixels[~test])) for f in (np.mean, np.std))
    train, held_out = ((pixels[mask], labels[mask]) for mask in (~test, test))
    return _image_data("digits", train, held_out, (mean,), (std,), tuple("0123456789"), None, "scikit-learn")


def fashion_mnist(data_dir: str | PathLike[str] | None = None) -> ImageData:
    """Fashion-MNIST: 60,000 + 10,000 images of clothes, 28×28 grey pixels.

    Looked for in the data directory, then where Debian's and Ubuntu's package
    `dataset-fashion-mnist` puts it, then downloaded through torchvision.

    Args:
        data_dir: The data directory; default as `data_directory` says.

    Returns:
        The data, normalized, with crops and flips for training.

    Raises:
        FileNotFoundError: The files are not there and cannot be downloaded; the message says what to do.
        ValueError: A file is damaged, or holds other data.

    Example:
        >>> fashion_mnist("/my/data")  # doctest: +SKIP
    """
    root = data_directory(data_dir)
    folder = next((f for f in _fashion_folders(root) if _idx_path(f, "t10k-labels-idx1-ubyte")), None)
    if folder is None:
        from torchvision.datasets import FashionMNIST

        _download(lambda: FashionMNIST(root, download=True), root, "Fashion-MNIST", _FASHION_HELP)
        folder = root / "FashionMNIST" / "raw"
    train, test = (_read_fashion_mnist(folder, kind) for kind in ("train", "t10k"))
    augmentation = Augmentation(pad=2)
    return _image_data("Fashion-MNIST", train, test, (0.2860,), (0.3530,), _FASHION_CLASSES, augmentation, folder)


def cifar10(data_dir: str | PathLike[str] | None = None) -> ImageData:
    """CIFAR-10: 50,000 + 10,000 photographs of 32×32 pixels, normalized with the paper's constants.

    A file `cifar10.npz` in the data directory (uint8 arrays `x_train`, `y_train`, `x_test`,
    `y_test`; images N×32×32×3, RGB) is taken first; otherwise torchvision's copy is read there, or
    downloaded.

    Args:
        data_dir: The data directory; default as `data_directory` says.

    Returns:
        The data, normalized, with crops and flips for training.

    Raises:
        FileNotFoundError: The files are not there and cannot be downloaded; the message says what to do.
        ValueError: `cifar10.npz` is damaged, or holds other arrays.

    Example:
        >>> cifar10("/my/data")  # doctest: +SKIP
    """
    root = data_directory(data_dir)
    path = root / "cifar10.npz"
    if path.exists():
        train, test = _read_cifar10_npz(path)
        source = path
    else:
        (train, test), source = _torchvisions_cifar10(root)
    return _cifar10_data(train, test, source)


def cifar10_unchanged(data_dir: str | PathLike[str] | None = None) -> ImageData:
    """The first 4,000 training images of CIFAR-10 as they were published, without test images.

    For surfaces of networks that somebody trained on the original images: a `cifar10.npz` may hold images that were
    compressed. A file `cifar10-lossless-4000.npz` in the data directory (uint8 arrays `x`, N×32×32×3, and `y`) is
    taken first; otherwise torchvision's copy is read there, or downloaded.

    Args:
        data_dir: The data directory; default as `data_directory` says.

    Returns:
        The data, normalized; its `test` is empty.

    Raises:
        FileNotFoundError: The files are not there and cannot be downloaded; the message says what to do.
        ValueError: The file is damaged, or holds other arrays.

    Example:
        >>> cifar10_unchanged("/my/data")  # doctest: +SKIP
    """
    root = data_directory(data_dir)
    source = root / "cifar10-lossless-4000.npz"
    if source.exists():
        arrays = _read_npz(source)
        if missing := {"x", "y"} - set(arrays):
            raise ValueError(f"{source}: has no array {', '.join(sorted(missing))}")
        x, y = arrays["x"], arrays["y"]
        _check_cifar10(source, x, y)
    else:
        ((x, y), _), source = _torchvisions_cifar10(root)
    x, y = x[:_UNCHANGED], y[:_UNCHANGED]
    return _cifar10_data((x, y), (x[:0], y[:0]), source)


def _torchvisions_cifar10(root: Path) -> tuple[Any, Path]:
    from torchvision.datasets import CIFAR10

    def read(train: bool) -> tuple[np.ndarray, np.ndarray]:
        part = CIFAR10(root, train=train, download=True)
        return part.data, np.asarray(part.targets)

    found = _download(lambda: (read(True), read(False)), root, "CIFAR-10", _CIFAR10_HELP)
    return found, root / "cifar-10-batches-py"


def _cifar10_data(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], source: Path) -> ImageData:
    train, test = ((x.transpose(0, 3, 1, 2) / np.float32(255), y) for x, y in (train, test))
    mean, std = (tuple(v / 255 for v in values) for values in ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)))
    return _image_data("CIFAR-10", train, test, mean, std, _CIFAR10_CLASSES, Augmentation(), source)


LOADERS: dict[str, Callable[..., ImageData]] = {
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
}


def find_files(name: str, data_dir: str | PathLike[str] | None = None) -> Path | None:
    """Where the files of a data set are on this machine, or None.

    Args:
        name: `'digits'`, `'fashion_mnist'` or `'cifar10'`.
        data_dir: The data directory; default as `data_directory` says.

    Returns:
        A file or a folder of the data set; None where there is none.

    Raises:
        ValueError: The name is not that of a data set.

    Example:
        >>> find_files("digits").name
        'digits.csv.gz'
    """
    root = data_directory(data_dir)
    candidates = {
        "digits": [_digits_file()],
        "fashion_mnist": [f / "t10k-labels-idx1-ubyte.gz" for f in _fashion_folders(root)],
        "cifar10": [root / "cifar10.npz", root / "cifar-10-batches-py"],
    }
    check_choice("name", name, candidates)
    return next((path for path in candidates[name] if path.exists()), None)


def data_directory(data_dir: str | PathLike[str] | None = None) -> Path:
    """Where data files are looked for and downloaded to.

    Args:
        data_dir: A directory; default as below.

    Returns:
        `data_dir` if it is given, else the environment variable `LANDSCAPE_NB_DATA`, else `data` in the user's
        cache directory. A `~` at the start is the home directory.

    Raises:
        TypeError: `data_dir` is not a path.
        ValueError: It is not a path on this machine, such as a URL.

    Example:
        >>> data_directory("/my/data").name
        'data'
    """
    return settings.data() if data_dir is None else local_path("data_dir", data_dir)


_UNCHANGED = 4000
_CIFAR10_HELP = (
    "put the folder cifar-10-batches-py of cifar-10-python.tar.gz (https://www.cs.toronto.edu/~kriz/cifar.html) "
    "or a cifar10.npz there"
)
_FASHION_HELP = (
    "put the four *-ubyte.gz files of https://github.com/zalandoresearch/fashion-mnist there, "
    "or install Debian's or Ubuntu's package dataset-fashion-mnist"
)


def _download(fetch: Callable, root: Path, name: str, advice: str):
    try:
        return fetch()
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"{name} is not in {root} and could not be downloaded ({error}). Connect to the network, or {advice}; "
            f"another directory is named by data_dir= or by the environment variable LANDSCAPE_NB_DATA."
        ) from error


def _image_data(name, train, test, mean, std, class_names, augmentation, source) -> ImageData:
    """Normalize (pixels in [0, 1], labels) pairs of arrays and wrap them."""
    shift, factor = (np.asarray(values, np.float32)[:, None, None] for values in (mean, std))
    train, test = (
        (torch.from_numpy(((x - shift) / factor).astype(np.float32)), torch.from_numpy(y.astype(np.int64)))
        for x, y in (train, test)
    )
    return ImageData(name, train, test, mean, std, class_names, augmentation, str(source))


def _read_cifar10_npz(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    arrays = _read_npz(path)
    if missing := {"x_train", "y_train", "x_test", "y_test"} - set(arrays):
        raise ValueError(f"{path}: has no array {', '.join(sorted(missing))}")
    pairs = [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]
    for x, y in pairs:
        _check_cifar10(path, x, y)
    return pairs


def _check_cifar10(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    if x.shape[1:] != (32, 32, 3) or x.dtype != np.uint8 or y.shape != (len(x),) or not len(x):
        raise ValueError(f"{path}: wants uint8 images N×32×32×3 and N labels, got {x.dtype} {x.shape} and {y.shape}")
    _check_labels(path, y, len(_CIFAR10_CLASSES))


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # nonsense in a file raises nearly anything; NumPy's own words advise to unpickle it
        reason = type(error).__name__
        raise ValueError(f"{path}: is not a whole .npz file of arrays of numbers ({reason})") from None


def _check_labels(path: Path, labels: np.ndarray, classes: int) -> None:
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{path}: its labels have dtype {labels.dtype}, wants whole numbers")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"{path}: has labels from {labels.min()} to {labels.max()}, wants 0 to {classes - 1}")


def _digits_file() -> Path:
    """The file that `sklearn.datasets.load_digits` reads; importing scikit-learn would take 80 MB and a second."""
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("scikit-learn, which brings the digits, is not installed")
    return Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"


def _fashion_folders(root: Path) -> tuple[Path, ...]:
    return root, root / "FashionMNIST" / "raw", _DEBIAN_FASHION_MNIST


def _idx_path(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)


def _read_fashion_mnist(folder: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels in [0, 1] and labels of the training or the test images."""
    files = {}
    for name, rank in ((f"{kind}-images-idx3-ubyte", 3), (f"{kind}-labels-idx1-ubyte", 1)):
        path = _idx_path(folder, name)
        if path is None:
            raise FileNotFoundError(f"Fashion-MNIST: {folder} has no file {name} or {name}.gz; {_FASHION_HELP}")
        files[path] = _read_idx(path, rank)
    (images_path, labels_path), (images, labels) = files, files.values()
    if images.shape[1:] != (28, 28) or not len(images):
        raise ValueError(f"{images_path}: got images of shape {images.shape}, wants N×28×28")
    if len(labels) != len(images):
        raise ValueError(f"{labels_path}: got {len(labels)} labels for {len(images)} images")
    _check_labels(labels_path, labels, len(_FASHION_CLASSES))
    return images[:, None] / np.float32(255), labels


def _read_idx(path: Path, rank: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes: a magic number that ends in the rank, the sizes, the data."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: is not a whole gzip file ({error})") from error
    start = 4 + 4 * rank
    if len(content) < start or content[:4] != bytes((0, 0, 8, rank)):
        raise ValueError(f"{path}: is not an IDX file of bytes in {rank} dimensions")
    sizes = [int(size) for size in np.frombuffer(content, ">u4", rank, offset=4)]
    if len(content) - start != math.prod(sizes):
        wanted = "×".join(map(str, sizes))
        raise ValueError(f"{path}: its header says {wanted} bytes of data, it has {len(content) - start}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)
