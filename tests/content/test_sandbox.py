"""Templates that run long or grow large fail, and soon; sound ones render as Jinja renders them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from revenue_engine.content.sandbox import MOST_WORK, Sandbox, TooLarge

FIELDS = {"name": "Ann Lee", "born": "1990-05-06", "points": "120", "html": "<b>&"}
_DOUBLED = "{% set x = 'xy' %}" + "{% set x = x ~ x %}" * 40
_IN_BLOCKS = "{% set x %}xy{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40
_MACROS = "{% macro m0() %}xy{% endmacro %}" + "".join(
    f"{{% macro m{n} () %}}{{{{ m{n - 1}() }}}}{{{{ m{n - 1}() }}}}{{% endmacro %}}" for n in range(1, 40)
)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(2000) %}{% for b in range(2000) %}{% endfor %}{% endfor %}",
        "{% for a in range(1000) %}" + "text " * 10_000 + "{% endfor %}",
        "{% set x %}{% for a in range(1000) %}" + "text " * 10_000 + "{% endfor %}{% endset %}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{{ 'x' * 300000000 }}",
        "{{ 300000000 * 'x' }}",
        "{{ ['x'] * 300000000 }}",
        "{{ ('x' * 50000) * 50000 }}",
        "{{ (9 ** 9) ** (9 ** 9) }}",
        "{{ 'x' | center(300000000) }}",
        "{{ 'x'.ljust(300000000) }}",
        "{{ ['x'] | map('center', 300000000) | list }}",
        "{{ '%300000000d' % 1 }}",
        "{{ '%*d' % (300000000, 1) }}",
        "{{ '%(a)300000000d' % {'a': 1} }}",
        "{{ '%300000000d' | format(1) }}",
        "{{ ['%300000000d'] | map('format', 1) | list }}",
        "{{ '{:300000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 300000000) }}",
        "{{ ('a' * 50000).replace('a', 'b' * 50000) }}",
        "{{ ('a' * 50000) | replace('a', 'b' * 50000) }}",
        "{{ ['a'] | batch(300000000, 'x') | list }}",
        "{{ 'a' | list | slice(300000000) | list }}",
        "{{ ('a\n' * 2000) | indent(300000000) }}",
        _DOUBLED,
        _DOUBLED.replace("~", "+"),
        _IN_BLOCKS,
        _MACROS + "{{ m39() }}",
        "{% set x = [1] %}" + "{% set x = [x, x] %}" * 40 + "{{ x }}",
        "{% set x = {'a': 1} %}" + "{% set x = {'a': x, 'b': x} %}" * 40 + "{{ x }}",
        "{% set x = (1,) %}" + "{% set x = (x, x) %}" * 40 + "{{ x }}",
        "{% set x = namespace() %}" + "{% set x = namespace(a=x, b=x) %}" * 40 + "{{ x }}",
        "{% set n = namespace(x='xy') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% set x = 'a' * 49000 %}{% set y = x[:24000] ~ 'b' ~ x[:24000] %}{% for i in range(3000) %}{{ y in x }}{% endfor %}",
        "{% set x = ('a' * 20000) | list %}{% for i in range(3000) %}{{ 'b' is in x }}{% endfor %}",
        "{% for a in range(300) %}{{ 'y' * 90000 }}{% endfor %}",
        "{% for a in range(3000) %}{{ ('y ' * 40000) | wordcount }}{% endfor %}",
        "{{ (100).to_bytes(300000000) }}",
        "{{ ('x' * 50000).join('y' * 50000) }}",
        "{% if not name %}{{ 1 }}{% endif %}{{ 'a'|center(1000)|replace(' ', 'b'|center(95))|replace(' ', '\U0001f600'|center(90)) }}",
        "{% for i in range(200) %}{{ ('{' ~ ':' * 49000) | format | first }}{% endfor %}",
        "{{ ('%(' * 24000 ~ '%9999d') | format(1) }}",
    ],
)
@pytest.mark.parametrize("autoescape", [True, False])
def test_what_runs_long_or_grows_large_fails_soon(source: str, autoescape: bool) -> None:
    sandbox, began = Sandbox(autoescape=autoescape), time.process_time()
    with pytest.raises((TooLarge, OverflowError)):  # Jinja's own, of a range
        sandbox.rendered(sandbox.compiled(source), FIELDS)
    assert time.process_time() - began < 2


SOUND = [
    "Hello {{ name | default('there') }}, {{ nobody | default('x' * 20) }}",
    "{{ {'A': 'Madam'}[name[0]] }} {{ born.split('-')[1] }} {{ name.split()[0] | upper }} {{ html }} {{ html | e }}",
    "{% for n in range(12) %}{{ loop.index }}/{{ loop.length }}{{ loop.cycle('a', 'b') }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for a, b in [('x', 1), ('y', 2)] %}{{ a }}{{ b }}{% else %}none{% endfor %}",
    "{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}",
    "{% for c in name if c != 'n' %}{{ c }}{% endfor %}{% for x in [] %}{% else %}none{% endfor %}",
    "{% set n = namespace(total=0) %}{% for x in [1, 2, 3] %}{% set n.total = n.total + x %}{% endfor %}{{ n.total }}",
    "{% macro button(words, url='#') %}<a {{ url }}>{{ words }}{{ caller() if caller is defined }}</a>{% endmacro %}{{ button(name) }}",
    "{% macro row() %}<td>{{ caller('x') }}</td>{% endmacro %}{% call(v) row() %}{{ v }}{{ name }}{% endcall %}",
    "{% set words %}<i>{{ name }}</i>{% endset %}{{ words }}{% set loud | upper %}{{ name }}{% endset %}{{ loud }}",
    "{{ 'A' in name }} {{ 'x' is in name }} {{ name is defined }} {{ nobody is defined }} {{ 1 < 2 < 3 }} {{ points == '120' }}",
    "{% filter upper %}{{ name }}{% endfilter %}{% block a %}{{ html }}{% endblock %}{% with x = name %}{{ x }}{% endwith %}",
    "{{ '%.2f' % ((points | int) / 7) }} {{ '%05d' | format(12000) }} {{ '{:,}'.format(1200000) }} {{ 2 ** 10 }} {{ 7 % 3 }}",
    "{{ 'abc' | list | batch(2, '-') | map('join') | join(',') }} {{ [3, 1] | sort | first }} {{ name | truncate(5) }} {{ [1] | sum }}",
    "{{ name | replace('n', 'm') }} {{ points | int(100000) + 1 }} {{ html | striptags | length }} {{ name ~ ' ' ~ 5 }} {{ dict(a=1).a }}",
    "{{ {'p': 5000}.get('q', 4999) }} {{ range(5000, 5003) | join }} {{ [{'c': 4001}] | selectattr('c', 'gt', 4000) | list | length }}",
    "{{ ', '.join(('a;' * 90).split(';')) }} {{ ' | '.join(name) }}",
    "{{ html | truncate(3500) }} {{ '%s, save 50%% 2026' | format(name) }} {{ '%s 2026%%' % name }}",
    "{{ cycler('a', 'b').next() }}{% set j = joiner('|') %}{{ j() }}{{ j() }}{{ 'a,b'.split(',') }}{{ (1, 'b') }}{{ {'k': [1]} }}",
]


@pytest.mark.parametrize("source", SOUND)
@pytest.mark.parametrize("autoescape", [True, False])
def test_sound_templates_render_as_ever(source: str, autoescape: bool) -> None:
    sandbox = Sandbox(autoescape=autoescape)
    plain = ImmutableSandboxedEnvironment(autoescape=autoescape, undefined=StrictUndefined)
    template = sandbox.compiled(source)
    for _ in range(2):  # one rendering's work is none of the next one's
        assert sandbox.rendered(template, FIELDS) == plain.from_string(source).render(FIELDS)


@given(st.text())
def test_any_value_renders_as_ever(value: str) -> None:
    source = "{{ x }}{{ x | upper }}{% for c in x %}{{ c }}{% endfor %}{{ x ~ x }}{{ x * 2 }}"
    sandbox, plain = Sandbox(autoescape=True), ImmutableSandboxedEnvironment(autoescape=True)
    assert sandbox.rendered(sandbox.compiled(source), {"x": value}) == plain.from_string(source).render(x=value)


def test_the_largest_asset_there_is_renders() -> None:
    source = "<td style='padding:0'>{{ name | default('x') }}</td>" * 1_150  # 60 kB
    sandbox = Sandbox(autoescape=True)
    assert len(sandbox.rendered(sandbox.compiled(source), {"name": "x" * 100})) < MOST_WORK
