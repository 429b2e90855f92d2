// Comfort only: every page works without it. It reads one list of units, writes text as text, and asks no network for anything.
"use strict";
(() => {
  const source = document.body.dataset.units;
  if (!source) return;
  const folder = source.slice(0, source.lastIndexOf("/") + 1);
  let list = null;

  function load() {
    list ??= new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => done(window.dissectUnits);
      script.onerror = fail;
      document.head.append(script);
    });
    return list;
  }

  for (const link of document.querySelectorAll("[data-random]")) {
    link.hidden = false;
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const units = await load();
      location.href = `${folder}unit-${units[Math.floor(Math.random() * units.length)][0]}.html`;
    });
  }

  for (const place of document.querySelectorAll("[data-find]")) {
    place.hidden = false;
    const input = document.createElement("input");
    input.type = "search";
    input.placeholder = "find a label or unit ( / )";
    input.setAttribute("aria-label", "Find a unit of this layer by label, category, state or number");
    const found = document.createElement("ul");
    found.className = "found";
    found.hidden = true;
    found.setAttribute("aria-live", "polite");
    place.append(input, found);
    const show = async () => {
      const words = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      const address = words.length ? "#find=" + encodeURIComponent(input.value.trim()) : location.pathname.split("/").pop();
      history.replaceState(null, "", address);
      if (!words.length) { found.hidden = true; return; }
      const units = await load();
      const hits = units.filter((unit) => words.every((word) => unit.slice(0, 4).join(" ").toLowerCase().includes(word)));
      found.replaceChildren(...hits.slice(0, 100).map(row));
      const note = document.createElement("li");
      note.className = "soft";
      note.textContent = hits.length > 100 ? `${hits.length} units, the first 100 shown` : `${hits.length} units`;
      found.prepend(note);
      found.hidden = false;
    };
    input.addEventListener("input", show);
    input.addEventListener("keydown", (event) => { if (event.key === "Escape") { input.value = ""; show(); } });
    const asked = /^#find=(.*)$/.exec(location.hash);
    if (asked) { try { input.value = decodeURIComponent(asked[1]); show(); } catch { /* a damaged address finds nothing */ } }
  }

  function row([index, label, category, state, score]) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${folder}unit-${index}.html`;
    link.textContent = `unit ${index}`;
    const words = document.createElement("bdi");
    words.textContent = label || state;
    item.append(link, " ", words, category ? ` (${category})` : "", score === "" ? "" : ` ${score}`);
    return item;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const step = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (step) document.querySelector(`a[rel=${step}]`)?.click();
    if (event.key === "/") {
      const input = document.querySelector("[data-find] input");
      if (input) { event.preventDefault(); input.focus(); }
    }
  });
})();
