"""Logs: JSON on stderr, readable lines on a terminal. Never keys, never training text."""

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Route everything, the standard library's loggers included, through structlog."""
    terminal = sys.stderr.isatty()
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # no values of variables in tracebacks: keys and training text pass through them
    plain = structlog.dev.RichTracebackFormatter(show_locals=False)
    final: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=plain)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, final]
        if not terminal
        else [*shared, final],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
