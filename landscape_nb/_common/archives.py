"""Archives of weights, which are as large as what they hold."""

import zipfile
from os import PathLike
from pathlib import Path


def check_archive(path: str | PathLike[str]) -> int:
    """The size of a file; a `ValueError` if it is a compressed archive, which torch does not write.

    A compressed archive makes gigabytes of a kilobyte, and `torch.load` would unpack it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "net.pt"
        >>> path.write_bytes(b"123")
        3
        >>> check_archive(path)
        3
    """
    size = Path(path).stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = sum(member.file_size for member in archive.infolist())
        if inside > size:
            raise ValueError(f"it has {size} bytes and would expand to {inside}")
    return size
