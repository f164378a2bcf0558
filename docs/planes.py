"""The planes that ship with the package, as a script for the site's pages that draw them.

Heights are log₁₀ of the loss in thousandths, as whole numbers of two bytes: 0.2 % of the loss, 7 kB a plane.
"""

import base64
import json
import math
from pathlib import Path

import numpy as np

from landscape_nb.diagnosis.plane_shape import local_minima, roughness
from landscape_nb.gallery.jobs import JOBS
from landscape_nb.gallery.results import SHIPPED, read

THOUSANDTHS = 1000
NOT_FINITE = -(2**15)
FAMILIES = {"vgg9": "VGG-9", "resnet": "ResNet", "densenet": "DenseNet"}
PLANES = ("plane", "plane-1", "plane-2", "plane-3", "path-plane")


def write_planes(path: Path) -> None:
    """Write all shipped planes into a script that defines `PLANES`."""
    text = json.dumps(shipped(), ensure_ascii=False, separators=(",", ":"))
    path.write_text(f"const PLANES = {text};\n", encoding="utf-8")


def shipped():
    """Every shipped plane with what the explorer says of it, those at the paper's scale first."""
    jobs = sorted(JOBS.values(), key=lambda job: (job.scale == "quick", not job.released))
    found = ((job, product, read(job, product, SHIPPED)) for job in jobs for product in PLANES)
    planes = [described(job, product, plane) for job, product, plane in found if plane is not None]
    return list({repr((plane["collection"], plane["facts"])): plane for plane in planes}.values())


def described(job, product, plane):
    """A plane: where it belongs, what distinguishes it there, its heights, and its numbers."""
    return {
        "title": job.title,
        "collection": collection(job),
        "facts": facts(job, product, plane),
        "alpha": plane.alpha.values.round(6).tolist(),
        "beta": plane.beta.values.round(6).tolist(),
        "heights": packed(plane.loss.values),
        "numbers": numbers(job, plane),
    }


def collection(job):
    """Planes whose networks differ in a few things that a reader chooses."""
    kind = "the paper's own networks" if job.released else FAMILIES[job.family]
    return f"{kind}, {'digits' if job.scale == 'quick' else 'CIFAR-10'}"


def facts(job, product, plane):
    """What distinguishes a plane from others of its collection, by name."""
    found = {}
    if job.family == "resnet":
        found["depth"] = str(job.options.get("depth", 56))
        found["skip connections"] = "without" if job.role.endswith("plain") else "with"
        if not job.released:
            found["channels"] = str(round(16 * job.options.get("width", 1))) + " at first"
    if job.family == "vgg9":
        found["optimizer"] = job.training.optimizer.replace("sgd", "SGD").replace("adam", "Adam")
        found["batch"] = str(job.training.batch_size)
        found["weight decay"] = f"{job.training.weight_decay:g}"
    on_path = product == "path-plane"
    found["directions"] = "of its path (PCA)" if on_path else f"random, seed {plane.attrs['seed']}"
    return found


def packed(loss):
    """log₁₀ of the loss in thousandths, row by row along alpha, in base64."""
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.round(THOUSANDTHS * np.log10(loss.astype(float)))
    heights = np.where(np.isfinite(heights), heights, NOT_FINITE).clip(NOT_FINITE, 2**15 - 1)
    return base64.b64encode(heights.astype("<i2").tobytes()).decode()


def numbers(job, plane):
    """What a reader may want to know of a plane, as texts by name."""
    training = read(job, "training", SHIPPED)
    found = {
        "loss at the centre": f"{float(plane.loss.sel(alpha=0, beta=0, method='nearest')):.3g}",
        "local minima": str(local_minima(plane)),
        "roughness": f"{roughness(plane):.3f}",
        "network": f"{job.title}, trained by the paper's authors" if job.released else plane.attrs["network"],
        "images": f"{plane.attrs['samples']:,}",
        "of the data": plane.attrs["data"],
        "error of a height": error(plane.attrs["estimated_error"]),
    }
    if training is not None:
        accuracies = training.attrs["final_accuracy"], training.attrs["final_test_accuracy"]
        found["training, test error"] = ", ".join(f"{100 * (1 - a):.1f} %" for a in accuracies)
    return found


def error(dex):
    """An error in log₁₀ as a percentage of the loss."""
    return f"{100 * (math.pow(10, dex) - 1):.1f} % of the loss"
