/* Keeps an open page up to date: the agent says that the ledger moved, and the page asks for itself again. A page that
   nobody sees does nothing, and holds no connection: browsers have only six of them for one agent. */
(() => {
  "use strict";
  const EVERY_MS = 2000; // at most so often, however much is told
  const AGES_MS = 60000; // and at least so often: "the last hour" goes on by itself
  const AGAIN_MS = 10000; // after which a line is tried again that was turned away
  let last = Date.now(), timer = 0, wanted = false, asking = false, missed = false, failed = false, line = null, retry = 0;
  let said = "";
  const state = (name) => {
    const shown = document.getElementById("live");
    said = name;
    if (shown && shown.dataset.state !== name) { shown.dataset.state = name; shown.textContent = name; }
  };
  const choosing = () => document.activeElement?.closest("form.filters");
  const later = () => {
    if (timer || asking || document.hidden) return;
    timer = setTimeout(refresh, wanted ? Math.max(50, last + EVERY_MS - Date.now()) : Math.max(50, last + AGES_MS - Date.now()));
  };
  const soon = () => { wanted = true; clearTimeout(timer); timer = 0; later(); };
  const refresh = async () => {
    timer = 0;
    if (document.hidden) return;
    if (choosing()) { wanted = true; return; } // until the filters are left
    wanted = failed = false;
    asking = true;
    try {
      await htmx.ajax("GET", location.pathname + location.search, { target: "#page", select: "#page", swap: "outerMorph" });
    } catch { /* the line says that the agent is away */ }
    last = Date.now();
    asking = false;
    if (failed) { wanted = true; state("behind"); } else if (line?.readyState === EventSource.OPEN) state("live");
    later();
  };
  const listen = () => {
    line?.close();
    clearTimeout(retry);
    if (!said) state("connecting");
    line = new EventSource("/live");
    line.onopen = () => { state("live"); if (missed) { missed = false; soon(); } };
    line.onerror = () => {
      missed = true;
      state("reconnecting");
      if (line?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      retry = setTimeout(listen, AGAIN_MS);
      soon(); // who has no session any more is led to the door by this
    };
    line.addEventListener("moved", soon);
  };
  const rest = () => { line?.close(); line = null; clearTimeout(retry); clearTimeout(timer); timer = 0; state("paused"); };
  const wake = () => { if (line) return; listen(); soon(); };
  document.addEventListener("DOMContentLoaded", () => {
    if (!document.querySelector("#page[data-live]")) { state("not live"); return; }
    if (document.hidden) rest(); else { listen(); later(); }
    document.addEventListener("htmx:after:swap", () => state(said)); // a step back brings another header with it
    document.addEventListener("htmx:response:error", () => { failed = true; });
    document.addEventListener("visibilitychange", () => { if (document.hidden) rest(); else wake(); });
    document.addEventListener("focusout", () => { if (wanted) setTimeout(later, 0); });
    addEventListener("pagehide", rest);
    addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
  });
})();
