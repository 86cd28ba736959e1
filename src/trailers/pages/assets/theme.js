// Light or dark: the reader's choice, otherwise that of the system. Loaded before anything is drawn.
(() => {
  "use strict";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => {
    try {
      return localStorage.getItem("trailers-theme");
    } catch {
      return null; // storage may be refused, for example in a private window
    }
  };
  let chosen = read();
  const isDark = () => (chosen ? chosen === "dark" : system.matches);
  const show = () => {
    root.dataset.theme = isDark() ? "dark" : "light";
    const button = document.getElementById("theme");
    if (button) button.textContent = isDark() ? "Light" : "Dark";
    document.dispatchEvent(new Event("themechange"));
  };
  const toggle = () => {
    chosen = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("trailers-theme", chosen);
    } catch {
      // the choice then holds for this page only
    }
    show();
  };
  show();
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme").addEventListener("click", toggle);
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.closest("input, select, textarea");
    if (event.key === "t" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) toggle();
  });
})();
