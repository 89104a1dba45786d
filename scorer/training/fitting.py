"""The heavy half of a fit: base model, training loop, calibration, model directory.

Owns what needs torch. Does not know how the data was found or split.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers import TrainerState

from scorer.classifier.decision import Decision
from scorer.classifier.long_text import LongText
from scorer.classifier.runtime import use_kernels_without_plans
from scorer.classifier.spelling import lacking_tokens
from scorer.classifier.tokenization import TextEncoder
from scorer.config import FitConfig
from scorer.errors import ConfigError, DeviceError, from_os_error
from scorer.metrics.classification import Metrics, measure
from scorer.metrics.judged_rows import judge
from scorer.runs.console import Console
from scorer.runs.memory import peak_memory_mib
from scorer.runs.signals import StopSignals
from scorer.stores.checks import check_free_space
from scorer.stores.workspace import Workspace
from scorer.training.arguments import total_steps, training_arguments
from scorer.training.collating import evaluation_rows
from scorer.training.data import TrainingData, truncation_warnings, with_language
from scorer.training.dataset import tokenize
from scorer.training.decision import decide
from scorer.training.head import start_from_frequencies
from scorer.training.lora import merge
from scorer.training.losses import choose_loss
from scorer.training.model_directory import Verdict, write_model_directory
from scorer.training.output import point_latest, publish
from scorer.training.precision import choose
from scorer.training.pretrained import BaseModel, load_base_model
from scorer.training.profiling import profile_of
from scorer.training.resume import describe, has_ended, last_checkpoint, open_workspace, resumable, state_of
from scorer.training.seeds import SeedLog, SeedResult, summarize
from scorer.training.trainer import Diverged, FitTrainer, Narrator, make_trainer, quiet_training

# Three checkpoints (the best, the last and the one being written) of weights and AdamW's two moments, and the model;
# with several seeds the best so far and the one that takes its place.
_COPIES_ON_DISK = 3 * 3 + 2


@dataclass(frozen=True)
class Fitted:
    """The outcome; `peak_memory` in bytes, `raw` the metrics before calibration, `findings` what is wrong with the
    data, `new_tokens` how many tokens were added to the vocabulary."""

    output: Path
    device: str
    precision: str
    epochs: float
    steps: int
    peak_memory: int
    metrics: Metrics
    raw: Metrics
    findings: list[dict[str, Any]]
    new_tokens: int
    seeds: list[dict[str, Any]]


class Fitting:
    """One fit: construction chooses the device and loads the base model, `run` trains and writes.

    With several seeds it is as many fits on the same rows, of which one is kept.
    """

    def __init__(self, config: FitConfig, data: TrainingData, console: Console) -> None:
        self._config = config
        self._data = data
        self._console = console
        chosen, self._precision = choose(config)
        self._device = chosen.device
        if chosen.concern is not None:
            console.warn(chosen.concern)
        use_kernels_without_plans(self._device)
        self._base = load_base_model(config, data.labels)

    def run(self, output: Path, signals: StopSignals, *, latest: bool = True) -> Fitted:
        """Train and publish the model as `output`, or as the output of the interrupted fit that is resumed, and
        let models/latest mean it if it is to be the `latest`."""
        job = describe(
            self._config,
            fingerprints=self._data.fingerprints(),
            precision=self._precision,
            base_model=self._base.name,
        )
        workspace, output = open_workspace(self._config, output, job)
        try:
            self._data = with_language(self._data, self._base.vocabulary(), self._config, self._console)
            self._extend_vocabulary()
            check_free_space(output, _COPIES_ON_DISK * 4 * self._base.model.num_parameters())
            trainer, seeds = self._train(workspace, signals)
            verdict = dataclasses.replace(self._judge(trainer), seeds=seeds)
            self._publish(workspace, output, verdict, latest=latest)
        except ConfigError:
            # It would fail again in the same way.
            workspace.remove()
            raise
        except BaseException:
            if _keep_if_resumable(workspace):
                self._console.warn(f"{workspace.path}: holds the last checkpoint; go on from it with --resume")
            raise
        workspace.remove()
        state = trainer.state
        return Fitted(
            output,
            str(self._device),
            self._precision,
            _epochs(state),
            state.global_step,
            _peak_memory(self._device),
            verdict.metrics,
            verdict.raw,
            [finding.as_dict() for finding in self._data.check.findings],
            len(self._base.new_tokens),
            seeds,
        )

    def _extend_vocabulary(self) -> None:
        if not self._config.extend_vocabulary:
            return
        rows = zip(*self._data.train.texts, strict=True)
        if tokens := lacking_tokens(rows, self._base.tokenizer.backend_tokenizer):
            self._base = self._base.with_tokens(tokens, seed=self._config.seed)
            self._console.say(
                f"new tokens: {len(tokens)}, for characters that {self._base.name} cannot spell, such as "
                f"{tokens[0][-1]}"
            )

    def _load_again(self, config: FitConfig) -> BaseModel:
        """The base model as `config` wants it, with the vocabulary that it has by now."""
        return load_base_model(config, self._data.labels).with_tokens(self._base.new_tokens, seed=config.seed)

    def _train(self, workspace: Workspace, signals: StopSignals) -> tuple[FitTrainer, list[dict[str, Any]]]:
        """A trainer whose model is the best, and what each seed came to when there are several."""
        config = self._config
        if config.seeds == 1:
            return self._train_one(config, workspace.path, signals), []
        log = SeedLog(workspace.path, config)
        diverged: Diverged | None = None
        for seed in log.missing():
            alone = dataclasses.replace(config, seed=seed)
            self._console.say(f"seed {seed}, {seed - config.seed + 1} of {config.seeds}")
            self._base = self._load_again(alone)
            try:
                trainer = self._train_one(alone, log.checkpoints(seed), signals)
                state, (_, _, metrics) = trainer.state, self._measure(*trainer.validation())
            except Diverged as error:
                # Its traceback would hold the model and what trained it.
                diverged = error.with_traceback(None)
                log.leave_out(seed)
                self._console.warn(f"seed {seed} is left out: {error}")
                continue
            result = SeedResult(seed, _epochs(state), state.global_step, metrics.headline())
            log.add(result, trainer.network, state)
        if diverged is not None and not log.results:
            raise diverged
        plain = dataclasses.replace(config, seed=log.best.seed, freeze_layers=0, lora_rank=None)
        self._base = self._load_again(plain)
        trainer = self._trainer(plain, workspace.path)
        trainer.state = log.restore_best(self._base.model)
        return trainer, summarize(log.results, log.best)

    def _train_one(self, config: FitConfig, checkpoints: Path, signals: StopSignals) -> FitTrainer:
        """A trainer whose model is that of the best checkpoint of the fit with `config.seed`."""
        console = self._console
        start_from_frequencies(self._base.model, self._data.train_targets)
        checkpoint = last_checkpoint(checkpoints) if config.resume else None
        sequences = len(self._tokens[0])
        console.say(self._introduction(sequences, checkpoint))
        with console.progress("training", total_steps(config, sequences), "steps") as counter:
            trainer = self._trainer(config, checkpoints, Narrator(console=console, counter=counter, signals=signals))
            if not _restore_ended(trainer, checkpoint, config.patience):
                _run(trainer, checkpoint)
        merge(self._base.model)
        return trainer

    def _trainer(self, config: FitConfig, checkpoints: Path, narrator: Narrator | None = None) -> FitTrainer:
        train, valid = self._tokens
        return make_trainer(
            self._base,
            training_arguments(
                config,
                checkpoints=checkpoints.resolve(),
                device=self._device,
                precision=self._precision,
                evaluation_rows=evaluation_rows(self._base, valid, config.eval_batch_size),
            ),
            config=config,
            labels=self._data.labels,
            train=train,
            valid=valid,
            loss=choose_loss(config, self._data.train_targets, self._data.labels),
            narrator=narrator,
        )

    @cached_property
    def _tokens(self) -> tuple[Dataset, Dataset]:
        """Both sides of the split."""
        encoder = self._encoder()
        types, data = self._base.has_token_types, self._data
        train = tokenize(data.train, data.train_targets, encoder, token_types=types)
        cut_off = np.unique(np.asarray(train["example"])[np.asarray(train["truncated"])])
        share, pairs = len(cut_off) / len(data.train), len(data.train.texts) == 2
        for line in truncation_warnings(share, self._config, positions=self._base.positions, pairs=pairs):
            self._console.warn(line)
        return train, tokenize(data.valid, data.valid_targets, encoder, token_types=types, longest_first=True)

    def _encoder(self) -> TextEncoder:
        return self._base.encoder(max_length=self._config.max_length, long_text=LongText.of(self._config))

    def _judge(self, trainer: FitTrainer) -> Verdict:
        logits, targets = trainer.validation()
        decision, raw, calibrated = self._measure(logits, targets)
        profile = profile_of(
            self._data.train,
            self._data.train_targets,
            self._encoder(),
            unknown_token=self._base.tokenizer.unk_token_id,
            logits=logits,
            targets=targets,
            decision=decision,
        )
        judged = judge(logits, targets, decision=decision)
        return Verdict(raw, calibrated, decision, judged, trainer.history(), profile)

    def _measure(
        self, logits: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]]
    ) -> tuple[Decision, Metrics, Metrics]:
        """The decision that suits validation rows best, and their metrics without and with it."""
        labels = self._data.labels
        decision = decide(logits, targets, labels=labels, abstain=self._config.abstain)
        ways = Decision.uncalibrated(labels), decision
        raw, calibrated = (measure(logits, targets, labels=labels, decision=way) for way in ways)
        return decision, raw, calibrated

    def _publish(self, workspace: Workspace, output: Path, verdict: Verdict, *, latest: bool) -> None:
        built = workspace.path / "model"
        try:
            shutil.rmtree(built, ignore_errors=True)
            write_model_directory(
                built,
                base=self._base,
                config=self._config,
                data=self._data,
                verdict=verdict,
                precision=self._precision,
            )
            publish(built, output)
            if latest:
                point_latest(output)
        except OSError as error:
            raise from_os_error(error) from error

    def _introduction(self, sequences: int, checkpoint: Path | None) -> str:
        train, valid, columns = len(self._data.train), len(self._data.valid), self._data.train.columns
        windows = f" in {sequences} windows" if self._config.long_text == "window" else ""
        device = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
        resumed = f", resumed from {checkpoint.name}" if checkpoint else ""
        return (
            f"fitting {self._base.name} on {device} in {self._precision}: {' and '.join(columns.texts)} -> "
            f"{columns.label}, {len(self._data.labels)} labels, {train} rows{windows}, {valid} to validate{resumed}"
        )


def fit_and_write(
    config: FitConfig, data: TrainingData, output: Path, console: Console, *, latest: bool = True
) -> Fitted:
    """Train on `data` and publish the model directory, which models/latest points to if it is to be the `latest`; see
    `scorer.training.job.fit` for what can go wrong."""
    with quiet_training(), StopSignals() as signals:
        return Fitting(config, data, console).run(output, signals, latest=latest)


def _run(trainer: FitTrainer, checkpoint: Path | None) -> None:
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            "the device's memory is exhausted; try a smaller --batch-size with --gradient-accumulation, or --max-length"
        ) from error
    except OSError as error:
        raise from_os_error(error) from error


def _restore_ended(trainer: FitTrainer, checkpoint: Path | None, patience: int | None) -> bool:
    """Take over the best weights of a training that had ended when it was interrupted; False if it had not."""
    state = state_of(checkpoint) if checkpoint else None
    if checkpoint is None or state is None or not has_ended(state, patience):
        return False
    trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    best = checkpoint.with_name(f"checkpoint-{trainer.state.best_global_step}")
    trainer.network.load_state_dict(load_file(best / "model.safetensors"), strict=False)
    return True


def _epochs(state: TrainerState) -> float:
    return round(float(state.epoch or 0.0), 4)


def _keep_if_resumable(workspace: Workspace) -> bool:
    """Leave the workspace to a later --resume if it holds a checkpoint, else delete it; whether it was left."""
    if not resumable(workspace):
        workspace.remove()
        return False
    workspace.release()
    return True


def _peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU's memory, or of this process's resident memory."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_memory_mib() << 20
