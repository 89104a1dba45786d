"""Whether what a step did for a day still stands, and if not, with which flags it is to be done.

Pure decisions, but for looking whether files are there. A step of `check`, `evaluate`, `diff`, `export` or `fit` stands
when it ended well with the same settings and inputs, and what it wrote is there. What this job itself wrote for the
day may be replaced, but for a model: that somebody may use. What a killed fit left is gone on from.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scorer.automation.planned_step import PlannedStep
from scorer.automation.run_folder import StepMemory
from scorer.stores.folder import Folder
from scorer.stores.workspace import Workspace


@dataclass(frozen=True)
class Decision:
    """The step `stands`, or is done with these `flags` besides its own."""

    stands: bool
    flags: tuple[str, ...] = ()


def decide(step: PlannedStep, known: StepMemory | None, identity: str | None, *, force: bool) -> Decision:
    """What is to be done of `step`, of which `known` is what the job remembers, and which now has this `identity`."""
    if force:
        return Decision(False, ("--force",) if step.takes_force else ())
    if not step.can_stand or known is None:
        return Decision(False)
    same = identity is not None and identity == known.identity
    there = all(path.exists() for path in step.outputs)
    if same and there and (known.state == "done" or _was_finished(step, known)):
        return Decision(True)
    if step.command == "fit":
        return Decision(False, _flags_of_fit(step, known, identity))
    ours = set(map(str, step.outputs)) <= set(known.outputs)
    return Decision(False, ("--force",) if ours and step.takes_force else ())


def memory_of(step: PlannedStep, identity: str | None, known: StepMemory | None, *, force: bool) -> StepMemory:
    """What is remembered of `step`, of which so much was `known`, when it is begun."""
    stood = tuple(str(path) for path in step.outputs if path.exists())
    foreign = set() if force else set(stood) - set(known.outputs if known is not None else ())
    left = _left(step)
    return StepMemory(
        state="begun",
        settings=step.settings,
        identity=identity,
        outputs=tuple(str(path) for path in step.outputs if str(path) not in foreign),
        stood=stood,
        force=force,
        left=left,
        left_by=_left_by(left, known),
    )


def _was_finished(step: PlannedStep, known: StepMemory) -> bool:
    """Whether a fit was killed when its model had appeared, which is the last thing that it does."""
    return step.command == "fit" and known.state == "begun" and not known.force and not known.stood


def _flags_of_fit(step: PlannedStep, known: StepMemory, identity: str | None) -> tuple[str, ...]:
    """--resume for a fit that left checkpoints, --force for one that left those of another job; a model that stands,
    and what somebody else left, is refused by the fit itself."""
    left = _left(step)
    if left is None or step.config.output.exists() or (by := _left_by(left, known)) is None:
        return ()
    return ("--resume",) if by == identity else ("--force",)


def _left(step: PlannedStep) -> str | None:
    """The hash of what an interrupted fit has left, as its job is written there; None where there is nothing."""
    if step.command != "fit":
        return None
    job = Folder(Workspace.path_of(step.config.output)).read("job.json")
    return None if job is None else hashlib.blake2b(job.encode(), digest_size=16).hexdigest()


def _left_by(left: str | None, known: StepMemory | None) -> str | None:
    """The identity that the step had when a try of it `left` that: the last try, unless it found it there."""
    if left is None or known is None:
        return None
    return known.left_by if left == known.left else known.identity
