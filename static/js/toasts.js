// A line at the foot of the page that says what happened.
export function toast(text) {
  const line = document.getElementById("toast").content.firstElementChild.cloneNode(true);
  line.dataset.level = "error";
  line.querySelector("p").textContent = text;
  document.getElementById("messages").append(line);
}

setTimeout(() => {
  document.querySelectorAll('.toast-line[data-level="success"], .toast-line[data-level="info"]').forEach((line) => {
    line.remove();
  });
}, 8000);
