"""Exits: what decides a row behind a layer, before the whole model has seen it.

A *probe* is a linear map of a row's states behind a layer to the logits that the whole model would give; an *exit* is a
probe and how clear its answer must be for a row to leave there. Pure: arrays in, arrays out. Whoever makes probes does
it in one thread, as the last bits of a sum depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scorer.classifier.decision import Decision

# A ridge so strong for each row that a probe is fitted on. Found by measurement: jobs/bench/LOG.md.
_RIDGE = 0.1
# A column of states that hardly differs between rows is not blown up.
_LEAST_DEVIATION = 1e-4


@dataclass(frozen=True)
class Probe:
    """Logits (n, labels) = states (n, width) weight + bias; weight (width, labels), bias (labels,), fp32."""

    weight: Tensor
    bias: Tensor

    def __call__(self, states: Tensor) -> NDArray[np.float32]:
        found: NDArray[np.float32] = torch.addmm(self.bias, states, self.weight).numpy()
        return found

    def said(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same of states as an array."""
        return self(torch.from_numpy(states))

    def scaled(self, factor: float) -> Probe:
        """The same, with its logits multiplied by `factor`."""
        return Probe(self.weight * factor, self.bias * factor)

    @classmethod
    def fit(
        cls, states: NDArray[np.float32], logits: NDArray[np.float32], *, multi: bool = False
    ) -> tuple[Probe, NDArray[np.float32]]:
        """The probe that gives the `logits` (n, labels) of the whole model by `states` (n, width), by ridge regression;
        and what it would say of each row had it been fitted without that row, (n, labels). Where a row has one label,
        what all of its logits have in common says nothing and is not learned; with `multi` each is for itself.

        Leaving one out needs no second fit: z_i - (y_i - z_i) h_i / (1 - h_i), where h_i is the row's leverage (Hastie
        et al. 2009, "The Elements of Statistical Learning", section 7.10).
        """
        x = torch.from_numpy(states).double()
        # In doubles, which are an array of their own: what comes may be a field of records.
        aim = logits.astype(np.float64)
        y = torch.from_numpy(aim if multi else aim - aim.mean(axis=1, keepdims=True))
        center, deviation = x.mean(dim=0), x.std(dim=0).clamp_min(_LEAST_DEVIATION)
        x = (x - center) / deviation
        mean = y.mean(dim=0)
        gram = x.T @ x
        gram.diagonal().add_(_RIDGE * len(x))
        factor = torch.linalg.cholesky(gram)
        weight = torch.cholesky_solve(x.T @ (y - mean), factor)
        leverage = torch.linalg.solve_triangular(factor, x.T, upper=False).square().sum(dim=0) + 1.0 / len(x)
        said = x @ weight + mean
        without = said - (y - said) * (leverage / (1 - leverage)).unsqueeze(1)
        weight = weight / deviation.unsqueeze(1)
        return cls(weight.float(), (mean - center @ weight).float()), without.float().numpy()


@dataclass(frozen=True)
class Exit:
    """Rows leave behind the `layer` (0 is before the first one) whose logits by `probe` are at least so `clear`."""

    layer: int
    probe: Probe
    clear: float


@dataclass(frozen=True)
class Exits:
    """The exits of a model, in order of their layers, and what it makes of logits."""

    exits: tuple[Exit, ...]
    decision: Decision

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(one.layer for one in self.exits)

    def __call__(self, layer: int, states: Tensor) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Logits (n, labels) of rows by their `states` (n, width) behind the `layer`, and which of them leave (n,)."""
        one = self.exits[self.layers.index(layer)]
        logits = one.probe(states)
        return logits, clarity(logits, self.decision) >= one.clear

    def replayed(self, states: NDArray[np.float32], whole: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (n, labels) that rows would have by their `states` (exits, n, width), where those of the `whole`
        model are known."""
        logits, left = whole.copy(), np.zeros(len(whole), np.bool_)
        for one, found in zip(self.exits, states, strict=True):
            said = one.probe.said(found)
            leaves = ~left & (clarity(said, self.decision) >= one.clear)
            logits[leaves], left[leaves] = said[leaves], True
        return logits


def clarity(logits: NDArray[np.floating[Any]], decision: Decision) -> NDArray[np.float64]:
    """How far `logits` (n, labels) are from another answer, (n,) float64: the likeliest label's from the next one, or
    where rows may have several the nearest one from its threshold."""
    if decision.thresholds is None:
        best = np.partition(logits.astype(np.float64), -2, axis=1)[:, -2:]
        return np.asarray(best[:, 1] - best[:, 0])
    bounds = np.array(decision.thresholds)
    with np.errstate(divide="ignore"):
        bounds = np.log(bounds) - np.log1p(-bounds)
    return np.asarray(np.abs(decision.scaled(logits) - bounds).min(axis=1))
