// Any setting or result against any other, and all of them side by side.
// Plotly's own parallel coordinates need WebGL and build code at run time, which the page's security policy forbids
// (no unsafe-eval); lines of its SVG scatter do without both, and keep the arms' colors and names.

const MOST = 400; // arms in a relation when nothing is selected

function valueOf(arm, name) {
  if (name in content.results) return measured(arm.places, name);
  const found = [...new Set(arm.places.map((place) => columns[name][place]))];
  const mean = found.length === 1 ? (numeric.has(name) && found[0] !== "" ? Number(found[0]) : shown(found[0])) : null;
  return { mean, low: null, high: null };
}

const dimensions = () => [...factors(), ...Object.keys(content.results)];

function points() {
  // with single seeds, each run is a point
  const arms = drawnArms(MOST);
  const looks = styles(arms);
  return arms.flatMap((arm, at) => state.seeds
    ? arm.places.map((place) => ({ label: content.ids[place], places: [place], look: looks[at] }))
    : [{ ...arm, look: looks[at] }]);
}

function byColor(found) {
  const groups = new Map();
  for (const one of found) groups.set(one.look.color, [...(groups.get(one.look.color) ?? []), one]);
  return [...groups];
}

function logarithmic(values) {
  // positive numbers over two powers of ten are told apart on a logarithmic axis only
  const known = values.filter((one) => one !== null);
  if (!known.length || known.some((one) => !(typeof one === "number" && one > 0))) return false;
  return known.reduce((a, b) => Math.max(a, b)) / known.reduce((a, b) => Math.min(a, b)) >= 50;
}

function drawScatter() {
  const found = points().map((one) => ({ ...one, at: [valueOf(one, state.x), valueOf(one, state.y)] }))
    .filter(({ at: [x, y] }) => x.mean !== null && y.mean !== null);
  const error = (own, axis) => ({
    type: "data", symmetric: false, thickness: 1, width: 0,
    array: own.map(({ at }) => (at[axis].high === null ? 0 : at[axis].high - at[axis].mean)),
    arrayminus: own.map(({ at }) => (at[axis].low === null ? 0 : at[axis].mean - at[axis].low)),
  });
  const traces = byColor(found).map(([color, own]) => ({
    type: "scatter", mode: "markers", name: own[0].label, x: own.map(({ at }) => at[0].mean), y: own.map(({ at }) => at[1].mean),
    error_x: error(own, 0), error_y: error(own, 1), text: own.map(({ label }) => plain(label)), customdata: own.map(({ places }) => places),
    hovertemplate: "%{text}<br>%{x}, %{y}<extra></extra>", marker: { color, size: 9 },
  }));
  const { axis, base } = theme();
  const wide = [0, 1].map((at) => logarithmic(found.map((one) => one.at[at].mean)));
  const cut = [0, 1].map((at) => wide[at] || !([state.x, state.y][at] in content.results) ? { beyond: "" } : robust(found.map((one) => ({ label: one.label, values: [one.at[at].mean] }))));
  const ranged = (at, name) => ({
    ...axis, title: title(name), type: wide[at] ? "log" : undefined,
    ...(cut[at].range ? { range: cut[at].range } : { autorange: true }),
  });
  const none = found.length ? "" : "No arm has both values.";
  byId("scatter-note").textContent = [drawnNote(MOST), none, cut[0].beyond, cut[1].beyond].filter(Boolean).join(" ");
  draw("scatter-chart", traces, { ...base, showlegend: false, xaxis: ranged(0, state.x), yaxis: ranged(1, state.y) });
  clickable("scatter-chart");
}

