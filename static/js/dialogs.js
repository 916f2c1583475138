// Dialogs are <dialog> elements: the browser keeps the focus inside and gives it back.
export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return;
  document.querySelectorAll("[popover]:popover-open").forEach((menu) => menu.hidePopover());
  dialog.showModal();
  const wrong = dialog.querySelector('[aria-invalid="true"]');
  (wrong ?? dialog.querySelector("[autofocus], textarea, input:not([type=hidden])") ?? dialog).focus();
  dialog.querySelector("form")?.dispatchEvent(new Event("open"));
}

document.addEventListener("click", (event) => {
  const dialog = event.target.closest("dialog");
  if (dialog && (event.target === dialog || event.target.closest("[data-close]"))) dialog.close();
});

document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-confirm-word]");
  if (!form || !event.target.matches("[data-word]")) return;
  const typed = event.target.value.trim() === form.dataset.confirmWord;
  form.querySelector("[type=submit]").setAttribute("aria-disabled", String(!typed));
});

document.addEventListener("submit", (event) => {
  if (event.target.querySelector('[type=submit][aria-disabled="true"]')) event.preventDefault();
});

// A form that was refused comes back open.
document.querySelectorAll("dialog[data-open]").forEach((dialog) => openDialog(dialog.id));
