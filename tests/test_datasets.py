"""Data: real files where there are any, small ones written here otherwise, words where there are none."""

import gzip
import struct
import urllib.error

import numpy as np
import pytest
import torch
import torchvision
from helpers import real_file
from sklearn.datasets import load_digits

from landscape_nb import datasets


def write_idx(path, array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_digits_are_scikit_learns(digits):
    bunch = load_digits()
    is_test = np.arange(len(bunch.target)) % 5 == 4
    np.testing.assert_allclose(digits.images(digits.train[0])[..., 0], bunch.images[~is_test] / 16, atol=1e-6)
    np.testing.assert_array_equal(digits.test[1], bunch.target[is_test])
    assert digits.train[0].dtype == torch.float32
    assert digits.train[0].mean().item() == pytest.approx(0, abs=1e-6)
    assert digits.train[0].std().item() == pytest.approx(1, rel=1e-4)
    assert digits.shape == {"channels": 1, "classes": 10, "image_size": (8, 8)}
    assert digits.augmentation is None


def test_fingerprint_follows_the_content(digits):
    assert digits.fingerprint == datasets.digits().fingerprint
    assert digits.fingerprint != digits.subset(1000).fingerprint
    with pytest.raises(ValueError, match=r"train: got 0, wants 1 to 1438 images of digits"):
        digits.subset(0)


@pytest.mark.parametrize(("folder", "ending"), [(".", ".gz"), ("FashionMNIST/raw", "")])
def test_fashion_mnist_reads_its_files(tmp_path, folder, ending):
    rng = np.random.default_rng(0)
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    written = {}
    for kind, count in (("train", 7), ("t10k", 3)):
        written[kind] = rng.integers(0, 256, (count, 28, 28), np.uint8), rng.integers(0, 10, count, np.uint8)
        write_idx(tmp_path / folder / f"{kind}-images-idx3-ubyte{ending}", written[kind][0])
        write_idx(tmp_path / folder / f"{kind}-labels-idx1-ubyte{ending}", written[kind][1])
    data = datasets.fashion_mnist(tmp_path)
    np.testing.assert_allclose(data.images(data.test[0])[..., 0], written["t10k"][0] / 255, atol=1e-6)
    np.testing.assert_array_equal(data.train[1], written["train"][1])
    assert data.shape["image_size"] == (28, 28)


def test_fashion_mnist_of_debian(tmp_path):
    real_file(datasets._DEBIAN_FASHION_MNIST / "t10k-labels-idx1-ubyte.gz")
    data = datasets.fashion_mnist(tmp_path)
    assert data.train[0].shape == (60_000, 1, 28, 28)
    assert data.train[1].bincount().tolist() == [6000] * 10
    assert data.train[0].mean().item() == pytest.approx(0, abs=1e-3)
    assert data.train[0].std().item() == pytest.approx(1, abs=1e-3)


def test_cifar10_reads_a_local_file(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"x_{part}": rng.integers(0, 256, (n, 32, 32, 3), np.uint8) for part, n in (("train", 5), ("test", 2))}
    arrays |= {f"y_{part}": rng.integers(0, 10, n, np.uint8) for part, n in (("train", 5), ("test", 2))}
    np.savez(tmp_path / "cifar10.npz", **arrays)
    data = datasets.cifar10(tmp_path)
    expected = (arrays["x_test"] / 255 - np.array([125.3, 123.0, 113.9]) / 255) / (np.array([63.0, 62.1, 66.7]) / 255)
    np.testing.assert_allclose(data.test[0].permute(0, 2, 3, 1), expected, atol=1e-5)
    assert data.augmentation == datasets.Augmentation(pad=4, flip=True)


def test_cifar10_of_the_data_directory():
    real_file("cifar10.npz")
    data = datasets.cifar10()
    assert data.train[0].shape == (50_000, 3, 32, 32)
    assert data.train[1].bincount().tolist() == [5000] * 10
    assert data.train[0].mean().item() == pytest.approx(0, abs=0.05)


def test_a_bad_cifar10_file_is_named(tmp_path):
    np.savez(tmp_path / "cifar10.npz", x_train=np.zeros((1, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=r"cifar10.npz: has no array x_test, y_test, y_train"):
        datasets.cifar10(tmp_path)
    arrays = {"x_train": np.zeros((1, 3, 32, 32), np.uint8), "y_train": np.zeros(1, np.uint8)}
    np.savez(tmp_path / "cifar10.npz", **arrays, x_test=arrays["x_train"], y_test=arrays["y_train"])
    with pytest.raises(ValueError, match=r"wants uint8 images N×32×32×3"):
        datasets.cifar10(tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
def test_without_files_or_network_the_error_says_what_to_do(tmp_path, monkeypatch, name):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(datasets, "_DEBIAN_FASHION_MNIST", tmp_path / "not installed")
    monkeypatch.setattr(torchvision.datasets.utils, "_urlretrieve", unreachable)
    with pytest.raises(FileNotFoundError, match=r"(?s)not be downloaded .* Connect to the network, or .*LANDSCAPE"):
        datasets.LOADERS[name](tmp_path)


def test_data_directory_is_argument_then_variable_then_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_DATA", str(tmp_path / "variable"))
    assert datasets.data_directory(tmp_path / "argument").name == "argument"
    assert datasets.data_directory().name == "variable"
    monkeypatch.delenv("LANDSCAPE_NB_DATA")
    assert datasets.data_directory().parts[-2:] == ("landscape-nb", "data")


def test_augmentation_crops_and_flips_each_image_on_its_own():
    images = torch.arange(1, 2 * 3 * 36 + 1, dtype=torch.float32).view(2, 3, 6, 6).repeat(100, 1, 1, 1)
    made = datasets.Augmentation(pad=2)(images, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images, [2] * 4)
    found = set()
    for number in range(len(images)):
        options = {
            (row, column, flip): (crop.flip(2) if flip else crop)
            for row in range(5)
            for column in range(5)
            for flip in (False, True)
            for crop in [padded[number, :, row : row + 6, column : column + 6]]
        }
        match = [key for key, option in options.items() if torch.equal(option, made[number])]
        assert match
        found.update(match)
    assert len(found) > 40
    assert torch.equal(datasets.Augmentation(0, False)(images, torch.Generator()), images)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"pad": "foo"}, ValueError, "pad: got 'foo', wants a whole number from 0 up"),
        ({"pad": -1}, ValueError, "pad: got -1"),
        ({"pad": 2.5}, ValueError, "pad: got 2.5"),
        ({"flip": None}, TypeError, "flip: got NoneType, wants True or False"),
    ],
)
def test_an_augmentation_is_checked_when_it_is_made(settings, kind, message):
    with pytest.raises(kind, match=message):
        datasets.Augmentation(**settings)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
