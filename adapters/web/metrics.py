"""What Echelon tells of its work, as Prometheus reads it: `bot.signals.Signals`, counted in a registry of our own.

Labels are levels, statuses, errands, platforms, outcomes and other words of the code: never a name, an id or a text.
"""

import platform

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, disable_created_metrics

NAMESPACE = "echelon"
LATENESS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
DURATIONS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
HIGHEST_LEVEL = 20
"""Levels above it are counted with it: a matrix of another shape must not make series without end."""

TROUBLES = {
    "store_away": "Work that had to wait because the store did not answer",
    "bell_missed": "Bells of APScheduler that did not ring as planned; the guard sweeps all the same",
    "clock_step": "Steps of the wall clock",
    "rate_limited": "Requests of people that were turned away because they were too many",
    "lease_ended": "Messages not sent because their lease might have run out: a process that was frozen or starved",
    "lease_left": "Messages left to the end of their lease because nothing could be stored of them",
    "pump_failed": "Looks into the outbox that a mistake of ours ended",
    "row_parked": "Escalations put aside because they could not be read or decided",
    "audit_waits": "Audits that had to wait because the store did not answer",
    "audit_failed": "Audits that did not come to their end",
    "audit_finding": "Findings of the auditor, when they were new",
    "loop_stalled": "Times that the event loop stood still for more than five seconds",
    "other": "Anything else that was mended or will be tried again",
}
"""Whatever `Signals.trouble` may be told; a word that is not among them counts as "other"."""

ERRORS = {"limited": "limited", "again": "unreachable", "moved": "refused", "failed": "refused"}
"""Outcomes of a delivery that the platform is the reason of, and what it did."""


class Metrics:
    """Counters and histograms. Every method returns at once and never raises."""

    def __init__(self, version: str) -> None:
        disable_created_metrics()  # a second series for each, of no use to anybody
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        Info("build", "What runs", namespace=NAMESPACE, registry=self.registry).info(
            {"version": version, "python": platform.python_version()}
        )
        self._lateness = self._histogram("lateness_seconds", "How late a due time was acted on", LATENESS, "level")
        self._claimed = self._histogram("claimed_rows", "Rows claimed in one transaction", ROWS, "kind")
        self._sweeping = self._histogram("sweep_seconds", "How long a batch of the sweep took to be stored", DURATIONS)
        self._carried = self._counter("deliveries", "Messages handled", "platform", "errand", "outcome")
        self._carrying = self._histogram(
            "delivery_seconds", "How long a message took to be handled", DURATIONS, "platform"
        )
        self._errors = self._counter("platform_errors", "Messages a platform did not take", "platform", "kind")
        self._answered = self._counter("answers", "Requests of people", "way", "outcome")
        self._answering = self._histogram("answer_seconds", "How long people waited for an answer", DURATIONS, "way")
        self._troubles = self._counter("troubles", "What went wrong and was mended or will be tried again", "what")
        for what in TROUBLES:
            self._troubles.labels(what)

    # bot.signals.Signals

    def moved(self, level: int, late: float) -> None:
        self._lateness.labels(str(min(level, HIGHEST_LEVEL))).observe(late)

    def claimed(self, kind: str, rows: int) -> None:
        self._claimed.labels(kind).observe(rows)

    def swept(self, rows: int, seconds: float) -> None:
        self._sweeping.observe(seconds)

    def carried(self, errand: str, platform: str, outcome: str, seconds: float) -> None:
        self._carried.labels(platform, errand, outcome).inc()
        self._carrying.labels(platform).observe(seconds)
        if outcome in ERRORS:
            self._errors.labels(platform, ERRORS[outcome]).inc()

    def answered(self, way: str, outcome: str, seconds: float) -> None:
        self._answered.labels(way, outcome).inc()
        self._answering.labels(way).observe(seconds)

    def trouble(self, what: str) -> None:
        foreseen = what in TROUBLES
        self._troubles.labels(what if foreseen else "audit_finding" if what.startswith("audit_") else "other").inc()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, namespace=NAMESPACE, registry=self.registry, buckets=buckets)
