"use strict";
// Filters of the overview's statements. The address holds them (#topic=speed&outcome=depends), so that a view can be
// sent and the back button returns to it. Each statement's data-values says which values find it (see overview.py).

const byId = (id) => document.getElementById(id);
const form = byId("filters");
const controls = [...form.querySelectorAll("select, input")];
const groups = [...document.querySelectorAll(".group")];
const statements = [...document.querySelectorAll(".statement")].map((card) => ({
  card, values: JSON.parse(card.dataset.values), text: card.querySelector(".seen").textContent.toLowerCase(),
}));

function chosen() {
  return controls.filter((control) => control.value.trim());
}

function finds(statement, control) {
  if (control.name !== "words") return statement.values[control.name].includes(control.value);
  return control.value.toLowerCase().split(/\s+/).every((word) => statement.text.includes(word));
}

function draw() {
  const filters = chosen();
  let found = 0;
  for (const statement of statements) {
    statement.card.hidden = !filters.every((control) => finds(statement, control));
    found += !statement.card.hidden;
  }
  for (const group of groups) group.hidden = !group.querySelector(".statement:not([hidden])");
  const said = filters.map((one) => (one.selectedOptions ? one.selectedOptions[0].text : `“${one.value.trim()}”`));
  const all = statements.length;
  byId("count").textContent = filters.length ? `${found} of ${all} statements: ${said.join(" · ")}` : `${all} statements`;
  document.body.classList.toggle("filtered", filters.length > 0);
}

// --- the address ---

for (const group of groups) group.removeAttribute("id"); // without a script the address leads there

function restore() {
  const filters = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  for (const control of controls) {
    control.value = filters.get(control.name) ?? "";
    if (control.selectedIndex === -1) control.value = ""; // a value that finds nothing here
  }
  draw();
  byId(chosen().length ? "statements" : location.hash.slice(1))?.scrollIntoView();
}

function remember(typing) {
  const filters = new URLSearchParams(chosen().map((control) => [control.name, control.value.trim()]));
  const address = `#${filters.size ? filters : "statements"}`;
  // the letters of a word are one step of the back button
  if (typing && history.state?.typing) history.replaceState({ typing }, "", address);
  else history.pushState({ typing }, "", address);
  draw();
}

for (const control of controls) {
  const typed = control.name === "words";
  control.addEventListener(typed ? "input" : "change", () => remember(typed));
}
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => remember(false))); // after the controls are reset
addEventListener("hashchange", restore);

// --- print: the present filter, with all details ---

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});

form.hidden = false;
restore();
document.documentElement.dataset.ready = "yes";
