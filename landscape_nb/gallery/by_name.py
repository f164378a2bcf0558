"""Results by the names of their jobs, for readers who look at them or draw them in their own way."""

import xarray as xr
from torch import nn

from landscape_nb._common.checks import check_choice
from landscape_nb.gallery.jobs import JOBS, find_job
from landscape_nb.gallery.results import NETWORK, is_computed, read, read_network


def gallery_result(job: str, product: str) -> xr.Dataset:
    """What was computed at the paper's scale: the user's own result, else the one that ships with the package.

    Args:
        job: A job's name, as `landscape-nb gallery list` prints it.
        product: What of it: `'training'`, `'lines'`, `'plane'`, `'path'`, …

    Returns:
        Values, and in `attrs` what they were made from: data, seed, versions, device.

    Raises:
        ValueError: There is no such job, or this product of it is not computed.

    Example:
        >>> training = gallery_result("cpu-vgg9-sgd-small-decay", "training")
        >>> round(100 * (1 - training.attrs["final_test_accuracy"]), 1)
        13.6
    """
    declared = find_job(job)
    check_choice("product", product, declared.products)
    found = read(declared, product)
    if found is None:
        raise ValueError(f"product: {product!r} of {job} is not computed yet: landscape-nb gallery build {job}")
    return found


def gallery_network(job: str) -> nn.Module:
    """A network that was trained at the paper's scale, for planes of your own around it.

    Args:
        job: A job's name, as `landscape-nb gallery list` prints it.

    Returns:
        The network, in evaluation mode. Its weights were rounded to 16 bits before anything of it was measured.

    Raises:
        ValueError: There is no such job, or its network is neither computed nor shipped.

    Example:
        >>> network = gallery_network("cpu-vgg9-sgd-small-decay")
        >>> sum(weights.numel() for weights in network.parameters())
        699562
    """
    found = read_network(find_job(job))
    if found is None:
        names = [name for name, each in JOBS.items() if is_computed(each, NETWORK)]
        raise ValueError(f"job: the network of {job} is not here; those that are: {', '.join(names)}")
    return found
