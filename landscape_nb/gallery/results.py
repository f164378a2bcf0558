"""What jobs gave: one netCDF file for each product, and a file of weights for each network.

A file's attributes say what it was made from, and have a checksum of all the rest: a file is whole, or it is
refused. Files lie in a directory of the user's (`LANDSCAPE_NB_GALLERY`); those that ship with the package lie in
`gallery/data`, and are read where the user has none of that name. A manifest lists what a directory holds.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from safetensors.torch import load, save
from torch import Tensor, nn

from landscape_nb import models
from landscape_nb._common import settings
from landscape_nb._common.paths import write_whole
from landscape_nb._common.provenance import fingerprint
from landscape_nb.gallery.jobs import JOBS, SCALES, Job
from landscape_nb.weights.copies import copied_model

SHIPPED = Path(__file__).parent / "data"
MANIFEST = "manifest.json"
NETWORK = "network"
JOB, ATTRS, CHECKSUM = "job", "attributes", "checksum"


class DamagedResultError(ValueError):
    """A file of results is not what was written."""


def digest(job: Job) -> str:
    """What tells this job's results from those of a job that is declared otherwise.

    Example:
        >>> from landscape_nb.gallery.jobs import find_job
        >>> digest(find_job("cpu-resnet20-plain")) == digest(find_job("cpu-resnet20-shortcuts"))
        False
    """
    declared = asdict(job) | {"products": (), "title": ""}
    ends = [digest(JOBS[f"{job.scale}-{role}"]) for role in job.ends]
    return fingerprint(declared, asdict(SCALES[job.scale]), *ends)


def path_of(job: Job, product: str, folder: Path) -> Path:
    """The file of a product.

    Example:
        >>> from landscape_nb.gallery.jobs import find_job
        >>> path_of(find_job("cpu-resnet20-plain"), "plane", Path("out")).name
        'cpu-resnet20-plain.plane.nc'
    """
    return folder / f"{job.name}.{product}.{'safetensors' if product == NETWORK else 'nc'}"


def is_done(job: Job, product: str, folder: Path) -> bool:
    """Whether a directory has this product of this job, whole, as the job is declared now.

    A job that trains a network has a file of it: without that its history alone does not count.
    """
    return _is_whole(job, product, folder) and (product != "training" or _is_whole(job, NETWORK, folder))


def is_computed(job: Job, product: str) -> bool:
    """Whether this product of this job is among the user's results, or ships with the package."""
    return any(is_done(job, product, folder) for folder in _folders(None))


def write(job: Job, product: str, found: xr.Dataset, folder: Path) -> Path:
    """Write a product, whole or not at all.

    Args:
        job: What gave it.
        product: Its name.
        found: What it is; numbers are kept in float32.
        folder: Where to.

    Raises:
        OSError: It cannot be written; the message names the file.
    """
    values = found.copy()
    for name, value in found.variables.items():
        if value.dtype.kind == "f" and name not in found.coords:
            values[name] = value.astype(np.float32)
        elif value.dtype.kind == "b":
            values[name] = value.astype(np.int8)
    # netCDF knows neither True, None, nor lists of texts: attributes are one text, of JSON.
    text = json.dumps(found.attrs | {JOB: digest(job)}, default=_plain, ensure_ascii=False)
    values.attrs = {ATTRS: text, CHECKSUM: _checksum(text, _arrays(values))}
    return write_whole("out", path_of(job, product, folder), bytes(values.to_netcdf(engine="scipy")))


def read(job: Job, product: str, folder: Path | None = None) -> xr.Dataset | None:
    """A product of a job: the user's own, else the shipped one; None where it is not computed.

    Args:
        job: The job.
        product: Its name.
        folder: A directory; default the user's, then the shipped results.

    Raises:
        DamagedResultError: The file is not what was written.

    Example:
        >>> from landscape_nb.gallery.jobs import find_job
        >>> read(find_job("authors-resnet56-plain"), "plane").loss.shape
        (51, 51)
    """
    for each in _folders(folder):
        if (found := _dataset(job, product, each)) is not None:
            return found
    return None


def rounded(model: nn.Module) -> nn.Module:
    """A copy of a network whose weights are those that a file of results holds: rounded to float16.

    What is measured of the copy is then measured of the very network that a reader loads.

    Example:
        >>> layer = rounded(nn.Linear(2, 2))
        >>> torch.equal(layer.weight, layer.weight.half().float())
        True
    """
    copied = copied_model(model)
    with torch.no_grad():
        for p in copied.parameters():
            p.copy_(p.half())
    return copied


def write_network(job: Job, model: nn.Module, folder: Path, attrs: Mapping[str, Any]) -> Path:
    """Write a network's weights in float16, and its buffers as they are.

    Args:
        job: What gave it.
        model: The network.
        folder: Where to.
        attrs: What the file says about it.

    Raises:
        OSError: It cannot be written; the message names the file.
    """
    names = {name for name, _ in model.named_parameters()}
    state = {name: t.half() if name in names else t for name, t in model.state_dict().items()}
    state = {name: t.detach().cpu().contiguous() for name, t in state.items()}
    text = json.dumps(dict(attrs) | {JOB: digest(job)}, default=_plain, ensure_ascii=False)
    # One entry: safetensors writes several in any order, and the same network would be another file each time.
    checksum = _checksum(text, {name: t.numpy() for name, t in state.items()})
    content = save(state, {ATTRS: json.dumps([text, checksum], ensure_ascii=False)})
    return write_whole("out", path_of(job, NETWORK, folder), content)


