"""What the layers are built from, and when a built layer is trusted."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from infra import node, package, settings
from infra.paths import LAYERS, ROOT, TRAINING_IMAGE


def _lines(path: Path) -> list[str]:
    return sorted(line for line in path.read_text().splitlines() if line and not line.startswith("#"))


def _packaged_settings() -> settings.Settings:
    return settings.Settings(stage="dev", org="main", everflow_base_url="https://api.eflow.team", packaged=True)


def test_layers_ask_for_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert _lines(ROOT / "layers" / "runtime" / "requirements.in") == sorted(project["dependencies"])
    assert _lines(ROOT / "layers" / "scoring" / "requirements.in") == sorted(project["optional-dependencies"]["scoring"])


def test_the_training_image_asks_for_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = [line for line in _lines(TRAINING_IMAGE / "requirements.in") if not line.startswith("-r ")]
    assert own == sorted(project["optional-dependencies"]["learning"])


@pytest.mark.parametrize("folder", [*(f"layers/{layer}" for layer in LAYERS), "functions/train"])
def test_every_locked_package_is_pinned_and_hashed(folder: str) -> None:
    text = (ROOT / folder / "requirements.txt").read_text().replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert entries
    assert not [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    wanted = {line.split(">")[0] for line in _lines(ROOT / folder / "requirements.in") if not line.startswith("-r ")}
    assert wanted <= {entry.split("==")[0] for entry in entries}


def test_layers_ship_the_versions_the_tests_run_with() -> None:
    tested = {line.split(" ")[0] for line in (ROOT / "requirements" / "local.txt").read_text().splitlines() if "==" in line}
    for layer in LAYERS:
        shipped = {line.split(" ")[0] for line in _lines(ROOT / "layers" / layer / "requirements.txt") if "==" in line}
        assert shipped <= tested


def test_models_are_fitted_with_the_versions_that_the_tests_and_the_other_functions_run_with() -> None:
    def versions(path: Path) -> set[str]:
        return {line.split(" ")[0] for line in path.read_text().splitlines() if "==" in line and not line.startswith("#")}

    trained = versions(TRAINING_IMAGE / "requirements.txt")
    assert trained <= versions(ROOT / "requirements" / "dev.txt")
    for layer in LAYERS:
        assert versions(ROOT / "layers" / layer / "requirements.txt") <= trained


def test_a_layer_is_trusted_only_beside_the_lock_it_was_built_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    source, built = tmp_path / "layers" / "runtime", tmp_path / "build" / "layers" / "runtime"
    source.mkdir(parents=True)
    (source / "requirements.txt").write_text("a==1\n")
    with pytest.raises(FileNotFoundError, match="not built"):
        _packaged_settings().layer_folder("runtime")
    (built / "python").mkdir(parents=True)
    (tmp_path / "build" / "layers" / "runtime.lock").write_text("a==1\n")
    assert _packaged_settings().layer_folder("runtime") == built
    (source / "requirements.txt").write_text("a==2\n")
    with pytest.raises(FileNotFoundError, match="not built"):
        _packaged_settings().layer_folder("runtime")


def test_size_counts_every_file_but_byte_code(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "m.py").write_bytes(b"x" * 1_500_000)
    (tmp_path / "a" / "m.pyc").write_bytes(b"x" * 9_000_000)
    assert package.size_mb(tmp_path) == 1.5


def test_layers_that_lambda_would_refuse_stop_the_packaging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_too_much(layer: str) -> Path:
        (tmp_path / layer).mkdir()
        (tmp_path / layer / "big.so").write_bytes(b"x" * 300_000)
        return tmp_path / layer

    monkeypatch.setattr(package, "build", write_too_much)
    monkeypatch.setattr(package, "LIMIT_MB", 0.5)
    with pytest.raises(package.PackageTooBigError, match="exceed"):
        package.main([])


def test_without_node_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JSII_NODE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node, "_node_of_wheel", lambda: None)
    with pytest.raises(node.NodeMissingError, match="make setup"):
        node.use_node()


def test_the_training_image_copies_only_what_its_context_holds() -> None:
    text = (ROOT / "functions" / "train" / "Dockerfile").read_text()
    copied = [path for line in text.splitlines() if line.startswith("COPY") for path in line.split()[1:-1]]
    assert copied
    assert not [path for path in copied if not (ROOT / path).exists()]
    assert {path.split("/")[0] for path in copied} == {"functions", "layers"}
    assert "--require-hashes" in text
    assert "libgomp" in text  # of LightGBM
    assert f"--no-binary {package.WITHOUT_WHEEL} --no-build-isolation" in text
    assert (TRAINING_IMAGE / "build.txt").read_text().count("--hash=sha256:") >= 1
