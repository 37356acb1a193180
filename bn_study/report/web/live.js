"use strict";
// A served page: asks how far the sweep is, and hands new runs to the page, which draws them without a reload.
(() => {
  const SECONDS = 3; // between two questions
  const strip = document.getElementById("live");
  const words = document.getElementById("live-words");
  let version = strip.dataset.version;

  async function ask(name) {
    const answer = await fetch(name, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return answer.json();
  }

  function show(status) {
    if (words.textContent !== status.words) words.textContent = status.words; // screen readers say only what is new
    const lines = status.workers.map((one) => `${one.host} ${one.pid}: ${one.run}, step ${one.step} of ${one.steps}`);
    lines.push(...status.price.map(([name, text]) => `${name} ${text}`.trim()));
    document.getElementById("live-more").replaceChildren(...(lines.length ? lines : ["none"]).map((text) =>
      Object.assign(document.createElement("li"), { textContent: text })));
  }

  async function look() {
    try {
      const status = await ask("status.json");
      show(status);
      if (status.version !== version) {
        if (!window.bnStudy?.update) return location.reload();
        window.bnStudy.update(await ask("data.json"));
        version = status.version;
        document.getElementById("live-older").hidden = false;
      }
    } catch {
      words.textContent = "The server does not answer: was bn-study report --serve ended?";
    }
    setTimeout(look, 1000 * SECONDS);
  }

  look();
})();
