"""Build what is deployed: `python -m infra.package` fills `build/layers/NAME/python` from the hash-locked requirements.

`python -m infra.package --lock` rewrites the locks from `requirements.in`, held to the versions the tests run with
(requirements/local.txt, for the training image requirements/dev.txt) wherever one version serves both Pythons.

Wheels are chosen for Lambda's platform, not for this machine's; nothing is compiled, and no `.so` is stripped, since that
breaks the libraries wheels were repaired with.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from infra.paths import LAYERS, ROOT, TRAINING_IMAGE

PLATFORM = ("--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.13", "--only-binary", ":all:")
WITHOUT_WHEEL = "autograd-gamma"  # of lifelines: pure Python, built in the training image by a locked setuptools
LIMIT_MB = 240.0  # Lambda refuses a function whose code and layers exceed 262 MB (10^6) unzipped
MB = 1_000_000


class PackageTooBigError(RuntimeError):
    """The layers of one function would not fit into Lambda."""


def lock(wanted: Path, *, tested: str) -> None:
    """Resolve `NAME.in` into `NAME.txt` beside it, with hashes, held to the versions of `requirements/TESTED`."""
    command = [
        *("pip", "compile", str(wanted), "-o", str(wanted.with_suffix(".txt"))),
        *("-c", str(ROOT / "requirements" / tested), "--generate-hashes", "--no-annotate", "--no-emit-index-url", "--quiet"),
        *("--custom-compile-command", "python -m infra.package --lock"),
    ]
    _uv(*command, *PLATFORM, "--no-binary", WITHOUT_WHEEL)


def build(layer: str) -> Path:
    """Install the locked wheels of a layer into `build/layers/NAME/python` and return `build/layers/NAME`."""
    requirements = ROOT / "layers" / layer / "requirements.txt"
    target = ROOT / "build" / "layers" / layer
    stamp = target.with_suffix(".lock")
    stamp.unlink(missing_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    _uv("pip", "install", *PLATFORM, "--require-hashes", "--no-deps", "--target", str(target / "python"), "-r", str(requirements))
    shutil.rmtree(target / "python" / "bin", ignore_errors=True)
    shutil.copyfile(requirements, stamp)  # last: a packaged synth trusts the folder only beside the lock it was built from
    return target


def size_mb(*folders: Path) -> float:
    """Unzipped size of folders in MB (10^6 bytes), byte-code left out as it is from the assets."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc") / MB


def main(arguments: list[str] | None = None) -> int:
    """Lock, or build all layers and check that decide, which carries all of them, fits.

    Raises
    ------
    PackageTooBigError
        All layers and the function with them exceed `LIMIT_MB`.
    """
    parser = argparse.ArgumentParser(prog="python -m infra.package", description="Build the layers, or lock their requirements.")
    parser.add_argument("--lock", action="store_true", help="rewrite the locks instead of building")
    if parser.parse_args(arguments).lock:
        for layer in LAYERS:
            lock(ROOT / "layers" / layer / "requirements.in", tested="local.txt")
        for name in ("build", "requirements"):
            lock(TRAINING_IMAGE / f"{name}.in", tested="dev.txt")
        return 0
    parts = {f"layers/{layer}": build(layer) for layer in LAYERS}
    parts |= {"layers/engine": ROOT / "layers" / "engine", "functions/decide": ROOT / "functions" / "decide"}
    for name, folder in parts.items():
        print(f"{name:20} {size_mb(folder):8.1f} MB")
    total = size_mb(*parts.values())
    print(f"{'decide, unzipped':20} {total:8.1f} MB of {LIMIT_MB:.0f}")
    if total > LIMIT_MB:
        raise PackageTooBigError(f"decide with its layers: {total:.1f} MB exceed {LIMIT_MB:.0f} MB")
    return 0


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([str(uv) if uv.exists() else "uv", *arguments], check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
