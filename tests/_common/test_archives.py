"""A file that would unpack to more than its size is told from one that would not."""

import zipfile

import pytest
import torch

from landscape_nb._common.archives import check_archive


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}])
def test_what_torch_writes_has_its_size(tmp_path, how):
    path = tmp_path / "net.pt"
    torch.save({"w": torch.zeros(10**5)}, path, **how)
    assert check_archive(path) == path.stat().st_size > 4e5


def test_a_compressed_archive_is_refused_with_both_sizes(tmp_path):
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data/0", bytes(10**6))
    with pytest.raises(ValueError, match=rf"it has {path.stat().st_size} bytes and would expand to 1000000"):
        check_archive(path)
