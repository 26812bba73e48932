"""What the documents say about the repository is so: paths, modules, links, commands, the plan of the rooms.

Checked is everything in backticks and in blocks of code, and every link. Words in prose are not.

- A path that begins with a folder of the repository (``drumscribe/kit.py``, ``tests/test_notation*.py``) exists.
- A bare file name that ends like source or text (``kit.py``, ``setup.sh``) is the name of some file here.
- A dotted name (``drumscribe.song.edits.apply``) is a module, or something that a module or class there defines.
- ``make target`` is a target of the Makefile; a relative link leads to a file, and its anchor to a heading.
- A table of ``CHANGELOG.md`` whose first column is headed "was" holds old names there: those must be gone.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
import test_imports as plan
import yaml

import drumscribe

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = "CHANGELOG.md"
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    CHANGELOG,
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")),
    "training/README.md",
)
CODE = re.compile(r"^```(?P<kind>\w*)\n(?P<block>.*?)^```$|(?<!`)`(?P<span>[^`\n]+)`(?!`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OF_USERS = {"drumscribe.toml"}
"""Files that a user writes: not in the repository."""
ENDINGS = (".py", ".sh", ".md", ".toml", ".yml", ".yaml", ".cff", ".mjs")
DOTTED = re.compile(r"(?<![\w/.-])(?:drumscribe|training|benchmarks)(?:\.[A-Za-z_]\w*)+")


@cache
def files() -> frozenset[str]:
    """Every file that git knows or would take, from the root."""
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if told.returncode == 0:
        return frozenset(name for name in told.stdout.splitlines() if (ROOT / name).exists())
    hidden = {".git", ".venv", "node_modules", "__pycache__", "data", "out", "build"}  # an archive without git
    return frozenset(
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*")
        if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)
    )


@cache
def folders() -> frozenset[str]:
    return frozenset(parent.as_posix() for name in files() for parent in Path(name).parents if parent.name)


@cache
def file_names() -> frozenset[str]:
    return frozenset(Path(name).name for name in files())


def there(pattern: str, names: frozenset[str]) -> bool:
    return pattern in names or any(fnmatch(name, pattern) for name in names if "*" in pattern or "[" in pattern)


def without_old_names(text: str) -> str:
    """The changelog without the first column of its tables of renamed things."""
    lines, was = [], False
    for line in text.splitlines():
        was = line.startswith("|") and (was or line.lower().startswith("| was |"))
        lines.append("| " + line[1:].partition("|")[2] if was else line)
    return "\n".join(lines)


def text_of(document: str) -> str:
    text = (ROOT / document).read_text(encoding="utf-8")
    return without_old_names(text) if document == CHANGELOG else text


def code(text: str) -> list[str]:
    """What stands in backticks and in blocks of code, line by line, without shell comments."""
    found: list[str] = []
    for match in CODE.finditer(text):
        if match["span"] is not None:
            found.append(match["span"])
        elif match["kind"] != "mermaid":
            found += [re.sub(r"(^|\s)#\s.*", "", line) for line in match["block"].splitlines()]
    return found


def alternatives(word: str) -> list[str]:
    """``a/{b,c}.py`` as ``a/b.py`` and ``a/c.py``."""
    match = re.search(r"\{([^{}]+)\}", word)
    if match is None:
        return [word]
    return [
        whole
        for part in match[1].split(",")
        for whole in alternatives(word[: match.start()] + part.strip() + word[match.end() :])
    ]


def missing_paths(line: str) -> list[str]:
    """Paths in a line of code that are not in the repository."""
    missing = []
    for word in re.findall(r"[^\s\"'()=:,;]*\{[^}]*\}[^\s\"'()=:,;]*|[^\s\"'()=:,;]+", line):
        for path in alternatives(word.removeprefix("./").partition("::")[0].rstrip(".")):
            if re.search(r"[<>…$]", path):
                continue  # a place-holder
            if "/" in path and path.split("/")[0] in folders():
                known = folders() if path.endswith("/") else files() | folders()
                missing += [path] * (not there(path.rstrip("/"), known))
            elif path in OF_USERS:
                continue
            elif "/" not in path and path.endswith(ENDINGS) and not path.startswith((".", "*")):
                missing += [path] * (not there(path, file_names()))
    return missing


def module_file(name: str) -> Path | None:
    base = ROOT / name.replace(".", "/")
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.exists()), None)


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def find(name: str) -> ast.AST | None:
    """What a dotted name stands for, looked up in the source: nothing is imported. A module is its tree."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        file = module_file(".".join(parts[:cut]))
        if file is not None:
            node: ast.AST | None = parsed(file)
            for part in parts[cut:]:
                node = None if node is None else member(node, part)
            return node
    return None


