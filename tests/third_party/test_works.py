"""Models of other packages are measured right, and a store of theirs is gone on with by another process."""

import importlib.util
import itertools
from collections import Counter

import pytest
import torch
from helpers import ROOT

import landscape_nb as lnb
from landscape_nb._common.provenance import fingerprint
from landscape_nb._common.provenance import fingerprints as provenance

_spec = importlib.util.spec_from_file_location("build_works", ROOT / "docs" / "build_works.py")
works = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(works)
transformers = pytest.importorskip("transformers", reason="the extra `third-party` is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # torch says which batching rules are slow


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return works.measured_rows(tmp_path_factory.mktemp("works"))


def test_the_table_is_what_comes_of_each_model(rows):
    found = works.verdicts(works.page(rows))
    assert found == works.verdicts(works.PAGE.read_text(encoding="utf-8")), "run python docs/build_works.py"
    assert "WRONG" not in str(found)
    assert "NO" not in str(found)
    assert min(Counter(package for package, *_ in found).values()) >= 2


def bert(**changed):
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    return transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=9, **sizes | changed)).eval()


def test_settings_of_a_librarys_model_count():
    ways = [{}, {"layer_norm_eps": 1e-3}, {"hidden_act": "relu"}, {"hidden_dropout_prob": 0.3}, {"pad_token_id": 1}]
    assert len({fingerprint(bert(**way)) for way in ways}) == len(ways)
    assert fingerprint(bert()) == fingerprint(bert())


def test_what_else_a_library_has_done_does_not_count_and_little_is_read():
    reader = provenance._Reader(())
    with provenance.plain_tensors():
        before = reader.digest(bert())
    assert len(reader.known) < 500
    transformers.GPT2LMHeadModel, transformers.ViTForImageClassification  # noqa: B018  (bound when they are asked for)
    model = bert()
    ids = torch.randint(9, (8, 5))
    objective = lnb.Objective(model, [{"input_ids": ids, "labels": ids[:, 0] % 2}], **works.OWN_LOSS)
    lnb.evaluate_line(objective, *lnb.random_directions(objective.origin, 1), resolution=3, progress=False)
    with provenance.plain_tensors():
        assert provenance._Reader(()).digest(bert()) == before


def test_a_librarys_data_count_by_their_values():
    from torch_geometric.data import Batch, Data, HeteroData

    def data(value):
        return Data(x=torch.full((2, 3), value), edge_index=torch.tensor([[0], [1]]))

    def hetero(value):
        made = HeteroData()
        made["paper"].x = torch.full((2, 3), value)
        return made

    for make in (data, hetero, lambda value: Batch.from_data_list([data(value), data(0.0)])):
        assert fingerprint(make(1.0)) == fingerprint(make(1.0))
        assert fingerprint(make(1.0)) != fingerprint(make(2.0))
    encodings = [transformers.BatchEncoding({"input_ids": torch.full((2,), value)}) for value in (1, 2, 1)]
    assert [a == b for a, b in itertools.pairwise(map(fingerprint, encodings))] == [False, False]
    assert fingerprint(encodings[0]) == fingerprint(encodings[2])
