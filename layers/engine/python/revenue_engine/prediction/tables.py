"""A trained model as tables: what a subscriber's features leave possible, what an offer's do, and what each leaf is worth.

Every leaf of a forest is reached under a condition on the subscriber and one on the offer. A condition is, feature by feature, a set
of bins, so all conditions of a side together are one bit table: a row per bin, a bit per condition. Equal conditions are kept once,
of whatever trees they are. `learning/export.py` makes tables, `prediction/scorer.py` reads them; neither needs the library that
trained the model once they exist.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from revenue_engine.arrays import Codes, Floats, Ints
from revenue_engine.errors import Refused
from revenue_engine.prediction import archive
from revenue_engine.prediction.archive import Array, Arrays

SCHEMA = 1
EXACT_BITS = 24  # float32 holds every whole number below 2**24, and so every sum of such that stays below it

Link = Literal["identity", "exp", "sigmoid"]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The conditions on one side's features: F features, C cuts in all, K conditions in W bytes.

    A feature's bins are (-inf, cut 0], (cut 0, cut 1], … up to its last cut, which is infinity, and one more for NaN. A feature that
    no split reads has no cut.
    """

    features: tuple[str, ...]
    cuts: Floats  # (C,) one feature's after another's, rising
    ends: Ints  # (F,) where each feature's cuts end
    bits: Codes  # (C + features with cuts, W) whether a bin meets a condition, highest bit first; W a multiple of 8
    conditions: int  # K


@dataclass(frozen=True, slots=True, eq=False)
class TreeTables:
    """A forest of L leaves. Its raw score is the sum of `leaf_value` over the leaves both of whose conditions are met, times
    2**-scale: of each tree exactly one."""

    subscriber: Side
    offer: Side
    leaf_subscriber: Ints  # (L,) condition
    leaf_offer: Ints  # (L,) condition
    leaf_value: Ints  # (L,) in units of 2**-scale
    scale: int
    trees: int
    objective: str
    link: Link
    slope: float  # the sigmoid's; 1 for the other links

    @property
    def version(self) -> str:
        """Content hash: the same model exported again has the same."""
        return _content_hash(to_arrays(self))

    @property
    def low_bits(self) -> int:
        """How many bits of a value may be summed over all trees without leaving what float32 holds exactly."""
        return EXACT_BITS - (self.trees - 1).bit_length()

    def predicted(self, raw: Floats) -> Floats:
        """What the model says of raw scores, same shape: a probability, a positive mean, or the raw score itself."""
        match self.link:
            case "sigmoid":
                return np.asarray(1.0 / (1.0 + np.exp(-self.slope * raw)))
            case "exp":
                return np.exp(raw)
            case "identity":
                return raw


def to_arrays(tables: TreeTables) -> dict[str, Array]:
    """The tables as named arrays without objects, little-endian; what is not an array is JSON text in `head`."""
    sides = {"subscriber": tables.subscriber, "offer": tables.offer}
    head = {
        "schema": SCHEMA,
        "scale": tables.scale,
        "trees": tables.trees,
        "objective": tables.objective,
        "link": tables.link,
        "slope": tables.slope,
        "features": {name: side.features for name, side in sides.items()},
        "conditions": {name: side.conditions for name, side in sides.items()},
    }
    arrays: dict[str, Array] = {"head": archive.text(head)}
    for name, side in sides.items():
        arrays |= {
            f"{name}_cuts": side.cuts.astype("<f8"),
            f"{name}_ends": side.ends.astype("<i8"),
            f"{name}_bits": side.bits,
        }
    for leaf in ("leaf_subscriber", "leaf_offer", "leaf_value"):
        arrays[leaf] = getattr(tables, leaf).astype("<i8")
    return arrays


def from_arrays(arrays: Arrays) -> TreeTables:
    """The inverse of `to_arrays`. Raises Refused("tables_schema") when they were written for another version of this form."""
    head = archive.document(arrays["head"])
    if head["schema"] != SCHEMA:
        raise Refused("tables_schema", f"made for {head['schema']}, here {SCHEMA}")
    subscriber, offer = (
        Side(
            features=tuple(head["features"][name]),
            cuts=arrays[f"{name}_cuts"].astype(np.float64),
            ends=arrays[f"{name}_ends"].astype(np.int64),
            bits=arrays[f"{name}_bits"],
            conditions=head["conditions"][name],
        )
        for name in ("subscriber", "offer")
    )
    return TreeTables(
        subscriber=subscriber,
        offer=offer,
        leaf_subscriber=arrays["leaf_subscriber"].astype(np.int64),
        leaf_offer=arrays["leaf_offer"].astype(np.int64),
        leaf_value=arrays["leaf_value"].astype(np.int64),
        **{name: head[name] for name in ("scale", "trees", "objective", "link", "slope")},
    )


def dump(tables: TreeTables) -> bytes:
    """An archive, the same bytes for the same tables; its content hash lies in it."""
    arrays = to_arrays(tables)
    return archive.dump(arrays | {"version": np.frombuffer(_content_hash(arrays).encode(), np.uint8)})


def load(data: bytes) -> TreeTables:
    """The tables of these bytes.

    Raises
    ------
    Refused
        `archive_corrupt`, `tables_corrupt` (its content is not what its hash says) or `tables_schema`: a decision without its model
        is no decision (D5).
    """
    arrays = archive.load(data)
    try:
        version = arrays.pop("version").tobytes().decode()
        if _content_hash(arrays) != version:
            raise Refused("tables_corrupt", "content does not match its version")
        return from_arrays(arrays)
    except (KeyError, ValueError) as error:
        raise Refused("tables_corrupt", repr(error)[:300]) from None


def _content_hash(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:32]
