"""Compute what ships in `landscape_nb/gallery`: planes and curvature maps of the paper's authors' networks.

Usage: python benchmarks/gallery.py planes maps     (LANDSCAPE_NB_DATA names the directory with the networks
                                                  and cifar10-lossless-4000.npz; the planes take ten
                                                  minutes a network on two cores, the maps twenty;
                                                  maps that are stopped go on from `build/gallery`)
"""

import sys
from pathlib import Path

import numpy as np
from progress import images

import landscape_nb as lnb
from landscape_nb._common.provenance import versions
from landscape_nb.course.presets import GALLERY

STORES = Path("build/gallery")
NETS = {
    "ResNet-56": ("resnet56.t7", "a-resnet56"),
    "ResNet-56, no shortcuts": ("resnet56_noshort.t7", "b-resnet56-noshort"),
}
PLANE_IMAGES, MAP_IMAGES = 1000, 100


def objective(name, count):
    """The loss of one of the authors' networks on the first training images."""
    folder = lnb.datasets.data_directory()
    return lnb.Objective(lnb.load_authors_checkpoint(folder / NETS[name][0]), images(folder, count), batch_size=count)


def plane(name):
    """The loss on the plane of the paper's Figure 1."""
    net = objective(name, PLANE_IMAGES)
    *_, found = lnb.progressive_plane(net, lnb.random_directions(net.origin, 2, seed=0), resolution=51)
    keep = ("estimated_error", "evaluations", "stopped")
    values = found[["loss", "loss_error"]].astype(np.float32).assign(measured=found.measured.astype(np.int8))
    return values, {key: found.attrs[key] for key in keep} | {"samples": PLANE_IMAGES, "origin_loss": net()["loss"]}


def curvatures(name):
    """Both ends of the Hessian's spectrum on the same plane, as in the paper's Figure 7."""
    net = objective(name, MAP_IMAGES)
    how = {"tolerance": 0.05, "store": STORES / f"{NETS[name][1]}.zarr"}
    found = lnb.curvature_map(net, lnb.random_directions(net.origin, 2, seed=0), resolution=5, **how)
    values = found[["lambda_min", "lambda_max", "ratio", "residual"]].astype(np.float32)
    keep = {"tolerance": found.attrs["tolerance"], "products": int(found.products.sum())}
    return values, keep | {"samples": MAP_IMAGES, "origin_loss": net()["loss"]}


JOBS = {"planes": ("05", plane), "maps": ("08", curvatures)}


def main(jobs):
    STORES.mkdir(parents=True, exist_ok=True)
    for notebook, compute in map(JOBS.__getitem__, jobs):
        for name, (_, file) in NETS.items():
            values, attrs = compute(name)
            values.attrs = attrs | {
                "network": name,
                "weights": "the paper's authors' trained network",
                "data": f"the first {attrs['samples']:,} CIFAR-10 training images, unchanged",
                "normalization": "filter",
                "seed": 0,
                "versions": versions(),
            }
            values.to_netcdf(GALLERY / f"{notebook}-{file}.nc", engine="scipy")


if __name__ == "__main__":
    main(sys.argv[1:])
