"""What the server counts, as Prometheus reads it. Texts are counted and never shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Measures:
    """The figures of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "scorer_requests", "Requests by route and status.", ("route", "code"), registry=self._registry
        )
        self.texts = Counter(
            "scorer_texts", "Texts answered, by model and score_status.", ("model", "status"), registry=self._registry
        )
        self.tokens = Counter("scorer_tokens", "Tokens of the texts answered.", ("model",), registry=self._registry)
        self.seconds = Histogram(
            "scorer_request_seconds",
            "Time from a request's first byte to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.reloads = Counter(
            "scorer_reloads", "New models by outcome.", ("model", "outcome"), registry=self._registry
        )
        self._waiting = Gauge(
            "scorer_waiting_texts", "Texts that have no answer yet.", ("model",), registry=self._registry
        )

    def watch_waiting(self, model: str, count: Callable[[], int]) -> None:
        """Let `count` say how many texts of the `model` wait, whenever somebody asks."""
        self._waiting.labels(model).set_function(count)

    def count_answers(self, model: str, statuses: Mapping[str, int], *, tokens: int) -> None:
        for status, number in statuses.items():
            self.texts.labels(model, status).inc(number)
        self.tokens.labels(model).inc(tokens)

    def document(self) -> bytes:
        """All figures in the text form of Prometheus."""
        return generate_latest(self._registry)

    def totals(self) -> dict[str, dict[str, int]]:
        """Requests by status and texts by score_status, in all."""
        found: dict[str, dict[str, int]] = {}
        for name, counter, label in (("requests", self.requests, "code"), ("texts", self.texts, "status")):
            sums: dict[str, int] = {}
            for sample in (sample for metric in counter.collect() for sample in metric.samples):
                if not sample.name.endswith("created"):
                    sums[sample.labels[label]] = sums.get(sample.labels[label], 0) + int(sample.value)
            found[name] = dict(sorted(sums.items()))
        return found
