"""OpenTelemetry: a span for each request, batch and delivery, only for who asks for it."""

import sys
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adapters.web.spans import Spans, spans_to
from bot.errors import ConfigurationError
from bot.requests import working_on
from tests.fakes import NINE, FakeClock

COLLECTOR = "http://127.0.0.1:4318"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(clock: FakeClock, exporter: InMemorySpanExporter) -> Spans:
    return spans_to(COLLECTOR, clock, "1.2.3", exporter)


def sent(spans: Spans, exporter: InMemorySpanExporter) -> list[Any]:
    spans.close()
    return list(exporter.get_finished_spans())


def test_work_becomes_spans_of_its_own_length(spans: Spans, exporter: InMemorySpanExporter, clock: FakeClock) -> None:
    clock.forward(seconds=2)
    working_on("trigger.42")
    spans.answered("pressed", "answered", 0.25)
    working_on("")
    spans.swept(40, 0.5)
    spans.carried("ping", "slack", "delivered", 1.5)

    seen = {span.name: span for span in sent(spans, exporter)}

    assert dict(seen["request"].attributes) == {
        "echelon.way": "pressed",
        "echelon.outcome": "answered",
        "echelon.request": "trigger.42",
    }
    assert dict(seen["sweep"].attributes) == {"echelon.rows": 40}
    assert seen["delivery"].attributes["echelon.errand"] == "ping"
    lengths = {name: (span.end_time - span.start_time) / 1e9 for name, span in seen.items()}
    assert lengths == pytest.approx({"request": 0.25, "sweep": 0.5, "delivery": 1.5})
    assert seen["sweep"].end_time == pytest.approx((NINE + timedelta(seconds=2)).timestamp() * 1e9)
    assert seen["sweep"].resource.attributes["service.name"] == "echelon"


def test_counts_make_no_spans(spans: Spans, exporter: InMemorySpanExporter) -> None:
    spans.moved(1, 0.1)
    spans.claimed("sweep", 3)
    spans.trouble("store_away")

    assert sent(spans, exporter) == []


def test_an_address_that_makes_no_sense_is_named(clock: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="ECHELON_OTEL_ENDPOINT: 'collector:4318' will not do"):
        spans_to("collector:4318", clock, "1.2.3")


def test_packages_that_are_not_there_are_named_in_one_sentence(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # as Python says "there is no such module"

    with pytest.raises(ConfigurationError, match=r"ECHELON_OTEL_ENDPOINT: .*requirements-otel\.txt"):
        spans_to(COLLECTOR, clock, "1.2.3")
