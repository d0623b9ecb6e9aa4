// Runs before the first paint, so that a chosen theme does not flash.
"use strict";
(() => {
  try {
    const chosen = localStorage.getItem("echelon-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Without storage the page follows the system.
  }
})();
