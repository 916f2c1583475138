// Hundreds of runs: the one under the pointer stands out in every drawing and is named; dragging along an axis bounds it.
const TOP = 8;
const FLOOR = 226;
let marked = "";
let drag = null;

function mark(id, title) {
  if (id === marked) return;
  document.querySelectorAll("[data-run].on").forEach((one) => one.classList.remove("on"));
  marked = id;
  const said = document.querySelector("[data-run-said]");
  if (said) said.textContent = title;
  if (id) document.querySelectorAll(`[data-run="${CSS.escape(id)}"]`).forEach((one) => one.classList.add("on"));
}

function follow(event) {
  const one = event.target.closest("[data-run]");
  mark(one?.dataset.run ?? "", one?.querySelector("title")?.textContent ?? "");
}

// Where the pointer is, in the drawing's own units.
function height(svg, event) {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return Math.min(Math.max(at.y, TOP), FLOOR);
}

function valueAt(axis, y) {
  const share = (FLOOR - y) / (FLOOR - TOP);
  const low = Number(axis.dataset.low);
  const high = Number(axis.dataset.high);
  if (axis.dataset.log === undefined) return low + share * (high - low);
  return 10 ** (Math.log10(low) + share * (Math.log10(high) - Math.log10(low)));
}

document.addEventListener("pointerover", follow);
document.addEventListener("focusin", follow);

document.addEventListener("pointerdown", (event) => {
  const grab = event.target.closest(".parallel .grab");
  if (!grab) return;
  event.preventDefault();
  const svg = grab.ownerSVGElement;
  drag = { axis: grab.closest("[data-axis]"), svg, grab, from: height(svg, event) };
  grab.setPointerCapture(event.pointerId);
  grab.classList.add("held");
});
document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const now = height(drag.svg, event);
  drag.grab.setAttribute("y", Math.min(now, drag.from));
  drag.grab.setAttribute("height", Math.max(Math.abs(now - drag.from), 1));
});
document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { axis, svg, from } = drag;
  const to = height(svg, event);
  drag = null;
  const form = document.getElementById("explore");
  const [low, high] = ["min", "max"].map((end) => form.elements[`${end}.${axis.dataset.axis}`]);
  const isDrag = Math.abs(to - from) > 4; // a mere click lifts the bounds
  low.value = isDrag ? Number(valueAt(axis, Math.max(from, to)).toPrecision(4)) : "";
  high.value = isDrag ? Number(valueAt(axis, Math.min(from, to)).toPrecision(4)) : "";
  form.querySelector("details:has(.explore-bounds)").open = true;
  form.dispatchEvent(new Event("change", { bubbles: true }));
});

document.addEventListener("change", (event) => event.target.closest("form[data-at-once]")?.requestSubmit());
