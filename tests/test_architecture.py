"""What the layout promises: a core without AWS, small handlers that load little, no machine's name anywhere."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "layers" / "engine" / "python"
PACKAGE = ENGINE / "revenue_engine"
HANDLERS = sorted((ROOT / "functions").glob("*/handler.py"))
FUNCTIONS = ("attribute", "console", "decide", "engage", "execute", "reconcile", "safety", "train", "webhook")
SHELL = ("aws", "services", "learning")
MOST_LINES = 350
MOST_HANDLER_LINES = 40
INVARIANTS = ("M1", "M2", "M3", "M4", "P1", "P2", "P3", "P4", "D1", "D2", "D4", "D5", "D6")

_BLOCKED_IMPORTS = """
import importlib, json, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError("blocked: " + name)
BLOCKED = {"boto3", "botocore", "aws_lambda_powertools", "lightgbm", "lifelines", "pandas", "scipy", "aws_cdk", "constructs"}
sys.meta_path.insert(0, Blocker())
failed = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
print(json.dumps(failed))
"""

# What every handler carries is loaded once; each handler then in a process of its own.
_CLOSURES = """
import boto3, aws_lambda_powertools, aws_lambda_powertools.utilities.batch, aws_lambda_powertools.utilities.parameters, pydantic
import importlib.util, json, os, sys
for path in json.loads(sys.argv[1]):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        spec = importlib.util.spec_from_file_location("handler", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert callable(module.handle)
        print(json.dumps([path, sorted({name.partition(".")[0] for name in sys.modules})]), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, path
"""


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def core() -> list[str]:
    """Dotted names of everything but the shell."""
    names = []
    for path in modules(PACKAGE):
        parts = path.relative_to(ENGINE).with_suffix("").parts
        if len(parts) < 2 or parts[1] not in SHELL:
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


def run(script: str, argument: object) -> str:
    """In a fresh interpreter; its output."""
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(argument)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def closures() -> dict[str, set[str]]:
    """Top-level modules that each handler's import loads, by function."""
    found = {}
    for line in run(_CLOSURES, [str(path) for path in HANDLERS]).splitlines():
        path, loaded = json.loads(line)
        found[Path(path).parent.name] = set(loaded)
    return found


def test_the_core_imports_without_aws_and_without_model_libraries() -> None:
    names = core()
    assert len(names) > 40
    assert json.loads(run(_BLOCKED_IMPORTS, names)) == {}


def test_there_are_nine_functions_of_one_file_each() -> None:
    assert tuple(path.parent.name for path in HANDLERS) == FUNCTIONS
    for handler in HANDLERS:
        assert [path.name for path in modules(handler.parent)] == ["handler.py"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_is_small_and_stands_alone(function: str) -> None:
    text = (ROOT / "functions" / function / "handler.py").read_text()
    assert len(text.splitlines()) <= MOST_HANDLER_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported = [node.module or ""]
        elif isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        else:
            continue
        for name in imported:
            assert name.partition(".")[0] in {"__future__", "typing", "aws_lambda_powertools", "revenue_engine"}, name


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_loads_only_what_its_package_holds(function: str) -> None:
    loaded = closures()[function]
    assert "revenue_engine" in loaded
    assert ("numpy" in loaded) <= (function in ("attribute", "decide", "reconcile", "train"))
    heavy = {"lightgbm", "lifelines", "pandas", "scipy", "aws_cdk", "moto", "ministack", "time_machine"}
    assert not loaded & (heavy | {"workbench", "infra", "tests", "functions"})


def test_files_are_small() -> None:
    folders = (PACKAGE, ROOT / "infra", ROOT / "workbench", ROOT / "functions")
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for folder in folders for path in modules(folder)}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_no_file_names_the_machine_it_was_written_on() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], capture_output=True, cwd=ROOT, check=False
    )
    if listed.returncode:
        pytest.skip("no git repository here, so nobody could have committed anything")
    machine_paths = [f"/{folder}/".encode() for folder in ("work", "root", "home")]
    guilty = [
        name
        for name in listed.stdout.decode().split("\0")
        if name and (ROOT / name).is_file() and any(path in (ROOT / name).read_bytes() for path in machine_paths)
    ]
    assert guilty == []


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_every_invariant_is_named_where_it_is_kept(invariant: str) -> None:
    assert [path for path in modules(PACKAGE) if invariant in path.read_text()]
