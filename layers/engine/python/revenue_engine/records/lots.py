"""By which shares people are given their randomised arm (D4): people of one lot were due the same shares, and can be compared."""

from __future__ import annotations

from revenue_engine.records.controls import Controls


def due_shares(controls: Controls) -> tuple[float, float, float]:
    """Shares of a new person's chance, in the order of `records.subscriber.ARMS`; they add up to 1."""
    fixed, no_mail = controls.fixed_policy_share, controls.no_mail_share
    return 1.0 - fixed - no_mail, fixed, no_mail


def lot_of(controls: Controls) -> str:
    """Names the shares that are in force: `0.04/0.01`."""
    return f"{controls.fixed_policy_share!r}/{controls.no_mail_share!r}"
