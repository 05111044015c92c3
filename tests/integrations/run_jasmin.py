"""Starts a daemon of Jasmin's as it is, but for its lock file: that has a fixed place, one for the whole machine.

`python run_jasmin.py LOCK_FOLDER jasmind.py [OPTION...]`, in Jasmin's environment.
"""

import runpy
import sys
from pathlib import Path

import lockfile

_, folder, daemon, *options = sys.argv
taken = lockfile.FileLock
lockfile.FileLock = lambda path, *rest: taken(str(Path(folder) / Path(path).name), *rest)
sys.argv = [daemon, *options]
runpy.run_path(str(Path(sys.executable).with_name(daemon)), run_name="__main__")
