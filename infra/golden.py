"""The golden template: the synthesised one with readable asset names in place of hashes, so that it is stable.

The local plane reads it (no Node needed) and maps an asset's name to the folder of that name. `python -m infra.golden`
rewrites it; a test synthesises and compares, so it cannot lie.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra.app import STACK, build_app

GOLDEN = Path(__file__).resolve().parent / "golden" / "template.json"


def synthesise(outdir: str) -> dict[str, Any]:
    """Synthesise with default context and thin layers into `outdir`; return the normalised template."""
    build_app(outdir).synth()
    return read_assembly(Path(outdir))


def read_assembly(folder: Path) -> dict[str, Any]:
    """The normalised template of a synthesised app."""
    template = json.loads((folder / f"{STACK}.template.json").read_text())
    return normalise(template, json.loads((folder / f"{STACK}.assets.json").read_text()))


def normalise(template: dict[str, Any], assets: dict[str, Any]) -> dict[str, Any]:
    """Replace every asset location by the asset's display name.

    Raises
    ------
    ValueError
        A function or layer refers to an asset that the manifest does not name.
    """
    titles = {hash_: asset["displayName"] for kind in ("files", "dockerImages") for hash_, asset in assets[kind].items()}

    def title(resource: str, location: str) -> str:
        found = [name for hash_, name in titles.items() if hash_ in location]
        if len(found) != 1:
            raise ValueError(f"{resource}: asset {location!r} has {len(found)} names in the asset manifest")
        return str(found[0])

    for id_, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        for holder in (properties.get("Code"), properties.get("Content")):
            if not isinstance(holder, dict):
                continue
            if "S3Key" in holder:
                holder.update(S3Bucket="assets", S3Key=title(id_, json.dumps(holder["S3Key"])))
            if "ImageUri" in holder:
                holder["ImageUri"] = title(id_, json.dumps(holder["ImageUri"]))
    return template


def render(template: dict[str, Any]) -> str:
    """The text of the golden file."""
    return json.dumps(template, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Rewrite the golden file."""
    with tempfile.TemporaryDirectory() as outdir:
        text = render(synthesise(outdir))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(text)
    print(f"{GOLDEN}: {len(json.loads(text)['Resources'])} resources")
    return 0


if __name__ == "__main__":
    sys.exit(main())
