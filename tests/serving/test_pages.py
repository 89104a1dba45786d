"""The pages of the server in a real browser, and the document that says what can be asked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import scorer
from scorer.serving.openapi import openapi
from tests.models import make_model
from tests.reports.browser import Browser
from tests.reports.samples import HOSTILE
from tests.serving.served import Served

LOOKS = (Path(__file__).parents[1] / "reports" / "looks.js").read_text(encoding="utf-8")
SCREENS = [(1280, False), (1280, True), (390, False), (390, True)]
NAMES = ("<b>great</b>", "\"'&amp;", "a very long name of a label that has no end at all")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A server with a token, whose model has labels that look like markup."""
    folder = tmp_path_factory.mktemp("hostile")
    make_model(folder / "model", labels=NAMES)
    (folder / "token").write_text("s3cret")
    with Served(folder / "model", token=folder / "token") as served:
        yield served


def complaints(chromium: Browser, served: Served) -> list[str]:
    """What is wrong with how the page looks, and with what it asked for."""
    wrong: list[str] = chromium.run(LOOKS)
    foreign = [url for url in chromium.requests if not url.startswith(served.address)]
    return [*wrong, *foreign, *chromium.errors]


def type_in(chromium: Browser, field: str, text: str) -> None:
    chromium.run(f"void (document.getElementById({field!r}).value = {json.dumps(text)})")


def score(chromium: Browser, text: str) -> dict[str, str]:
    """What the page shows of `text` by name."""
    type_in(chromium, "text", text)
    chromium.run("void document.getElementById('button').click()")
    chromium.wait_for("!document.getElementById('button').disabled")
    found: dict[str, str] = chromium.run(
        "Object.fromEntries([...document.querySelectorAll('#tiles > div')]"
        ".map(tile => [tile.querySelector('dt').textContent, tile.querySelector('dd').textContent]))"
    )
    return found


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_a_text_is_tried(chromium, server, tiny_model, width, dark):
    chromium.renew()
    chromium.look(width=width, dark=dark)
    chromium.visit(f"{server.address}/")
    chromium.wait_for("!document.getElementById('button').disabled")
    [expected] = scorer.load(tiny_model("bert"), precision="fp32", probabilities=True).score_texts(["a good room"])
    shown = score(chromium, "a good room")
    assert shown["score"] == str(expected["score"])
    assert shown["confidence"] == f"{expected['confidence']:.1%}".replace("%", " %")
    assert shown["score_status"] == "ok"
    best = max(expected["probabilities"], key=expected["probabilities"].get)
    assert chromium.run("document.querySelector('#bars .name').textContent") == best
    assert complaints(chromium, server) == []
    assert score(chromium, "")["score_status"] == "empty"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_token_is_asked_for_and_nothing_becomes_markup(chromium, hostile, width):
    chromium.renew()
    chromium.look(width=width, dark=False)
    chromium.visit(f"{hostile.address}/")
    chromium.wait_for("!document.getElementById('who').hidden")
    assert "no token" in chromium.run("document.getElementById('state').textContent")
    # That a request was refused is told by the browser itself.
    assert all("401" in error for error in chromium.errors)
    chromium.errors.clear()
    type_in(chromium, "token", "s3cret")
    assert score(chromium, "".join(text for text in HOSTILE if text.isprintable() or "\0" in text))["score"] in NAMES
    assert chromium.run("document.getElementById('state').textContent") == ""
    assert set(chromium.run("[...document.querySelectorAll('#bars .name')].map(name => name.textContent)")) == set(
        NAMES
    )
    assert chromium.run("document.querySelectorAll('#answer b, img, [onmouseover]').length") == 0
    assert complaints(chromium, hostile) == []
    score(chromium, "half a pair \ud800")
    assert "half of a surrogate pair" in chromium.run("document.getElementById('state').textContent")
    assert chromium.run("document.getElementById('state').className") == "wrong"


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_the_page_of_what_can_be_asked(chromium, server, width, dark):
    chromium.renew()
    chromium.look(width=width, dark=dark)
    chromium.visit(f"{server.address}/docs")
    assert complaints(chromium, server) == []
    assert chromium.requests == [f"{server.address}/docs"]


def test_pages_may_load_nothing(server):
    for path in ("/", "/docs"):
        policy = server.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(part) for part in value.values()))
    return set().union(*(references(part) for part in value)) if isinstance(value, list) else set()


def fits(value: Any, schema: Any, document: Any) -> bool:
    """Whether `value` has the types and keys of `schema`: as much of JSON Schema as the document uses."""
    if "$ref" in schema:
        return fits(value, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "oneOf" in schema:
        return sum(fits(value, one, document) for one in schema["oneOf"]) == 1
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", type(None): "null"}
    allowed = schema.get("type", [kinds.get(type(value), "number")])
    kind = kinds.get(type(value), "number")
    if kind not in allowed and not (kind == "integer" and "number" in allowed):
        return False
    if isinstance(value, dict):
        inner = schema.get("properties", {})
        return all(key in value for key in schema.get("required", ())) and all(
            fits(part, inner[key], document) for key, part in value.items() if key in inner
        )
    if isinstance(value, list):
        return all(fits(part, schema.get("items", {}), document) for part in value)
    return value in schema.get("enum", [value])


def test_the_openapi_document_says_what_is_done(server):
    document = server.get("/openapi.json").document
    assert document == openapi()
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) == names
    version = server.get("/v2/models/stars").document["versions"][0]
    for path, item in document["paths"].items():
        real = path.replace("{model}", "stars").replace("{version}", version)
        assert {entry["name"] for entry in next(iter(item.values())).get("parameters", [])} == set(
            re.findall(r"{(\w+)}", path)
        )
        if "get" in item:
            reply = server.get(real)
        else:
            body = item["post"]["requestBody"]["content"]["application/json"]
            assert fits(body["example"], body["schema"], document), path
            reply = server.post(real, body["example"])
            answer = item["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            assert fits(reply.document, answer, document), reply.document
        assert reply.status == 200, path


def test_every_route_is_in_the_openapi_document():
    """Those of pages and of the document itself apart."""
    source = (Path(scorer.__file__).parent / "serving" / "app.py").read_text(encoding="utf-8")
    model = "/v2/models/{model}"
    written = [*re.findall(r'^ {8}f?"([^"]+)": ', source, re.MULTILINE), "{_MODEL}", "{_VERSION}"]
    paths = {path.replace("{_VERSION}", model + "/versions/{version}").replace("{_MODEL}", model) for path in written}
    assert paths == set(openapi()["paths"]) | {"/", "/docs", "/openapi.json"}