def member(node: ast.AST, name: str) -> ast.AST | None:
    """What a module or class defines under a name, followed to where it is defined."""
    inside = list(getattr(node, "body", []))
    while inside:
        one = inside.pop(0)
        match one:
            case ast.If() | ast.Try():
                inside += one.body
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if one.name == name:
                return one
            case ast.ImportFrom():
                for alias in one.names:
                    if (alias.asname or alias.name) == name:
                        return find(f"{one.module}.{alias.name}") or one
            case ast.Assign() if any(isinstance(target, ast.Name) and target.id == name for target in one.targets):
                return one
            case ast.AnnAssign() if isinstance(one.target, ast.Name) and one.target.id == name:
                return one
    return None


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def anchors(file: Path) -> set[str]:
    text = CODE.sub(lambda match: match["span"] or "", file.read_text(encoding="utf-8"))
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document: str) -> None:
    missing = [path for line in code(text_of(document)) for path in missing_paths(line)]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_modules_and_names_exist(document: str) -> None:
    names = {name for line in code(text_of(document)) for name in DOTTED.findall(line)}
    files_named = {name for name in names if name.endswith(ENDINGS) or name.split(".")[-1] in ("json", "csv")}
    assert sorted(name for name in names - files_named if find(name) is None) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    broken = []
    for target in LINK.findall(CODE.sub("", text_of(document))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for line in code(text_of(document)) for name in re.findall(r"(?:^|&& )make ([a-z]+)", line.strip())}
    assert named <= targets


