"""The heavy half of a fit: base model, training loop, calibration, model directory.

Everything here needs torch; the data comes read, checked and split.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerState

from scorer.classifier.long_text import LongText
from scorer.classifier.tokenization import TextEncoder
from scorer.classifier.transformers_parts import quietly
from scorer.classifier.vocabulary import lacking_tokens
from scorer.config import LATEST_MODEL, FitConfig
from scorer.runs.console import Console
from scorer.runs.manifest import peak_memory_mib
from scorer.runs.signals import StopSignals
from scorer.stores.checks import check_free_space
from scorer.stores.folder import Folder
from scorer.stores.location import Location
from scorer.stores.workspace import Workspace
from scorer.training.arguments import settle_device, training_arguments
from scorer.training.data import TrainingData, truncation_warnings, with_language
from scorer.training.dataset import TokenRows, evaluation_rows, tokenize
from scorer.training.exits import remove_exits
from scorer.training.faults import exhaustion_told, storage_errors
from scorer.training.model_directory import write_model_directory
from scorer.training.parameters import mark_of_depths, merge
from scorer.training.pretrained import BaseModel, load_base_model
from scorer.training.resumable import ResumableTrainer
from scorer.training.resume import job_of, kept_for_resume, last_checkpoint, open_workspace, restore_ended
from scorer.training.schedule import total_steps, warmup_doubt
from scorer.training.seeds import SeedLog, SeedResult, summarize
from scorer.training.tasks import Task, task_of
from scorer.training.teacher import Teacher
from scorer.training.trainer import Diverged, FitTrainer, Narrator, make_trainer
from scorer.training.verdict import Measured, Verdict, profile_of

# Three checkpoints (the best, the last and the one being written) of weights and AdamW's two moments, and the model;
# with several seeds the best so far and the one that takes its place.
_COPIES_ON_DISK = 3 * 3 + 2
_CALLED = {"macro_f1": "macro F1", "rmse": "RMSE", "mae": "MAE", "pearson": "Pearson", "spearman": "Spearman"}


@dataclass(frozen=True)
class Fitted:
    """The outcome; `peak_memory` in bytes, `measured` on the validation rows, `findings` what is wrong with the
    data, `new_tokens` how many tokens were added to the vocabulary. `stopped_early` says whether `patience` ended it,
    `kept_step` at which step the weights were those that were kept, `threads` on how many the CPU computed."""

    output: Location
    device: str
    precision: str
    epochs: float
    steps: int
    peak_memory: int
    measured: Measured
    findings: list[dict[str, Any]]
    new_tokens: int
    seeds: list[dict[str, Any]]
    stopped_early: bool
    kept_step: int
    threads: int


@dataclass(frozen=True)
class Fitting:
    """What the fits of a job share: the data as rows of tokens, the device, and whom they tell.

    `new_tokens` are those that the base model's vocabulary was extended by.
    """

    config: FitConfig
    data: TrainingData
    task: Task
    train: TokenRows
    valid: TokenRows
    new_tokens: tuple[str, ...]
    device: torch.device
    precision: str
    console: Console
    signals: StopSignals

    def taught_by(self, teacher: Teacher, workspace: Workspace) -> Fitting:
        """The same with the answers of `teacher`, which are kept in `workspace`, beside the labels to learn."""
        answers = teacher.answers(
            self.data.train,
            workspace,
            device=self.device,
            precision=self.precision,
            console=self.console,
            check=self.signals.check,
        )
        return dataclasses.replace(self, train=self.train.with_teacher(self.task.taught(answers)))

    def fit(self, base: BaseModel, config: FitConfig, checkpoints: Folder) -> FitTrainer:
        """Train `base`, which is changed, as `config` says; a trainer whose model is that of the best checkpoint."""
        self.task.start(base, self.train)
        checkpoint = last_checkpoint(checkpoints) if config.resume else None
        self.console.say(self._introduction(base, checkpoint))
        with self.console.progress("training", total_steps(config, len(self.train)), "steps") as counter:
            narrator = Narrator(console=self.console, counter=counter, signals=self.signals, task=self.task)
            trainer = self.trainer(base, config, checkpoints, narrator)
            if not restore_ended(trainer, checkpoint, config.patience):
                run_training(trainer, checkpoint)
        if stopped_early(trainer.state):
            self.console.say(_early_stop(trainer.state, config))
        merge(base.model)
        remove_exits(base.model)
        return trainer

    def fit_seeds(self, folder: Folder) -> tuple[BaseModel, FitTrainer, list[dict[str, Any]]]:
        """Fit with each seed, keeping what is finished in `folder`: the best model with its trainer, and what each
        seed came to."""
        config, log = self.config, SeedLog(folder, self.config)
        diverged: Diverged | None = None
        for seed in log.missing():
            alone = dataclasses.replace(config, seed=seed)
            self.console.say(f"seed {seed}, {seed - config.seed + 1} of {config.seeds}")
            try:
                trainer = self.fit(self._load(alone), alone, log.checkpoints(seed))
                state, metrics = trainer.state, self.measure(trainer).metrics
            except Diverged as error:
                # Its traceback would hold the model and what trained it.
                diverged = error.with_traceback(None)
                log.leave_out(seed)
                self.console.warn(f"seed {seed} is left out: {error}")
                continue
            result = SeedResult(seed, _epochs(state), state.global_step, metrics.headline())
            log.add(result, trainer.network, state)
        if diverged is not None and not log.results:
            raise diverged
        plain = dataclasses.replace(config, seed=log.best.seed, freeze_layers=0, lora_rank=None, exits=False)
        base = self._load(plain)
        trainer = self.trainer(base, plain, folder)
        trainer.state = log.restore_best(base.model)
        return base, trainer, summarize(log.results, log.best)

    def verdict(self, base: BaseModel, trainer: FitTrainer, seeds: list[dict[str, Any]]) -> Verdict:
        """What the trained `base` is worth on the validation rows; `seeds` is what each came to where there are
        several."""
        logits = trainer.validation()
        measured = self.task.measure(logits, self.data.valid_targets)
        profile = profile_of(
            self.data.train,
            self.data.train_targets,
            _encoder(base, self.config),
            unknown_token=base.tokenizer.unk_token_id,
            logits=self.task.logits(logits),
            targets=self.data.valid_targets,
            decision=measured.decision,
        )
        return Verdict(measured, trainer.history(), profile, seeds)

    def _load(self, config: FitConfig) -> BaseModel:
        """The base model as `config` wants it, with the vocabulary of all fits."""
        return load_base_model(config, self.data.labels).with_tokens(self.new_tokens, seed=config.seed)

    def trainer(
        self, base: BaseModel, config: FitConfig, checkpoints: Folder, narrator: Narrator | None = None
    ) -> FitTrainer:
        """What trains `base` as `config` says."""
        return make_trainer(
            base,
            training_arguments(
                config,
                checkpoints=checkpoints,
                device=self.device,
                precision=self.precision,
                evaluation_rows=evaluation_rows(base, self.valid, config.eval_batch_size),
            ),
            config=config,
            task=self.task,
            train=self.train,
            valid=self.valid,
            narrator=narrator,
        )

    def measure(self, trainer: FitTrainer) -> Measured:
        """How good the trained network is on the validation rows."""
        return self.task.measure(trainer.validation(), self.data.valid_targets)

    def _introduction(self, base: BaseModel, checkpoint: Folder | None) -> str:
        train, valid, columns = len(self.data.train), len(self.data.valid), self.data.train.columns
        windows = f" in {len(self.train)} windows" if self.config.long_text == "window" else ""
        device = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        resumed = f", resumed from {checkpoint.name}" if checkpoint else ""
        return (
            f"fitting {base.name} on {device} in {self.precision}: {' and '.join(columns.texts)} -> "
            f"{columns.label}, {self.data.labels.counted}, {train} rows{windows}, {valid} to validate{resumed}"
        )


def fit_and_write(
    config: FitConfig, data: TrainingData, output: Location, console: Console, *, latest: bool = True
) -> Fitted:
    """Train on `data` and publish the model as `output`, or as the output of the interrupted fit that is resumed.

    models/latest points to it if it is to be the `latest`; see `scorer.training.fit_job.fit` for what can go wrong.
    With several seeds it is as many fits on the same rows, of which one is kept.
    """
    with quietly(), exhaustion_told(), StopSignals() as signals:
        device, precision = settle_device(config, console)
        base = load_base_model(config, data.labels)
        teacher = Teacher.of(config.teacher, data.labels) if config.teacher is not None else None
        record = teacher.record if teacher is not None else None
        job = job_of(
            config,
            fingerprints=data.fingerprints(),
            precision=precision,
            base_model=[base.name, base.fingerprint],
            teacher=record,
            held_out=data.held_out,
            marks=mark_of_depths(base.model, config),
        )
        workspace, output = open_workspace(config, output, job)
        with kept_for_resume(workspace, console):
            data = with_language(data, base.vocabulary(), config, console)
            base, fitting = prepared(
                base, config, data, device=device, precision=precision, console=console, signals=signals
            )
            if (doubt := warmup_doubt(config, total_steps(config, len(fitting.train)))) is not None:
                console.warn(doubt)
            check_free_space(output.path, _COPIES_ON_DISK * 4 * base.model.num_parameters())
            if teacher is not None:
                fitting = fitting.taught_by(teacher, workspace)
            seeds: list[dict[str, Any]] = []
            if config.seeds == 1:
                trainer = fitting.fit(base, config, workspace.folder)
            else:
                # Each seed loads the model anew, and memory need not hold this one beside it.
                del base
                base, trainer, seeds = fitting.fit_seeds(workspace.folder)
            verdict = fitting.verdict(base, trainer, seeds)
            fitting.task.finish(base)
            built, place = workspace.folder.folder("model"), Folder(output.path)
            with storage_errors():
                write_model_directory(
                    built, base=base, config=config, data=data, verdict=verdict, precision=precision, teacher=record
                )
                built.publish(place, force=config.force)
                if latest:
                    Folder.of(LATEST_MODEL).point_to(place)
        return Fitted(
            output,
            str(device),
            precision,
            _epochs(trainer.state),
            trainer.state.global_step,
            peak_memory(device),
            verdict.measured,
            [finding.as_dict() for finding in data.check.findings],
            len(base.new_tokens),
            seeds,
            stopped_early(trainer.state),
            trainer.state.best_global_step or trainer.state.global_step,
            torch.get_num_threads(),
        )


def prepared(
    base: BaseModel,
    config: FitConfig,
    data: TrainingData,
    *,
    device: torch.device,
    precision: str,
    console: Console,
    signals: StopSignals,
) -> tuple[BaseModel, Fitting]:
    """`base`, its vocabulary extended if `config` wants that, and what fits it on `data`."""
    base = _extended(base, data, config, console)
    task = task_of(config, data.labels, data.train_targets)
    train, valid = _rows(base, data, task, config, console)
    return base, Fitting(config, data, task, train, valid, base.new_tokens, device, precision, console, signals)


def _extended(base: BaseModel, data: TrainingData, config: FitConfig, console: Console) -> BaseModel:
    """`base` with tokens for the characters of the training texts that it lacks, unless `config` wants none."""
    if not config.extend_vocabulary:
        return base
    tokens = lacking_tokens(zip(*data.train.texts, strict=True), base.tokenizer.backend_tokenizer)
    if not tokens:
        return base
    console.say(f"new tokens: {len(tokens)}, for characters that {base.name} cannot spell, such as {tokens[0][-1]}")
    return base.with_tokens(tokens, seed=config.seed)


def _rows(
    base: BaseModel, data: TrainingData, task: Task, config: FitConfig, console: Console
) -> tuple[TokenRows, TokenRows]:
    """Both sides of the split as rows of tokens, with what the network is to say of them."""
    encoder = _encoder(base, config)
    train = tokenize(data.train, task.learned(data.train_targets), encoder)
    share, pairs = train.cut_off / len(data.train), len(data.train.texts) == 2
    for line in truncation_warnings(share, config, positions=base.positions, pairs=pairs):
        console.warn(line)
    return train, tokenize(data.valid, task.learned(data.valid_targets), encoder, longest_first=True)


def _encoder(base: BaseModel, config: FitConfig) -> TextEncoder:
    return base.encoder(max_length=config.max_length, long_text=LongText.of(config))


def run_training(trainer: ResumableTrainer, checkpoint: Folder | None) -> None:
    """Train to the end, from `checkpoint` on."""
    with storage_errors():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def stopped_early(state: TrainerState) -> bool:
    """Whether a training that ended in `state` ended before its last step: for lack of improvement."""
    return bool(state.global_step < state.max_steps)


def _early_stop(state: TrainerState, config: FitConfig) -> str:
    """When a training was ended by `patience`, and what was kept, for people."""
    metric = _CALLED.get(config.chosen_metric, config.chosen_metric)
    best = f"{metric} {state.best_metric:.4f}" if state.best_metric is not None else metric
    return (
        f"stopped at epoch {_epochs(state):.4g}, step {state.global_step} of {state.max_steps}: {config.patience} "
        f"evaluations without a better {metric} (--patience); the weights of step {state.best_global_step} are kept, "
        f"with {best}"
    )


def _epochs(state: TrainerState) -> float:
    return round(float(state.epoch or 0.0), 4)


def peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU's memory, or of this process's resident memory."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_memory_mib() << 20
