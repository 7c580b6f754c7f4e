"""Where things lie in the repository. No CDK here: packaging needs no Node."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("runtime", "scoring")  # layers whose content is built; the engine layer is the source itself
TRAINING_IMAGE = ROOT / "functions" / "train"
