"""Planes: time per point, ours and others', on digits and on images of 32×32."""

import time

import numpy as np
import peers
import torch
from timing import fastest

import landscape_nb as lnb
from landscape_nb import datasets, models

GFLOP_RESNET56 = 0.2515  # multiplications and additions of one 32×32 image's convolutions, in 10⁹


def mlp_on_digits():
    x, y = (part[:500] for part in datasets.digits().train)
    model = models.mlp((64, 64), channels=1, image_size=8).eval()
    axis = np.linspace(-1, 1, 51)
    rows = compare(model, x, y, axis, axis, rounds=5, peers_alphas=axis[::10])
    objective, directions = lnb.Objective(model, (x, y), batch_size=500), lnb.random_directions(model, 2)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        lnb.evaluate_plane(objective, directions, resolution=51, progress=False)
        times.append(time.perf_counter() - start)
    return [
        goal("MLP 64-64-64-10, 500 digits, 51×51: best peer / ours, per point", best_peer(rows) / rows["ours"], 2.5),
        goal("the whole plane, seconds", min(times), 0.5, at_most=True),
    ], rows


def resnet20_on_digits():
    x, y = (part[:500] for part in datasets.digits().train)
    model = models.resnet(20, channels=1, image_size=8).eval()
    axis = np.linspace(-1, 1, 25)
    rows = compare(model, x, y, axis, axis, rounds=8, peers_alphas=axis[::12])
    return [
        goal("ResNet-20, 500 digits, 25×25: best peer / ours, per point", best_peer(rows) / rows["ours"], 1.7)
    ], rows


def resnet56_on_images(model, x, y):
    axis = np.linspace(-1, 1, 5)
    rows = compare(model, x, y, axis, axis, rounds=5, peers_alphas=axis[::4])
    left = torch.randn(2048, 2048)
    matmul = fastest({"matmul": lambda: [left @ left for _ in range(20)]}, rounds=10)["matmul"] / 20
    rate, wanted = GFLOP_RESNET56 * len(x) / rows["ours"], 2 * 2.048**3 / matmul
    directions = lnb.random_directions(model, 2)
    found = lnb.evaluate_plane(lnb.Objective(model, (x, y)), directions, resolution=5, progress=False).loss.values
    error = np.abs(found / peers.authors(model, x, y, directions, axis, axis)() - 1).max()
    return [
        goal("ResNet-56, 500 images 32×32, 5×5: best peer / ours, per point", best_peer(rows) / rows["ours"], 1.4),
        goal("the same: the authors' loop / ours", rows["authors' loop"] / rows["ours"], 2.2),
        goal(f"the same: of the matrix-product rate ({wanted:.0f} GFLOP/s)", rate / wanted, 0.6),
        goal("the same: largest relative difference from the authors' loop", error, 1e-4, at_most=True),
    ], rows


def compare(model, x, y, alphas, betas, rounds, peers_alphas=None):
    """Seconds per point of each package."""
    directions = lnb.random_directions(model, 2)
    objective = lnb.Objective(model, (x, y), batch_size=len(y))
    few = alphas if peers_alphas is None else peers_alphas
    extent, resolution = [(alphas[0], alphas[-1]), (betas[0], betas[-1])], (len(alphas), len(betas))
    arguments = model, x, y, directions, few, betas
    rivals = {
        "ours": lambda: lnb.evaluate_plane(objective, directions, extent, resolution, progress=False),
        "gradfield": peers.gradfield(*arguments),
        "nngeom": peers.nngeom(*arguments),
        "loss-landscape-3d": peers.loss_landscape_3d(*arguments, batch_size=len(y)),
        "loss-landscape-3d, batches of 128": peers.loss_landscape_3d(*arguments, batch_size=128),
        "authors' loop": peers.authors(*arguments),
    }
    points = dict.fromkeys(rivals, len(few) * len(betas)) | {"ours": len(alphas) * len(betas)}
    points["nngeom"] = int(np.ceil(np.sqrt(len(few) * len(betas)))) ** 2
    return {name: seconds / points[name] for name, seconds in fastest(rivals, rounds).items()}


def best_peer(rows):
    return min(seconds for name, seconds in rows.items() if name not in ("ours", "authors' loop"))


def goal(what, found, wanted, at_most=False):
    return {"what": what, "found": float(found), "wanted": wanted, "at_most": at_most}
