"""Random states are left as they were, whatever is drawn and whatever goes wrong."""

import random

import numpy as np
import pytest
import torch

from landscape_nb._common.rng import preserved_rng, random_states, seed_everything

DRAWS = {
    "torch": lambda: torch.rand(3).tolist(),
    "torch's normal": lambda: torch.randn(3).tolist(),
    "numpy": lambda: np.random.rand(3).tolist(),
    "numpy's normal": lambda: np.random.standard_normal(3).tolist(),
    "python": lambda: [random.random() for _ in range(3)],
    "python's normal": lambda: random.gauss(0, 1),
}


def draw_all():
    return {name: draw() for name, draw in DRAWS.items()}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(1)
    np.random.seed(2)
    random.seed(3)


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_what_is_drawn_inside_is_not_missed_outside(error):
    np.random.standard_normal()  # one of a pair: the second is part of the state
    random.gauss(0, 1)
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    wanted = draw_all()
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])
    try:
        with preserved_rng():
            assert draw_all() == wanted
            seed_everything(5)
            draw_all()
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert draw_all() == wanted


@pytest.mark.parametrize("source", DRAWS)
def test_states_differ_after_a_number_was_drawn_and_only_then(source):
    before = random_states()
    assert random_states() == before
    DRAWS[source]()
    assert random_states() != before


def test_states_are_the_same_where_the_next_numbers_are():
    seed_everything(7)
    before, first = random_states(), draw_all()
    seed_everything(7)
    assert random_states() == before
    assert draw_all() == first


def test_every_number_of_a_seed_counts_and_their_order():
    firsts = []
    for entropy in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2**63 - 1, 0, 0)]:
        seed_everything(*entropy)
        firsts.append(draw_all())
    for source in DRAWS:
        assert len({str(first[source]) for first in firsts}) == len(firsts)


def test_neighbouring_seeds_are_not_alike():
    """Of seeds (0, n), the first numbers are spread like independent ones: mean 1/2, variance 1/12, no trend."""
    values = []
    for number in range(400):
        seed_everything(0, number)
        values.append([torch.rand(1).item(), np.random.rand(), random.random()])
    values = np.array(values)
    np.testing.assert_allclose(values.mean(0), 1 / 2, atol=5 * (1 / 12 / 400) ** 0.5)
    np.testing.assert_allclose(values.var(0), 1 / 12, rtol=0.3)
    for column in values.T:
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 5 / 400**0.5
