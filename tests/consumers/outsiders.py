"""Somebody outside: a machine with Python and `cryptography`, and with nothing of this project."""

import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "evidence.md"

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

    def checks(self, bundle: Path, key: str) -> subprocess.CompletedProcess[str]:
        """Checks a bundle by the steps of `docs/evidence.md`, which use none of our code."""
        (self.folder / "check_bundle.py").write_text(steps("check_bundle.py"), "utf-8")
        return self.python("check_bundle.py", str(bundle), key)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs its Python, which sees neither our environment nor the folder that it is started in."""
        command = [str(self.folder / "outside" / "bin" / "python"), "-I", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)


def steps(name: str) -> str:
    """What `docs/evidence.md` has as a file of that name."""
    [script] = re.findall(rf"```python\n(# {re.escape(name)}: .*?)```", EVIDENCE.read_text("utf-8"), re.DOTALL)
    return str(script)


def proves(folder: Path, proof: dict[str, Any]) -> bool:
    """Whether what `prove --json` said holds from the leaf to the signature, by the steps of `docs/evidence.md`."""
    return refusal(folder, proof) is None


def refusal(folder: Path, proof: dict[str, Any]) -> str | None:
    """Why what `prove --json` said does not hold, by those steps, which use `openssl` and none of our code."""
    (folder / "check.py").write_text(steps("check.py"), "utf-8")
    (folder / "proof.json").write_text(json.dumps(proof), "utf-8")
    done = subprocess.run([sys.executable, "-I", "check.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "Error" in done.stderr, done
    return done.stderr.splitlines()[-1].removeprefix("AssertionError: ") if done.returncode else None
