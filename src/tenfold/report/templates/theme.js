"use strict";
(() => {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const remember = (value) => {
    try { return value ? localStorage.setItem("tenfold-theme", value) : localStorage.getItem("tenfold-theme"); }
    catch { return null; } // storage may be off for local files
  };
  const stored = remember();
  if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  button.hidden = false;
  button.addEventListener("click", () => {
    const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    remember(root.dataset.theme);
  });
})();
