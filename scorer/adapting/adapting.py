"""The heavy half of an adaptation: base model, rows, training loop, model directory.

Everything here needs torch; the texts come opened and their columns chosen.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass

import torch
from transformers import set_seed

from scorer.adapting.adapt_directory import write_adapted
from scorer.adapting.adapt_trainer import AdaptNarrator, AdaptTrainer
from scorer.adapting.corpus import Corpus
from scorer.adapting.marks import Marks
from scorer.adapting.masked_model import MaskedModel, load_masked_model
from scorer.adapting.outcome import Adapted
from scorer.adapting.packing import Packed, pack
from scorer.adapting.scratch import NAME, make_model
from scorer.classifier.network import token_count
from scorer.classifier.transformers_parts import quietly
from scorer.classifier.vocabulary import lacking_tokens
from scorer.config import AdaptConfig
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.stores.checks import check_free_space
from scorer.stores.folder import Folder
from scorer.stores.location import Location
from scorer.stores.workspace import Workspace
from scorer.training.arguments import scheduled_arguments, settle_device
from scorer.training.faults import exhaustion_told, storage_errors
from scorer.training.fitting import peak_memory, run_training
from scorer.training.pretrained import find_base
from scorer.training.resume import described_job, kept_for_resume, last_checkpoint, open_workspace, restore_ended
from scorer.training.schedule import total_steps, warmup_doubt

# Three checkpoints of weights and AdamW's two moments, and the model.
_COPIES_ON_DISK = 3 * 3 + 1
# Of the minutes of a training, what its steps may take; the rest is for measuring.
_FOR_STEPS = 0.85
_MOST_BETWEEN = 1_000
_TIMED = 5
_PLAN = "steps.json"


def adapt_and_write(
    config: AdaptConfig, corpus: Corpus, valid: Corpus | None, output: Location, console: Console
) -> Adapted:
    """Train on the texts and publish the model as `output`, or as that of the interrupted run that is resumed."""
    with quietly(), exhaustion_told(), StopSignals() as signals:
        device, precision = settle_device(config, console)
        with signals.at_once():
            fingerprints = {"data": corpus.source.fingerprint()}
            fingerprints["valid"] = valid.source.fingerprint() if valid is not None else ""
        workspace, output = open_workspace(config, output, _job(config, fingerprints, precision))
        with kept_for_resume(workspace, console):
            run = _Run(config, corpus, valid, workspace, console, signals, device, precision)
            return run.adapt(output, fingerprints)


def _job(config: AdaptConfig, fingerprints: dict[str, str], precision: str) -> dict[str, object]:
    """Everything that changes the weights."""
    resolved = {
        **fingerprints,
        **config.shape,
        "valid_fraction": config.held_out,
        "learning_rate": config.peak_learning_rate,
        "precision": precision,
        "base_model": [NAME] if config.from_scratch else _named(config.base_model),
    }
    job = described_job(config, resolved, files=fingerprints)
    # To versions before, each batch of a step counted alike, however many tokens of it were hidden.
    return job | ({"step": "a token as another"} if config.gradient_accumulation > 1 else {})


def _named(base_model: str | None) -> list[str]:
    """The name of the base model and the fingerprint of its files."""
    directory, name = find_base(base_model)
    return [name, directory.fingerprint]


@dataclass(frozen=True)
class _Run:
    config: AdaptConfig
    corpus: Corpus
    valid: Corpus | None
    workspace: Workspace
    console: Console
    signals: StopSignals
    device: torch.device
    precision: str

    def adapt(self, output: Location, fingerprints: dict[str, str]) -> Adapted:
        base = self._base()
        check_free_space(output.path, _COPIES_ON_DISK * 4 * base.model.num_parameters() + 4 * self.corpus.source.size)
        packed = self._packed(base)
        steps = self._steps(base, packed)
        if (doubt := warmup_doubt(self.config, steps)) is not None:
            self.console.warn(doubt)
        planned = dataclasses.replace(
            self.config, max_steps=steps, eval_steps=self.config.eval_steps or min(math.ceil(steps / 10), _MOST_BETWEEN)
        )
        checkpoint = last_checkpoint(self.workspace.folder) if self.config.resume else None
        self.console.say(self._introduction(base, packed, checkpoint))
        with self.console.progress("training", steps, "steps") as counter:
            narrator = AdaptNarrator(
                console=self.console, counter=counter, signals=self.signals, minutes=self.config.minutes
            )
            trainer = self._trainer(base, packed, planned, [narrator])
            before = trainer.measure()
            self.console.say(f"before: {before.describe()}{_of_new_head(base)}")
            if not restore_ended(trainer, checkpoint, patience=None):
                run_training(trainer, checkpoint)
        after = trainer.measure()
        self.console.say(f"after: {after.describe()}")
        state = trainer.state
        adapted = Adapted(
            output=output,
            base_model=base.name,
            device=str(self.device),
            precision=self.precision,
            packed=packed,
            steps=state.global_step,
            planned_steps=steps,
            kept_step=state.best_global_step or state.global_step,
            epochs=round(float(state.epoch or 0.0), 4),
            before=before,
            after=after,
            new_head=base.new_head,
            new_tokens=len(base.new_tokens),
            vocabulary=token_count(base.model),
            parameters=base.model.num_parameters(),
            peak_memory=peak_memory(self.device),
            threads=torch.get_num_threads(),
        )
        built = self.workspace.folder.folder("model")
        with storage_errors():
            write_adapted(built, base, adapted, self.config, fingerprints, self.corpus.columns, trainer.history())
            built.publish(Folder(output.path), force=self.config.force)
        return adapted

    def _base(self) -> MaskedModel:
        """The model to be trained, with its vocabulary."""
        config = self.config
        with self.signals.at_once():
            if config.from_scratch:
                return make_model(self.corpus, config)
            base = load_masked_model(config)
            tokenizer = base.tokenizer.backend_tokenizer
            tokens = lacking_tokens(((text,) for text in self.corpus), tokenizer) if config.extend_vocabulary else []
            if tokens:
                what = f"for characters that {base.name} cannot spell, such as {tokens[0][-1]}"
                self.console.say(f"new tokens: {len(tokens)}, {what}")
            return base.with_tokens(tokens, seed=config.seed)

    def _packed(self, base: MaskedModel) -> Packed:
        tokenizer = base.tokenizer.backend_tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        with self.console.progress("reading", None, "texts") as counter, storage_errors():
            packed = pack(
                self.corpus,
                self.valid,
                tokenizer=tokenizer,
                marks=Marks.of(base.tokenizer, base.name, words=self.config.whole_words),
                unknown=base.tokenizer.unk_token_id,
                config=self.config,
                folder=self.workspace.folder,
                counter=counter,
                signals=self.signals,
            )
        for corpus in (self.corpus, self.valid):
            for remark in corpus.remarks() if corpus is not None else ():
                self.console.say(remark)
        if packed.without_parts:
            self.console.say(f"{packed.without_parts:,} texts passed over: --nsp needs documents of several sentences")
        if packed.left_out:
            both = f"{packed.left_out:,} texts are in {self.config.valid}, too"
            self.console.warn(f"{self.config.data}: {both}, and are not learned from")
        return packed

    def _steps(self, base: MaskedModel, packed: Packed) -> int:
        """How many steps there are to be; what a measurement of the time came to is kept for a run that goes on."""
        total = total_steps(self.config, len(packed.train))
        if self.config.minutes is None:
            return total
        if (kept := self.workspace.folder.read(_PLAN)) is not None:
            return int(json.loads(kept))
        seconds = self._trainer(base, packed, self.config, []).seconds_a_step(_TIMED)
        steps = min(total, max(1, int(60 * self.config.minutes * _FOR_STEPS / seconds)))
        self.console.say(f"a step takes {seconds:.2f} s: {steps} of {total} steps in {self.config.minutes:g} minutes")
        self.workspace.keep(_PLAN, json.dumps(steps).encode())
        return steps

    def _trainer(
        self, base: MaskedModel, packed: Packed, config: AdaptConfig, callbacks: list[AdaptNarrator]
    ) -> AdaptTrainer:
        set_seed(config.seed)
        arguments = scheduled_arguments(
            config,
            checkpoints=self.workspace.folder,
            device=self.device,
            precision=self.precision,
            per_device_eval_batch_size=config.eval_batch_size,
            metric_for_best_model="loss",
            greater_is_better=False,
        )
        return AdaptTrainer(base=base, train=packed.train, valid=packed.valid, args=arguments, callbacks=callbacks)

    def _introduction(self, base: MaskedModel, packed: Packed, checkpoint: Folder | None) -> str:
        device = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        what = "pairs of parts" if self.config.nsp else "blocks"
        resumed = f", resumed from {checkpoint.name}" if checkpoint else ""
        return (
            f"adapting {base.name} on {device} in {self.precision}: {' and '.join(self.corpus.columns)}, "
            f"{packed.texts:,} texts, {packed.tokens:,} tokens in {len(packed.train):,} {what} of "
            f"{self.config.max_length}, {len(packed.valid)} to measure on{resumed}"
        )


def _of_new_head(base: MaskedModel) -> str:
    """What is to be known of figures of a network that was not trained yet."""
    if base.name == NAME:
        return ", of weights that nobody has trained"
    return f", of a head that nobody has trained: {base.name} comes without one" if base.new_head else ""
