"""What an export says of itself: `export.json`, which its program reads, the certificate, and a page for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tokenizers

from scorer.classifier.known_executions import library_version
from scorer.classifier.loading import LoadedModel
from scorer.exporting.parity import Difference
from scorer.exporting.program import program
from scorer.exporting.runtimes.runtime import Runtime
from scorer.exporting.tokenizer_file import TOKENIZER_FILE
from scorer.version import __version__

CERTIFICATE_FILE: Final = "certificate.json"
README_FILE: Final = "README.md"
_VERSION: Final = 1
# What the model is given, each with what an encoding of the tokenizers library calls it.
_INPUTS: Final = {"input_ids": "ids", "attention_mask": "attention_mask"}
_TYPES: Final = {"token_type_ids": "type_ids"}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A model that was exported: `loaded` for the `runtime`.

    differences  in fp32, of everything that was compared
    quantized    in 8 bits, of texts, those of a file last; nothing where the export is in fp32
    tokenized    texts whose ids were compared
    computed_by  what computed ours
    pairs        whether a row is a pair of texts
    """

    loaded: LoadedModel
    runtime: Runtime
    differences: Sequence[Difference]
    quantized: Sequence[Difference]
    tolerance: float
    max_flips: str
    tokenized: int
    computed_by: str
    pairs: bool

    @property
    def int8(self) -> bool:
        """Whether the model was quantized to 8 bits."""
        return bool(self.quantized)

    @property
    def precision(self) -> str:
        """What the exported weights are."""
        return "int8" if self.int8 else "fp32"

    @property
    def name(self) -> str:
        """What the model's directory is called, without the folders above it; of one of the hub its name there."""
        directory = self.loaded.directory
        return directory.path.name if Path(directory.name).is_dir() else directory.name

    @property
    def flips(self) -> int:
        """Rows whose label or abstention the 8 bits change: of the file's texts where there is one."""
        return self.quantized[-1].flips if self.quantized else 0

    @property
    def flip_rows(self) -> int:
        """The rows among which those are."""
        return self.quantized[-1].rows if self.quantized else 0

    def document(self) -> dict[str, Any]:
        """`export.json`: what a reader needs besides the model and the tokenizer."""
        loaded = self.loaded
        return {
            "version": _VERSION,
            "runtime": self.runtime.title,
            "model_file": self.runtime.model_file,
            "tokenizer_file": TOKENIZER_FILE,
            "precision": self.precision,
            "inputs": _INPUTS | (_TYPES if loaded.feed.token_types else {}),
            "texts_a_row": 2 if self.pairs else 1,
            "max_length": loaded.max_length,
            "problem_type": loaded.labels.problem_type,
            "label_kind": loaded.labels.kind,
            "labels": list(loaded.labels.values),
            "decision": loaded.decision.as_document(),
            "model": {"name": self.name, "fingerprint": loaded.directory.fingerprint},
            "versions": self.versions,
        }

    @property
    def versions(self) -> dict[str, Any]:
        """What exported it, and what it was compared with."""
        torch_and = {name: library_version(name) for name in ("torch", "transformers")}
        own = self.runtime.versions(library_version, int8=self.int8)
        return {"scorer": __version__, "tokenizers": tokenizers.__version__, **torch_and, **own}

    def certificate(self) -> dict[str, Any]:
        """`certificate.json`: what was compared, and how far apart it was."""
        found = {
            "version": _VERSION,
            "compared_with": self.computed_by,
            "tolerance": self.tolerance,
            "largest_logit_difference": max(one.logit for one in self.differences),
            "largest_answer_difference": max(one.answer for one in self.differences),
            "flips": sum(one.flips for one in self.differences),
            "fp32": [one.as_dict() for one in self.differences],
            "tokenizer": {"texts": self.tokenized, "differences": 0},
            "versions": self.versions,
        }
        return found | {"int8": self._int8()} if self.int8 else found

    def _int8(self) -> dict[str, Any]:
        return {
            "max_flips": None if self.loaded.labels.is_number else self.max_flips,
            "flips": self.flips,
            "rows": self.flip_rows,
            "largest_answer_difference": max(one.answer for one in self.quantized),
            "compared": [one.as_dict() for one in self.quantized],
        }

    def page(self) -> str:
        """`README.md`."""
        labels = self.loaded.labels
        text = '"a first text<TAB>a second text"' if self.pairs else '"a text" "another text"'
        code = program(self.runtime, self.loaded.decision, pairs=self.pairs)
        return "\n".join(
            [
                f"# {self.name} for {self.runtime.title}",
                "",
                f"A text classifier, {labels.counted}, exported by scorer {__version__}. It needs "
                f"`pip install {self.runtime.imports} tokenizers numpy`, and neither scorer nor torch:",
                "",
                "```python",
                code.rstrip(),
                "```",
                "",
                f"Saved in this folder as `program.py`: `python program.py {text}` prints score and confidence, "
                f"{'near to those' if self.int8 else 'those'} of `scorer predict --precision fp32`.",
                "",
                *self._remarks(),
                "",
                f"`{CERTIFICATE_FILE}` says how the export was compared with what scorer computes in fp32: "
                f"{self.told()}.",
                "",
            ]
        )

    def _remarks(self) -> list[str]:
        """What a reader should know of the answers."""
        decision, found = self.loaded.decision, []
        found.append(f"- A text of more than {self.loaded.max_length} tokens is cut off.")
        found.append("- Of a text with nothing to read, scorer gives no score; this program gives one.")
        if decision.abstain_below is not None:
            found.append(
                f"- An answer whose confidence is below {decision.abstain_below:g} is too unsure to be counted on "
                "(`abstain` in scorer)."
            )
        if self.int8:
            found.append("- In 8 bits an answer also depends on the processor, and a little on the texts beside it.")
        return found

    def told(self) -> str:
        """What the comparison found, for people."""
        texts = sum(one.rows for one in self.differences)
        largest = max(one.logit for one in self.differences)
        said = f"{texts:,} rows, logits at most {largest:.1e} apart; {self.tokenized:,} texts with the same token ids"
        if not self.int8:
            return said
        if self.loaded.labels.is_number:
            return f"{said}; in 8 bits numbers at most {max(one.answer for one in self.quantized):.2g} apart"
        return f"{said}; 8 bits change {self.flips:,} of {self.flip_rows:,} answers"
