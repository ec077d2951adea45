"use strict";
// Moves the page with the sliders, and makes it anew when something is recorded. Without it, each
// form and link asks for a page as usual.
(() => {
  const RETRY = 1500; // milliseconds until a page that is being made is asked for again
  const BEHIND = 3000; // milliseconds until it is looked whether an outdated page was made anew
  const PAUSE = 1000; // milliseconds between two refreshes at least
  let asked = 0; // the number of the newest request: answers to older ones are dropped
  let waits = null;

  const bar = () => document.querySelector(".bar");

  async function show(url, { keep = false } = {}) {
    const own = ++asked;
    clearTimeout(waits);
    const main = document.querySelector("main");
    main.setAttribute("aria-busy", "true");
    let answer, text;
    try {
      answer = await fetch(url, { credentials: "same-origin" });
      text = await answer.text();
    } catch {
      if (own === asked) say("The server does not answer. What is shown is as it was.");
      main.removeAttribute("aria-busy");
      return;
    }
    if (own !== asked) return;
    main.removeAttribute("aria-busy");
    if (answer.status === 202) {
      say("This page is being made.");
      waits = setTimeout(() => show(answer.url, { keep }), RETRY);
      return;
    }
    if (!answer.ok) {
      if (keep) say("The page could not be made anew. What is shown is as it was.");
      else location.assign(answer.url);
      return;
    }
    history.replaceState(null, "", answer.url);
    replace(new DOMParser().parseFromString(text, "text/html"));
  }

  function replace(page) {
    const open = [...document.querySelectorAll("main details")].map((each) => each.open);
    const focus = document.activeElement && document.activeElement.id;
    document.title = page.title;
    for (const part of ["header.top", "main", "footer"]) {
      const now = document.querySelector(part), next = page.querySelector(part);
      if (now && next) now.replaceWith(document.adoptNode(next));
    }
    const now = bar(), next = page.querySelector(".bar");
    if (now && next) {
      for (const name of ["position", "own", "live"]) now.dataset[name] = next.dataset[name];
      for (const part of [".news", ".compare", "details"]) {
        const old = now.querySelector(part), made = next.querySelector(part);
        if (old.contains(document.activeElement)) continue; // somebody is at it
        old.replaceChildren(...[...made.childNodes].map((each) => document.adoptNode(each)));
      }
      for (const range of now.querySelectorAll("input[type=range]")) {
        const other = next.querySelector(`#${range.id}`);
        if (range === document.activeElement) continue; // somebody is moving it
        for (const name of ["min", "max", "step", "value"]) range[name] = other[name];
        told(range).value = next.querySelector(`#${range.id}-told`).value;
      }
    }
    document.querySelectorAll("main details").forEach((each, i) => { each.open = open[i] || false; });
    if (next?.dataset.live === "yes" && next.dataset.own !== next.dataset.position) {
      waits = setTimeout(refresh, BEHIND); // an older page was given while a new one is made
    }
    if (focus && document.activeElement.id !== focus) document.getElementById(focus)?.focus();
  }

  const told = (range) => document.getElementById(`${range.id}-told`);
  const say = (text) => bar()?.querySelector(".news").replaceChildren(text);

  function address(form) {
    const query = new URLSearchParams(new FormData(form));
    return `${form.getAttribute("action")}?${query}`;
  }

  let soon = null;
  document.addEventListener("input", (event) => {
    const range = event.target;
    if (range.type !== "range") return;
    const at = new Date(range.value * 3600000);
    told(range).value = range.value === range.max ? "now" : at.toISOString().slice(0, 16).replace("T", " ") + " UTC";
    if (range.form.dataset.moves !== "always") return;
    clearTimeout(soon);
    soon = setTimeout(() => show(address(range.form)), 80);
  });
  document.addEventListener("change", (event) => {
    const range = event.target;
    if (range.type !== "range" || range.form.dataset.moves === "always") return;
    show(address(range.form));
  });

  let last = 0, later = null;
  function refresh() {
    if (bar()?.dataset.live !== "yes") return;
    clearTimeout(later);
    later = setTimeout(() => {
      last = Date.now();
      show(location.href.replace(/#.*/, ""), { keep: true });
    }, Math.max(0, last + PAUSE - Date.now()));
  }

  if (bar()) {
    const source = new EventSource("/live");
    source.onmessage = (event) => {
      if (bar() && event.data !== bar().dataset.own) refresh();
    };
    addEventListener("pagehide", () => source.close());
  }
})();
