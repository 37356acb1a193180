// Arms: runs with the same values of the grouping settings; and the mean and 95% interval over their seeds.

const T = [
  12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.306, 2.26216, 2.22814, 2.20099, 2.17881, 2.16037,
  2.14479, 2.13145, 2.11991, 2.10982, 2.10092, 2.09302, 2.08596,
]; // Student's t, 97.5%, by degrees of freedom from 1

const grouping = () => state.group ?? factors();
const visible = (place) => state.selection || !(content.selection ?? [])[place];

let every = {}; // all arms in their order, until the data or the grouping change

function everyArm() {
  const names = grouping(), word = names.join(" ");
  if (every.content === content && every.word === word) return every.arms;
  const found = new Map();
  for (const place of all()) {
    const values = names.map((name) => content.varied[name][place]);
    const key = JSON.stringify(values);
    if (!found.has(key)) found.set(key, { values, places: [] });
    found.get(key).places.push(place);
  }
  const rank = (name, value) => (value === "none" ? -1 : value === "" ? -2 : 0) || (numeric.has(name) ? Number(value) : value);
  const arms = [...found.values()].sort((a, b) => {
    for (const [at, name] of names.entries()) {
      const [one, other] = [a, b].map((arm) => rank(name, arm.values[at]));
      if (one !== other) return typeof one === typeof other ? (one < other ? -1 : 1) : typeof one === "number" ? -1 : 1;
    }
    return 0;
  });
  // what is measured, and when, is named only where nothing else tells arms apart
  const brief = arms.map(({ values }) => labelOf(names, values, (name) => !/^(probe|schedule)(\.|$)/.test(name)));
  arms.forEach((arm, at) => {
    const alone = brief.indexOf(brief[at]) === brief.lastIndexOf(brief[at]);
    Object.assign(arm, { at, label: alone ? brief[at] : labelOf(names, arm.values) });
  });
  every = { content, word, arms };
  return arms;
}

function armsOf(places) {
  // at: the arm's place among all arms, so that its color does not depend on what else is drawn
  const wanted = new Set(places);
  return everyArm().map((arm) => ({ ...arm, places: arm.places.filter((place) => wanted.has(place)) }))
    .filter(({ places }) => places.length);
}

function labelOf(names, values, has = () => true) {
  return names.map((name, at) => `${name}=${values[at]}`).filter((_, at) => has(names[at]) && values[at] !== "").join(" ") || "all runs";
}

function seedsOf(places) {
  return new Set(places.map((place) => content.varied.seed[place])).size;
}

function overSeeds(places, values, share) {
  // seeds are the only replicates: runs of one seed that differ in a setting are averaged first. values: beside places
  const seeds = new Map();
  places.forEach((place, at) => {
    if (values[at] === null || values[at] === undefined) return;
    const seed = content.varied.seed[place];
    seeds.set(seed, [...(seeds.get(seed) ?? []), values[at]]);
  });
  return interval([...seeds.values()].map((own) => own.reduce((sum, one) => sum + one, 0) / own.length), share);
}

const measured = (places, name) => overSeeds(places, places.map((place) => columns[name][place]), shares.has(name));

function interval(values, share) {
  // as bn_study/analysis/interval.py: a share's interval is Student's t on the logit scale, so it stays in [0, 1]
  const n = values.length, mean = values.reduce((sum, one) => sum + one, 0) / n;
  if (n < 2) return { n, mean: n ? mean : null, low: null, high: null };
  const deviation = Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (n - 1));
  const df = n - 1;
  const half = (T[df - 1] ?? 1.95996 + 2.3723 / df + 2.8225 / df ** 2) * (deviation / Math.sqrt(n));
  if (!share || !(mean > 0 && mean < 1) || !half) return { n, mean, low: mean - half, high: mean + half };
  const logit = Math.log(mean / (1 - mean)), width = half / (mean * (1 - mean));
  const back = (one) => 1 / (1 + Math.exp(-one));
  return { n, mean, low: back(logit - width), high: back(logit + width) };
}

function curveOf(arm, metric) {
  // the mean at each step that all runs recorded that got so far; a run that diverged ends early
  const own = arm.places.filter((place) => place in (content.curves[metric] ?? {}));
  const at = new Map();
  const ends = own.map((place) => content.steps[content.curves[metric][place][0]].at(-1));
  for (const place of own) {
    const [steps, values] = content.curves[metric][place];
    const smoothed = state.smoothing ? smooth(values, state.smoothing) : values;
    content.steps[steps].forEach((step, one) => {
      const there = at.get(step) ?? at.set(step, { places: [], values: [] }).get(step);
      there.places.push(place);
      there.values.push(smoothed[one]);
    });
  }
  const steps = [...at.keys()].sort((a, b) => a - b)
    .filter((step) => inLog(step) && at.get(step).places.length === ends.filter((end) => end >= step).length);
  return { own, steps, points: steps.map((step) => overSeeds(at.get(step).places, at.get(step).values, shares.has(metric))) };
}

const inLog = (step) => !state.logx || step > 0; // a logarithmic axis has no place for step 0

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

const MANY = 8; // arms in a plot when nothing is selected

function drawnArms(most = MANY, has = () => true) {
  // where rows are single runs, each is an arm of its own
  const own = [...state.selected].filter(visible).sort((a, b) => a - b);
  return own.length ? rowsOf(own) : tableRows().filter(has).slice(0, most);
}

function rowsOf(places) {
  return state.rows === "arms" ? armsOf(places) : places.map((place) => ({ label: content.ids[place], places: [place], at: place }));
}

function drawnNote(most = MANY, has = () => true, what = "in the table") {
  const count = tableRows().filter(has).length;
  return state.selected.size || count <= most
    ? "" : `Nothing is selected: the first ${most} of ${count} ${state.rows} ${what} are drawn.`;
}

function styles(arms) {
  // a color and a line style for each arm, by its place or its value among those of all arms
  const place = (arm, name) => (columns[name] ?? [])[arm.places[0]];
  const coded = (name) => [...new Set(columns[name] ?? [])].sort((a, b) => (a === "none") - (b === "none"));
  const colors = coded(state.color), dashes = coded(state.dash);
  return arms.map((arm) => ({
    color: COLORS[(state.color === "arm" ? arm.at : colors.indexOf(place(arm, state.color))) % COLORS.length],
    dash: DASHES[Math.max(0, dashes.indexOf(place(arm, state.dash))) % DASHES.length],
  }));
}
