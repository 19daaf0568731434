/* Light or dark: as the system says, or as was chosen here. Runs before anything is drawn. */
(() => {
  "use strict";
  const KEY = "bursar-theme";
  const root = document.documentElement;
  const chosen = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const theme = chosen();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  // Heard here and not at the button: a step back brings another one.
  document.addEventListener("click", ({ target }) => {
    if (!target.closest?.("#theme")) return;
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem(KEY, root.dataset.theme); } catch { /* kept for this page only */ }
    document.dispatchEvent(new CustomEvent("bursar:theme"));
  });
})();
