"""An approved creative and a person's merge fields → HTML and plain text.

Templates come from the advertiser's approved assets, so they are rendered in Jinja's sandbox with autoescape; a merge field the person does
not have stops that mail, never the batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser

from jinja2 import Template

from revenue_engine.content.sandbox import Sandbox, TooLarge
from revenue_engine.errors import BadInput
from revenue_engine.records.offer import Creative

_HTML = Sandbox(autoescape=True)
_TEXT = Sandbox(autoescape=False)

# The opt-out link is not tracked: a scanner's click on it must not look like interest, nor be rewritten (contracts 3.3).
_FOOTER = """
<p style="font-size:12px;color:#666">Advertisement. {{ postal_address }}<br>
<a ses:no-track href="{{ unsubscribe_url }}">Unsubscribe</a></p>
"""
# No reader sees it; whoever follows it, to the page that a GET of the opt-out address shows, reads mails as scanners do (contracts 4.6).
_INVISIBLE = """
<a ses:tags="slot:honeypot;" href="{{ unsubscribe_url }}" style="display:none" aria-hidden="true" tabindex="-1"></a>
"""

_BODY_ENDS = re.compile("</body>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Content:
    """What one mail says."""

    subject: str
    html: str
    text: str


def render(
    creative: Creative,
    *,
    fields: Mapping[str, str],
    offer_url: str,
    unsubscribe_url: str,
    postal_address: str,
    invisible_link: bool = False,
) -> Content:
    """The creative for one person.

    Templates may use `offer_url` and the person's merge fields. Raises BadInput of `creative.subject` or `creative.html` when a field is
    missing, the template is broken or `too_large`, the offer link is not in it, or what it leaves open hides the footer.
    """
    if "offer_url" not in creative.html:
        raise BadInput("creative.html", "no_offer_link")
    merged = {**fields, "offer_url": offer_url}
    subject = _rendered(_TEXT, creative.subject, merged, "creative.subject")
    body = _rendered(_HTML, creative.html, merged, "creative.html")
    if "\n" in subject or "\r" in subject:
        raise BadInput("creative.subject", "line_break")
    footer = _compiled(_HTML, _FOOTER).render(postal_address=postal_address, unsubscribe_url=unsubscribe_url)
    html = _insert_before_end(body, footer)
    try:
        text = plain_text(html)
    except AssertionError as error:  # of html.parser, which some broken markup brings to it
        raise BadInput("creative.html", "does_not_render", str(error)[:200]) from None
    if unsubscribe_url not in text or " ".join(postal_address.split()) not in text:
        raise BadInput("creative.html", "hides_the_footer")
    if invisible_link:
        html = _insert_before_end(html, _compiled(_HTML, _INVISIBLE).render(unsubscribe_url=unsubscribe_url))
    return Content(subject.strip(), html, text)


def named_fields(creative: Creative) -> frozenset[str]:
    """The merge fields that its templates name at all, whether they need them or not; none of a template that does not compile."""
    named: set[str] = set()
    for environment, source in ((_TEXT, creative.subject), (_HTML, creative.html)):
        with suppress(Exception):  # `render` says what is wrong with it
            _compiled(environment, source)
            named |= environment.fields(source)
    return frozenset(named - {"offer_url"})


def _rendered(environment: Sandbox, source: str, merged: Mapping[str, str], where: str) -> str:
    try:
        return environment.rendered(_compiled(environment, source), merged)
    except TooLarge as error:
        raise BadInput(where, "too_large", str(error)) from None
    except Exception as error:  # whatever a template does wrong in here, it is the template's fault
        raise BadInput(where, "does_not_render", str(error)[:200]) from None


@lru_cache(maxsize=256)
def _compiled(environment: Sandbox, source: str) -> Template:
    """A template is compiled once, not once a mail."""
    return environment.compiled(source)


def _insert_before_end(body: str, footer: str) -> str:
    *_, end = [len(body), *(found.start() for found in _BODY_ENDS.finditer(body))]  # in lower case some letters are longer
    return body[:end] + footer + body[end:]


class _Text(HTMLParser):
    """Collects readable text; a link becomes its words and its address."""

    _BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "script", "head"):
            self._hidden += 1
        elif tag in self._BLOCKS:
            self.parts.append("\n")
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "head"):
            self._hidden = max(0, self._hidden - 1)
        elif tag in self._BLOCKS:
            self.parts.append("\n")
        elif tag == "a" and self._links:
            self.parts.append(f": {self._links.pop()} ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(" ".join(data.split()) + " " if data.strip() else " ")


def plain_text(html: str) -> str:
    """The text part beside the HTML part."""
    reader = _Text()
    reader.feed(html)
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line) + "\n"
