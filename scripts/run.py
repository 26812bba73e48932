#!/usr/bin/env python3
"""Set DrumScribe up in a folder of its own and use it: on Linux, macOS and Windows, with nothing but Python.

    python scripts/run.py                          serve the studio at http://localhost:8501
    python scripts/run.py transcribe SONG -o OUT   any other command of drumscribe likewise
    python scripts/run.py test                     style, types, tests (what follows goes to pytest)
    python scripts/run.py setup [FILE ...]         only set up, with further requirements files

The environment is .venv beside this folder, or the folder that VENV names. Whatever is up to date is left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = Path(os.environ.get("VENV") or ROOT / ".venv")
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
SUPPORTED = ((3, 11), (3, 12), (3, 13))
CPU_TORCH = "https://download.pytorch.org/whl/cpu"


def main(arguments: list[str]) -> int:
    """Set up, then run what was asked for. Returns its exit status."""
    verb = arguments[0] if arguments else "serve"
    if verb in ("-h", "--help"):
        print(__doc__)
        return 0
    if verb == "setup":
        set_up([Path(name) for name in arguments[1:]])
        return 0
    if verb == "test":
        set_up([ROOT / "requirements-dev.txt"])
        return test(arguments[1:])
    set_up([])
    os.environ.setdefault("MALLOC_ARENA_MAX", "4")  # threads of numeric libraries hold on to memory otherwise
    command = [str(PYTHON), "-m", "drumscribe", *(arguments or ["serve"])]
    return call(command, ROOT if verb == "serve" else None)  # names of songs are those of the caller's folder


def test(arguments: list[str]) -> int:
    """Style, types, then tests; the first that fails ends it."""
    if sys.platform == "linux" and shutil.which("bash"):
        call(["bash", str(ROOT / "scripts" / "test_tools.sh")])
    python = str(PYTHON)
    for command in (
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "mypy"],
        [python, "-m", "pytest", "-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder", *arguments],
    ):
        if status := call(command):
            return status
    return 0


def set_up(further: list[Path]) -> None:
    """Make the environment and install what is missing or has changed since."""
    wanted = [ROOT / "requirements.txt", *further]
    read = [*wanted, ROOT / "constraints.txt", ROOT / "pyproject.toml", Path(__file__)]
    state = hashlib.sha256(b"\0".join(path.read_bytes() for path in read)).hexdigest()
    done = VENV / f".installed-{'-'.join(path.stem for path in wanted)}"
    if PYTHON.exists() and done.exists() and done.read_text() == state:
        return
    if not PYTHON.exists():
        run([suitable_python(), "-m", "venv", str(VENV)], "[1/3] a virtual environment in " + str(VENV))
    pip(["uninstall", "--yes", "madmom"])  # its successor has another name and brings the same folder
    install_torch()
    files = [part for path in wanted for part in ("-r", str(path))]
    pip(["install", "-c", str(ROOT / "constraints.txt"), *files], "[2/3] libraries (a few minutes the first time)")
    pip(["install", "--no-deps", "--editable", str(ROOT)], "[3/3] DrumScribe itself")
    done.write_text(state)


def install_torch() -> None:
    """On a machine without a GPU the processor's build, which spares gigabytes of CUDA libraries."""
    look = "import importlib.metadata as m; m.version('torch')"
    if subprocess.run([str(PYTHON), "-c", look], capture_output=True).returncode == 0:
        return
    pin = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch=="))
    gpu = shutil.which("nvidia-smi") and subprocess.run(["nvidia-smi", "-L"], capture_output=True).returncode == 0
    if sys.platform == "darwin" or gpu:
        return  # PyPI's build is the right one
    index = ["--index-url", CPU_TORCH, "--extra-index-url", "https://pypi.org/simple"]
    quick = ["--quiet", "--retries", "0", "--timeout", "10"]
    command = [str(PYTHON), "-m", "pip", "install", *quick, *index, f"{pin}+cpu"]
    if subprocess.run(command, capture_output=True).returncode:
        pip(["install", pin])


def suitable_python() -> str:
    """An interpreter of a supported version: this one, or one that is found."""
    if sys.version_info[:2] in SUPPORTED:
        return sys.executable
    for major, minor in reversed(SUPPORTED):
        if found := shutil.which(f"python{major}.{minor}"):
            return found
        if os.name == "nt" and shutil.which("py"):
            look = ["py", f"-{major}.{minor}", "-c", "import sys; print(sys.executable)"]
            ran = subprocess.run(look, capture_output=True, text=True)
            if ran.returncode == 0:
                return ran.stdout.strip()
    sys.exit("DrumScribe needs Python 3.11, 3.12 or 3.13: install one of them, and start this script with it.")


def pip(arguments: list[str], title: str = "") -> None:
    """Run pip in the environment; its notes on packages of others say nothing to a user."""
    run([str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments], title)


def run(command: list[str], title: str = "") -> None:
    """Run one step of the set-up. Ends the program where it fails."""
    if title:
        print(title, file=sys.stderr, flush=True)
    ran = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    told = [line for line in ran.stderr.splitlines() if not line.startswith("WARNING: ")]
    if told:
        print("\n".join(told), file=sys.stderr)
    if ran.returncode:
        sys.exit(ran.returncode)


def call(command: list[str], folder: Path | None = ROOT) -> int:
    """Run a command, with its output as it comes. Returns its exit status."""
    try:
        return subprocess.run(command, cwd=folder).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
