"""What jobs gave: one netCDF file for each product, a file of weights for each network, and a manifest of all.

A file's attributes say what it was made from. The manifest has each file's SHA-256; a file that is listed and has
another one is refused. Files lie in a directory of the user's (`LANDSCAPE_NB_GALLERY`); those that ship with the
package lie in `gallery/data`, and are read where the user has none of that name.
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
from torch import nn

from landscape_nb import models
from landscape_nb._common import settings
from landscape_nb._common.provenance import fingerprint
from landscape_nb.gallery.jobs import SCALES, Job
from landscape_nb.weights.copies import copied_model

SHIPPED = Path(__file__).parent / "data"
MANIFEST = "manifest.json"
NETWORK = "network"
JOB = "job"
ATTRS = "attributes"


def digest(job: Job) -> str:
    """What tells this job's results from those of a job that is declared otherwise.

    Example:
        >>> from landscape_nb.gallery.jobs import find_job
        >>> digest(find_job("cpu-resnet20-plain")) == digest(find_job("cpu-resnet20-shortcuts"))
        False
    """
    declared = asdict(job) | {"products": (), "title": ""}
    return fingerprint(declared, asdict(SCALES[job.scale]))


def path_of(job: Job, product: str, folder: Path) -> Path:
    """The file of a product.

    Example:
        >>> from landscape_nb.gallery.jobs import find_job
        >>> path_of(find_job("cpu-resnet20-plain"), "plane", Path("out")).name
        'cpu-resnet20-plain.plane.nc'
    """
    return folder / f"{job.name}.{product}.{'safetensors' if product == NETWORK else 'nc'}"


def is_done(job: Job, product: str, folder: Path) -> bool:
    """Whether a directory has this product of this job, as it is declared now."""
    path = path_of(job, product, folder)
    if not path.exists():
        return False
    try:
        if product == NETWORK:
            return _metadata(path.read_bytes()).get(JOB) == digest(job)
        with xr.open_dataset(path, engine="scipy") as found:
            return found.attrs.get(JOB) == digest(job)
    except Exception:  # nonsense in a file raises nearly anything; it is computed anew
        return False


def write(job: Job, product: str, found: xr.Dataset, folder: Path) -> Path:
    """Write a product, whole or not at all.

    Args:
        job: What gave it.
        product: Its name.
        found: What it is; numbers are kept in float32.
        folder: Where to.
    """
    values = found.copy()
    for name, value in found.variables.items():
        if value.dtype.kind == "f" and name not in found.coords:
            values[name] = value.astype(np.float32)
        elif value.dtype.kind == "b":
            values[name] = value.astype(np.int8)
    # netCDF knows neither True, None, nor lists of texts: attributes are one text, of JSON.
    values.attrs = {JOB: digest(job), ATTRS: json.dumps(found.attrs, default=_plain, ensure_ascii=False)}
    return _put(path_of(job, product, folder), bytes(values.to_netcdf(engine="scipy")))


def read(job: Job, product: str, folder: Path | None = None) -> xr.Dataset | None:
    """A product of a job: the user's own, else the shipped one; None where it is not computed.

        Args:
            job: The job.
            product: Its name.
            folder: A directory; default the user's, then the shipped results.

        Raises:
            ValueError: The manifest has another checksum for the file.

    Example:
        >>> from landscape_nb.gallery.jobs import find_job
        >>> read(find_job("authors-resnet56-plain"), "plane").loss.shape
        (51, 51)
    """
    for directory in _folders(folder):
        if is_done(job, product, directory):
            path = path_of(job, product, directory)
            _check(path)
            return _loaded(path)
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
    """
    names = {name for name, _ in model.named_parameters()}
    state = {name: t.half() if name in names else t for name, t in model.state_dict().items()}
    # One entry: safetensors writes several in any order, and the same network would be another file each time.
    metadata = {ATTRS: json.dumps(dict(attrs) | {JOB: digest(job)}, default=_plain, ensure_ascii=False)}
    content = save({name: t.cpu().contiguous() for name, t in state.items()}, metadata)
    return _put(path_of(job, NETWORK, folder), content)


def read_network(job: Job, folder: Path | None = None) -> nn.Module | None:
    """The trained network of a job, in evaluation mode; None where it is not computed.

    Args:
        job: The job.
        folder: A directory; default the user's, then the shipped results.

    Raises:
        ValueError: The manifest has another checksum for the file.
    """
    for directory in _folders(folder):
        if is_done(job, NETWORK, directory):
            path = path_of(job, NETWORK, directory)
            _check(path)
            model = build_network(job, _shape(job))
            model.load_state_dict({name: tensor.float() for name, tensor in load(path.read_bytes()).items()})
            return model.eval()
    return None


def build_network(job: Job, shape: Mapping[str, Any]) -> nn.Module:
    """A job's network with its initial weights.

    Args:
        job: The job.
        shape: The images' shape, as `ImageData.shape` has it.
    """
    seed = job.training.seed if job.training else 0
    return getattr(models, job.family)(**job.options, **shape, seed=seed)


def write_manifest(folder: Path) -> Path:
    """List all results of a directory with their checksums and what made them.

    Example:
        >>> import tempfile
        >>> write_manifest(Path(tempfile.mkdtemp())).read_text()
        '{}'
    """
    entries = {path.name: _entry(path) for path in sorted(folder.glob("*.*")) if path.suffix in (".nc", ".safetensors")}
    return _put(folder / MANIFEST, json.dumps(entries, indent=1, ensure_ascii=False).encode())


def user_folder() -> Path:
    """Where the user's own results are kept."""
    return settings.gallery()


def _folders(folder: Path | None) -> tuple[Path, ...]:
    return (user_folder(), SHIPPED) if folder is None else (folder,)


def _shape(job: Job) -> dict[str, Any]:
    size = (8, 8) if SCALES[job.scale].data == "digits" else (32, 32)
    return {"channels": 1 if size == (8, 8) else 3, "classes": 10, "image_size": size}


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    attrs = _loaded(path).attrs if path.suffix == ".nc" else _metadata(content)
    keep = ("command", "network", "data", "seed", "versions", "device", JOB)
    kept = {name: attrs[name] for name in keep if name in attrs}
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} | kept


def _check(path: Path) -> None:
    """Raise a `ValueError` if the manifest beside a file lists another checksum for it."""
    manifest = path.parent / MANIFEST
    if not manifest.exists():
        return
    listed = json.loads(manifest.read_text()).get(path.name)
    if listed and listed["sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ValueError(
            f"{path}: damaged, its checksum is not the one in {manifest.name}; delete it and build it anew"
        )


def _metadata(content: bytes) -> dict[str, Any]:
    size = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + size])["__metadata__"][ATTRS])


def _put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)
    return path


def _loaded(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="scipy") as opened:
        found = opened.load()
    found.attrs = json.loads(found.attrs[ATTRS]) | {JOB: found.attrs[JOB]}
    return found


def _plain(value: Any) -> Any:
    """What JSON has in the place of an attribute that it does not know."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
