"""The Autonomous Revenue Engine. The core decides, `aws/` and `services/` are its shell (docs/architecture.md)."""

__version__ = "0.1.0"
