"""The pages of the server: one to try a text on, one that shows what can be asked. Each is one document that loads
nothing, and may run no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from starlette.responses import HTMLResponse, Response

from scorer.reports.page import Html, page, paragraph, safe, section, table

_FORM = """<form id="ask">
<div id="who" hidden><label for="token">Token</label>
<input id="token" type="password" autocomplete="off"></div>
<div id="which" hidden><label for="model">Model</label>
<select id="model"></select></div>
<label for="text">Text</label>
<textarea id="text" rows="5" spellcheck="false" autofocus></textarea>
<div id="second" hidden><label for="pair">Second text, of a pair</label>
<textarea id="pair" rows="3" spellcheck="false"></textarea></div>
<button id="button">Score</button>
</form>
<p id="state" role="status"></p>
<section id="answer" aria-live="polite" hidden>
<dl id="tiles" class="tiles"></dl>
<div id="bars" class="bars"></div>
</section>
<p><a href="docs">What can be asked</a></p>"""


def try_page() -> Response:
    """A text goes in, its score comes out."""
    body = f"<style>{_read('try.css')}</style>\n{_FORM}\n<script>{_read('try.js')}</script>"
    return _guarded(page("Try a text", [Html(body)], lead="Nothing that you type is kept or logged."))


def docs_page(document: Mapping[str, Any]) -> Response:
    """The OpenAPI `document` for people."""
    operations = [
        (method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    style = Html(f"<style>{_read('try.css')}</style>")
    asking = [_asking(path, operation, document) for method, path, operation in operations if method == "post"]
    telling = [(path, operation["summary"]) for method, path, operation in operations if method == "get"]
    told = section("Ask about the server", table(("GET", "what it tells"), telling, words=(1,)))
    link = Html('<a href="openapi.json">openapi.json</a>')
    refused = document["paths"]["/predict"]["post"]["responses"].items()
    codes = table(
        ("status", "when"), [(code, said["description"]) for code, said in refused if code != "200"], words=(1,)
    )
    lead = Html(f"For programs: {link}")
    return _guarded(page("What can be asked", [style, *asking, told, section("Refusals", codes)], lead=lead))


def _asking(path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> Html:
    media = operation["requestBody"]["content"]["application/json"]
    name = media["schema"]["$ref"].rpartition("/")[2]
    fields = document["components"]["schemas"][name]["properties"].items()
    rows = [(key, _type(field), field.get("description", "")) for key, field in fields]
    example = json.dumps(media["example"], ensure_ascii=False)
    command = f"curl -s http://HOST:PORT{path} -d '{example}'"
    shown = Html(f'<div class="wide" tabindex="0"><pre>{safe(command)}</pre></div>')
    return section(
        f"POST {path}", paragraph(operation["summary"]), shown, table(("key", "type", ""), rows, words=(1, 2))
    )


def _type(field: Mapping[str, Any]) -> str:
    kind = field.get("type", "any")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _guarded(html: Html) -> Response:
    """`html` with headers that let a browser load nothing, and run only the styles and scripts that are in it."""
    allowed = {kind: " ".join(_hashes(html, kind)) or "'none'" for kind in ("style", "script")}
    policy = (
        f"default-src 'none'; style-src {allowed['style']}; script-src {allowed['script']}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(html, headers=headers)


def _hashes(html: str, tag: str) -> Iterator[str]:
    for content in re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        yield f"'sha256-{digest}'"


def _read(name: str) -> str:
    return files("scorer.serving").joinpath(name).read_text(encoding="utf-8")
