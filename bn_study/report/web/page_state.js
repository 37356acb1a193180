// What the reader has chosen. It is in the page's address, so that a view can be sent and a reload restores it; the
// choice of columns is kept in the browser as well.

const START = {
  rows: "arms", group: null, words: "", filters: {}, selection: false, sort: "", descending: false, page: 0,
  columns: null, metric: "test/accuracy", smoothing: 0, logx: false, logy: false, seeds: false, cut: true,
  color: "arm", dash: "norm", facet: "", site: "", step: 0, x: "", y: "", axes: null, equal: false,
};
const state = { ...structuredClone(START), selected: new Set() };

function encoded() {
  const found = new URLSearchParams();
  for (const [name, start] of Object.entries(START)) {
    const text = JSON.stringify(state[name]);
    if (text !== JSON.stringify(start)) found.set(name, typeof start === "string" ? state[name] : text);
  }
  const [arms, runs] = chosen();
  if (arms.length) found.set("arms", JSON.stringify(arms));
  if (runs.length) found.set("runs", JSON.stringify(runs));
  return found.toString();
}

function chosen() {
  // the selection as labels of arms, and as runs where only some of an arm are selected
  const arms = [], runs = [];
  for (const arm of armsOf(all().filter(visible))) {
    const own = arm.places.filter((place) => state.selected.has(place));
    if (own.length === arm.places.length) arms.push(arm.label);
    else runs.push(...own.map((place) => content.ids[place]));
  }
  return [arms, runs];
}

function decode(text) {
  Object.assign(state, structuredClone(START), { selected: new Set() });
  const given = new URLSearchParams(text);
  for (const [name, start] of Object.entries(START))
    if (given.has(name)) state[name] = typeof start === "string" ? given.get(name) : parsed(given.get(name), start);
  const names = (list, known) => (Array.isArray(list) ? list.filter((one) => known.includes(one)) : null);
  state.group = names(state.group, factors());
  state.axes = names(state.axes, Object.keys(columns));
  if (!["arms", "runs"].includes(state.rows)) state.rows = "arms";
  if (!Array.isArray(state.columns)) state.columns = remembered();
  if (typeof state.filters !== "object" || Array.isArray(state.filters)) state.filters = {};
  state.filters = Object.fromEntries(Object.entries(state.filters).filter(([name]) => name in columns));
  const arms = new Set(parsed(given.get("arms"), [])), runs = new Set(parsed(given.get("runs"), []));
  for (const arm of armsOf(all().filter(visible)))
    for (const place of arm.places)
      if (arms.has(arm.label) || runs.has(content.ids[place])) state.selected.add(place);
}

function parsed(text, otherwise) {
  try {
    const found = JSON.parse(text);
    const same = otherwise === null || (typeof found === typeof otherwise && found !== null);
    return same && Array.isArray(found) >= Array.isArray(otherwise) ? found : otherwise;
  } catch {
    return otherwise;
  }
}

let waiting;
function remember() {
  // a browser allows some 200 changes of the address in 30 s, and a slider makes more
  clearTimeout(waiting);
  waiting = setTimeout(() => history.replaceState(null, "", `#${encoded()}`), 150);
}

const key = () => `bn_study ${location.pathname} ${document.title} ${state.rows}`;

function remembered() {
  try {
    const found = JSON.parse(localStorage.getItem(key()));
    return Array.isArray(found) ? found : null;
  } catch {
    return null; // a browser may forbid it
  }
}

function keepColumns() {
  try {
    if (state.columns === null) localStorage.removeItem(key());
    else localStorage.setItem(key(), JSON.stringify(state.columns));
  } catch {
    // the address has them
  }
}
