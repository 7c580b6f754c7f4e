"""Jinja's sandbox with a measure: a template that runs long or grows large fails, where it comes in and where it is mailed.

Jinja itself bounds a single `range` and nothing else. Here a rendering may do so much work, in characters and items: every value that may
have grown counts, and so do turns of loops (with the text in them) and calls. What makes much of little in one step (`*`, widths, arguments
of filters and methods) is looked at before it is done. Nothing depends on a clock: a template fails everywhere or nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import GeneratorType
from typing import Any

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.filters import do_format
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

MOST_WORK = 2_000_000  # of one rendering
MOST_OUTPUT = 1_000_000  # characters of a rendered template
MOST_VALUE = 100_000  # of any value on the way: an asset itself has 60,000 bytes
MOST_FACTOR = (
    100  # characters and items of an argument: what a filter or a method makes of a value is at most so many times as large
)
MOST_FORMATTED = 1_000  # of one value that is put into a format
MOST_NUMBER = 3_000  # as a width
MOST_BITS = 10_000  # of a power
A_TURN = 100  # of a loop, and a call

_WHOLE, _HELD, _FACTOR, _WIDTH, _TURNS = (
    "whole value",
    "value in a namespace",
    "argument",
    "argument that may be a width",
    "turns of a loop",
)  # no template can name these
_OF_ANY_SIZE = ("default", "d", "int", "float", "format")  # filters whose arguments multiply nothing
_OF_WIDTH = ("batch", "center", "indent", "map", "round", "slice", "tojson", "urlize", "wordwrap")  # `map` names another
# no part reaches beyond the next sign that begins one, so that a look takes a time like the text's length
_WIDE = re.compile(r"%(?:\([^)%]*\))?[^%a-zA-Z]*(?:\d{4}|\*)|\{[^{}:]*:[^{}]*(?:\d{4}|\{)")

_left: ContextVar[list[int] | None] = ContextVar("work_left", default=None)  # of the rendering, or of the folding of constants


class TooLarge(Exception):
    """A template does more, or makes more, than a mail has any use for."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Compiles templates that are measured; a field that is missing is an error."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, undefined=StrictUndefined)
        del self.globals["lipsum"]
        self.filters |= {_WHOLE: _whole, _HELD: _held, _FACTOR: _factor, _WIDTH: _width, _TURNS: _turns, "format": _format}

    def compiled(self, source: str) -> Template:
        """Constants are folded as far as the measure of one rendering goes, and what is beyond it when the template renders.

        Raises what Jinja raises of a template that it cannot read."""
        with _measure():
            return self.from_string(self._measured(source))

    def fields(self, source: str) -> frozenset[str]:
        """What a template takes from outside; Jinja folds constants here too. Raises as `compiled` does."""
        with _measure():
            return frozenset(find_undeclared_variables(self._measured(source)) - self.globals.keys())

    def rendered(self, template: Template, merged: Mapping[str, str]) -> str:
        """Raises TooLarge, and whatever a template brings up."""
        with _measure():
            text = template.render(merged)
        if len(text) > MOST_OUTPUT:
            raise TooLarge(f"more than {MOST_OUTPUT:,} characters")
        return text

    def _measured(self, source: str) -> nodes.Template:
        measured: nodes.Template = _Measuring(self).visit(self.parse(source))
        return measured

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Sums are looked at afterwards, they are no more than their parts; the others before."""
        if operator == "*":
            for value, times in ((left, right), (right, left)):
                if isinstance(times, int) and not isinstance(value, (int, float)):
                    _check(_weight(value) * abs(times))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            _check(left.bit_length() * abs(right), MOST_BITS)
        elif operator == "%" and isinstance(left, str):
            _check_widths(left)
            _check(_weight(right), MOST_FORMATTED)
        return _whole(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A macro's arguments multiply nothing; those of a class are kept; those of any other function may multiply, and be widths where
        they are asked of a text or a number."""
        _spend(A_TURN)
        method = getattr(obj, "__wrapped__", obj)  # Jinja wraps str.format
        of = getattr(method, "__self__", None)
        name = getattr(method, "__name__", "")
        if isinstance(of, str) and name in ("format", "format_map"):
            _check_widths(of)
            look = _formatted
        elif isinstance(of, str) and name == "join":
            look = partial(_joined, of)
        elif isinstance(obj, (Macro, type)):
            look = _whole if isinstance(obj, Macro) else _held
        else:
            look = _width if isinstance(of, (str, bytes, int, float)) else _factor
        if isinstance(of, (str, list, tuple, dict)):
            _whole(of)
        for value in (*args, *(value for name, value in kwargs.items() if name not in ("_loop_vars", "_block_vars"))):
            look(value)
        return _whole(super().call(context, obj, *args, **kwargs))


