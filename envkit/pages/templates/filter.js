// Rows of a table by words typed above it, and by their state.
for (const table of document.querySelectorAll("table[id]")) {
  const field = document.querySelector(`[data-filter="${table.id}"]`);
  const count = document.querySelector(`[data-count="${table.id}"]`);
  const button = field?.closest(".tools").querySelector("[data-only]");
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map(row => row.textContent.toLowerCase());
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = button?.getAttribute("aria-pressed") === "true" ? button.dataset.only : null;
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !words.every(word => texts[index].includes(word)) || (state !== null && row.dataset.state !== state);
      shown += !row.hidden;
    });
    count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
  };
  field?.addEventListener("input", show);
  button?.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    show();
  });
}
