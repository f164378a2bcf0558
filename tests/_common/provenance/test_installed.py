"""What is installed is told from the user's own code."""

import importlib
import sys

import pytest
import sklearn

from landscape_nb._common.provenance import installed
from landscape_nb._common.provenance.installed import package_of


def test_what_is_installed_is_told_from_the_users_own():
    assert package_of("torch.nn.functional").startswith("torch 2")
    assert package_of(sklearn.__name__).split()[0] == "sklearn"
    assert package_of("collections.abc").startswith("python 3")
    assert package_of("builtins").startswith("python 3")
    assert package_of("landscape_nb.models").startswith("landscape_nb ")
    assert package_of(__name__) == package_of("__main__") == package_of("never.imported") == ""


@pytest.mark.parametrize("module", ["package/__init__.py", "package.py", "package/inner/__init__.py"])
def test_what_pip_put_into_a_folder_of_its_own_is_installed(tmp_path, monkeypatch, module):
    file, name = tmp_path / module, module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("__version__ = '1.2'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(installed, "_KNOWN", {})
    importlib.import_module(name)
    try:
        installed._named.cache_clear()
        assert package_of(name) == "", "without a record it is the user's own"
        record = tmp_path / "package-1.2.dist-info" / "RECORD"
        record.parent.mkdir()
        record.write_text(f"other/__init__.py,,\n{module},sha256=x,9\n")
        (record.parent / "METADATA").write_text("Metadata-Version: 2.1\nName: package\nVersion: 1.2\n")
        installed._named.cache_clear()
        assert package_of(name) == "package 1.2"
    finally:
        installed._named.cache_clear()
        for imported in [found for found in sys.modules if found.partition(".")[0] == "package"]:
            del sys.modules[imported]
