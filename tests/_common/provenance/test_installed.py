"""What is installed is told from the user's own code."""

import sklearn

from landscape_nb._common.provenance.installed import package_of


def test_what_is_installed_is_told_from_the_users_own():
    assert package_of("torch.nn.functional").startswith("torch 2")
    assert package_of(sklearn.__name__).split()[0] == "sklearn"
    assert package_of("collections.abc").startswith("python 3")
    assert package_of("builtins").startswith("python 3")
    assert package_of("landscape_nb.models").startswith("landscape_nb ")
    assert package_of(__name__) == package_of("__main__") == package_of("never.imported") == ""
