"""OpenTelemetry, for who wants it: a span for each request, each batch of the sweep and each delivery.

The packages are an extra (`requirements-otel.txt`) and are imported only when a collector is named. Spans are made when the
work is over, from how long it took: whatever becomes of them, the work has not waited for it.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import ConfigurationError, Problem
from bot.ports import Clock
from bot.requests import request_id

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

SERVICE = "echelon"
FLUSH = 2000
"""Milliseconds that the last spans have at the end."""


class Spans:
    """`bot.signals.Signals`. Attributes are words of the code and request ids; never a name or a text."""

    def __init__(self, tracer: "Tracer", clock: Clock, close: Callable[[], object] = lambda: None) -> None:
        self._tracer, self._clock, self._close = tracer, clock, close

    def moved(self, level: int, late: float) -> None:
        """No span: the batch has one."""

    def claimed(self, kind: str, rows: int) -> None:
        """No span: the batch has one."""

    def swept(self, rows: int, seconds: float) -> None:
        self._over("sweep", seconds, {"echelon.rows": rows})

    def carried(self, errand: str, platform: str, outcome: str, seconds: float) -> None:
        told = {"echelon.errand": errand, "echelon.platform": platform, "echelon.outcome": outcome}
        self._over("delivery", seconds, told)

    def answered(self, way: str, outcome: str, seconds: float) -> None:
        told = {"echelon.way": way, "echelon.outcome": outcome, "echelon.request": request_id()}
        self._over("request", seconds, told)

    def trouble(self, what: str) -> None:
        """No span: it is counted and logged."""

    def close(self) -> None:
        """Send what is left, for at most FLUSH milliseconds."""
        self._close()

    def _over(self, name: str, seconds: float, attributes: Mapping[str, str | int]) -> None:
        ended = self._clock.now()
        began = ended - timedelta(seconds=seconds)
        span = self._tracer.start_span(name, start_time=_nanoseconds(began.timestamp()), attributes=attributes)
        span.end(end_time=_nanoseconds(ended.timestamp()))


def spans_to(endpoint: str, clock: Clock, version: str, exporter: "SpanExporter | None" = None) -> Spans:
    """Spans for a collector; a batch leaves every five seconds, from a thread of its own.

    Raises ConfigurationError when the packages are not there or the address makes no sense.
    """
    place = "ECHELON_OTEL_ENDPOINT"
    if not endpoint.startswith(("http://", "https://")):
        raise ConfigurationError((Problem(place, f"{endpoint!r} will not do; write http://host:4318"),))
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        said = (
            "it needs OpenTelemetry's packages: pip install --require-hashes -r requirements-otel.txt, or leave it out"
        )
        raise ConfigurationError((Problem(place, said),)) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": SERVICE, "service.version": version}), shutdown_on_exit=False
    )
    sender = exporter or OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=FLUSH / 1000)
    provider.add_span_processor(BatchSpanProcessor(sender))

    def close() -> None:
        provider.force_flush(FLUSH)
        provider.shutdown()

    return Spans(provider.get_tracer(SERVICE, version), clock, close)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
