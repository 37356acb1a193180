// Distributions of the arms that are drawn: histograms at a step, and quantiles over training. One seed an arm is kept.

function sites() {
  return [...new Set([...content.histograms.flatMap((one) => Object.keys(one.sites)), ...Object.keys(content.quantiles ?? {})])];
}

const quantilesOf = () => (content.quantiles ?? {})[state.site] ?? {};

function drawDistributions() {
  const has = ({ places }) => places.some((place) => place in quantilesOf() || content.histograms.some((one) => one.run === place));
  const arms = drawnArms(MANY, has), looks = styles(arms);
  const kept = arms.map((arm, at) => {
    const found = content.histograms.find((one) => arm.places.includes(one.run) && state.site in one.sites);
    return { arm, look: looks[at], own: found?.sites[state.site] };
  }).filter(({ own }) => own);
  const steps = [...new Set(kept.flatMap(({ own }) => own.steps))].sort((a, b) => a - b);
  byId("site").closest("label").hidden = !sites().length;
  byId("step").closest("label").hidden = steps.length < 2;
  byId("step").max = Math.max(steps.length - 1, 0);
  byId("step").value = Math.min(state.step, steps.length - 1);
  const step = steps[Math.min(state.step, steps.length - 1)];
  byId("at").textContent = step === undefined ? "" : `after ${step.toLocaleString("en")} steps`;
  const traces = kept.flatMap(({ arm, look, own: { steps: own, counts, edges } }) => {
    const place = own.indexOf(step);
    if (place < 0) return [];
    const total = counts[place].reduce((sum, one) => sum + one, 0) || 1;
    const x = edges[place], y = counts[place].map((one, bin) => one / total / (x[bin + 1] - x[bin] || 1));
    return [{
      x, y: [...y, y[y.length - 1]], name: arm.label, type: "scatter", mode: "lines", fill: "tozeroy",
      line: { shape: "hv", color: look.color, dash: look.dash },
    }];
  });
  const across = robust(traces.map(({ name, x }) => ({ label: name, values: x })));
  const up = robust(traces.map(({ name, y }) => ({ label: name, values: y })));
  const quantiles = drawQuantiles(arms, looks);
  const none = `No distributions of these runs are on this machine; ${content.command} 'probe=[curves,activations]' records them.`;
  const missing = kept.length || quantiles.some ? "" : "No distribution of the selected runs was kept; select the first seed of an arm.";
  byId("distributions-note").textContent = sites().length
    ? [drawnNote(MANY, has, "with distributions"), missing, across.beyond, up.beyond, quantiles.beyond, "One seed of each arm is shown."].filter(Boolean).join(" ") : none;
  const { axis, base } = theme();
  const limit = ({ range }) => (range ? { range } : { autorange: true });
  draw("distributions-chart", traces, {
    ...base, showlegend: true, xaxis: { ...axis, title: { text: plain(state.site) }, ...limit(across) },
    yaxis: { ...axis, title: { text: "density" }, ...limit(up) },
  });
}

function drawQuantiles(arms, looks) {
  const found = quantilesOf();
  const groups = [];
  const traces = arms.flatMap((arm, at) => {
    const place = arm.places.find((one) => one in found);
    if (place === undefined) return [];
    const { color, dash } = looks[at], { steps: recorded, ...values } = found[place];
    const [steps, low, middle, high] = [recorded, values.low, values.middle, values.high]
      .map((one) => one.filter((_, index) => inLog(recorded[index])));
    groups.push({ label: arm.label, values: [...low, ...middle, ...high] });
    const line = { x: steps, type: "scatter", mode: "lines", legendgroup: arm.label };
    const edge = { ...line, name: "", showlegend: false, hoverinfo: "skip", line: { width: 0, color } };
    return [
      { ...edge, y: low }, { ...edge, y: high, fill: "tonexty", fillcolor: `${color}26` },
      { ...line, y: middle, name: arm.label, line: { color, dash } },
    ];
  });
  const { axis, base } = theme();
  const { range, beyond } = robust(groups);
  byId("quantiles-title").hidden = !traces.length;
  draw("quantiles-chart", traces, {
    ...base, showlegend: true, xaxis: { ...axis, title: { text: "training steps" }, type: state.logx ? "log" : "linear" },
    yaxis: { ...axis, title: { text: plain(state.site) }, ...(range ? { range } : { autorange: true }) },
  });
  return { some: traces.length > 0, beyond };
}
