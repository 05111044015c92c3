"""Somebody outside: a machine with Python and `cryptography`, and with nothing of this project."""

import subprocess
import sysconfig
import venv
from pathlib import Path

NEEDED = ("cryptography", "cffi", "pycparser", "_cffi_backend")
"""What the script of a bundle needs: the one library, and what that needs."""


class Outsider:
    """An environment of its own in a folder, where commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "outside", symlinks=True)
        [site] = (folder / "outside" / "lib").glob("*/site-packages")
        for name in NEEDED:
            for found in Path(sysconfig.get_paths()["purelib"]).glob(f"{name}*"):
                if not found.name.endswith(".dist-info"):
                    (site / found.name).symlink_to(found)
        # Else it would prove nothing: what it says it has not got, it must not have.
        assert self.python("-c", "import consumers").returncode == 1

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs its Python, which sees neither our environment nor the folder that it is started in."""
        command = [str(self.folder / "outside" / "bin" / "python"), "-I", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
