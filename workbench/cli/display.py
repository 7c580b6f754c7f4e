"""What people see: plain tables, progress bars, error reports. Progress goes to stderr, results to stdout."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from workbench.cli.files import FileProblem

MOST_PROBLEMS = 50


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: Sequence[str] = ()) -> None:
    """A table on stdout; wide cells fold, but for the columns in `whole`, which people copy."""
    drawn = Table(
        *(Column(name, no_wrap=name in whole, overflow="ignore" if name in whole else "fold") for name in columns),
        title=title or None,
        title_justify="left",
    )
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(file=sys.stdout, soft_wrap=False, highlight=False).print(drawn)


@contextmanager
def engine_logs_to(stream: TextIO) -> Iterator[None]:
    """The engine's loggers write to stdout, as Lambda wants it; inside the block they write to `stream`."""
    handlers = [
        handler
        for name in ("revenue-engine", "revenue_engine")
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    before = [handler.setStream(stream) for handler in handlers]
    try:
        yield
    finally:
        for handler, old in zip(handlers, before, strict=True):
            if old is not None:
                handler.setStream(old)


@contextmanager
def engine_to_stderr() -> Iterator[None]:
    """Inside the block the engine's logs and metrics, which Lambda takes from stdout, leave that to results."""
    with redirect_stdout(sys.stderr), engine_logs_to(sys.stderr):
        yield


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr; the block calls what it is given once a record."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def report_problems(path: Path, problems: Sequence[FileProblem], *, kind: str) -> None:
    """One line each on stderr, the first fifty of them."""
    for problem in problems[:MOST_PROBLEMS]:
        click.echo(f"{problem.text(path)}" if kind == "error" else f"{kind}: {problem.text(path)}", err=True)
    if len(problems) > MOST_PROBLEMS:
        click.echo(f"... and {len(problems) - MOST_PROBLEMS} more", err=True)


def refuse(path: Path, problems: Sequence[FileProblem], *, advice: str = "") -> None:
    """The whole file is refused: the report, and exit code 2. Nothing has been written."""
    report_problems(path, problems, kind="error")
    lines = "problem" if len(problems) == 1 else "problems"
    click.echo(f"{path}: {len(problems)} {lines}, nothing was imported" + (f"; {advice}" if advice else ""), err=True)
    raise SystemExit(2)
