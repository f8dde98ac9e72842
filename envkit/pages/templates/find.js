// Colour the matrix for the chosen GPU and driver, and tell the reasons of the chosen cell.
const source = document.getElementById("data");
if (source) {
  const { tiers, builds, reasons, verdicts, machines } = JSON.parse(source.textContent);
  const find = id => document.getElementById(id);
  const gpu = find("gpu"), driver = find("driver"), version = find("version"), runs = find("runs");
  const reason = find("reason"), rows = [...find("matrix").tBodies[0].rows];
  const cells = [...find("matrix").querySelectorAll("button")];
  const places = cells.map(cell => cell.getAttribute("aria-label").replace(/: [^:]*(: .*)?$/, ""));
  let chosen = null;
  const machine = () => {
    if (!gpu || gpu.value === "asked") return machines[0];
    if (gpu.value === "none") return machines[machines.length - 1];
    return machines[1 + Number(gpu.value) * driver.options.length + Number(driver.value)];
  };
  const tell = () => {
    if (chosen === null) return;
    const [tier, build, why] = verdicts[machine()[chosen]];
    const told = why.map(number => reasons[number]).join("; ");
    reason.textContent = `${places[chosen]}: ${tiers[tier][2]}. ${told} (${builds[build]})`;
  };
  const show = () => {
    const shown = machine();
    if (driver) driver.closest("label").hidden = gpu.value === "asked" || gpu.value === "none";
    cells.forEach((cell, index) => {
      const [name, letter, words] = tiers[verdicts[shown[index]][0]];
      cell.className = `tier ${name}`;
      cell.textContent = letter;
      cell.setAttribute("aria-label", `${places[index]}: ${words}`);
    });
    for (const row of rows) {
      const works = [...row.querySelectorAll("button")].some(cell => !cell.classList.contains("no"));
      row.hidden = !row.cells[0].textContent.includes(version.value.trim()) || (runs.checked && !works);
    }
    tell();
  };
  cells.forEach((cell, index) => cell.addEventListener("click", () => {
    chosen = index;
    cells.forEach(other => other.removeAttribute("aria-current"));
    cell.setAttribute("aria-current", "true");
    tell();
  }));
  for (const field of [gpu, driver, version, runs]) field?.addEventListener("input", show);
  find("machine").addEventListener("submit", event => event.preventDefault());
  show();
}