def test_every_part_of_the_operators_guide_names_what_holds_it() -> None:
    parts = re.split(r"^(?=##+ )", (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8"), flags=re.M)[1:]
    bare = [part.splitlines()[0] for part in parts if not re.search(r"tests/test_|benchmarks\.", part)]
    assert bare == ["## Parts"]  # a list of processes


def test_the_guide_names_what_the_files_hold() -> None:
    """An item of CONTRIBUTING.md that names files: each name in backticks beside them is a word of one of them."""
    wrong, seen = [], 0
    for item in re.split(r"\n(?=\d+\. |- |\n)", text_of("CONTRIBUTING.md")):
        spans = re.findall(r"`([^`\n]+)`", item)
        named = [ROOT / span for span in spans if span.endswith(".py") and (ROOT / span).is_file()]
        words = {word for file in named for word in re.findall(r"\w+", file.read_text(encoding="utf-8"))}
        for span in spans if named else ():
            a_name = re.fullmatch(r"[A-Za-z_]\w+(\.[A-Za-z_]\w+)*", span) and not span.endswith(ENDINGS)
            if a_name and not hasattr(builtins, span) and not keyword.iskeyword(span):
                seen += 1
                wrong += [span] * (span.split(".")[-1] not in words and find(span) is None)
    assert seen > 30 and wrong == []


def test_docstrings_and_messages_name_what_exists() -> None:
    """Dotted names in any text of the package: docstrings, error messages, names of modules to import."""
    wrong = {}
    for file in sorted((ROOT / "drumscribe").rglob("*.py")):
        texts = [one.value for one in ast.walk(parsed(file)) if isinstance(one, ast.Constant)]
        names = {name for text in texts if isinstance(text, str) for name in DOTTED.findall(text)}
        missing = sorted(name for name in names if find(name) is None and not name.endswith(ENDINGS))
        if missing:
            wrong[file.relative_to(ROOT).as_posix()] = missing
    assert wrong == {}


def test_old_names_are_gone() -> None:
    text = (ROOT / CHANGELOG).read_text(encoding="utf-8")
    tables = re.findall(r"^\| was \|.*\n\|[-|: ]+\n((?:\|.*\n)+)", text, re.MULTILINE | re.IGNORECASE)
    firsts = [row.split("|")[1] for table in tables for row in table.splitlines()]
    old = [name for first in firsts for name in re.findall(r"`([^`]+)`", first)]
    assert old
    assert [name for name in old if (ROOT / f"{name.replace('.', '/')}.py").exists() or (ROOT / name).exists()] == []


# --- the checks themselves --------------------------------------------------------------------------------------------


def test_what_is_not_there_would_be_found() -> None:
    assert missing_paths("see drumscribe/kit.py, drumscribe/kits.py and tests/test_*.py") == ["drumscribe/kits.py"]
    assert missing_paths("drumscribe/hits/weights/hits.{keras,json,txt}") == ["drumscribe/hits/weights/hits.txt"]
    assert missing_paths("python no_such_script.py song.mp3 out/") == ["no_such_script.py"]
    assert missing_paths("uploads/<sha256>.<ext>") == []
    assert find("drumscribe.transcribe") is not None and find("drumscribe.notation.to_pdf") is not None
    assert find("drumscribe.song.edits.History.do") is not None
    assert find("drumscribe.song.edits.History.dont") is None and find("drumscribe.no_such_room") is None
    assert slug("What is cached, and under which key") == "what-is-cached-and-under-which-key"
    assert without_old_names("| was | is |\n|---|---|\n| `a` | `b` |\n`c`").endswith(" `b` |\n`c`")


# --- docs/ARCHITECTURE.md ---------------------------------------------------------------------------------------------

ARCHITECTURE = ROOT / "docs" / "ARCHITECTURE.md"
GROUND, TOP = "vocabulary", "app"


def rooms() -> dict[str, set[str]]:
    """Room to the rooms that it imports; the modules of the ground floor count as one room."""
    ground = plan.FLOORS[0]
    edges: dict[str, set[str]] = {}
    for module, others in plan.graph("drumscribe").items():
        here = plan.room(module)
        if here in plan.FACES:
            continue
        here = GROUND if here in ground else here
        edges.setdefault(here, set()).update(GROUND if plan.room(one) in ground else plan.room(one) for one in others)
    known = plan.modules("drumscribe", "pages")
    for file in [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]:
        inside = {name for name in plan.imported_by(file, known) if name.startswith("drumscribe.")}
        edges.setdefault(TOP, set()).update(GROUND if plan.room(one) in ground else plan.room(one) for one in inside)
    return {here: there - {here} for here, there in edges.items()}


def below(edges: dict[str, set[str]], room: str) -> set[str]:
    """Every room that can be reached from ``room``."""
    return edges[room] | {far for near in edges[room] for far in below(edges, near)}


def drawn_by_rule(edges: dict[str, set[str]]) -> set[tuple[str, str]]:
    """An arrow for each import that no longer way through other rooms stands for."""
    return {
        (here, there)
        for here, others in edges.items()
        for there in others
        if not any(there in below(edges, other) for other in others - {there})
    }


@cache
def diagram() -> str:
    match = re.search(r"^```mermaid\n(.*?)^```$", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def test_the_diagram_draws_the_floors_of_the_import_test() -> None:
    floors = []
    for block in re.findall(r"^ *subgraph .*?\n(.*?)^ *end$", diagram(), re.MULTILINE | re.DOTALL):
        floors.append(dict(re.findall(r'^ *(\w+)\["([^"]*)"\]', block, re.MULTILINE)))
    top, *down = floors
    assert list(top) == [TOP]
    ground = down.pop()
    assert list(ground) == [GROUND]
    assert set(re.findall(r"\w+", ground[GROUND].partition("<br>")[2])) == set(plan.FLOORS[0])
    assert [set(floor) for floor in reversed(down)] == [set(floor) for floor in plan.FLOORS[1:]]


def test_the_diagram_draws_the_imports() -> None:
    edges = rooms()
    drawn = set(re.findall(r"^ *(\w+) --> (\w+)$", diagram(), re.MULTILINE))
    wanted = drawn_by_rule(edges)
    lines = "\n".join(f"    {here} --> {there}" for here, there in sorted(wanted))
    assert drawn == wanted, f"the arrows of docs/ARCHITECTURE.md should be:\n{lines}"


def test_an_arrow_stands_for_what_is_reached_through_it() -> None:
    edges = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert drawn_by_rule(edges) == {("a", "b"), ("b", "c")}


def types_in(node: ast.AST | None) -> set[str]:
    """Names of types in an annotation."""
    if node is None:
        return set()
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def test_the_life_of_a_song_names_what_each_function_takes_and_gives() -> None:
    section = ARCHITECTURE.read_text(encoding="utf-8").split("## The life of a song")[1].split("\n## ")[0]
    rows = re.findall(r"^\|[^|]+\|([^|]+)→([^|]+)\| `(drumscribe[\w.]+)`", section, re.MULTILINE)
    assert len(rows) >= 8
    for takes, gives, name in rows:
        function = find(name)
        assert isinstance(function, ast.FunctionDef), name
        taken = set().union(*(types_in(one.annotation) for one in [*function.args.args, *function.args.kwonlyargs]))
        if "." in name and isinstance(find(name.rpartition(".")[0]), ast.ClassDef):
            taken |= types_in(ast.parse(name.split(".")[-2], mode="eval"))
        assert set(re.findall(r"`(\w+)`", takes)) <= taken, name
        assert set(re.findall(r"`(\w+)`", gives)) <= types_in(function.returns), name


# --- the files for those who come next --------------------------------------------------------------------------------


def test_pre_commit_runs_the_ruff_and_mypy_of_make_test() -> None:
    """The hooks run what ``make test`` has installed, so there is one version of each; no mirror names another."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    pins = dict(re.findall(r"^(ruff|mypy)==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE))
    assert set(pins) == {"ruff", "mypy"}
    hooks = {hook["id"]: (repo, hook) for repo in config["repos"] for hook in repo["hooks"]}
    for tool, version in pins.items():
        found = {name: repo for name, (repo, hook) in hooks.items() if tool in name}
        assert found, tool
        for name, repo in found.items():
            if repo["repo"] == "local":
                assert hooks[name][1]["entry"].startswith(f".venv/bin/{tool}"), name
            else:
                assert repo["rev"].removeprefix("v") == version, name


def test_the_citation_follows_the_format_and_the_version() -> None:
    from drumscribe import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format asks for
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software" and citation["license"] == "MIT"
    assert citation["authors"] == [{"name": "The DrumScribe contributors"}]
    assert citation["version"] == __version__


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / CHANGELOG).read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d|Unreleased)", one) for one in headings)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_reference_of_the_public_names_is_built(tmp_path: Path) -> None:
    """By pdoc, without a warning; each name is there with what it is for."""
    command = [sys.executable, "-W", "error::UserWarning", str(ROOT / "scripts" / "api_docs.py"), str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Warn" not in done.stderr, done.stderr
    page = (tmp_path / "drumscribe.html").read_text(encoding="utf-8")
    assert len(drumscribe.__all__) < 15
    for name in drumscribe.__all__:
        _, found, section = page.partition(f'<section id="{name}">')
        assert found, name
        another = getattr(getattr(drumscribe, name), "__name__", "") != name  # of the same thing: it is told there
        assert another or '<div class="docstring">' in section.partition("</section>")[0], name
