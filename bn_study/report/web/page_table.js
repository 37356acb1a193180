// The table of arms or of runs: filters, order, choice of columns, selection.
// Own code rather than DataTables, which was weighed: its bundle adds 0.7 MB to each page, takes names of runs for HTML
// unless every cell, title and list is told otherwise, moves columns by dragging only, and keeps its state in the
// browser and not in the address. What would be left to write is as long as this file.

const ROWS = 50; // rows per page of the table
let marks = []; // for each row in view, what shows whether it is selected

function kept() {
  const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
  return all().filter((place) => {
    if (!visible(place)) return false;
    for (const [name, wanted] of Object.entries(state.filters))
      if (wanted !== "" && shown(columns[name][place]) !== wanted) return false;
    if (!words.length) return true;
    const text = Object.entries(columns).map(([name, values]) => `${name}=${values[place]}`).join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function tableRows() {
  const found = rowsOf(kept());
  if (!state.sort || (!(state.sort in columns) && !["arm", "seeds"].includes(state.sort))) return found;
  const keys = new Map(found.map((row) => [row, cell(row, state.sort).value]));
  const sign = state.descending ? -1 : 1;
  return found.sort((a, b) => {
    const [one, other] = [keys.get(a), keys.get(b)];
    const [lacks, misses] = [one, other].map((value) => value === null || value === "");
    if (lacks || misses) return lacks - misses;
    return sign * (typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other)));
  });
}

function cell(row, name) {
  // what a column has for an arm or run: a value to sort by, and a text
  if (name === "arm") return text(row.label);
  if (name === "seeds") {
    const seeds = seedsOf(row.places);
    return { value: seeds, text: row.places.length > seeds ? `${seeds} (${row.places.length} runs)` : String(seeds) };
  }
  const values = row.places.map((place) => columns[name][place]);
  if (name in content.results && values.length > 1) {
    const { mean, low, high } = measured(row.places, name);
    if (mean === null) return { value: null, text: "–" };
    const known = values.filter((one) => one !== null).length;
    const some = known < values.length ? ` (${known} of ${values.length})` : "";
    return { value: mean, text: short(mean) + (low === null ? "" : ` [${short(low)}, ${short(high)}]`) + some };
  }
  const different = [...new Set(values)];
  if (different.length > 1) {
    const counted = different.map((one) => `${values.filter((value) => value === one).length} ${shown(one)}`);
    return text(name === "status" ? counted.join(", ") : different.length < 5 ? different.map(shown).join(", ") : `${different.length} values`);
  }
  const value = numeric.has(name) && different[0] !== "" && different[0] !== null ? Number(different[0]) : different[0];
  return { value, text: shown(different[0]) };
}

const text = (value) => ({ value, text: value });

function columnNames() {
  return state.rows === "runs" ? Object.keys(columns) : ["arm", "seeds", ...Object.keys(columns).filter((one) => one !== "run" && one !== "seed")];
}

function shownColumns() {
  const known = columnNames();
  if (state.columns) return state.columns.filter((one) => known.includes(one));
  if (state.rows === "runs") return known;
  return [...(grouping().length ? grouping() : ["arm"]), "seeds", "status", ...Object.keys(content.results)];
}

function changed(news) {
  Object.assign(state, news);
  redraw();
}

function choose(places, wanted) {
  for (const place of places) {
    if (wanted) state.selected.add(place);
    else state.selected.delete(place);
  }
  for (const mark of marks) mark();
  drawCount();
  drawSelected();
}

function drawFilters() {
  const words = element("input", undefined, { type: "search", id: "words", placeholder: "norm=batch seed=0", value: state.words });
  let typing;
  words.addEventListener("input", () => {
    Object.assign(state, { words: words.value, page: 0 });
    drawTable();
    clearTimeout(typing);
    typing = setTimeout(drawSelected, 200); // plots wait until the word is written
  });
  const label = element("label", "text ");
  label.append(words);
  byId("filters").replaceChildren(label);
  for (const [name, values] of Object.entries({ status: columns.status, ...content.varied })) {
    const choices = ordered(values, name);
    if (choices.length < 2 || choices.length > 40) continue;
    const select = element("select");
    select.dataset.filter = name;
    fill(select, [["", "all"], ...choices.map(shown)], state.filters[name] ?? "");
    select.addEventListener("change", () => changed({ filters: { ...state.filters, [name]: select.value }, page: 0 }));
    const one = element("label", `${name} `);
    one.append(select);
    byId("filters").append(one);
  }
}

function drawGrouping() {
  const own = grouping();
  const boxes = factors().map((name) => {
    const box = element("input", undefined, { type: "checkbox", checked: own.includes(name) });
    box.dataset.group = name;
    box.addEventListener("change", () => {
      const group = factors().filter((one) => (one === name ? box.checked : own.includes(one)));
      changed({ group: group.length === factors().length ? null : group, page: 0, sort: "" });
    });
    const label = element("label");
    label.append(box, ` ${name}`);
    return label;
  });
  byId("group").replaceChildren(...boxes);
}

function drawColumns() {
  const own = shownColumns();
  const items = [...own, ...columnNames().filter((name) => !own.includes(name))].map((name) => {
    const at = own.indexOf(name), item = element("li"), label = element("label");
    const box = element("input", undefined, { type: "checkbox", checked: at >= 0 });
    box.dataset.column = name;
    const set = (names) => {
      state.columns = names;
      keepColumns();
      changed({});
    };
    box.addEventListener("change", () => set(box.checked ? [...own, name] : own.filter((one) => one !== name)));
    label.append(box, ` ${name}`);
    item.append(label);
    const moved = (by) => own.map((one, place) => (place === at ? own[at + by] : place === at + by ? name : one));
    for (const [by, sign, way] of [[-1, "↑", "earlier"], [1, "↓", "later"]])
      if (at >= 0 && at + by >= 0 && at + by < own.length) {
        const move = button(sign, () => set(moved(by)), { ariaLabel: `move ${name} ${way}` });
        move.dataset.focus = `${way} ${name}`;
        item.append(" ", move);
      }
    return item;
  });
  byId("columns").replaceChildren(...items);
}

function drawTable() {
  const names = shownColumns(), head = element("tr"), rows = tableRows();
  head.append(element("td"));
  for (const name of names) {
    const mark = state.sort === name ? (state.descending ? " ▾" : " ▴") : "";
    const sort = button(name + mark, () =>
      changed({ sort: name, descending: state.sort === name && !state.descending, page: 0 }));
    sort.dataset.sort = sort.dataset.focus = name;
    const title = element("th", undefined, { scope: "col" });
    if (mark) title.ariaSort = state.descending ? "descending" : "ascending";
    title.append(sort);
    head.append(title);
  }
  const pages = Math.max(1, Math.ceil(rows.length / ROWS));
  state.page = Math.max(0, Math.min(state.page, pages - 1));
  const visible = rows.slice(state.page * ROWS, (state.page + 1) * ROWS);
  marks = [];
  keepFocus(() => {
    document.querySelector("#table thead").replaceChildren(head);
    document.querySelector("#table tbody").replaceChildren(...visible.map((row) => drawRow(row, names)));
    drawPager(pages);
  });
  drawCount(rows);
}

function drawCount(rows = tableRows()) {
  const places = rows.flatMap((row) => row.places);
  const hidden = (content.selection ?? []).filter(Boolean).length;
  byId("count").textContent =
    `${state.rows === "arms" ? `${rows.length} arms, ` : ""}${places.length} of ${content.ids.length} runs, ` +
    `${state.selected.size} selected${hidden && !state.selection ? `; ${hidden} selection runs are hidden` : ""}`;
  byId("select-all").textContent = `select these ${places.length} runs`;
  byId("select-all").onclick = () => choose(places, true);
}

function keepFocus(redraw) {
  const own = document.activeElement?.dataset?.focus;
  redraw();
  if (own) document.querySelector(`[data-focus="${CSS.escape(own)}"]`)?.focus();
}

function drawPager(pages) {
  byId("pager").replaceChildren();
  if (pages < 2) return;
  const go = (by) => () => changed({ page: state.page + by });
  const back = button("‹ previous", go(-1), { id: "before", disabled: state.page === 0 });
  const next = button("next ›", go(1), { id: "next", disabled: state.page === pages - 1 });
  back.dataset.focus = "before";
  next.dataset.focus = "next";
  byId("pager").append(back, ` page ${state.page + 1} of ${pages} `, next);
}

function drawRow(row, names) {
  const made = element("tr"), box = element("input", undefined, { type: "checkbox" });
  const count = () => row.places.filter((place) => state.selected.has(place)).length;
  const mark = () => {
    box.checked = count() === row.places.length;
    box.indeterminate = count() > 0 && !box.checked;
    made.className = count() ? "selected" : "";
  };
  marks.push(mark);
  mark();
  box.setAttribute("aria-label", `select ${row.label}`);
  box.dataset.focus = row.label;
  const first = element("td");
  first.append(box);
  made.append(first, ...names.map((name) => element("td", cell(row, name).text)));
  made.addEventListener("click", ({ target }) => {
    if (target === box || !getSelection().toString()) choose(row.places, count() < row.places.length);
  });
  return made;
}

function saveTable() {
  const names = shownColumns();
  const split = (name) => name in content.results && state.rows === "arms";
  const head = names.flatMap((name) => (split(name) ? [name, `${name} low`, `${name} high`, `${name} seeds`] : [name]));
  const rows = tableRows().map((row) => names.flatMap((name) => {
    if (!split(name)) return [cell(row, name).value];
    const { mean, low, high, n } = measured(row.places, name);
    return [mean, low, high, n];
  }));
  save("table.csv", csv([head, ...rows]));
}
