// Comfort only: every page works without it. It reads the page it stands on, stores one switch, and asks no network for anything.
"use strict";
(() => {
  const typing = (element) => /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName) && element.type !== "checkbox";
  const KEYS = { ArrowLeft: "prev", ArrowRight: "next", k: "prev", j: "next" };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const step = KEYS[event.key];
    if (step) document.querySelector(`a[rel=${step}]`)?.click();
    if (event.key === "/") {
      const input = document.getElementById("ask");
      if (input) { event.preventDefault(); input.focus(); input.select(); }
    }
  });

  // Whoever hides the masks on one unit wants them hidden on the next.
  for (const name of ["hide", "hide-formula"]) {
    const box = document.getElementById(name);
    if (!box) continue;
    try { box.checked = sessionStorage.getItem(name) === "1"; } catch { /* a browser without storage shows them */ }
    box.addEventListener("change", () => { try { sessionStorage.setItem(name, box.checked ? "1" : ""); } catch { /* the same */ } });
  }

  // On a phone the filters would stand before the results.
  const drawer = document.querySelector(".drawer");
  if (drawer && window.matchMedia("(max-width: 760px)").matches) drawer.open = false;

  // A changed choice is applied at once; without this script the button does it.
  for (const choice of document.querySelectorAll(".filters:not(.plain) select")) choice.addEventListener("change", () => choice.form.submit());

  // Empty fields would only make the address long.
  for (const form of document.querySelectorAll(".filters")) {
    form.addEventListener("formdata", (event) => {
      for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
    });
  }
})();
