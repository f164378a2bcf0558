"""What is installed is told from the user's own code."""

import base64
import hashlib
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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of modules; what is found out about them is forgotten before and after."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(installed, "_KNOWN", {})
    installed._named.cache_clear()
    yield tmp_path
    installed._named.cache_clear()
    for imported in [found for found in sys.modules if found.partition(".")[0] == "package"]:
        del sys.modules[imported]


def write_package(folder, module, name="package"):
    """A package, and the record that pip leaves of it: name, checksum and size of each file."""
    file = folder / module
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x = 1\n")
    sha = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(f"other/__init__.py,,\n{module},sha256={sha},6\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    return file


def asked(name="package"):
    importlib.import_module(name)
    installed._named.cache_clear()
    return package_of(name)


@pytest.mark.parametrize("module", ["package/__init__.py", "package.py", "package/inner/__init__.py"])
def test_what_pip_put_into_a_folder_of_its_own_is_installed(folder, module):
    write_package(folder, module)
    assert asked(module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")) == "package 1.2"


def test_code_that_is_not_what_the_record_says_is_the_users_own(folder):
    file = write_package(folder, "package/__init__.py")
    file.write_text("x = 2\n")
    assert asked() == ""


def test_a_module_beside_a_record_that_does_not_name_it_is_the_users_own(folder):
    write_package(folder, "package/other.py")
    (folder / "package" / "__init__.py").write_text("")
    assert asked() == ""


def test_a_link_to_a_folder_elsewhere_is_the_users_own(folder, tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "package"
    source.mkdir()
    (source / "__init__.py").write_text("__version__ = '3'")
    site = folder / "site-packages"
    site.mkdir()
    (site / "package").symlink_to(source)
    sys.path.insert(0, str(site))
    try:
        assert asked() == ""
    finally:
        sys.path.remove(str(site))


def test_a_package_is_named_by_a_distribution_of_another_name(folder):
    write_package(folder, "package/__init__.py", "my_distribution")
    assert asked() == "package 1.2"


def test_what_tells_no_version_is_the_users_own(folder, monkeypatch):
    site = folder / "site-packages" / "package"
    site.mkdir(parents=True)
    (site / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(folder / "site-packages")
    assert asked() == ""
