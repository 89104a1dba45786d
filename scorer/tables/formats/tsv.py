"""TSV: CSV with tabs."""

from __future__ import annotations

import re

from scorer.tables.formats.csv import Delimited
from scorer.tables.formats.format import Evidence


class _Tsv(Delimited):
    name = "tsv"
    endings = (".tsv",)
    delimiter = "\t"

    def evidence(self, first_bytes: bytes) -> Evidence:
        """Tabs in a first line without a comma."""
        line = re.split(rb"[\r\n]", first_bytes, maxsplit=1)[0]
        return 2 if b"\t" in line and b"," not in line else 0


FORMAT = _Tsv()
