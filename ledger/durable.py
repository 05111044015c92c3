"""What is on the disk before anybody is told so."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Makes a file durable, or in a folder the names of its files. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
