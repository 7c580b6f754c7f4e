"""An advertiser's opt-out file: fetched whole over https, judged, and only then taken in."""

from __future__ import annotations

import errno
import gzip
import io
import logging
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from revenue_engine.clock import epoch_seconds
from revenue_engine.services import suppression_files
from revenue_engine.services.suppression_files import FileRefused, fingerprint, refresh_list
from tests.builders import NOW, Org

T = epoch_seconds(NOW)
LINK = "https://vendor.example/download/abc?key=TOP-SECRET"
PEOPLE = [f"p{n}@recipient.example" for n in range(40)]
TEXT = "email\r\n" + "".join(f"{address}\r\n" for address in PEOPLE)
Answer = httpx.Response | Callable[[httpx.Request], httpx.Response]


def load(org: Org, answers: dict[str, Answer], *links: str, own_origin: str = "https://api.example") -> int:
    def handle(request: httpx.Request) -> httpx.Response:
        answer = answers[str(request.url)]
        return answer if isinstance(answer, httpx.Response) else answer(request)

    transport = httpx.MockTransport(handle)
    return refresh_list(org.w, org.name, "12", links or (LINK,), now=NOW, own_origin=own_origin, transport=transport)


def refused(org: Org, answers: dict[str, Answer], *links: str) -> str:
    before = (org.w.suppression.list_state(org.name, "12"), len(entries(org)))
    with pytest.raises(FileRefused) as told:
        load(org, answers, *links)
    assert (org.w.suppression.list_state(org.name, "12"), len(entries(org))) == before
    assert "SECRET" not in str(told.value)
    return str(told.value)


def entries(org: Org) -> set[str]:
    from revenue_engine.aws import names

    return {i["sk"] for i in org.items(names.SUPPRESSION_TABLE) if i["pk"] == f"{org.name}#advertiser#12" and i["sk"] != "#meta"}


def forbidden(org: Org, address: str) -> bool:
    return org.w.suppression.advertiser_forbids(org.name, "12", address)


def zipped(**files: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._list.txt", "x")
        for name, text in files.items():
            archive.writestr(f"folder/{name}.txt", text)
    return raw.getvalue()


FORMS = {
    "plain": TEXT.encode(),
    "byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "gzip": gzip.compress(TEXT.encode()),
    "zip": zipped(list=TEXT),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_taken_in_however_it_is_packed(org: Org, form: str) -> None:
    assert load(org, {LINK: httpx.Response(200, content=FORMS[form])}) == 40
    state = org.w.suppression.list_state(org.name, "12")
    assert state is not None and (state.refreshed_at, state.entries, state.files) == (T, 40, frozenset({fingerprint(LINK)}))
    assert all(forbidden(org, address) for address in PEOPLE)
    assert not forbidden(org, "q@recipient.example")
    assert not any("@" in entry for entry in entries(org))  # hashes alone


def test_two_files_of_one_list_are_one_list(org: Org) -> None:
    other = "https://vendor.example/2"
    answers: dict[str, Answer] = {
        LINK: httpx.Response(200, text="a@x.example\nb@x.example\n"),
        other: httpx.Response(200, text="email\nc@x.example\n"),
    }
    assert load(org, answers, LINK, other) == 3
    assert all(forbidden(org, f"{name}@x.example") for name in "abc")
    state = org.w.suppression.list_state(org.name, "12")
    assert state is not None and state.files == {fingerprint(LINK), fingerprint(other)}
    broken = {**answers, other: httpx.Response(503)}
    assert refused(org, broken, LINK, other) == "answered_503"


def test_whoever_was_on_the_list_stays_on_it(org: Org) -> None:
    load(org, {LINK: httpx.Response(200, text="a@x.example\nb@x.example\n")})
    load(org, {LINK: httpx.Response(200, text="b@x.example\n")})
    assert forbidden(org, "a@x.example") and forbidden(org, "b@x.example")


# --- refusals ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty: 0 good lines, 0 bad ones"),
        ("email\n\n  \n", "empty: 0 good lines, 0 bad ones"),
        ("<!doctype html><html><body>\n<p>Please log in.</p>\n</body></html>\n", "empty: 0 good lines, 3 bad ones"),
        (TEXT + "what is this\nand this\n", "too_many_bad_lines: 40 good lines, 2 bad ones"),
        ("".join(f"{address}," for address in PEOPLE), "empty: 0 good lines, 1 bad ones"),
        ("x" * 5_000, "empty: 0 good lines, 5 bad ones"),
    ],
)
def test_what_cannot_be_the_list_is_refused_and_nothing_of_it_written(org: Org, text: str, reason: str) -> None:
    assert refused(org, {LINK: httpx.Response(200, text=text)}) == reason


def test_a_few_bad_lines_of_many_are_no_reason(org: Org) -> None:
    text = TEXT + "".join(f"{n:032x}\n" for n in range(260)) + "bad\nworse\nj\u00f6rg@x.example\nEmail Address (MD5)\n"
    assert load(org, {LINK: httpx.Response(200, text=text)}) == 300


