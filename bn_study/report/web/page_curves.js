// Curves over training: an arm's mean and band, its single seeds on demand, in columns by a setting.

function facets(arms) {
  const values = (columns[state.facet] ?? []);
  return state.facet ? ordered(arms.map((arm) => values[arm.places[0]]), state.facet) : [""];
}

function drawCurves() {
  const has = ({ places }) => places.some((place) => place in (content.curves[state.metric] ?? {}));
  const arms = drawnArms(MANY, has), panels = facets(arms), looks = styles(arms), traces = [], spans = [], table = [];
  arms.forEach((arm, at) => {
    const { own, steps, points } = curveOf(arm, state.metric);
    if (!own.length) return;
    const panel = state.facet ? panels.indexOf(columns[state.facet][arm.places[0]]) : 0;
    const axes = panel ? { xaxis: `x${panel + 1}`, yaxis: `y${panel + 1}` } : {};
    const line = { ...axes, type: "scatter", x: steps, legendgroup: arm.label };
    const color = looks[at].color, quiet = { showlegend: false, hoverinfo: "skip" };
    if (points.some((one) => one.low !== null)) {
      const none = { ...line, ...quiet, mode: "lines", line: { width: 0, color }, name: "" };
      traces.push({ ...none, y: points.map((one) => one.low) });
      traces.push({ ...none, y: points.map((one) => one.high), fill: "tonexty", fillcolor: `${color}33` });
    }
    if (state.seeds && own.length > 1) own.forEach((place) => {
      const [found, values] = content.curves[state.metric][place], recorded = content.steps[found];
      const y = state.smoothing ? smooth(values, state.smoothing) : values;
      traces.push({
        ...line, ...quiet, x: recorded.filter(inLog), y: y.filter((_, one) => inLog(recorded[one])),
        name: content.ids[place], mode: "lines", line: { width: 1, color, dash: looks[at].dash }, opacity: 0.5,
      });
    });
    traces.push({
      ...line, y: points.map((one) => one.mean), name: nameOf(arm, own), mode: "lines+markers",
      marker: { size: 4 }, line: { color, dash: looks[at].dash },
    });
    spans.push({ label: arm.label, values: points.map((one) => one.mean) });
    points.forEach((one, place) => table.push([arm.label, steps[place], one.mean, one.low, one.high, one.n]));
  });
  const { range, beyond } = state.logy ? { beyond: "" } : robust(spans);
  const ended = traces.length && content.cut?.includes(state.metric)
    ? "Fixed examples only: what the whole split gives at the end is in the table." : "";
  const nothing = Object.keys(content.curves).length === 0;
  byId("curves-note").textContent = nothing
    ? `The records of these runs are not on this machine; ${content.command} trains them.`
    : [drawnNote(MANY, has, "with such a curve"), traces.length ? "" : "The selected runs have no such curve.", ended, beyond].filter(Boolean).join(" ");
  draw("curves-chart", traces, curvesLayout(panels, range));
  return table;
}

function nameOf(arm, own) {
  if (state.rows === "runs") return arm.label;
  const lost = own.filter((place) => columns.status[place] === "diverged").length;
  const seeds = seedsOf(own), runs = own.length > seeds ? `${own.length} runs, ` : "";
  return `${arm.label} (${runs}${seeds} seed${seeds > 1 ? "s" : ""}${lost ? `, ${lost} diverged` : ""})`;
}

function curvesLayout(panels, range) {
  const { axis, base } = theme();
  const across = narrow.matches ? 1 : Math.min(panels.length, 3), down = Math.ceil(panels.length / across);
  const layout = { ...base, hovermode: "closest", showlegend: true, margin: { ...base.margin, t: state.facet ? 50 : base.margin.t }, height: 60 + 380 * down * (down > 1 ? 0.75 : 1), annotations: [] };
  panels.forEach((value, panel) => {
    const [column, row] = [panel % across, Math.floor(panel / across)], end = panel ? panel + 1 : "";
    const domain = (at, count, gap) => [at / count + (at ? gap / 2 : 0), (at + 1) / count - (at < count - 1 ? gap / 2 : 0)];
    const [left, right] = domain(column, across, 0.07), [bottom, top] = domain(down - 1 - row, down, 0.12);
    layout[`xaxis${end}`] = {
      ...axis, domain: [left, right], anchor: `y${end}`, type: state.logx ? "log" : "linear",
      title: { text: row === down - 1 ? "training steps" : "" }, ...(panel ? { matches: "x" } : {}),
    };
    layout[`yaxis${end}`] = {
      ...axis, domain: [bottom, top], anchor: `x${end}`, type: state.logy ? "log" : "linear",
      title: { text: column ? "" : plain(state.metric) }, ...(panel ? { matches: "y" } : {}), ...(range ? { range } : { autorange: true }),
    };
    if (state.facet) layout.annotations.push({
      text: plain(`${state.facet}=${shown(value)}`), x: (left + right) / 2, y: top, xref: "paper", yref: "paper",
      xanchor: "center", yanchor: "bottom", showarrow: false,
    });
  });
  return layout;
}

function saveCurves() {
  save("curves.csv", csv([["arm", "step", state.metric, "low", "high", "seeds"], ...drawCurves()]));
}
