// Of a guardrail the plan's editor shows what means something for its kind. What is hidden is emptied: the plan would refuse it.
function show(row) {
  const kind = row.querySelector('select[name$="-kind"]').value;
  row.querySelectorAll("[data-kinds]").forEach((field) => {
    const meant = field.dataset.kinds.split(" ").includes(kind);
    field.hidden = !meant && !field.classList.contains("bad");
    if (field.hidden) {
      field.querySelectorAll("input, select").forEach((control) => {
        control.value = "";
      });
    }
  });
}

document.querySelectorAll(".plan-guardrails").forEach((row) => {
  show(row);
  row.querySelector('select[name$="-kind"]').addEventListener("change", () => show(row));
});
