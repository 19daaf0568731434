/* Keeps an open page up to date: the agent says that the ledger moved, and the page asks for itself again. */
(() => {
  "use strict";
  const EVERY_MS = 2000;
  let last = 0, timer = 0, wanted = false, line = null;
  const state = (name) => {
    const shown = document.getElementById("live");
    if (shown && shown.dataset.state !== name) { shown.dataset.state = name; shown.textContent = name; }
  };
  const refresh = async () => {
    timer = 0;
    if (!wanted || document.hidden) return;
    if (document.activeElement?.closest("form.filters")) { later(); return; } // somebody is choosing
    wanted = false;
    last = Date.now();
    try {
      await htmx.ajax("GET", location.pathname + location.search, { target: "#page", select: "#page", swap: "outerMorph" });
    } catch { /* the line below says that the agent is away */ }
  };
  const later = () => { timer ||= setTimeout(refresh, Math.max(50, last + EVERY_MS - Date.now())); };
  const listen = () => {
    line = new EventSource("/live");
    line.onopen = () => state("live");
    line.onerror = () => state(line.readyState === EventSource.CLOSED ? "away" : "reconnecting");
    line.addEventListener("moved", () => { wanted = true; later(); });
  };
  document.addEventListener("DOMContentLoaded", () => {
    if (!document.querySelector("#page[data-live]")) { state("not live"); return; }
    listen();
    document.addEventListener("visibilitychange", () => { if (!document.hidden && wanted) later(); });
    addEventListener("pagehide", () => line?.close());
    addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  });
})();
