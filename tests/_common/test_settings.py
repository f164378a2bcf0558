"""Environment variables decide what the table says, and a wrong value is named."""

import pytest

import landscape_nb as lnb
from landscape_nb import datasets
from landscape_nb._common import settings

VARIABLES = ("DATA", "CACHE", "GALLERY", "ENGINE", "ISA", "SEED", "LEDGER", "STRICT", "PLAYERS")


@pytest.fixture
def variables(monkeypatch):
    """Sets ours, and no others: `variables(SEED="3")`."""

    def change(**values):
        for name in VARIABLES:
            monkeypatch.delenv(f"LANDSCAPE_NB_{name}", raising=False)
        for name, value in values.items():
            monkeypatch.setenv(f"LANDSCAPE_NB_{name}", value)

    return change


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(VARIABLES, "")])
def test_what_is_not_set_or_empty_is_as_the_table_says(variables, tmp_path, monkeypatch, empty):
    variables(**empty)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert settings.data() == tmp_path / "landscape-nb" / "data"
    assert settings.cache() == tmp_path / "landscape-nb" / "trained"
    assert settings.gallery() == tmp_path / "landscape-nb" / "gallery"
    assert (settings.engine(), settings.allowed_isa(), settings.seed()) == ("auto", "", 0)
    assert settings.ledger() is None
    assert settings.strict() is False
    assert settings.players() is False


def test_what_is_set_decides(variables, tmp_path):
    variables(
        DATA=str(tmp_path / "d"), CACHE=str(tmp_path / "c"), ENGINE="plain", ISA="avx2", SEED="12", LEDGER="l.jsonl"
    )
    assert settings.data() == tmp_path / "d"
    assert settings.cache() == tmp_path / "c"
    assert (settings.engine(), settings.allowed_isa(), settings.seed()) == ("plain", "avx2", 12)
    assert str(settings.ledger()) == "l.jsonl"


@pytest.mark.parametrize(("text", "on"), [("1", True), ("yes", True), ("0", False), ("", False)])
@pytest.mark.parametrize(("name", "read"), [("STRICT", settings.strict), ("PLAYERS", settings.players)])
def test_what_is_on_or_off_is_on_for_everything_but_zero(variables, name, read, text, on):
    variables(**{name: text})
    assert read() is on


@pytest.mark.parametrize(
    ("name", "wrong", "read"),
    [
        ("ENGINE", "fast", settings.engine),
        ("ENGINE", "Plain", settings.engine),
        ("ISA", "avx512", settings.allowed_isa),
        ("SEED", "-1", settings.seed),
        ("SEED", "1.0", settings.seed),
        ("DATA", "s3://bucket/x", settings.data),
        ("CACHE", "https://x.org/x", settings.cache),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variables, name, wrong, read):
    variables(**{name: wrong})
    with pytest.raises(ValueError, match=f"^LANDSCAPE_NB_{name}: got '{wrong}'"):
        read()


def test_the_table_has_every_variable():
    assert all(f"`LANDSCAPE_NB_{name}`" in settings.__doc__ for name in VARIABLES)
    assert settings.__doc__.count("\n`LANDSCAPE_NB_") == len(VARIABLES)


def test_the_environments_seed_is_a_number(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_NB_SEED", "x")
    with pytest.raises(ValueError, match="LANDSCAPE_NB_SEED: got 'x'"):
        lnb.choose_preset("quick", quick={})


def test_a_data_directory_is_a_path_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.data_directory("~/data") == tmp_path / "data"
    monkeypatch.setenv("LANDSCAPE_NB_DATA", "~/data")
    assert datasets.data_directory() == tmp_path / "data"
    monkeypatch.setenv("LANDSCAPE_NB_DATA", "s3://bucket/data")
    with pytest.raises(ValueError, match="LANDSCAPE_NB_DATA: got 's3://bucket/data', wants a path on this machine"):
        datasets.data_directory()
    for place in ("https://x.org/data", "a\0b", "a\ud800", ""):
        with pytest.raises(ValueError, match="^data_dir: got "):
            datasets.cifar10(place)
