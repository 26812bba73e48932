"""How much the libraries of each image weigh, without Docker: ``python -m benchmarks.images``.

Follows the extras that the Dockerfile installs (some for API and app, everything for workers) through the metadata of
what is installed here, and adds up the files. The base image and our own code come on top (about 130 and 40 MB).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def extras() -> dict[str, set[str]]:
    """The extras of DrumScribe in each image."""
    text = (ROOT / "Dockerfile").read_text()
    named = re.findall(r"^ARG (API|APP)_EXTRAS=([\w,]+)$", text, re.MULTILINE)
    light = {image.lower(): set(names.split(",")) for image, names in named}
    return light | {"worker": set().union(*light.values()) | {"separation", "librosa", "music21", "train"}}


def libraries(names: Iterable[str]) -> set[str]:
    """What DrumScribe with these extras needs, by pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    left, asked = sorted(names), list(project["dependencies"])
    while left:
        for text in project["optional-dependencies"][left.pop()]:
            one = Requirement(text)
            left += sorted(one.extras) if one.name == "drumscribe" else []
            asked += [text] if one.name != "drumscribe" else []
    return closure(asked)


def closure(asked: Iterable[str]) -> set[str]:
    """Names of all distributions that these requirements bring, of those that are installed here."""
    found: set[tuple[str, frozenset[str]]] = set()
    left = [one for one in map(Requirement, asked) if one.marker is None or one.marker.evaluate()]
    while left:
        wanted = left.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if (name, frozenset(wanted.extras)) in found:
            continue
        try:
            brings = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another system, or another kind of machine
            continue
        found.add((name, frozenset(wanted.extras)))
        for text in brings:
            one = Requirement(text)
            extras = wanted.extras or {""}
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
                left.append(one)
    return {name for name, _ in found}


def megabytes(names: Iterable[str]) -> float:
    """Of the files of these distributions."""
    files = [file for name in names for file in metadata.files(name) or ()]
    paths = {Path(str(file.locate())) for file in files}
    return sum(path.stat().st_size for path in paths if path.is_file()) / 2**20


def main() -> None:
    print("| image | libraries | MB |\n|---|---|---|")
    for image, names in extras().items():
        found = libraries(names)
        print(f"| {image} | {len(found)} | {megabytes(found):,.0f} |")


if __name__ == "__main__":
    main()
