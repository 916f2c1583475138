// One set of keys for every page; `?` lists them.
import { openDialog } from "./dialogs.js";

const ROWS = ".rows > li, .t tbody tr, .checks > li:not(.cap)";
const CHORD_MS = 1200;
let chordBegan = 0;

function moveRow(step) {
  const rows = [...document.querySelectorAll(ROWS)].filter((row) => row.querySelector("a[href]") && row.checkVisibility());
  if (!rows.length) return;
  const now = rows.findIndex((row) => row.hasAttribute("data-sel"));
  const next = rows[now < 0 ? 0 : Math.min(Math.max(now + step, 0), rows.length - 1)];
  rows.forEach((row) => row.toggleAttribute("data-sel", row === next));
  next.querySelector("a[href]").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function movePalette(step) {
  const found = [...document.querySelectorAll("#found [role=option]")];
  if (!found.length) return;
  const now = found.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const next = found[(now + step + found.length) % found.length];
  found.forEach((option) => option.setAttribute("aria-selected", String(option === next)));
  document.querySelector("#palette input").setAttribute("aria-activedescendant", next.id);
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    openDialog("palette");
    return;
  }
  if (event.target.closest("#palette")) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      movePalette(step);
    } else if (event.key === "Enter") {
      event.preventDefault();
      document.querySelector('#found [aria-selected="true"]')?.click();
    } else if (event.key === "Escape") {
      event.preventDefault(); // a search field would first empty itself
      document.getElementById("palette").close();
    }
    return;
  }
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (Date.now() - chordBegan < CHORD_MS) {
    chordBegan = 0;
    document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  const act = {
    "/": () => openDialog("palette"),
    "?": () => openDialog("keys"),
    g: () => (chordBegan = Date.now()),
    j: () => moveRow(1),
    k: () => moveRow(-1),
  }[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "found") movePalette(1);
});
