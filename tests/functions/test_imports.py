"""What a handler may load: numpy where one decides, learns or books; nothing needs a region, a table or a token to be imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PLAIN = ("webhook", "execute", "engage", "safety", "console")
NUMERIC = ("attribute", "reconcile", "decide", "train")
PROGRAM = """
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not in this function's package")
BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Refuse())
for name in sys.argv[2:]:
    assert callable(importlib.import_module(f"functions.{name}.handler").handle)
"""


@pytest.mark.parametrize(
    ("functions", "blocked"),
    [(PLAIN, "numpy,orjson,scipy,lightgbm,pandas"), (NUMERIC, "scipy,lightgbm,pandas,lifelines,moto,ministack")],
)
def test_handlers_import_with_nothing_but_what_their_layers_hold(functions: tuple[str, ...], blocked: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, blocked, *functions], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
