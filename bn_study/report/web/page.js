"use strict";
// The runs of an experiment: a table that sorts, filters and selects, and what the selected runs recorded.
// Data come from the JSON element `content`, documented in content.py. All text is set as text, never as HTML.

const content = JSON.parse(document.getElementById("content").textContent);
const command = JSON.parse(document.getElementById("command").textContent);
const ROWS = 50; // rows per page of the table
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#888888"];
const columns = { run: content.ids, status: content.provenance.status, ...content.varied, ...content.results };
const numeric = new Set([...content.numbers, ...Object.keys(content.results)]);
const state = { filters: {}, words: "", sort: "run", descending: false, page: 0, selected: new Set() };

const byId = (id) => document.getElementById(id);

function element(tag, text, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  return made;
}

function shown(value) {
  return value === null || value === undefined || value === "" ? "–" : String(value);
}

// --- the table ---

function kept() {
  const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
  const places = content.ids.map((_, place) => place).filter((place) => {
    for (const [name, wanted] of Object.entries(state.filters))
      if (wanted !== "" && shown(columns[name][place]) !== wanted) return false;
    if (!words.length) return true;
    const text = Object.entries(columns).map(([name, values]) => `${name}=${values[place]}`).join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const values = columns[state.sort];
  const order = numeric.has(state.sort)
    ? (a, b) => missingLast(values[a], values[b]) ?? Number(values[a]) - Number(values[b])
    : (a, b) => String(values[a]).localeCompare(String(values[b]));
  places.sort((a, b) => (state.descending ? -1 : 1) * order(a, b) || a - b);
  return places;
}

function missingLast(a, b) {
  const [lackA, lackB] = [a, b].map((one) => one === null || one === "");
  if (!lackA && !lackB) return undefined;
  return (state.descending ? -1 : 1) * (Number(lackA) - Number(lackB));
}

function drawFilters() {
  const words = element("input", undefined, { type: "search", id: "words", placeholder: "norm=batch seed=0" });
  words.addEventListener("input", () => changed({ words: words.value, page: 0 }));
  const label = element("label", "text ");
  label.append(words);
  byId("filters").append(label);
  for (const [name, values] of Object.entries({ status: columns.status, ...content.varied })) {
    const choices = [...new Set(values)];
    if (choices.length < 2 || choices.length > 40) continue;
    if (numeric.has(name)) choices.sort((a, b) => Number(a) - Number(b));
    const select = element("select");
    select.dataset.filter = name;
    select.append(element("option", "all", { value: "" }));
    for (const one of choices) select.append(element("option", shown(one), { value: shown(one) }));
    select.addEventListener("change", () => {
      state.filters[name] = select.value;
      changed({ page: 0 });
    });
    const one = element("label", `${name} `);
    one.append(select);
    byId("filters").append(one);
  }
}

function drawTable() {
  const head = element("tr");
  head.append(element("th", ""));
  for (const name of Object.keys(columns)) {
    const mark = state.sort === name ? (state.descending ? " ▾" : " ▴") : "";
    const button = element("button", name + mark, { type: "button" });
    button.dataset.sort = name;
    button.addEventListener("click", () =>
      changed({ sort: name, descending: state.sort === name && !state.descending, page: 0 }));
    const cell = element("th");
    cell.append(button);
    head.append(cell);
  }
  document.querySelector("#table thead").replaceChildren(head);
  const places = kept();
  const pages = Math.max(1, Math.ceil(places.length / ROWS));
  state.page = Math.min(state.page, pages - 1);
  const visible = places.slice(state.page * ROWS, (state.page + 1) * ROWS);
  document.querySelector("#table tbody").replaceChildren(...visible.map(drawRow));
  drawCount(places.length);
  const pager = byId("pager");
  pager.replaceChildren();
  if (pages > 1) {
    const back = element("button", "‹ previous", { type: "button", id: "before", disabled: state.page === 0 });
    const next = element("button", "next ›", { type: "button", id: "next", disabled: state.page === pages - 1 });
    back.addEventListener("click", () => changed({ page: state.page - 1 }));
    next.addEventListener("click", () => changed({ page: state.page + 1 }));
    pager.append(back, ` page ${state.page + 1} of ${pages} `, next);
  }
}

function drawCount(matching) {
  byId("count").textContent =
    `${matching} of ${content.ids.length} runs, ${state.selected.size} selected (use the boxes to select)`;
}

function drawRow(place) {
  const row = element("tr", undefined, { className: state.selected.has(place) ? "selected" : "" });
  const box = element("input", undefined, { type: "checkbox", checked: state.selected.has(place) });
  box.setAttribute("aria-label", `select ${content.ids[place]}`);
  box.addEventListener("change", () => {
    if (box.checked) state.selected.add(place);
    else state.selected.delete(place);
    row.className = box.checked ? "selected" : "";
    drawSelected();
  });
  const cell = element("td");
  cell.append(box);
  row.append(cell);
  for (const values of Object.values(columns)) row.append(element("td", shown(values[place])));
  return row;
}

function changed(news) {
  Object.assign(state, news);
  drawTable();
}

// --- the selected runs ---

function smooth(values, weight) {
  // a bias-corrected exponential moving average, as in TensorBoard
  let sum = 0, total = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = ["--ink", "--line"].map((one) => style.getPropertyValue(one).trim());
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true };
  const base = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12 } };
  const modebar = { bgcolor: "rgba(0,0,0,0)", color: line, activecolor: ink };
  return { axis, base: { ...base, modebar, margin: { l: 60, r: 10, t: 10, b: 45 }, height: 420 } };
}

