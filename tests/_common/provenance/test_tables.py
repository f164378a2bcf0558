"""Tables of any library count by their values, names and axes."""

import numpy as np
import pandas
import pytest
import xarray as xr

from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.provenance.tables import table


def frame(**changes):
    return pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]} | changes)


def array(**changes):
    given = {"data": [1.0, 2.0], "coords": {"x": [0, 1]}, "dims": "x", "name": "loss", "attrs": {"seed": 0}} | changes
    return xr.DataArray(**given)


FRAMES = {
    "base": frame(),
    "a value": frame(b=[0.5, 1.25]),
    "a kind": frame(a=[1.0, 2.0]),
    "a name": frame().rename(columns={"b": "c"}),
    "an index": frame().set_axis([5, 6], axis=0),
    "an index's name": frame().rename_axis(index="row"),
    "an order": frame()[["b", "a"]],
    "rows in another order": frame().iloc[::-1],
    "categories": frame(a=pandas.Categorical([1, 2], [1, 2, 3])),
    "fewer categories": frame(a=pandas.Categorical([1, 2], [1, 2])),
    "ordered categories": frame(a=pandas.Categorical([1, 2], [1, 2], ordered=True)),
    "a column alone": frame()["a"],
}
ARRAYS = {
    "base": array(),
    "a value": array(data=[1.0, 3.0]),
    "a coordinate": array(coords={"x": [0, 2]}),
    "a dimension": array(coords={"y": [0, 1]}, dims="y"),
    "a name": array(name="accuracy"),
    "attributes": array(attrs={"seed": 1}),
    "no coordinate": array(coords={}),
    "a Dataset": array().to_dataset(),
    "another variable": array().to_dataset(name="accuracy"),
    "two variables": array().to_dataset().assign(other=array(name="other")),
    "a Dataset's attributes": array().to_dataset().assign_attrs(seed=1),
}


@pytest.mark.parametrize("tables", [FRAMES, ARRAYS], ids=["pandas", "xarray"])
def test_whatever_is_another_table_counts_as_another(tables):
    assert len({fingerprint(made) for made in tables.values()}) == len(tables)


@pytest.mark.parametrize("tables", [FRAMES, ARRAYS], ids=["pandas", "xarray"])
def test_a_copied_table_counts_the_same(tables):
    for name, made in tables.items():
        assert fingerprint(made.copy()) == fingerprint(made), name


def test_large_whole_numbers_beside_fractions_are_not_rounded():
    """One array of the whole table would have float64, which does not tell these apart."""
    large = [frame(a=[2**53, number]) for number in (2**53, 2**53 + 1)]
    assert large[0].to_numpy().tolist() == large[1].to_numpy().tolist()
    assert fingerprint(large[0]) != fingerprint(large[1])


def test_values_come_column_by_column_with_their_kinds():
    *_, values = table(frame())
    assert [(kind, numbers.tolist()) for kind, _, numbers in values] == [("int64", [1, 2]), ("float64", [0.5, 1.5])]


def test_columns_with_the_names_of_attributes_are_columns():
    named = [frame(name=[number, 0], dims=[0, 0]) for number in (1, 2)]
    assert fingerprint(named[0]) != fingerprint(named[1])
    assert "name" not in dict(table(named[0])[0])


def test_what_fails_when_it_is_read_says_so():
    class Closed:
        def __array__(self, dtype=None, copy=None):
            raise OSError("closed")

    with pytest.raises(OSError, match="closed"):
        table(Closed())
    assert table(np.float32(3))[-1][0] == "float32"
