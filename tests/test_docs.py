"""The documents say what the code does: every control, every table, every command line."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import annotated_types
import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from revenue_engine.records.controls import Controls
from revenue_engine.records.reasons import REASONS
from revenue_engine.records.subscriber import ROW_BYTES
from workbench.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TEMPLATE: dict[str, Any] = json.loads((ROOT / "infra" / "golden" / "template.json").read_text())
_COMMAND = re.compile(r"^(?:    |\$ |)(revenue-engine .+)$", re.MULTILINE)


def rows_of(text: str, columns: int) -> list[list[str]]:
    """The cells of every table row with so many columns, head and rule left out."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")
    ]
    return [row for row in rows if len(row) == columns and not set(row[0]) <= {"-"}][1:]


# --- docs/controls.md ----------------------------------------------------------------------------------------------------
def fields(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, info in model.model_fields.items():
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            found |= fields(nested, f"{prefix}{name}.")
        else:
            found[prefix + name] = info
    return found


def default_of(info: FieldInfo) -> str:
    value = info.default
    return json.dumps(sorted(value) if isinstance(value, frozenset) else value)


def limits_of(info: FieldInfo) -> str | None:
    """The field's limits in words; None when they are no numbers."""
    words = []
    for limit in info.metadata:
        match limit:
            case annotated_types.Ge(ge=value):
                words.append(f"≥ {value}")
            case annotated_types.Gt(gt=value):
                words.append(f"> {value}")
            case annotated_types.Le(le=value):
                words.append(f"≤ {value}")
            case annotated_types.MaxLen(max_length=value):
                words.append(f"≤ {value} characters")
    return ", ".join(words) or None


DOCUMENTED = {row[0].strip("`"): row for row in rows_of((DOCS / "controls.md").read_text(), 4)}


def test_every_control_is_documented_in_the_codes_order_and_no_other() -> None:
    assert list(DOCUMENTED) == list(fields(Controls))


@pytest.mark.parametrize("name", fields(Controls))
def test_a_controls_default_and_limits_are_documented(name: str) -> None:
    info, (_, default, limits, meaning) = fields(Controls)[name], DOCUMENTED[name]
    assert default.strip("`") == default_of(info)
    assert limits == (limits_of(info) or limits)
    assert limits
    assert len(meaning) > 10


def test_the_example_document_is_one() -> None:
    text = (DOCS / "controls.md").read_text()
    for document in re.findall(r"```json\n(.+?)```", text, re.DOTALL):
        assert Controls.model_validate_json(document).sender.complete


# --- docs/data-model.md --------------------------------------------------------------------------------------------------
def test_the_documented_tables_are_the_templates_tables() -> None:
    text = (DOCS / "data-model.md").read_text()
    documented = {
        row[0]: (row[2] != "none", set(re.findall(r"`(\w+)`:", row[3])), row[4].strip("`"))
        for row in rows_of(text.split("## Tables")[1].split("\n## ")[0].split("\n### ")[0], 5)
    }
    built = {}
    for logical_id, resource in TEMPLATE["Resources"].items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            properties = resource["Properties"]
            name = re.sub(r"^State|[0-9A-F]{8}$", "", logical_id)
            keys = {key["AttributeName"] for key in properties["KeySchema"]}
            indexes = {index["IndexName"] for index in properties.get("GlobalSecondaryIndexes", [])}
            assert "pk" in keys
            built[name] = ("sk" in keys, indexes, properties.get("TimeToLiveSpecification", {}).get("AttributeName", "none"))
    assert documented == built


@pytest.mark.parametrize(("kind", "heading"), [("AWS::S3::Bucket", "## Objects (S3)"), ("AWS::SQS::Queue", "## Queues")])
def test_the_documented_buckets_and_queues_are_in_the_template(kind: str, heading: str) -> None:
    section = (DOCS / "data-model.md").read_text().split(heading)[1].split("\n## ")[0]
    ids = [logical_id for logical_id, resource in TEMPLATE["Resources"].items() if resource["Type"] == kind]
    if kind == "AWS::S3::Bucket":
        named = {row[0] for row in rows_of(section, 3)}
        assert len(named) == len(ids)
        texts = ids
    else:
        named = set(re.findall(r"^- `(\w+)`:", section, re.MULTILINE))
        texts = [logical_id.replace("SendQueue", "Sends").replace("PostbackQueue", "Postbacks") for logical_id in ids]
    assert named
    for name in named:
        assert [text for text in texts if name in text.lower()], name


# --- command lines -------------------------------------------------------------------------------------------------------
def command_lines() -> list[str]:
    found = []
    for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        found += [line.split(" #")[0].strip() for line in _COMMAND.findall(path.read_text())]
    return sorted(set(found))


def test_the_readme_shows_command_lines() -> None:
    assert len(command_lines()) >= 5


@pytest.mark.parametrize("line", command_lines())
def test_a_documented_command_line_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = main
    path: list[str] = []
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words[0]]
        path.append(words.pop(0))
    assert path, line
    known = {option for parameter in (*command.params, *main.params) for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        assert not word.startswith("--") or word.split("=")[0] in known, word
    shown = CliRunner().invoke(main, [*path, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Usage" in shown.output


# --- docs/glossary.md ----------------------------------------------------------------------------------------------------
def test_every_reason_of_a_decision_is_in_the_glossary_and_no_word_twice() -> None:
    glossary = (DOCS / "glossary.md").read_text()
    lines = {line.split("**")[1]: line for line in glossary.splitlines() if line.startswith("**")}
    named = re.findall(r"`([a-z_]+)`", lines["skip reasons"] + lines["send reasons"])
    assert sorted(named) == sorted(REASONS)
    assert len(lines) == sum(line.startswith("**") for line in glossary.splitlines())
    assert f"packed decision state, {ROW_BYTES} bytes," in lines["row"]
