"use strict";
// The page's data: runs as columns (see content.py), and what the other files share. All text is set as text, not HTML.

const COLORS = [
  "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#888888", // as in the figures
  "#9467BD", "#8C564B", "#BCBD22", "#17BECF", "#B2182B", "#98DF8A", "#FF9896", "#C7A76C", // for more arms
];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
let content, columns, numeric, shares;

function take(data) {
  content = data;
  columns = { run: content.ids, status: content.provenance.status ?? [], ...content.varied, ...content.results };
  numeric = new Set([...content.numbers, ...Object.keys(content.results)]);
  shares = new Set(content.shares ?? []);
}

const byId = (id) => document.getElementById(id);
const factors = () => Object.keys(content.varied).filter((name) => name !== "seed");
const all = () => content.ids.map((_, place) => place);

function element(tag, text, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(text, act, properties = {}) {
  const made = element("button", text, { type: "button", ...properties });
  made.addEventListener("click", act);
  return made;
}

function shown(value) {
  return value === null || value === undefined || value === "" ? "–" : String(value);
}

const short = (value) => String(Number(value.toPrecision(4)));

function ordered(values, name) {
  const found = [...new Set(values)];
  return found.sort(numeric.has(name) ? (a, b) => Number(a) - Number(b) : (a, b) => String(a).localeCompare(String(b)));
}

function fill(select, choices, value) {
  // [value, text] or text; the first choice stands in for a value that is not among them
  const pairs = choices.map((one) => (Array.isArray(one) ? one : [one, one]));
  select.replaceChildren(...pairs.map(([key, text]) => element("option", text, { value: key })));
  select.value = pairs.some(([key]) => key === value) ? value : (pairs[0] ?? [""])[0];
}

function save(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", undefined, { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function csv(rows) {
  // a quote before text that a spreadsheet would take for a formula
  const safe = (one) => (typeof one === "string" && /^[=+\-@\t\r]/.test(one) && isNaN(one) ? `'${one}` : one ?? "");
  const cell = (one) => (/[",\n\r]/.test(one) ? `"${one.replace(/"/g, '""')}"` : one);
  return rows.map((row) => row.map((one) => cell(String(safe(one)))).join(",")).join("\n") + "\n";
}