const OPTIONS = { responsive: true, displaylogo: false };

function drawCurves() {
  const metric = byId("metric").value;
  const weight = Number(byId("smoothing").value);
  byId("smoothed").textContent = weight;
  const found = content.curves[metric] ?? {};
  const traces = [...state.selected].filter((place) => place in found).map((place, at) => {
    const [steps, values] = found[place];
    return {
      x: content.steps[steps], y: weight ? smooth(values, weight) : values, name: content.ids[place], type: "scatter",
      mode: "lines+markers", marker: { size: 4 },
      line: { color: COLORS[at % COLORS.length], dash: (columns.norm ?? [])[place] === "none" ? "dash" : "solid" },
    };
  });
  const nothing = Object.keys(content.curves).length === 0;
  byId("curves-empty").textContent = nothing
    ? `The records of these runs are not on this machine; ${command} trains them.`
    : traces.length ? "" : "Select runs in the table above to see their curves here.";
  const { axis, base } = theme();
  const type = (id) => (byId(id).checked ? "log" : "linear");
  const layout = {
    ...base, hovermode: "x unified", showlegend: true, legend: { orientation: "h", y: -0.18 },
    xaxis: { ...axis, title: { text: "training steps" }, type: type("logx") },
    yaxis: { ...axis, title: { text: metric }, type: type("logy") },
  };
  if (traces.length) Plotly.react("curves-chart", traces.map(asText), layout, OPTIONS);
  else Plotly.purge("curves-chart");
}

// Plotly interprets some HTML in names; names of runs must stay text
function asText(trace) {
  return { ...trace, name: trace.name.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;") };
}

function drawDistributions() {
  const site = byId("site").value;
  const arms = content.histograms.filter((arm) => site in arm.sites);
  const steps = [...new Set(arms.flatMap((arm) => arm.sites[site].steps))].sort((a, b) => a - b);
  const slider = byId("step");
  slider.max = Math.max(steps.length - 1, 0);
  const step = steps[Math.min(Number(slider.value), steps.length - 1)];
  byId("at").textContent = step === undefined ? "" : `after ${step.toLocaleString("en")} steps`;
  byId("distributions-empty").textContent = arms.length
    ? "" : `No histograms of these runs are on this machine; ${command} with the probe activations records them.`;
  if (!arms.length) return;
  const traces = arms.flatMap((arm, at) => {
    const { steps: own, counts, edges } = arm.sites[site];
    const place = own.indexOf(step);
    if (place < 0) return [];
    const total = counts[place].reduce((sum, one) => sum + one, 0) || 1;
    const x = edges[place], y = counts[place].map((one, bin) => one / total / (x[bin + 1] - x[bin] || 1));
    return [{
      x, y: [...y, y[y.length - 1]], name: arm.label, type: "scatter", mode: "lines", fill: "tozeroy",
      line: { shape: "hv", color: COLORS[at % COLORS.length], dash: arm.label.includes("norm=none") ? "dash" : "solid" },
    }];
  });
  const { axis, base } = theme();
  Plotly.react("distributions-chart", traces.map(asText), {
    ...base, showlegend: true, legend: { orientation: "h", y: -0.18 },
    xaxis: { ...axis, title: { text: site } }, yaxis: { ...axis, title: { text: "density" } },
  }, OPTIONS);
}

function drawDifference() {
  const [one, other] = [...state.selected].slice(-2);
  const two = state.selected.size >= 2;
  byId("difference-empty").textContent = two ? "" : "Select two runs in the table above to see how they differ.";
  const head = document.querySelector("#difference-table thead");
  const body = document.querySelector("#difference-table tbody");
  head.replaceChildren();
  body.replaceChildren();
  if (!two) return;
  const titles = element("tr");
  titles.append(...["", content.ids[one], content.ids[other]].map((text) => element("th", text)));
  head.append(titles);
  const groups = [content.varied, content.following, content.provenance, content.results];
  const rows = groups.flatMap(Object.entries).map(([name, values]) => [name, values[one], values[other]]);
  if (byId("all").checked) rows.push(...Object.entries(content.same).map(([name, value]) => [name, value, value]));
  for (const [name, a, b] of rows) {
    if (a === b && !byId("all").checked) continue;
    const row = element("tr");
    row.append(element("td", name), ...[a, b].map((text) =>
      element("td", shown(text), { className: a === b ? "" : "differs" })));
    body.append(row);
  }
}

function drawSelected() {
  drawCount(kept().length);
  drawCurves();
  drawDifference();
}

// --- start ---

for (const metric of Object.keys(content.curves)) byId("metric").append(element("option", metric, { value: metric }));
if ("test/accuracy" in content.curves) byId("metric").value = "test/accuracy";
const sites = [...new Set(content.histograms.flatMap((arm) => Object.keys(arm.sites)))];
for (const site of sites) byId("site").append(element("option", site, { value: site }));
for (const id of ["metric", "smoothing", "logx", "logy"]) byId(id).addEventListener("input", drawCurves);
for (const id of ["site", "step"]) byId(id).addEventListener("input", drawDistributions);
byId("all").addEventListener("input", drawDifference);
drawFilters();
drawTable();
drawSelected();
drawDistributions();
document.documentElement.dataset.ready = "yes";
