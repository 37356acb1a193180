// The start, the controls, and the redrawing.

const CONTROLS = ["rows", "selection", "metric", "smoothing", "logx", "logy", "seeds", "cut", "color", "dash", "facet", "site", "step", "x", "y", "equal"];

function drawControls() {
  // an arm is a mean over its seeds, so only single runs have one
  const own = factors(), settings = [...own, ...(state.rows === "runs" ? ["seed"] : [])], results = Object.keys(content.results);
  const any = [...settings, ...results];
  const first = (name, choices) => {
    // what the data decide is no choice of the reader, so the address does not have it
    if (!choices.includes(START[name])) START[name] = choices[0] ?? "";
    if (!choices.includes(state[name])) state[name] = START[name];
  };
  const metrics = Object.keys(content.curves), places = sites();
  first("metric", metrics);
  first("site", places);
  first("color", ["arm", ...own]);
  first("dash", ["", ...own]);
  first("facet", ["", ...own]);
  first("x", [...[...settings].sort((a, b) => numeric.has(b) - numeric.has(a)), ...results]);
  first("y", [...results, ...settings]);
  const lists = {
    metric: metrics, site: places, color: [["arm", "each arm"], ...own], dash: [["", "all solid"], ...own],
    facet: [["", "none"], ...own], x: any, y: any,
  };
  for (const [name, choices] of Object.entries(lists)) fill(byId(name), choices, state[name]);
  for (const name of CONTROLS) {
    const control = byId(name);
    if (control.type === "checkbox") control.checked = state[name];
    else control.value = state[name];
  }
  byId("selection").closest("label").hidden = !(content.selection ?? []).some(Boolean);
  byId("smoothed").textContent = state.smoothing;
  drawAxes();
}

function drawAxes() {
  const own = state.axes ?? dimensions().slice(0, 8);
  byId("axes").replaceChildren(...dimensions().map((name) => {
    const box = element("input", undefined, { type: "checkbox", checked: own.includes(name) }), label = element("label");
    box.dataset.axis = name;
    box.addEventListener("change", () => {
      state.axes = dimensions().filter((one) => (one === name ? box.checked : own.includes(one)));
      drawAxes();
      drawParallel();
      remember();
    });
    label.append(box, ` ${name}`);
    return label;
  }));
}

function drawSelected() {
  drawClaims();
  drawCurves();
  drawScatter();
  drawParallel();
  drawDistributions();
  drawDifference();
  remember();
}

function redraw() {
  drawTable();
  drawColumns();
  drawGrouping();
  drawSelected();
}

function start(address) {
  decode(address);
  drawFilters();
  drawControls();
  redraw();
}

function controlled(name) {
  const control = byId(name), number = typeof START[name] === "number";
  state[name] = control.type === "checkbox" ? control.checked : number ? Number(control.value) : control.value;
  byId("smoothed").textContent = state.smoothing;
  if (name === "rows") {
    Object.assign(state, { columns: remembered(), sort: "", page: 0 });
    drawControls();
  }
  if (["rows", "selection"].includes(name)) return redraw();
  drawSelected();
}

function inAddress() {
  // a link within the page is no view
  const text = location.hash.slice(1);
  return text.includes("=") ? text : "";
}

for (const name of CONTROLS)
  byId(name).addEventListener(byId(name).tagName === "SELECT" ? "change" : "input", () => controlled(name));
byId("select-none").addEventListener("click", () => choose(all(), false));
byId("save-table").addEventListener("click", saveTable);
byId("save-curves").addEventListener("click", saveCurves);
byId("default-columns").addEventListener("click", () => {
  state.columns = null;
  keepColumns();
  changed({});
});
for (const one of document.querySelectorAll("[data-show]")) one.addEventListener("click", () => showClaim(one.dataset.show));
for (const link of document.querySelectorAll('a[href^="#"]'))
  link.addEventListener("click", (event) => {
    event.preventDefault(); // the address stays that of the view
    document.querySelector(link.getAttribute("href")).scrollIntoView();
    document.querySelector(`${link.getAttribute("href")} h2`).focus();
  });
narrow.addEventListener("change", drawSelected);
addEventListener("hashchange", () => inAddress() && start(inAddress()));

// for a page that is served while its runs are trained: new data, the reader's view stays
window.bnStudy = {
  update(data) {
    const view = encoded();
    take(data);
    start(view);
  },
};

take(JSON.parse(byId("data").textContent));
start(inAddress());
document.documentElement.dataset.ready = "yes";
