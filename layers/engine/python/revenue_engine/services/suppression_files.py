"""Advertisers' opt-out files: fetched whole, judged, and only then taken in (P1; contracts 1.10, 4.4).

A file is kept in a nameless temporary file while it is read, so that a vendor need not wait for our table; what is written of a person
is a hash. A link may hold a key: neither logs nor refusals name it.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import IO
from urllib.parse import urljoin, urlsplit

import httpx

from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.intake.suppression_list import SuppressionLine, read_suppression_list, refusal

MOST_BYTES = 400 * 2**20  # of a list's files together, as they travel: Lambda's disk holds 512 MB
MOST_TEXT_BYTES = 4 * 2**30  # unpacked
MOST_HOPS = 5
TIMEOUT_SECONDS = 30.0
_LONGEST_LINE = 1_000
_CHUNK = 2**16

# httpx logs every address it asks for, and these hold keys
logging.getLogger("httpx").setLevel(logging.WARNING)


class FileRefused(Exception):
    """The file cannot be had, or cannot be the list: its age stays what it was. Carries the reason, never the link."""


def refresh_list(
    w: Wiring,
    org: str,
    list_id: str,
    links: Sequence[str],
    *,
    now: datetime,
    own_origin: str,
    transport: httpx.BaseTransport | None = None,
) -> int:
    """Takes in a list from all of its files and says how many people it names. Raises FileRefused; then nothing was written.

    `own_origin`: the API's own, which may be asked as it is, whatever its scheme.
    """
    try:
        return _refresh(w, org, list_id, links, now, own_origin, transport)
    except OSError:  # of the temporary files: those of the network and of the tables have names of their own
        raise FileRefused("disk_full") from None


def _refresh(
    w: Wiring, org: str, list_id: str, links: Sequence[str], now: datetime, own_origin: str, transport: httpx.BaseTransport | None
) -> int:
    with ExitStack() as stack:
        files: list[IO[bytes]] = []
        for link in links:
            room = MOST_BYTES - sum(file.tell() for file in files)
            files.append(stack.enter_context(_fetched(link, own_origin, transport, room)))
        good, bad = 0, 0
        for line in _lines(files):
            good, bad = good + (line.problem is None), bad + (line.problem is not None)
        state = w.suppression.list_state(org, list_id)
        reason = refusal(good=good, bad=bad, known=state.entries if state else 0)
        if reason is not None:
            raise FileRefused(f"{reason}: {good} good lines, {bad} bad ones")
        hashes = (one for line in _lines(files) for one in line.hashes)
        fingerprints = [fingerprint(link) for link in links]
        w.suppression.add_to_advertiser_list(
            org, list_id, hashes, refreshed_at=epoch_seconds(now), entries=good, files=fingerprints
        )
    return good


def fingerprint(link: str) -> str:
    """Tells one file's link from another, and gives no link away."""
    return hashlib.sha256(link.encode()).hexdigest()[:16]


# --- the file, as it travels -------------------------------------------------------------------------------------------------
@contextmanager
def _fetched(link: str, own_origin: str, transport: httpx.BaseTransport | None, room: int) -> Iterator[IO[bytes]]:
    """The whole file of a link, at most `room` bytes, on disk while the block lasts."""
    with tempfile.TemporaryFile() as file, httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport) as http:
        url = link
        for _ in range(MOST_HOPS):
            _check(url, own_origin)
            target = _load(http, url, file, room)
            if target is None:
                yield file
                return
            url = urljoin(url, target)
        raise FileRefused("too_many_redirects")


def _check(url: str, own_origin: str) -> None:
    parts, own = urlsplit(url), urlsplit(own_origin)
    if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
        return
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise FileRefused("not_https")


def _load(http: httpx.Client, url: str, file: IO[bytes], room: int) -> str | None:
    """Where to ask instead, or None when the file is here."""
    try:
        with http.stream("GET", url) as answer:
            if answer.has_redirect_location:
                return answer.headers["Location"]
            if answer.status_code != 200:
                raise FileRefused(f"answered_{answer.status_code}")
            size = 0
            for chunk in answer.iter_bytes(_CHUNK):
                size += len(chunk)
                if size > room:
                    raise FileRefused("too_large")
                file.write(chunk)
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # a body shorter than announced is one of them
        raise FileRefused(type(error).__name__) from None
    return None


# --- the file, as it reads ---------------------------------------------------------------------------------------------------
def _lines(files: Sequence[IO[bytes]]) -> Iterator[SuppressionLine]:
    for file in files:
        with _unpacked(file) as readline:
            try:
                yield from read_suppression_list(_texts(readline))
            except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise FileRefused(f"unreadable: {type(error).__name__}") from None


@contextmanager
def _unpacked(file: IO[bytes]) -> Iterator[Callable[[int], bytes]]:
    """Reads a line of the text inside: plain, gzip, or a zip of one file, told by its first bytes."""
    file.seek(0)
    magic = file.read(4)
    file.seek(0)
    with ExitStack() as stack:
        if magic[:2] == b"\x1f\x8b":
            yield stack.enter_context(gzip.GzipFile(fileobj=file)).readline
        elif magic == b"PK\x03\x04":
            try:
                archive = stack.enter_context(zipfile.ZipFile(file))
                inside = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX")]
                if len(inside) != 1:
                    raise FileRefused(f"zip_of_{len(inside)}_files")
                opened = stack.enter_context(archive.open(inside[0]))
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise FileRefused(f"unreadable: {type(error).__name__}") from None
            yield opened.readline
        else:
            yield file.readline


def _texts(readline: Callable[[int], bytes]) -> Iterator[str]:
    """Its lines; one without an end comes in pieces, which are bad lines."""
    size = 0
    while line := readline(_LONGEST_LINE):
        size += len(line)
        if size > MOST_TEXT_BYTES:
            raise FileRefused("too_large")
        yield line.decode("utf-8", errors="replace")
