"""Arrays as a file: a NumPy archive without objects and time stamps, the same bytes for the same arrays."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.errors import Refused

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


def dump(arrays: Arrays) -> bytes:
    """The arrays' archive, compressed; in the order of their names, little-endian."""
    file = io.BytesIO()
    # NumPy dates members to 1980, which is what keeps the bytes the same
    np.savez_compressed(file, allow_pickle=False, **{name: _little(arrays[name]) for name in sorted(arrays)})
    return file.getvalue()


def load(data: bytes) -> dict[str, Array]:
    """The arrays of these bytes. Raises Refused("archive_corrupt")."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError) as error:
        raise Refused("archive_corrupt", repr(error)[:300]) from None


def text(document: Any) -> Array:
    """A JSON document as an array, for what is no array."""
    return np.frombuffer(json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode(), np.uint8)


def document(array: Array) -> Any:
    """The inverse of `text`. Raises ValueError."""
    return json.loads(array.tobytes())


def _little(values: Array) -> Array:
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
