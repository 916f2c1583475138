// Runs before the first paint, so that a dark system never sees a white flash. The server knows every choice but "auto".
// Paper is always light.
{
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const apply = () => {
    const wanted = root.dataset.theme === "auto" ? (dark.matches ? "dark" : "light") : root.dataset.theme;
    root.dataset.bsTheme = paper.matches ? "light" : wanted;
  };
  dark.addEventListener("change", apply);
  paper.addEventListener("change", apply);
  new MutationObserver(apply).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  apply();
}
