"use strict";
/* Charts: Vega-Lite specifications of the page, drawn in its colours, with what is said of the point that is meant. */
const page = (() => {
  const groups = new Map();
  /* Whether the details stand beside the charts, or far below them. */
  const beside = matchMedia("(min-width: 1000px)");
  const probe = document.createElement("span");

  /* Colours of the style sheet as the browser sees them in the theme of the moment. */
  function colour(name) {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  function filled(value) {
    if (typeof value === "string") return /^\$[a-z]+\d*$/.test(value) ? colour(value.slice(1)) : value;
    if (Array.isArray(value)) return value.map(filled);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, key === "values" ? each : filled(each)]));
    }
    return value;
  }

  function parsed(element) {
    return JSON.parse(element.textContent);
  }

  function unpacked(fact) {
    const middles = fact.cells || fact.at.map((at) => (at === null ? null : fact.words[at]));
    return { name: fact.name, cells: middles.map((each) => (each === null ? null : fact.before + each + fact.after)) };
  }

  /* The points of one section: rows for the charts, facts for the details. */
  function group(id) {
    if (!groups.has(id)) {
      const read = parsed(document.getElementById(id));
      const names = Object.keys(read.columns);
      const rows = read.columns.s.map((_, i) => {
        const row = { i };
        for (const name of names) row[name] = read.columns[name][i];
        return row;
      });
      const facts = read.facts.map(unpacked);
      groups.set(id, { curves: read.curves, bars: read.bars, lead: new Set(read.lead), rows, facts, hidden: new Set(), charts: [], active: null });
    }
    return groups.get(id);
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function shown(value) {
    const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  /* One bar of parts: each with its own length, and its share of the whole. */
  function bar(about, row) {
    const parts = Object.entries(about.parts).filter(([, [column]]) => row[column] !== null && row[column] !== undefined);
    const sum = parts.reduce((total, [, [column]]) => total + row[column], 0);
    const whole = about.of ? row[about.of] : sum;
    if (!parts.length || !whole) return [];
    const lines = [element("h4", about.title)];
    for (const [name, [column, kind]] of parts) {
      if (!row[column] && name !== "free") continue;
      const share = row[column] / whole;
      const line = element("div", null, "part");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      svg.setAttribute("class", "bar");
      svg.setAttribute("aria-hidden", "true");
      rect.setAttribute("class", kind);
      rect.setAttribute("width", `${Math.min(100, 100 * share).toFixed(2)}%`);
      rect.setAttribute("height", "9");
      svg.append(rect);
      line.append(element("span", name), svg, element("span", shown(row[column]), "amount"), element("span", `${Math.round(100 * share)} %`, "amount"));
      lines.push(line);
    }
    return lines;
  }

  /* What is said of a point: before the bars, or after them. */
  function listed(points, i, lead) {
    const list = element("dl");
    for (const fact of points.facts) {
      if (fact.cells[i] === null || points.lead.has(fact.name) !== lead) continue;
      const line = element("div");
      line.append(element("dt", fact.name), element("dd", fact.cells[i]));
      list.append(line);
    }
    return list.children.length ? list : "";
  }

  function brief(points, i) {
    const row = points.rows[i];
    const number = row.n ? `, point ${row.n}` : "";
    return [element("h3", `${points.curves[row.s].label}${number}`), listed(points, i, true)];
  }

  function details(points, i) {
    const row = points.rows[i];
    const curve = points.curves[row.s];
    const parts = brief(points, i);
    for (const about of points.bars) parts.push(...bar(about, row));
    parts.push(listed(points, i, false));
    if (curve.command) {
      const command = element("p");
      command.append(element("code", `${curve.command} ${row.n}`));
      parts.push(command);
    }
    return parts;
  }

  /* Make a point the one that is meant: in every chart of its section, in the table, and in the details. */
  function activate(id, i, from) {
    const points = group(id);
    if (points.active === i && !from) return;
    points.active = i;
    const row = points.rows[i];
    for (const chart of points.charts) chart.mark(row);
    for (const card of document.querySelectorAll(`aside[data-points="${id}"]`)) {
      const told = card.querySelector(".told");
      told.replaceChildren(...details(points, i));
      const walk = card.querySelector(".walk");
      walk.value = i + 1;
      walk.setAttribute("aria-valuetext", `${points.curves[row.s].label}${row.n ? `, point ${row.n}` : ""}`);
    }
    for (const table of document.querySelectorAll(`table[data-points="${id}"]`)) {
      for (const line of table.tBodies[0].rows) line.classList.toggle("active", line.at === i);
    }
  }

  function set(spec, [path, value]) {
    let place = spec;
    for (const step of path.slice(0, -1)) place = place[step];
    place[path.at(-1)] = value;
  }

  function theme(width) {
    const text = colour("text");
    const soft = colour("soft");
    const line = colour("line");
    return {
      background: "transparent",
      font: getComputedStyle(document.body).fontFamily,
      axis: {
        labelColor: soft, titleColor: text, gridColor: line, domainColor: colour("strong"), tickColor: line,
        labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, titlePadding: 8, labelPadding: 4,
      },
      axisX: { tickCount: Math.max(3, Math.round(width / 80)) },
      view: { stroke: "transparent" },
      aria: false,
    };
  }

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.id = figure.dataset.points;
      this.points = group(this.id);
      this.given = parsed(figure.querySelector("script"));
      this.place = figure.querySelector(".live");
      this.chosen = this.given.choices.map((choice) => choice.at || 0);
      this.nearest = this.given.nearest;
      this.curve = this.given.curve;
      this.card = document.querySelector(`aside[data-points="${this.id}"]`);
      this.points.charts.push(this);
      this.lists = [];
      this.controls();
      this.draw();
      this.place.addEventListener("pointermove", (event) => this.point(event));
      this.place.addEventListener("pointerdown", (event) => this.point(event));
      this.place.addEventListener("pointerleave", () => this.leave());
    }

    controls() {
      if (!this.given.choices.length) return;
      const box = element("div", null, "choices");
      this.given.choices.forEach((choice, at) => {
        const label = element("label", choice.name);
        const list = element("select");
        this.lists.push(list);
        choice.options.forEach((option, number) => list.append(new Option(option.label, number)));
        list.value = this.chosen[at];
        list.addEventListener("change", () => {
          this.chosen[at] = Number(list.value);
          this.draw();
        });
        label.append(list);
        box.append(label);
      });
      this.figure.insertBefore(box, this.place);
    }

    spec() {
      const spec = structuredClone(this.given.spec);
      this.given.choices.forEach((choice, at) => {
        const option = choice.options[this.chosen[at]];
        for (const each of option.set) set(spec, structuredClone(each));
        if (option.nearest) this.nearest = option.nearest;
        if (option.curve !== undefined) this.curve = option.curve;
      });
      return spec;
    }

    visible(row) {
      if (this.given.parts) return row.s === this.curve;
      if (this.points.hidden.has(row.s)) return false;
      return !this.nearest || this.nearest.every((column) => row[column] !== null && row[column] !== undefined);
    }

    draw() {
      this.figure.classList.add("drawn");
      const spec = filled(this.spec());
      spec.width = Math.max(120, this.place.clientWidth);
      spec.autosize = { type: "fit-x", contains: "padding" };
      spec.config = theme(spec.width);
      const rows = this.points.rows.filter((row) => this.visible(row)).map((row) => ({ ...row }));
      spec.datasets = { points: rows, active: [] };
      const compiled = charts.compile(spec, { logger: quiet }).spec;
      if (this.view) this.view.finalize();
      this.view = new charts.View(charts.parse(compiled, null, { ast: true }), {
        expr: charts.expressionInterpreter,
        renderer: "svg",
        container: this.place,
        hover: false,
      });
      this.view.run();
      /* The place says what the picture shows; its thousand marks say nothing more. */
      this.place.querySelector("svg").setAttribute("aria-hidden", "true");
      if (this.points.active !== null) this.mark(this.points.rows[this.points.active]);
    }

    /* Show which point is meant; a chart of one curve at a time turns to its curve. */
    mark(row) {
      if (!this.view || !(this.nearest || this.given.parts)) return;
      if (this.given.parts && row.s !== this.curve) {
        const other = this.given.choices.flatMap((choice) => choice.options).findIndex((each) => each.curve === row.s);
        if (other >= 0) {
          this.chosen[0] = other;
          this.lists[0].value = other;
          this.draw();
          return;
        }
      }
      const whole = (this.given.parts || []).reduce((sum, column) => sum + (row[column] || 0), 0);
      this.view.data("active", this.visible(row) ? [{ ...row, whole }] : []).run();
    }

    /* The point that the pointer means: of curves the nearest one, of bars the one it is on. */
    meant(event) {
      if (!this.nearest) {
        const item = event.target.__data__;
        const found = item && item.datum ? item.datum.i : undefined;
        return found === undefined ? null : found;
      }
      const box = this.place.querySelector("svg").getBoundingClientRect();
      const [left, top] = this.view.origin();
      const padding = this.view.padding();
      const x = event.clientX - box.left - left - (padding.left || 0);
      const y = event.clientY - box.top - top - (padding.top || 0);
      const [across, up] = [this.view.scale("x"), this.view.scale("y")];
      let best = null;
      let least = 60 ** 2;
      for (const row of this.points.rows) {
        if (!this.visible(row)) continue;
        const away = (across(row[this.nearest[0]]) - x) ** 2 + (up(row[this.nearest[1]]) - y) ** 2;
        if (away < least) [best, least] = [row.i, away];
      }
      return best;
    }

    point(event) {
      const i = this.meant(event);
      if (i === null) {
        this.leave();
        return;
      }
      activate(this.id, i);
      if (!this.card) this.hover(event, details(this.points, i));
      else if (!beside.matches) this.hover(event, brief(this.points, i));
    }

    hover(event, told) {
      if (!this.box) {
        this.box = element("div", null, "hover");
        this.figure.append(this.box);
      }
      const frame = this.figure.getBoundingClientRect();
      this.box.replaceChildren(...told);
      this.box.hidden = false;
      const left = Math.min(event.clientX - frame.left + 14, frame.width - this.box.offsetWidth);
      this.box.style.left = `${Math.max(0, left)}px`;
      this.box.style.top = `${event.clientY - frame.top + 16}px`;
    }

    leave() {
      if (this.box) this.box.hidden = true;
    }
  }

  const quiet = {
    level() { return this; }, error(...told) { console.error(...told); return this; },
    warn() { return this; }, info() { return this; }, debug() { return this; },
  };

  /* Entries of a legend that hide their curves. */
  function legends() {
    for (const list of document.querySelectorAll("ul.legend.curves")) {
      const figure = list.closest("figure");
      const points = group(figure.dataset.points);
      [...list.children].forEach((item, at) => {
        const label = element("label");
        const box = element("input");
        box.type = "checkbox";
        box.checked = true;
        box.addEventListener("change", () => {
          if (box.checked) points.hidden.delete(at);
          else points.hidden.add(at);
          for (const chart of points.charts) if (chart.nearest) chart.draw();
        });
        label.append(box, ...item.childNodes);
        item.append(label);
      });
    }
  }

  function walks() {
    for (const card of document.querySelectorAll("aside.card")) {
      const walk = card.querySelector(".walk");
      walk.addEventListener("input", () => activate(card.dataset.points, Number(walk.value) - 1));
    }
  }

  const drawn = [];

  function start() {
    document.body.append(probe);
    legends();
    walks();
    for (const figure of document.querySelectorAll("figure.chart")) drawn.push(new Chart(figure));
    for (const card of document.querySelectorAll("aside.card")) activate(card.dataset.points, 0);
  }

  function again() {
    for (const chart of drawn) chart.draw();
  }

  return { start, again, activate };
})();
