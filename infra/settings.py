"""What one deployment of the engine is told: stage, org, and where its assets come from."""

from dataclasses import dataclass
from pathlib import Path

from aws_cdk import App

from infra.paths import ROOT


@dataclass(frozen=True)
class Settings:
    """Context of the app (`cdk -c name=value`)."""

    stage: str
    org: str
    everflow_base_url: str
    packaged: bool

    @classmethod
    def from_context(cls, app: App) -> "Settings":
        """Read the context; `packaged=true` demands the layers that `python -m infra.package` builds."""

        def text(name: str, default: str) -> str:
            return str(app.node.try_get_context(name) or default)

        packaged = text("packaged", "false")
        if packaged not in ("true", "false"):
            raise ValueError(f"context packaged: expected true or false, got {packaged!r}")
        return cls(
            stage=text("stage", "dev"),
            org=text("org", "main"),
            everflow_base_url=text("everflow_base_url", "https://api.eflow.team"),
            packaged=packaged == "true",
        )

    def layer_folder(self, layer: str) -> Path:
        """Folder of a built layer; of its requirements alone (a thin asset) when this is not a packaged synth.

        Raises
        ------
        FileNotFoundError
            A packaged synth finds the layer not built, or built from other requirements than are locked now.
        """
        source = ROOT / "layers" / layer
        if not self.packaged:
            return source
        built = ROOT / "build" / "layers" / layer
        stamp = built.with_suffix(".lock")
        if (
            not (built / "python").is_dir()
            or not stamp.is_file()
            or stamp.read_bytes() != (source / "requirements.txt").read_bytes()
        ):
            raise FileNotFoundError(f"{built}: not built from the locked requirements; run `python -m infra.package`")
        return built
