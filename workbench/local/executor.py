"""Lambda in this process: each invocation sees its own environment, a JSON copy of its event, a time limit and a request id."""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import os
import sys
import threading
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from workbench.local.backend import aws_environment, environment
from workbench.local.deployment import Deployment, Function
from workbench.local.permissions import Permissions

_FROM_THE_MACHINE = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "SYSTEMROOT", "COVERAGE_PROCESS_START")
LOG_LINES_KEPT = 20_000


class FunctionError(RuntimeError):
    """An invocation ended with an error; `error` is the object that Lambda's Python runtime answers."""

    def __init__(self, function: str, error: Mapping[str, Any]) -> None:
        super().__init__(f"{function}: {error['errorType']}: {error['errorMessage']}")
        self.function = function
        self.error = error


class Killed(BaseException):
    """The container is gone amid an invocation: no `except Exception` of the function's sees it."""


@dataclass(frozen=True)
class Result:
    """What an invocation answered: a JSON value, or an error object."""

    function: str
    value: Any
    error: Mapping[str, Any] | None

    def unwrap(self) -> Any:
        """The value. Raises FunctionError."""
        if self.error is not None:
            raise FunctionError(self.function, self.error)
        return self.value


@dataclass
class Context:
    """The second argument of a handler."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    aws_request_id: str
    log_stream_name: str
    deadline: float
    timer: Callable[[], float] = field(repr=False)
    function_version: str = "$LATEST"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - self.timer()) * 1000))


Around = Callable[[str, Any, Callable[[], Result]], Result]


class _Log(io.TextIOBase):
    """Takes what functions print. One for the process: loggers keep the stream they were born with."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        self.lines.extend(whole)
        return len(text)


_log = _Log()


@contextmanager
def _logging() -> Iterator[None]:
    """The engine's loggers write here too: they were born with whatever the importing process had for its output."""
    handlers = [
        handler
        for name in ("revenue-engine", "revenue_engine")
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    before = [handler.setStream(_log) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:  # None: it was this stream already
                handler.setStream(stream)


class Executor:
    """Invokes the functions of a deployment, one invocation at a time whichever thread asks.

    Parameters
    ----------
    deployment
        The functions and their environments.
    permissions
        What their roles are allowed.
    timer
        Seconds that run on; the time limit is measured by it, since simulated time stands still while a function runs.

    `around` runs every invocation: it gets the function's name, the event and what runs it.
    """

    def __init__(self, deployment: Deployment, permissions: Permissions, timer: Callable[[], float] = time.perf_counter) -> None:
        self.failures: list[Result] = []
        self.lock = threading.RLock()
        self.around: Around = lambda name, event, run: run()
        self.log = _log.lines
        self.log.clear()
        self._deployment = deployment
        self._permissions = permissions
        self._timer = timer
        self._handlers: dict[str, Callable[[Any, Context], Any]] = {}
        self._running: dict[str, int] = {}
        self._log_stream = f"local/[$LATEST]{uuid.uuid4().hex}"  # differs per plane: nothing cached under it outlives one
        self._machine = {name: os.environ[name] for name in _FROM_THE_MACHINE if name in os.environ}

    def environment(self, name: str) -> dict[str, str]:
        """The whole environment of a function: the template's variables and what Lambda itself sets."""
        function = self._deployment.function(name)
        return {
            **self._machine,
            **aws_environment(),
            "TZ": ":UTC",
            "AWS_LAMBDA_FUNCTION_NAME": function.physical_name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_megabytes),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.physical_name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self._log_stream,
            "_HANDLER": f"{function.module}.{function.attribute}",
            **function.environment,
        }

    def invoke(self, name: str, event: Any) -> Result:
        """Run a function (by name or ARN) to its end; failures are also kept in `failures`."""
        function = self._deployment.function(name)
        text = json.dumps(event)
        with self.lock:
            running = self._running.get(function.name, 0)
            if function.reserved_concurrency is not None and running >= function.reserved_concurrency:
                result = _failed(function, "TooManyRequestsException", "Rate Exceeded.")
            else:
                self._running[function.name] = running + 1
                try:
                    acting = self._permissions.acting(function.role)
                    with environment(self.environment(name)), redirect_stdout(_log), redirect_stderr(_log), _logging(), acting:
                        result = self.around(function.name, event, lambda: self._run(function, text))
                finally:
                    self._running[function.name] = running
        if result.error is not None:
            self.failures.append(result)
        return result

    def _run(self, function: Function, text: str) -> Result:
        request_id = str(uuid.uuid4())
        begun = self._timer()
        context = Context(
            function.physical_name,
            function.arn,
            function.memory_megabytes,
            request_id,
            self._log_stream,
            begun + function.timeout_seconds,
            self._timer,
        )
        try:
            answer = json.loads(json.dumps(self._handler(function)(json.loads(text), context)))
        except Killed:
            return _failed(
                function, "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited without providing a reason"
            )
        except Exception as error:
            extracted = traceback.extract_tb(error.__traceback__)[1:]
            return _failed(
                function,
                type(error).__name__,
                str(error),
                requestId=request_id,
                stackTrace=[line for line in traceback.format_list(extracted)],
            )
        if self._timer() - begun > function.timeout_seconds:
            message = f"RequestId: {request_id} Error: Task timed out after {function.timeout_seconds:.2f} seconds"
            return _failed(function, "Sandbox.Timedout", message)
        return Result(function.name, answer, None)

    def _handler(self, function: Function) -> Callable[[Any, Context], Any]:
        """Import the handler on its first invocation, in its own environment, as a cold start does."""
        if function.name not in self._handlers:
            module_name = f"local_function_{function.name}"
            spec = importlib.util.spec_from_file_location(module_name, function.directory / f"{function.module}.py")
            if spec is None or spec.loader is None:
                raise ImportError(f"{function.directory}: no module {function.module}")
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[module_name]
                raise
            self._handlers[function.name] = getattr(module, function.attribute)
        return self._handlers[function.name]


def _failed(function: Function, error_type: str, message: str, **more: Any) -> Result:
    return Result(function.name, None, {"errorMessage": message, "errorType": error_type, **more})
