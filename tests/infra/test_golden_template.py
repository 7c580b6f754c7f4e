"""The committed template is what the app synthesises, and is sound by itself."""

from __future__ import annotations

import json

import pytest

from infra.golden import GOLDEN, normalise, render
from infra.paths import ROOT
from revenue_engine.aws import names
from tests.infra.conftest import Synthesis
from tests.infra.template import Template

FUNCTIONS = {"webhook", "attribute", "decide", "execute", "safety", "engage", "reconcile", "train", "console"}


def test_the_golden_template_is_what_the_app_synthesises(synthesis: Synthesis) -> None:
    assert render(synthesis.template) == GOLDEN.read_text(), "run `python -m infra.golden` and review the difference"


def test_cfn_lint_has_nothing_to_say(golden: Template) -> None:
    from cfnlint import api
    from cfnlint.config import ManualArgs

    # W3005: CDK writes some dependencies twice. W8003: the rule that refuses thin layers is false on purpose.
    config = ManualArgs(regions=["us-east-1"], ignore_checks=["W3005", "W8003"])
    assert [str(match) for match in api.lint(json.dumps(golden.document), config=config)] == []


def test_every_function_runs_its_own_folder(golden: Template) -> None:
    functions = golden.functions()
    assert set(functions) == FUNCTIONS
    for name, (_, properties) in functions.items():
        code = properties["Code"]
        assert code.get("S3Key") == f"functions/{name}" or code.get("ImageUri") == f"image/{name}"
        assert properties["Architectures"] == ["arm64"]
        if "S3Key" in code:
            assert (properties["Runtime"], properties["Handler"]) == ("python3.13", "handler.handle")


def test_only_functions_that_decide_or_book_carry_the_scoring_layer(golden: Template) -> None:
    layers = {id_: p["Content"]["S3Key"] for id_, p in golden.of_type("Lambda::LayerVersion").items()}
    for name, (_, properties) in golden.functions().items():
        carried = [layers[layer["Ref"]] for layer in properties.get("Layers", [])]
        expected = ["layers/engine", "layers/runtime"] + (
            ["layers/scoring"] if name in ("attribute", "decide", "reconcile") else []
        )
        assert carried == ([] if name == "train" else expected)


def test_every_folder_of_a_function_holds_one_python_file() -> None:
    folders = {path.name: path for path in (ROOT / "functions").iterdir() if path.is_dir()}
    assert set(folders) == FUNCTIONS
    for name, folder in folders.items():
        assert [path.name for path in folder.rglob("*.py")] == ["handler.py"], name


def test_environments_hold_only_agreed_names_and_nothing_dangling(golden: Template) -> None:
    agreed = {value for key, value in vars(names).items() if key.isupper() and isinstance(value, str)}
    for name, (_, properties) in golden.functions().items():
        variables = properties["Environment"]["Variables"]
        assert set(variables) <= agreed, name
        assert variables[names.STAGE] == "dev"
        for variable, value in variables.items():
            if isinstance(value, dict) and ("Ref" in value or "Fn::GetAtt" in value):
                target = value.get("Ref") or value["Fn::GetAtt"][0]
                assert target in golden.resources | golden.parameters, f"{name}: {variable} refers to {target}"


def test_a_thin_template_is_refused_by_cloudformation(golden: Template) -> None:
    (rule,) = golden.document["Rules"].values()
    assert [assertion["Assert"] for assertion in rule["Assertions"]] == [{"Fn::Equals": ["thin", "packaged"]}]


def test_an_asset_without_a_name_is_refused() -> None:
    template = {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Key": "abc.zip"}}}}}
    with pytest.raises(ValueError, match="F: asset"):
        normalise(template, {"files": {"def": {"displayName": "functions/f"}}, "dockerImages": {}})
