// Times: relative ones stay fresh, exact ones follow the reader's zone, live pieces show their age.
const UNITS = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];
const STALE_AFTER_S = 15;
const MONTH_S = 31 * 86_400;

function exact(moment) {
  const local = document.documentElement.dataset.zone === "local";
  const parts = new Intl.DateTimeFormat("sv-SE", {
    dateStyle: "short",
    timeStyle: "medium",
    timeZone: local ? undefined : "UTC",
  }).format(moment);
  const zone = local
    ? new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(moment).find((p) => p.type === "timeZoneName").value
    : "UTC";
  return `${parts} ${zone}`;
}

function span(seconds) {
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? UNITS.at(-1);
  return `${Math.floor(seconds / size)} ${unit}`;
}

function since(moment, short) {
  const seconds = (Date.now() - moment) / 1000;
  if (Math.abs(seconds) >= MONTH_S) return null;
  const text = span(Math.abs(seconds));
  if (short) return text;
  return seconds >= 0 ? `${text} ago` : `in ${text}`;
}

function set(element, text) {
  if (text !== null && element.textContent !== text) element.textContent = text;
}

function tick() {
  document.querySelectorAll("time[data-time]").forEach((time) => {
    const moment = new Date(time.dateTime);
    time.title = exact(moment);
    set(time, time.dataset.time === "at" ? exact(moment) : since(moment, time.dataset.time === "ago-short"));
  });
  document.querySelectorAll("[data-live]").forEach((mark) => {
    mark.dataset.live ||= String(Date.now());
    const age = Math.round((Date.now() - Number(mark.dataset.live)) / 1000);
    const stale = age > STALE_AFTER_S;
    mark.classList.toggle("stale", stale);
    set(mark.lastElementChild, stale ? `no answer for ${span(age)}, still trying` : `updated ${span(age)} ago`);
  });
}

document.addEventListener("zone-changed", tick);
document.addEventListener("htmx:afterSettle", tick);
setInterval(tick, 1000);
tick();
