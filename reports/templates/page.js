"use strict";
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  const heads = table.querySelectorAll("thead th");
  heads.forEach((head, column) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "↕" });
    button.setAttribute("aria-label", "Sort by " + head.textContent);
    head.append("\u00a0", button);
    button.addEventListener("click", () => sort(head, column));
  });
  function sort(head, column) {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((th) => th.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => column ? row.cells[column].dataset.v ?? "" : row.cells[column].textContent;
    const compare = (a, b) => {
      const x = key(a), y = key(b), n = Number(x) - Number(y);
      if (x === "" || y === "") return (x === "") - (y === "");
      return (isNaN(n) ? x.localeCompare(y) : n) * (up ? 1 : -1);
    };
    [...body.rows].sort(compare).forEach((row) => body.append(row));
  }
  if (body.rows.length < 10) return;
  const box = Object.assign(document.createElement("input"), { type: "search", className: "filter", placeholder: "Filter rows" });
  box.setAttribute("aria-label", "Filter the rows of: " + table.caption.textContent);
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.closest(".scroll").before(box);
});
document.querySelectorAll(".controls[data-for]").forEach((controls) => {
  const chosen = () => [...controls.querySelectorAll("select")].map((select) => select.value).join("/");
  controls.hidden = false;
  controls.addEventListener("change", () => {
    document.querySelectorAll("[data-choice-of='" + controls.dataset.for + "']").forEach((part) => {
      part.hidden = part.dataset.choice !== chosen();
    });
  });
});