def test_a_file_that_lost_more_than_half_of_its_people_is_refused(org: Org) -> None:
    load(org, {LINK: httpx.Response(200, text=TEXT)})
    kept = "".join(f"{address}\n" for address in PEOPLE[:19])
    assert refused(org, {LINK: httpx.Response(200, text=kept)}) == "shrunk: 19 good lines, 0 bad ones"
    md5_of_half = "".join(f"{n:032x}\n" for n in range(20))  # another form of half the people is still half of them
    assert load(org, {LINK: httpx.Response(200, text=md5_of_half)}) == 20


DAMAGED = {
    "gzip cut short": gzip.compress(TEXT.encode())[:-9],
    "gzip with a flipped bit": FORMS["gzip"][:40] + bytes([FORMS["gzip"][40] ^ 255]) + FORMS["gzip"][41:],
    "zip cut short": FORMS["zip"][:-30],
    "zip of two files": zipped(one=TEXT, two=TEXT),
    "zip of none": zipped(),
}


@pytest.mark.parametrize("form", DAMAGED)
def test_a_damaged_file_is_refused(org: Org, form: str) -> None:
    reason = refused(org, {LINK: httpx.Response(200, content=DAMAGED[form])})
    assert reason.startswith(("unreadable: ", "zip_of_"))


def test_any_bytes_at_all_are_a_list_or_refused(org: Org) -> None:
    chance = random.Random(5)
    starts = [b"", b"\x1f\x8b\x08\x00", b"PK\x03\x04", FORMS["gzip"][:60], FORMS["zip"][:60]]
    for n in range(60):
        raw = starts[n % 5] + chance.randbytes(chance.randrange(3_000))
        refused(org, {LINK: httpx.Response(200, content=raw)})


def test_too_much_is_not_read_to_its_end(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(1)
            yield b"a@x.example\n" * 1_000

    monkeypatch.setattr(suppression_files, "MOST_BYTES", 100_000)
    assert refused(org, {LINK: httpx.Response(200, content=endless())}) == "too_large"
    assert len(read) < 100
    monkeypatch.setattr(suppression_files, "MOST_TEXT_BYTES", 100_000)
    bomb = gzip.compress(b"a@x.example\n" * 100_000)
    assert len(bomb) < 10_000
    assert refused(org, {LINK: httpx.Response(200, content=bomb)}) == "too_large"


def test_the_files_of_one_list_share_the_disk(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "https://vendor.example/2"
    answers: dict[str, Answer] = {LINK: httpx.Response(200, text=TEXT), other: httpx.Response(200, text=TEXT)}
    monkeypatch.setattr(suppression_files, "MOST_BYTES", 2 * len(TEXT) - 1)
    assert load(org, answers, LINK) == 40
    assert refused(org, answers, LINK, other) == "too_large"


class FullDisk(io.BytesIO):
    """A file on a disk that takes nothing any more, now or when it is told to."""

    def __init__(self, full_at: str) -> None:
        super().__init__()
        self.full_at = full_at

    def write(self, data: Any, /) -> int:
        if self.full_at == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if self.full_at == "seek":  # what was buffered goes to the disk
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().seek(offset, whence)


@pytest.mark.parametrize("full_at", ["write", "seek"])
def test_a_full_disk_is_a_reason(org: Org, monkeypatch: pytest.MonkeyPatch, full_at: str) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: FullDisk(full_at))
    assert refused(org, {LINK: httpx.Response(200, text=TEXT)}) == "disk_full"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(httpx.ReadTimeout("TOP-SECRET"), "ReadTimeout"), (httpx.RemoteProtocolError("TOP-SECRET"), "RemoteProtocolError")],
)
def test_a_file_that_does_not_come_whole_is_refused(org: Org, error: httpx.HTTPError, reason: str) -> None:
    def half() -> Iterator[bytes]:
        yield b"a@x.example\n"
        raise error

    assert refused(org, {LINK: httpx.Response(200, content=half())}) == reason


# --- where from --------------------------------------------------------------------------------------------------------------
def to(url: str) -> httpx.Response:
    return httpx.Response(302, headers={"Location": url})


def test_redirects_are_followed_over_https_alone(org: Org) -> None:
    answers: dict[str, Answer] = {
        LINK: to("/next"),
        "https://vendor.example/next": to("https://files.example/list"),
        "https://files.example/list": httpx.Response(200, text=TEXT),
    }
    assert load(org, answers) == 40
    for elsewhere in (
        "http://files.example/list",
        "ftp://files.example/",
        "https://user:pw@files.example/",
        "file:///etc/passwd",
    ):
        assert refused(org, {LINK: to(elsewhere)}) == "not_https"
    assert refused(org, {LINK: to(LINK)}) == "too_many_redirects"


@pytest.mark.parametrize("link", ["http://vendor.example/x", "vendor.example/x", "", "https://", "https://me@vendor.example/x"])
def test_a_link_that_is_not_https_is_not_asked(org: Org, link: str) -> None:
    assert refused(org, {}, link) == "not_https"


def test_the_apis_own_origin_is_asked_as_it_is(org: Org) -> None:
    link = "http://127.0.0.1:7/list"
    assert load(org, {link: httpx.Response(200, text=TEXT)}, link, own_origin="http://127.0.0.1:7") == 40
    assert refused(org, {}, "http://127.0.0.1:8/list") == "not_https"


def test_no_log_holds_a_link(org: Org, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load(org, {LINK: httpx.Response(200, text=TEXT)})
        refused(org, {LINK: httpx.Response(404)})
    assert "SECRET" not in caplog.text
