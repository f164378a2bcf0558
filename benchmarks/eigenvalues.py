"""Both extreme eigenvalues of the Hessian to 1 %: products and seconds, ours and others'."""

import copy
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from curvlinops import HessianLinearOperator
from hessian_eigenthings import HessianOperator, lanczos, supervised_loss
from planes import goal
from pyhessian import hessian as pyhessian
from scipy.sparse.linalg import LinearOperator, eigsh
from timing import fastest

import landscape_nb as lnb
from landscape_nb import datasets, models

WANTED = 0.01
RESIDUAL = 0.03  # relative, for all that stop on it: it gives both eigenvalues to 1 %
ONE_END = "PyHessian, one end only"


def resnet20_on_digits():
    data = datasets.digits()
    x, y = (part[:100] for part in data.train)
    net = models.resnet(20, channels=1, image_size=8)
    run = lnb.train(net, data, epochs=4, lr=0.05, augment=False, cache=False, progress=False)
    model = run.model_at(4).eval()
    objective = lnb.Objective(model, (x, y), batch_size=500)
    exact = lnb.extreme_eigenvalues(objective, ignore=None, tolerance=1e-4)
    truth = np.array([exact.min, exact.max])
    rivals = {"ours": lambda: _ours(objective)} | {
        name: make(model, x, y, truth)
        for name, make in (
            ("curvlinops + eigsh", _curvlinops),
            ("hessian-eigenthings", _eigenthings),
            (ONE_END, _pyhessian),
        )
    }
    errors = {name: float(np.abs(np.array(run()) / truth - 1).max()) for name, run in rivals.items()}
    seconds = fastest(rivals, rounds=3)
    both_ends = {name for name in rivals if name not in ("ours", ONE_END)}
    right = {name: seconds[name] for name in both_ends if errors[name] <= WANTED}
    ours = lnb.extreme_eigenvalues(objective, ignore=None, tolerance=RESIDUAL).products
    two = sum(_one_ended(objective, end) for end in ("LA", "SA"))
    goals = [
        goal(
            "eigenvalues of ResNet-20 on digits: products / those of two one-ended runs", ours / two, 0.55, at_most=True
        ),
        goal("the same: fastest of the others within 1 % / ours, seconds", min(right.values()) / seconds["ours"], 1.5),
        goal("the same: our largest relative error", errors["ours"], WANTED, at_most=True),
    ]
    return goals, {f"{name} (error {errors[name]:.1%})": time for name, time in seconds.items()}


def _ours(objective):
    ends = lnb.extreme_eigenvalues(objective, ignore=None, tolerance=RESIDUAL)
    return ends.min, ends.max


def _one_ended(objective, which):
    """Products of SciPy's Lanczos for one end, as it comes."""
    operator = lnb.hessian_operator(objective, ignore=None)
    eigsh(
        operator,
        1,
        which=which,
        tol=RESIDUAL,
        v0=np.random.default_rng(0).standard_normal(operator.shape[0]).astype(np.float32),
    )
    return operator.products


def _curvlinops(model, x, y, truth):
    net = copy.deepcopy(model)
    params = list(net.parameters())

    def run():
        operator = HessianLinearOperator(
            net, torch.nn.CrossEntropyLoss(), params, [(x, y)], check_deterministic=False
        ).to_scipy()
        plain = LinearOperator(operator.shape, operator.matvec, dtype=np.float32)
        start = np.random.default_rng(0).standard_normal(plain.shape[0]).astype(np.float32)
        return [
            float(eigsh(plain, 1, which=end, tol=RESIDUAL, v0=start, return_eigenvectors=False)[0])
            for end in ("SA", "LA")
        ]

    return run


def _eigenthings(model, x, y, truth):
    """As many Lanczos steps as it takes, which we tell it: the fewest of these that are within 1 %."""
    operator = HessianOperator(copy.deepcopy(model), [(x, y)], supervised_loss(F.cross_entropy))

    def ends(steps):
        return [float(lanczos(operator, k=1, max_iter=steps, which=end, seed=0).eigenvalues[0]) for end in ("SA", "LA")]

    steps = _fewest(lambda steps: ends(steps), truth)
    return lambda: ends(steps)


def _pyhessian(model, x, y, truth):
    """Its power iteration finds the eigenvalue of largest size alone (its Lanczos calls torch.eig, which is gone)."""
    net = copy.deepcopy(model)

    def run():
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            largest = pyhessian(net, F.cross_entropy, data=(x, y), cuda=False).eigenvalues(tol=WANTED)[0][0]
        net.zero_grad(set_to_none=True)
        return truth[0], largest

    return run


def _fewest(ends, truth):
    for steps in (8, 16, 32):
        if np.abs(np.array(ends(steps)) / truth - 1).max() <= WANTED:
            return steps
    return 32