class _Measuring(NodeTransformer):
    """Puts the looks at values, as filters, around all that makes them grow, or reads them whole, and is no call and no operator."""

    def __init__(self, environment: Sandbox) -> None:
        self.environment = environment

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        self.generic_visit(node)
        match node:
            case nodes.For(recursive=True):
                raise TemplateSyntaxError("merge fields are flat: no loop is recursive", node.lineno)
            case nodes.For(iter=nodes.Expr() as values):
                text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
                node.iter = self._filter(values, _TURNS, nodes.Const(text, lineno=node.lineno, environment=self.environment))
            case nodes.Filter():
                return self._of_filter(node)
            case nodes.Concat() | nodes.List() | nodes.Dict() | nodes.Tuple(ctx="load"):
                return self._filter(node, _WHOLE)
            case nodes.Compare():
                node.expr = self._filter(node.expr, _WHOLE)
                for operand in node.ops:
                    operand.expr = self._filter(operand.expr, _WHOLE)
            case nodes.Test():
                node.node = self._filter(node.node, _WHOLE)
                node.args = [self._filter(argument, _WHOLE) for argument in node.args]
            case nodes.Output():
                node.nodes = [one if isinstance(one, nodes.TemplateData) else self._filter(one, _WHOLE) for one in node.nodes]
            case nodes.AssignBlock(filter=None):
                node.filter = self._filter(None, _WHOLE)
            case nodes.Assign(target=target, node=nodes.Expr() as value):
                if isinstance(target, nodes.NSRef) or target.find(nodes.NSRef) is not None:
                    node.node = self._filter(value, _HELD)
        return node

    def _of_filter(self, node: nodes.Filter) -> nodes.Filter:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise TemplateSyntaxError("a filter's arguments are written out", node.lineno)
        look = _WHOLE if node.name in _OF_ANY_SIZE else _WIDTH if node.name in _OF_WIDTH else _FACTOR
        node.args = [self._filter(argument, look) for argument in node.args]
        for named in node.kwargs:
            named.value = self._filter(named.value, look)
        if node.node is not None:
            node.node = self._filter(node.node, _WHOLE)
        return self._filter(node, _WHOLE)

    def _filter(self, node: nodes.Expr | None, name: str, *args: nodes.Expr) -> nodes.Filter:
        if name == _WHOLE and isinstance(node, nodes.Filter) and node.name == _WHOLE:
            return node
        lineno = node.lineno if node is not None else 1
        return nodes.Filter(node, name, list(args), [], None, None, lineno=lineno, environment=self.environment)


def _weight(value: Any) -> int:
    """Characters and items of a value with all that is in it, looked at no further than any value may go."""
    weight, waiting = 0, [value]
    while waiting and weight + len(waiting) <= MOST_VALUE:
        one = waiting.pop()
        weight += 1
        if isinstance(one, (str, bytes, range)):
            weight += len(one)
        elif isinstance(one, int):
            weight += one.bit_length() // 3
        elif isinstance(one, (list, tuple, set, frozenset)):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one)
            waiting.extend(one.values())
        elif isinstance(one, Namespace) and one is not value:
            raise TooLarge("a namespace inside of another value")
    return weight + len(waiting)


def _check(weight: int, most: int = MOST_VALUE) -> None:
    if weight > most:
        raise TooLarge(f"a value of more than {most:,}")


def _check_widths(text: str) -> None:
    if _WIDE.search(text.replace("%%", "")):
        raise TooLarge("a width of more than three digits")


@contextmanager
def _measure() -> Iterator[None]:
    before = _left.set([MOST_WORK])
    try:
        yield
    finally:
        _left.reset(before)


def _spend(work: int) -> None:
    left = _left.get()
    if left is not None:
        left[0] -= work
        if left[0] < 0:
            raise TooLarge("more work than any mail needs")


def _whole(value: Any) -> Any:
    if isinstance(value, GeneratorType):
        items, weight = [], 0
        for item in value:
            weight += _weight(item)
            _check(weight)
            items.append(item)
        value = items
    weight = _weight(value)
    _check(weight)
    _spend(weight)
    return value


def _held(value: Any) -> Any:
    if isinstance(value, Namespace):
        raise TooLarge("a namespace inside of another value")
    return _whole(value)


def _formatted(value: Any) -> Any:
    _check(_weight(value), MOST_FORMATTED)
    return value


def _joined(between: str, values: Any) -> Any:
    _check(_weight(values) * (1 + len(between)))
    return values


def _factor(value: Any) -> Any:
    _check(_weight(value), MOST_FACTOR)
    return value


def _width(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > MOST_NUMBER:
        raise TooLarge(f"a width of more than {MOST_NUMBER:,}")
    return _factor(value)


def _turns(values: Any, text: int) -> Iterator[Any]:
    for value in values:
        _spend(A_TURN + text)
        yield value


def _format(value: str, *args: Any, **kwargs: Any) -> str:
    _check_widths(value)
    for argument in (*args, *kwargs.values()):
        _formatted(argument)
    return do_format(value, *args, **kwargs)
