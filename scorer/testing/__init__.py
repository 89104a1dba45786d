"""Stand-ins for tests of code that uses scorer: what they take the place of costs a model, a device or a network."""

from scorer.stores.memory import MemoryStore
from scorer.testing.fake_scorer import FakeScorer, fake_logits

__all__ = ["FakeScorer", "MemoryStore", "fake_logits"]
