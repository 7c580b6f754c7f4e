"""Who of a queue finds a place where there are fewer than mails. Shapes: m rows, best first; P mailbox providers."""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Bools, Codes, Ints


def without_place(mail: Bools, provider: Codes, *, room: Ints, most: int) -> tuple[Bools, Bools]:
    """Whom his provider has no room for, and whom the rest has none for, (m,) each.

    Who is no mail (a ghost) takes no place, and is lost only behind mails that are.

    Parameters
    ----------
    room
        (P,) mails that each provider takes.
    most
        Mails of all together.
    """
    full = np.zeros(len(mail), dtype=np.bool_)
    for code in np.unique(provider):
        of_provider = np.flatnonzero(provider == code)
        full[of_provider] = _behind(mail[of_provider], int(room[code]))
    late = np.zeros(len(mail), dtype=np.bool_)
    rest = np.flatnonzero(~full)
    late[rest] = _behind(mail[rest], most)
    return full, late


def fitting(mail: Bools, provider: Codes, *, room: Ints) -> int:
    """How many of the mails their providers have room for."""
    return int(np.minimum(np.bincount(provider[mail], minlength=len(room)), room).sum())


def _behind(mail: Bools, most: int) -> Bools:
    ahead: Ints = np.cumsum(mail) - mail  # mails before each
    return np.asarray((ahead >= most) & (int(mail.sum()) > most))
