// What the pages need beside htmx. Each part hangs on data attributes, and works on pieces that are swapped in later.
import "./clock.js";
import "./keys.js";
import { openDialog } from "./dialogs.js";
import { toast } from "./toasts.js";

const YEAR_S = 31_536_000;

function remember(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
  document.documentElement.dataset[name] = value;
  document.querySelectorAll(`[data-${name}-choice]`).forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset[`${name}Choice`] === value));
  });
  document.dispatchEvent(new CustomEvent(`${name}-changed`));
}

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without a secure context there is no clipboard object; a selected field still copies.
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "visually-hidden";
    (button.closest("dialog") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  const use = button.querySelector("use");
  use.setAttribute("href", "#i-done");
  button.dataset.copied = "";
  document.getElementById("said").textContent = "Copied";
  setTimeout(() => {
    use.setAttribute("href", "#i-copy");
    delete button.dataset.copied;
    document.getElementById("said").textContent = "";
  }, 1500);
}

function fillIn(button) {
  const field = document.getElementById(button.dataset.fill);
  field.value = button.dataset.value;
  const empty = [...field.form.elements].find((element) => element.matches("input:not([type=hidden])") && !element.value);
  (empty ?? field).focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.copy !== undefined) copy(button);
  else if (button.dataset.themeChoice) remember("theme", button.dataset.themeChoice);
  else if (button.dataset.zoneChoice) remember("zone", button.dataset.zoneChoice);
  else if (button.dataset.dialog) openDialog(button.dataset.dialog);
  else if (button.dataset.fill) fillIn(button);
  else if (button.dataset.dismiss !== undefined) button.closest(".toast-line").remove();
});

// A blocked button stays focusable, so that its reason can be read; it does nothing.
document.addEventListener(
  "click",
  (event) => {
    if (event.target.closest('[aria-disabled="true"]')) event.preventDefault();
  },
  true,
);

// A poll is not a person at work: the server does not count it as use of the session.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.triggeringEvent?.type === "hx:poll:trigger") event.detail.headers["X-Poll"] = "1";
});

// The dock of a phone leads to the decision; while that is in view it would only cover it.
const dock = document.querySelector(".dock");
if (dock) {
  const box = document.getElementById("decision");
  new IntersectionObserver(([seen]) => { dock.hidden = seen.isIntersecting; }).observe(box);
}

// A file that is too large is refused before it is sent.
document.addEventListener("change", ({ target }) => {
  const { mostBytes, tooLarge } = target.form?.dataset ?? {};
  if (target.type !== "file" || !mostBytes) return;
  target.setCustomValidity((target.files[0]?.size ?? 0) > Number(mostBytes) ? tooLarge : "");
  target.reportValidity();
});

// How much of a file is sent; after that it is the server's turn.
document.addEventListener("htmx:xhr:progress", (event) => {
  const line = event.target.closest("[data-upload]")?.querySelector(".upload");
  const { lengthComputable, loaded, total } = event.detail;
  if (!line || !lengthComputable || line.dataset.sent !== undefined) return;
  const [bar, said] = line.children;
  line.hidden = false;
  if (loaded < total) {
    bar.value = loaded / total;
    said.textContent = `Sending, ${Math.floor((100 * loaded) / total)}%`;
  } else {
    bar.removeAttribute("value");
    line.dataset.sent = "";
    said.textContent = "Sent; the lines are being read";
  }
});
document.addEventListener("htmx:afterRequest", (event) => {
  const line = event.target.closest("[data-upload]")?.querySelector(".upload");
  if (!line) return;
  line.hidden = true;
  delete line.dataset.sent;
});

// A refusal comes with a place to be shown in; other failures only say that nothing was changed.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.isError && event.detail.xhr.getResponseHeader("HX-Retarget")) event.detail.shouldSwap = true;
});
document.addEventListener("htmx:responseError", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (xhr.getResponseHeader("HX-Retarget") || requestConfig.verb === "get") return;
  toast(`That did not work (${xhr.status}). Nothing was changed. Reload the page and try again.`);
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig.verb !== "get") {
    toast("The server did not answer. Reload the page to see whether your change was made.");
  }
});
