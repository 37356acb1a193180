// How two runs differ, and the way from a verdict to its arms and back.

function drawDifference() {
  const [one, other] = [...state.selected].filter(visible).slice(-2);
  const two = other !== undefined;
  byId("difference-note").textContent = two ? "" : "Select two runs in the table above to see how they differ.";
  const head = document.querySelector("#difference-table thead");
  const body = document.querySelector("#difference-table tbody");
  head.replaceChildren();
  body.replaceChildren();
  if (!two) return;
  const titles = element("tr");
  titles.append(element("td"), ...[content.ids[one], content.ids[other]].map((text) => element("th", text, { scope: "col" })));
  head.append(titles);
  const groups = [content.varied, content.following, content.provenance, content.results];
  const rows = groups.flatMap(Object.entries).map(([name, values]) => [name, values[one], values[other]]);
  if (state.equal) rows.push(...Object.entries(content.same).map(([name, value]) => [name, value, value]));
  for (const [name, a, b] of rows) {
    if (a === b && !state.equal) continue;
    const row = element("tr");
    row.append(element("td", name), ...[a, b].map((text) =>
      element("td", shown(text), { className: a === b ? "" : "differs" })));
    body.append(row);
  }
}

function drawClaims() {
  // the verdicts that rest on the selected runs
  const own = (content.claims ?? []).filter(({ runs }) => runs.some((place) => state.selected.has(place)));
  const list = own.map(({ name, outcome }) => button(`${name}: ${outcome}`, () => openClaim(name)));
  const none = state.selected.size ? "No verdict rests on the selected runs." : "";
  byId("claims").replaceChildren(...(own.length ? ["Verdicts that rest on the selected runs: ", ...list] : [none]));
}

function openClaim(name) {
  const found = [...document.querySelectorAll("details[data-claim]")].find((one) => one.dataset.claim === name);
  found.open = true;
  found.scrollIntoView({ block: "start" });
  found.querySelector("summary").focus();
}

function showClaim(name) {
  // select a verdict's runs
  const found = (content.claims ?? []).find((one) => one.name === name);
  if (found) changed({ selected: new Set(found.runs), filters: {}, words: "", page: 0 });
  byId("runs").scrollIntoView({ block: "start" });
  byId("runs-title").focus();
}