function scale(name, values) {
  // positions between 0 and 1, and what to write at them; text is spread evenly, missing values are at the bottom
  const known = values.filter((one) => one !== null);
  if (known.length && known.every((one) => typeof one === "number")) {
    const wide = logarithmic(known);
    const { range } = wide || !(name in content.results) ? {} : robust(known.map((one) => ({ label: "", values: [one] })));
    let [low, high] = range ?? [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
    const move = wide ? Math.log : Number;
    [low, high] = [move(low), move(high)];
    const place = (one) => (one === null ? null : Math.min(1, Math.max(0, high > low ? (move(one) - low) / (high - low) : 0.5)));
    const back = (at) => short(wide ? Math.exp(low + at * (high - low)) : low + at * (high - low));
    return { place, ticks: high > low ? [0, 0.5, 1].map((at) => [at, back(at)]) : [[0.5, short(known[0])]] };
  }
  const names = [...new Set(known)];
  const place = (one) => (one === null ? null : names.length > 1 ? names.indexOf(one) / (names.length - 1) : 0.5);
  return { place, ticks: names.length > 12 ? [] : names.map((one) => [place(one), String(one)]) };
}

function briefs(names) {
  // short names of axes; where two are the same, with what tells them apart, or whole
  const brief = names.map((name) => name.replace(/^final\(metric=([^,]*)\)$/, "$1").replace(/\(.*$/, "").replace(/^.*\./, ""));
  const parts = (name) => name.replace(/\)$/, "").split(/\(|,(?=\w+=)/).slice(1);
  return names.map((name, at) => {
    const same = names.filter((_, other) => brief[other] === brief[at]);
    if (same.length === 1) return brief[at];
    const own = parts(name).filter((part) => !same.every((one) => parts(one).includes(part)));
    return own.length ? `${brief[at]}(${own.join(",")})` : name;
  });
}

function drawParallel() {
  const names = state.axes ?? dimensions().slice(0, 8), found = points();
  const scales = names.map((name) => scale(name, found.map((one) => valueOf(one, name).mean)));
  const traces = names.length < 2 ? [] : byColor(found).map(([color, own]) => {
    const line = (one) => names.map((name, at) => scales[at].place(valueOf(one, name).mean));
    const text = (one) => names.map((name) => plain(`${one.label}: ${name} ${shown(valueOf(one, name).mean)}`));
    const each = (make, gap) => own.flatMap((one) => [...make(one), gap]);
    return {
      type: "scatter", mode: "lines+markers", name: own[0].label, line: { color, width: 1.5 }, marker: { color, size: 5 },
      x: each(() => names.map((_, at) => at), null), y: each(line, null), text: each(text, ""),
      customdata: each((one) => names.map(() => one.places), null), hovertemplate: "%{text}<extra></extra>",
    };
  });
  const { axis, base } = theme(), small = narrow.matches;
  const annotations = scales.flatMap(({ ticks }, at) => ticks.map(([y, text]) => ({
    x: at, y, text: plain(text.length > 14 ? `${text.slice(0, 13)}…` : text), xanchor: at === names.length - 1 ? "right" : "left", xshift: at === names.length - 1 ? -5 : 5,
    showarrow: false, font: { size: small ? 10 : 11 }, bgcolor: getComputedStyle(document.body).backgroundColor, opacity: 0.85,
  })));
  byId("parallel-note").textContent = names.length < 2 ? "Choose two axes or more." : drawnNote(MOST);
  draw("parallel-chart", traces, {
    ...base, showlegend: false, annotations, hovermode: "closest",
    margin: { ...base.margin, l: 15, r: 15, b: small ? 110 : 80 },
    xaxis: { ...axis, tickvals: names.map((_, at) => at), ticktext: briefs(names).map(plain), ticklabeloverflow: "allow", zeroline: false, tickangle: small ? 60 : "auto", range: [-0.05, names.length - 0.9] },
    yaxis: { ...axis, visible: false, range: [-0.06, 1.06] },
  });
  clickable("parallel-chart");
}

function clickable(id) {
  // a click on an arm selects it, another one takes it back
  const chart = byId(id);
  chart.removeAllListeners?.("plotly_click");
  chart.on?.("plotly_click", ({ points: [one] }) => {
    if (one.customdata) choose(one.customdata, !one.customdata.every((place) => state.selected.has(place)));
  });
}
