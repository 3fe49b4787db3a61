"use strict";
/* Everything of the page but its charts: theme, tables that sort and filter, commands that are copied. */
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const drawn = typeof page === "undefined" ? null : page;

  /* Numbers of cells, such as "1,533", "12.5 %" or "4 x 8"; nothing where there is none. */
  function number(text) {
    const match = text.replace(/,/g, "").match(/^[$\s]*(-?\d+(?:\.\d+)?)/);
    return match ? Number(match[1]) : null;
  }

  function compared(one, other, words) {
    const [a, b] = [number(one), number(other)];
    if (!words) {
      if (a !== null && b !== null) return a - b;
      if (a !== null || b !== null) return a === null ? 1 : -1;
    }
    return one.localeCompare(other, "en", { numeric: true });
  }

  function sorted(table, head, at) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const each of head.parentElement.children) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const words = table.classList.contains(`w${at + 1}`);
    const rows = [...table.tBodies[0].rows];
    const text = new Map(rows.map((row) => [row, row.cells[at].textContent.trim()]));
    rows.sort((one, other) => compared(text.get(one), text.get(other), words) * (down ? -1 : 1) || one.at - other.at);
    table.tBodies[0].append(...rows);
  }

  function filtered(table, wanted, told) {
    const parts = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !parts.every((part) => text.includes(part));
      count += row.hidden ? 0 : 1;
    }
    told.textContent = `${count} of ${table.tBodies[0].rows.length} rows`;
  }

  function filter(table) {
    const box = document.createElement("div");
    box.className = "filter";
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "search";
    input.placeholder = "words or numbers";
    const told = document.createElement("span");
    told.setAttribute("role", "status");
    label.append("Filter ", input);
    box.append(label, told);
    input.addEventListener("input", () => filtered(table, input.value, told));
    filtered(table, "", told);
    const frame = table.closest(".frame");
    frame.parentElement.insertBefore(box, frame);
    input.setAttribute("aria-label", `Filter the table: ${table.caption.textContent}`);
  }

  function tables() {
    for (const table of document.querySelectorAll("table.sortable")) {
      [...table.tBodies[0].rows].forEach((row, at) => { row.at = at; });
      [...table.tHead.rows[0].cells].forEach((head, at) => {
        if (table.tBodies[0].rows.length < 2) return;
        const button = document.createElement("button");
        button.type = "button";
        button.append(...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => sorted(table, head, at));
      });
      if (table.dataset.filter !== undefined) filter(table);
      if (drawn && table.dataset.points) {
        table.tBodies[0].addEventListener("pointerover", (event) => {
          const row = event.target.closest("tr");
          if (row) drawn.activate(table.dataset.points, row.at);
        });
      }
    }
  }

  async function copied(text) {
    if (navigator.clipboard) {
      try {
        await navigator.clipboard.writeText(text);
        return;
      } catch {
        /* Not allowed here: the older way. */
      }
    }
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  function copies() {
    for (const block of document.querySelectorAll("pre.copied")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      const row = block.closest("tr");
      button.setAttribute("aria-label", `Copy the commands of ${row ? row.cells[0].textContent : "this"}`);
      button.addEventListener("click", async () => {
        await copied(block.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      block.before(button);
    }
  }

  const THEMES = ["system", "light", "dark"];

  function theme() {
    const button = document.getElementById("theme");
    const show = (name) => {
      if (name === "system") delete root.dataset.theme;
      else root.dataset.theme = name;
      button.textContent = `Theme: ${name}`;
      if (drawn) drawn.again();
    };
    button.addEventListener("click", () => {
      show(THEMES[(THEMES.indexOf(root.dataset.theme || "system") + 1) % THEMES.length]);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn && drawn.again());
  }

  let width = innerWidth;
  let waiting = 0;
  addEventListener("resize", () => {
    if (!drawn || innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawn.again, 150);
  });

  tables();
  copies();
  theme();
  /* The page is painted before its charts are drawn: until then their still pictures stand there. */
  if (drawn) requestAnimationFrame(() => setTimeout(drawn.start));
})();
