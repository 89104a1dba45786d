"use strict";
// Asks the server that the page is from, and shows what it answers. Everything is put in as text, nothing as markup.
const at = id => document.getElementById(id);
const models = new Map();

const say = (text, wrong = false) => {
  at("state").textContent = text;
  at("state").classList.toggle("wrong", wrong);
};

const ask = async (path, options = {}) => {
  const token = at("token").value.trim();
  const headers = token ? { ...options.headers, Authorization: `Bearer ${token}` } : options.headers;
  const response = await fetch(path, { ...options, headers });
  const document = await response.json();
  if (response.status === 401) at("who").hidden = false;
  if (!response.ok) throw new Error(document.error);
  return document;
};

const make = (tag, text, ...classes) => {
  const element = document.createElement(tag);
  element.textContent = text;
  element.classList.add(...classes);
  return element;
};

const tile = (name, value) => {
  const box = document.createElement("div");
  box.append(make("dd", value), make("dt", name));
  return box;
};

const bar = (name, share) => {
  const row = document.createElement("div"), line = document.createElement("span"), fill = make("i", "", "one");
  fill.style.setProperty("--share", share);
  line.append(fill);
  row.append(make("span", name, "name"), line, make("span", percent(share), "value"));
  return row;
};

const percent = share => `${(share * 100).toFixed(1)} %`;
const certainty = value => Array.isArray(value) ? value.map(percent).join(", ") : percent(value);
const label = score => score === null ? "none" : Array.isArray(score) ? score.join(", ") || "no label" : String(score);

const show = (answer, milliseconds) => {
  at("tiles").replaceChildren(
    tile("score", label(answer.score)),
    ...(answer.confidence === null ? [] : [tile("confidence", certainty(answer.confidence))]),
    tile("score_status", answer.score_status),
    tile("milliseconds", milliseconds.toFixed(0)),
  );
  const found = Object.entries(answer.probabilities || {}).sort((a, b) => b[1] - a[1]).slice(0, 20);
  at("bars").replaceChildren(...found.map(([name, share]) => bar(name, share)));
  at("answer").hidden = false;
};

const choose = () => {
  const model = models.get(at("model").value);
  at("second").hidden = !model || model.pairs === false;
};

const load = async () => {
  const { models: found } = await ask("info");
  for (const model of found) models.set(model.name, model);
  at("model").replaceChildren(...found.map(model => new Option(model.name)));
  at("which").hidden = found.length < 2;
  choose();
  say("");
};

const score = async () => {
  if (!models.size) await load();
  const model = models.get(at("model").value), second = at("pair").value;
  const asked = { model: model.name, text: at("text").value, probabilities: model.labels !== null };
  if (model.pairs || (model.pairs === null && second)) asked.pair = second;
  const begun = performance.now();
  const answer = await ask("predict", {
    method: "POST", body: JSON.stringify(asked), headers: { "Content-Type": "application/json" },
  });
  show(answer, performance.now() - begun);
};

const busily = async work => {
  at("button").disabled = true;
  say("…");
  try {
    await work();
    say("");
  } catch (error) {
    say(error.message, true);
  }
  at("button").disabled = false;
};

at("ask").addEventListener("submit", event => {
  event.preventDefault();
  busily(score);
});
at("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
});
at("model").addEventListener("change", choose);
busily(load);
