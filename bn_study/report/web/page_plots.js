// What all plots share: their look, names as text, and axes that survive an exploding arm.

const OPTIONS = { responsive: true, displaylogo: false, showSendToCloud: false }; // nothing leaves the page
const TIMES = 20; // an arm that reaches so many times further than the middle one is beyond the axis

const narrow = matchMedia("(max-width: 40rem)"); // a phone

function theme() {
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = ["--ink", "--line"].map((one) => style.getPropertyValue(one).trim());
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true };
  const base = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12 } };
  const modebar = { bgcolor: "rgba(0,0,0,0)", color: line, activecolor: ink };
  const legend = { orientation: "h", yref: "container", yanchor: "bottom", y: 0, itemwidth: 30, ...(narrow.matches ? { xref: "container", x: 0, maxheight: 2000 } : {}) };
  return { axis, base: { ...base, modebar, legend, margin: { l: 55, r: 10, t: 30, b: 45 }, height: 440 } };
}

// Plotly interprets some HTML in names; names of runs must stay text
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

// a phone's legend has room for so much in a line
const LINE = 38;

function wrapped(text) {
  const lines = [""];
  for (const word of String(text).split(" ").flatMap((one) => one.match(new RegExp(`.{1,${LINE}}`, "gsu")) ?? [one])) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= LINE) lines.push(word);
    else lines.push([lines.pop(), word].filter(Boolean).join(" "));
  }
  return lines.map(plain).join("<br>");
}

// an axis has room for so much of a measure's name; the lists above the plots have it whole
const title = (text) => ({ text: plain(text.length > 42 ? `${text.slice(0, 41)}…` : text) });

function draw(id, traces, layout) {
  byId(id).hidden = !traces.length;
  if (!traces.length) return Plotly.purge(id);
  const named = traces.map((one) => ({ ...one, name: narrow.matches ? wrapped(one.name) : plain(one.name) }));
  if (narrow.matches && layout.showlegend) // a phone's legend has a row for each arm
    layout.height += named.filter((one) => one.name && one.showlegend !== false)
      .reduce((sum, { name }) => sum + 12 + 16 * name.split("<br>").length, -60);
  byId(id).style.height = `${layout.height}px`; // Plotly fits the chart into it when the window's size changes
  Plotly.react(id, named, layout, OPTIONS);
}

function robust(groups) {
  // groups: {label, values} each. The middle group's 5 to 95% range decides how far the axis may reach
  const own = groups.map(({ label, values }) => ({
    label, values: values.filter((one) => typeof one === "number").sort((a, b) => a - b),
  })).filter(({ values }) => values.length);
  if (own.length < 2 || !state.cut) return { beyond: "" };
  const at = (values, share) => values[Math.round(share * (values.length - 1))];
  const highs = own.map(({ values }) => at(values, 0.95)).sort((a, b) => a - b);
  const lows = own.map(({ values }) => at(values, 0.05)).sort((a, b) => a - b);
  const high = at(highs, (Math.ceil(own.length / 2) - 1) / (own.length - 1));
  const low = at(lows, Math.floor(own.length / 2) / (own.length - 1));
  const reach = TIMES * (Math.max(0, high - low) || Math.abs(high) || 1);
  const within = own.flatMap(({ values }) => values.filter((one) => one <= high + reach && one >= low - reach));
  const beyond = own.filter(({ values }) => values.at(-1) > high + reach || values[0] < low - reach);
  if (!beyond.length) return { beyond: "" };
  const [least, most] = within.reduce(([a, b], one) => [Math.min(a, one), Math.max(b, one)], [Infinity, -Infinity]);
  const margin = 0.05 * (most - least || 1);
  const named = beyond.slice(0, 3).map(({ label, values }) => {
    const far = values.at(-1) > high + reach ? values.at(-1) : values[0];
    return `${label} (as far as ${short(far)})`;
  });
  const more = beyond.length > 3 ? ` and ${beyond.length - 3} more` : "";
  return { range: [least - margin, most + margin], beyond: `Beyond the axis: ${named.join(", ")}${more}.` };
}