IDX_DAMAGE = {
    "empty": (IMAGES, lambda content: b"", "is not an IDX file of bytes in 3 dimensions"),
    "truncated header": (IMAGES, lambda content: content[:9], "is not an IDX file of bytes in 3 dimensions"),
    "truncated": (IMAGES, lambda content: content[:-5], "header says 4×28×28 bytes of data, it has 3131"),
    "too long": (LABELS, lambda content: content + b"0", "header says 4 bytes of data, it has 5"),
    "huge sizes": (LABELS, lambda content: content[:4] + b"\xff" * 4 + content[8:], "header says 4294967295 bytes"),
    "words": (LABELS, lambda content: b"<html>not found</html>", "is not an IDX file of bytes in 1 dimensions"),
    "images as labels": (LABELS, lambda content: bytes((0, 0, 8, 3)) + content[4:], "is not an IDX file"),
    "floats": (IMAGES, lambda content: bytes((0, 0, 13, 3)) + content[4:], "is not an IDX file"),
    "label 99": (LABELS, lambda content: content[:-1] + bytes([99]), "has labels from 0 to 99, wants 0 to 9"),
    "few labels": (LABELS, lambda content: content[:7] + bytes([3]) + content[8:-1], "got 3 labels for 4 images"),
}


@pytest.mark.parametrize("how", IDX_DAMAGE)
def test_a_bad_file_of_fashion_mnist_is_named(tmp_path, how):
    for kind in ("train", "t10k"):
        write_idx(tmp_path / f"{kind}-images-idx3-ubyte", np.zeros((4, 28, 28), np.uint8))
        write_idx(tmp_path / f"{kind}-labels-idx1-ubyte", np.zeros(4, np.uint8))
    assert len(datasets.fashion_mnist(tmp_path).train[0]) == 4
    name, damage, message = IDX_DAMAGE[how]
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        datasets.fashion_mnist(tmp_path)


@pytest.mark.parametrize("cut", [0, 5, -12])
def test_a_truncated_gzip_file_is_named(tmp_path, cut):
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(4, np.uint8))
    for name in (IMAGES, LABELS):
        path = tmp_path / f"{name}.gz"
        write_idx(path, np.zeros((4, 28, 28), np.uint8))
        path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=f"{IMAGES}.gz: is not "):
        datasets.fashion_mnist(tmp_path)


class Evil:
    """What would run code if it was unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_damaged_files_of_cifar10_are_named(tmp_path):
    path = tmp_path / "cifar10.npz"
    images, labels = np.zeros((3, 32, 32, 3), np.uint8), np.zeros(3, np.uint8)
    np.savez_compressed(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    whole = path.read_bytes()
    np.savez(path, x_train=np.array([Evil()], object), y_train=labels, x_test=images, y_test=labels)
    pickled = path.read_bytes()
    np.save(tmp_path / "one.npy", images)
    array = (tmp_path / "one.npy").read_bytes()
    for content in (whole[:-30], whole[:100], b"", b"<html>", pickled, array, whole[:60] + b"xxxx" + whole[64:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"cifar10.npz: is not a whole .npz file of arrays of numbers") as caught:
            datasets.cifar10(tmp_path)
        assert "allow_pickle" not in str(caught.value)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("label", "message"), [(5.5, "labels have dtype float64"), (99, "labels from 0 to 99"), (-1, "labels from -1 to 0")]
)
def test_labels_of_cifar10_are_its_classes(tmp_path, label, message):
    images, right = np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, int)
    wrong = np.array([0, label])
    np.savez(tmp_path / "cifar10.npz", x_train=images, y_train=right, x_test=images, y_test=wrong)
    with pytest.raises(ValueError, match=f"cifar10.npz: .*{message}"):
        datasets.cifar10(tmp_path)
