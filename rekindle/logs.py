"""Logs that hold no person's address and no value of a statement, whoever writes them.

What comes from outside is full of addresses: servers repeat a recipient in their refusals,
databases quote the row that stands in the way, and a traceback says what an error said.
"""

import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rekindle.clock import seconds_running

if TYPE_CHECKING:
    import structlog

HIDDEN = "…"
# a quoted local part too, and the @ as a query has it; bounded, so that no text is costly to read
ADDRESS = re.compile(
    r"""(?:"[^"\n]{0,64}"|[^\s<>"'(),:;=\[\]{}|/?&]{1,256})(?:@|%40)\[?[^\s<>"'(),:;=\[\]{}|/?&]{1,256}"""
)
# lines in which PostgreSQL says which row it was about, and with which values
ROW = re.compile(r"^(DETAIL|CONTEXT|PARAMETERS):.*$", re.MULTILINE)


class Log:
    """Writes lines by structlog, which is loaded with the first: it takes long, and most commands
    write none.
    """

    def debug(self, event: str, **fields: object) -> None:
        _loaded().get_logger().debug(event, **fields)

    def info(self, event: str, **fields: object) -> None:
        _loaded().get_logger().info(event, **fields)

    def warning(self, event: str, **fields: object) -> None:
        _loaded().get_logger().warning(event, **fields)

    def error(self, event: str, **fields: object) -> None:
        _loaded().get_logger().error(event, **fields)


def get_logger() -> Log:
    return Log()


def redact(text: str) -> str:
    """`text` with `…@…` for every address, and without the values that a database quotes."""
    if "@" in text or "%40" in text:
        text = ADDRESS.sub(f"{HIDDEN}@{HIDDEN}", text)
    return ROW.sub(rf"\1: {HIDDEN}", text)


def redact_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The step of structlog that does so for every value of a line."""
    return {name: _redacted(value) for name, value in event.items()}


def _redacted(value: Any) -> Any:
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {_redacted(name): _redacted(item) for name, item in value.items()}
        case list() | tuple() | set():
            return [_redacted(item) for item in value]
        case BaseException():
            return redact(repr(value))
        case _:
            return value


class AsOurs(logging.Formatter):
    """Formats what a library says as our own lines are."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"event": record.getMessage().strip(), "library": record.name}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        structlog = _loaded()
        steps = structlog.get_config()["processors"]
        stamp = [step for step in steps if isinstance(step, structlog.processors.TimeStamper)]
        for step in (structlog.processors.add_log_level, *stamp, steps[-1]):
            line = step(None, record.levelname.lower(), line)
        return str(line)


class Redacting(logging.Formatter):
    """Formats as another formatter does, and redacts that."""

    def __init__(self, formatter: logging.Formatter | None = None) -> None:
        super().__init__()
        self._formatter = formatter or AsOurs()

    def format(self, record: logging.LogRecord) -> str:
        return redact(self._formatter.format(record))


@dataclass
class Seldom:
    """A line about what strangers can cause as often as they like: once a minute at most, with how
    many there were since.
    """

    event: str
    count: int = 0
    next_at: float = 0.0

    def note(self, **fields: object) -> None:
        self.count += 1
        if (running := seconds_running()) >= self.next_at:
            get_logger().warning(self.event, count=self.count, **fields)
            self.count, self.next_at = 0, running + 60


def configure_logs() -> None:
    """Have all logs of this process go to standard error, redacted; to be done again does nothing
    new.
    """
    _state.is_wanted, _state.is_done = True, False
    if "structlog" in sys.modules:
        _loaded()
    handlers = [logging.lastResort, *logging.root.handlers]  # the first where there are no others
    for name in ("uvicorn", "uvicorn.access"):  # of a server that we did not start
        handlers += logging.getLogger(name).handlers
    for handler in handlers:
        if handler is not None and not isinstance(handler.formatter, Redacting):
            handler.setFormatter(Redacting(handler.formatter))
    threading.excepthook = _say_thread_failed


@dataclass
class _State:
    """Whether lines go to standard error, redacted, as soon as structlog is loaded."""

    is_wanted: bool = False
    is_done: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


_state = _State()


def _loaded() -> ModuleType:
    """Return structlog, as it was asked to be."""
    import structlog

    with _state.lock:  # no thread writes a line before that is done
        if _state.is_wanted and not _state.is_done:
            _configure_structlog()
            _state.is_done = True
    return structlog


def _configure_structlog() -> None:
    import structlog

    steps = [step for step in structlog.get_config()["processors"] if step is not redact_event]
    structlog.configure(
        logger_factory=_to_standard_error, processors=[*steps[:-1], redact_event, steps[-1]]
    )


def _say_thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        name = failed.thread.name if failed.thread else "?"
        trace = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        logging.getLogger("rekindle").error("the thread %s failed", name, exc_info=trace)


def _to_standard_error(*_names: object) -> "structlog.PrintLogger":
    """Standard output is for what the command was asked, under `--json` for one document alone."""
    import structlog

    return structlog.PrintLogger(sys.stderr)