def read_network(job: Job, folder: Path | None = None) -> nn.Module | None:
    """The trained network of a job, in evaluation mode; None where it is not computed.

    Args:
        job: The job.
        folder: A directory; default the user's, then the shipped results.

    Raises:
        DamagedResultError: The file is not what was written.
    """
    for each in _folders(folder):
        if (found := _network_state(job, NETWORK, each)) is not None:
            model = build_network(job, _shape(job))
            model.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in found[0].items()})
            return model.eval()
    return None


def network_attrs(job: Job, folder: Path) -> dict[str, Any]:
    """What the file of a network says about it; nothing where there is none."""
    found = _network_state(job, NETWORK, folder)
    return {} if found is None else found[1]


def build_network(job: Job, shape: Mapping[str, Any]) -> nn.Module:
    """A job's network with its initial weights.

    Args:
        job: The job.
        shape: The images' shape, as `ImageData.shape` has it.
    """
    seed = job.training.seed if job.training else 0
    return getattr(models, job.family)(**job.options, **shape, seed=seed)


def write_manifest(folder: Path) -> Path:
    """List all results of a directory with their SHA-256 and what made them.

    Other files, and results that are damaged or of jobs declared otherwise, are left out.

    Example:
        >>> import tempfile
        >>> write_manifest(Path(tempfile.mkdtemp())).read_text()
        '{}'
    """
    entries = {}
    for job in JOBS.values():
        for product in (*job.products, NETWORK):
            if _is_whole(job, product, folder):
                path = path_of(job, product, folder)
                entries[path.name] = _entry(job, product, folder)
    return write_whole(
        "out", folder / MANIFEST, json.dumps(entries, indent=1, ensure_ascii=False, sort_keys=True).encode()
    )


def check_writable(folder: Path) -> None:
    """Raise an `OSError` unless results can be written into a directory, which is made."""
    write_whole("out", folder / ".writable", b"").unlink()


def user_folder() -> Path:
    """Where the user's own results are kept."""
    return settings.gallery()


def _folders(folder: Path | None) -> tuple[Path, ...]:
    return (user_folder(), SHIPPED) if folder is None else (folder,)


def _shape(job: Job) -> dict[str, Any]:
    size = (8, 8) if SCALES[job.scale].data == "digits" else (32, 32)
    return {"channels": 1 if size == (8, 8) else 3, "classes": 10, "image_size": size}


def _is_whole(job: Job, product: str, folder: Path) -> bool:
    """Whether a file is there, undamaged, and of this job as it is declared now."""
    try:
        return (_network_state if product == NETWORK else _dataset)(job, product, folder) is not None
    except DamagedResultError:
        return False


def _dataset(job: Job, product: str, folder: Path) -> xr.Dataset | None:
    """A product in one directory; None if it is not there, or is that of another declaration."""
    path = path_of(job, product, folder)
    if not path.is_file():
        return None
    try:
        with xr.open_dataset(path, engine="scipy") as opened:
            found = opened.load()
        text, checksum = found.attrs[ATTRS], found.attrs[CHECKSUM]
        attrs = json.loads(text)
        whole = checksum == _checksum(text, _arrays(found))
    except Exception as error:  # nonsense in a file raises nearly anything
        raise _damaged(path) from error
    if not whole:
        raise _damaged(path)
    found.attrs = attrs
    return found if attrs[JOB] == digest(job) else None


def _network_state(job: Job, product: str, folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The tensors and attributes of a network in one directory; None as in `_dataset`."""
    path = path_of(job, product, folder)
    if not path.is_file():
        return None
    try:
        content = path.read_bytes()
        state = load(content)
        size = int.from_bytes(content[:8], "little")
        text, checksum = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][ATTRS])
        attrs = json.loads(text)
        whole = checksum == _checksum(text, {name: t.numpy() for name, t in state.items()})
    except Exception as error:  # nonsense in a file raises nearly anything
        raise _damaged(path) from error
    if not whole:
        raise _damaged(path)
    return (state, attrs) if attrs[JOB] == digest(job) else None


def _damaged(path: Path) -> DamagedResultError:
    return DamagedResultError(f"{path}: damaged; delete it, or build its job anew")


def _arrays(found: xr.Dataset) -> dict[str, np.ndarray]:
    """Values by name and dimensions."""
    return {f"{name} {value.dims}": value.values for name, value in found.variables.items()}


def _checksum(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Of attributes and values, whatever the order and byte order in which a file has them."""
    found = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        array = array.astype(array.dtype.newbyteorder("<")) if array.dtype.byteorder == ">" else array
        array = array.astype(np.int64) if array.dtype.kind in "iu" else array
        found.update(f"{name}{array.shape}{array.dtype.kind}{array.dtype.itemsize}".encode() + array.tobytes())
    return found.hexdigest()


def _entry(job: Job, product: str, folder: Path) -> dict[str, Any]:
    content = path_of(job, product, folder).read_bytes()
    if product == NETWORK:
        attrs = network_attrs(job, folder)
    else:
        found = _dataset(job, product, folder)
        attrs = {} if found is None else found.attrs
    keep = ("command", "network", "data", "seed", "versions", "device", JOB)
    kept = {name: attrs[name] for name in keep if name in attrs}
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} | kept


def _plain(value: Any) -> Any:
    """What JSON has in the place of an attribute that it does not know."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
