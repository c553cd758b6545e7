"use strict";
// The page's own script: draws the figures that Python prepared; filters, sorting, pins, copying, tabs and theme.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const touch = matchMedia("(pointer: coarse)").matches;

  // Figures -----------------------------------------------------------------------------------------------------
  const charts = new Map();  // element -> {plan, view, span, drawn}
  const colour = (text) => {
    const [name, opacity] = text.split("/");
    const value = getComputedStyle(root).getPropertyValue(name).trim();
    return opacity ? value + Math.round(255 * opacity).toString(16).padStart(2, "0") : value;
  };
  const painted = (value, key, within) => {
    const here = within || /color|scale$/i.test(key);
    if (typeof value === "string") return here && value.startsWith("--") ? colour(value) : value;
    if (Array.isArray(value)) {
      return here || value.some((one) => one !== null && typeof one === "object") ? value.map((one) => painted(one, key, here)) : value;
    }
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, painted(one, name, here)]));
  };

  // The visible parts of a trace with rows; `customdata` holds the row of each point.
  const kept = (trace, visible) => {
    const { rows, each } = trace.meta ?? {};
    if (!rows) return trace;
    const whole = !visible || rows.every((row) => visible[row]);
    const pick = (list, size) => whole || !Array.isArray(list) ? list
      : rows.flatMap((row, place) => visible[row] ? list.slice(place * size, (place + 1) * size) : []);
    const part = { ...trace, x: pick(trace.x, each), y: pick(trace.y, each) };
    if (each === 1) {
      part.customdata = pick(rows, 1);
      part.hovertext = pick(trace.hovertext, 1);
      if (Array.isArray(trace.marker.color)) part.marker = { ...trace.marker, color: pick(trace.marker.color, 1) };
    }
    return part;
  };

  // The finest level of ticks whose labels do not overlap.
  const ticks = (levels, [low, high], pixels) => {
    let best = null;
    for (const [at, text] of levels) {
      const inside = at.map((value, place) => [value, text[place]]).filter(([value]) => value >= low && value <= high);
      const gap = inside.slice(1).reduce((least, [value], place) => Math.min(least, value - inside[place][0]), Infinity);
      if (best && gap / (high - low) * pixels < 38) break;
      best = inside;
    }
    const shown = [];
    for (const tick of best) {
      if (!shown.length || (tick[0] - shown.at(-1)[0]) / (high - low) * pixels >= 34) shown.push(tick);
    }
    return { tickvals: shown.map(([value]) => value), ticktext: shown.map(([, text]) => text) };
  };

  const draw = (element) => {
    const chart = charts.get(element);
    const { plan } = chart;
    const width = element.clientWidth;
    if (!width) return;
    const planned = plan.views[chart.view];
    const panel = panels.get(element.closest(".metric"));
    const owns = element.matches(".main");
    const data = planned.data.map((trace) => kept(trace, owns && panel ? panel.visible : null));
    const layout = structuredClone(planned.layout);
    const height = plan.height || Math.min(width, Math.max(360, 0.92 * innerHeight), 660);
    Object.assign(layout, {
      width, height, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: "--ink" },
      hoverlabel: { bgcolor: "--raised", bordercolor: "--quiet", font: { color: "--ink", size: 12, family: getComputedStyle(document.body).fontFamily }, align: "left" },
    });
    if (touch) layout.dragmode = false;
    const narrow = width < 560;
    if (narrow && layout.yaxis2) {
      // No room for the names on both sides.
      layout.yaxis2.showticklabels = false;
      layout.margin.r = 12;
      for (const name of ["yaxis"]) layout[name].ticktext = layout[name].ticktext.map((text) => text.length > 15 ? text.slice(0, 14) + "…" : text);
    }
    if (narrow) for (const [name, axis] of Object.entries(layout)) if (/axis/.test(name) && axis.title) axis.title.font = { size: 10.5 };
    const heat = data[0].type === "heatmap";
    if (heat && narrow) {
      const short = layout.height = Math.min(height, width + 90);
      for (const name of ["xaxis", "yaxis"]) layout[name].showticklabels = name === "yaxis" && (short - 90) / data[0].z.length >= 9;
      layout.margin.b = 16;
      data[0] = { ...data[0], colorbar: { ...data[0].colorbar, orientation: "h", len: 0.9, y: -0.03, yanchor: "top", x: 0.5, xanchor: "center" } };
    }
    if (plan.ticks) {
      const span = chart.zoom ?? plan.spans[chart.view][chart.span];
      layout.xaxis.range = [...(span.x ?? span)];
      layout.yaxis.range = [...(span.y ?? span)];
      const levels = plan.ticks[chart.view];
      if (levels.length) {
        Object.assign(layout.xaxis, ticks(levels, layout.xaxis.range, Math.min(width, height) - 72));
        Object.assign(layout.yaxis, ticks(levels, layout.yaxis.range, Math.min(width, height) - 72));
      }
    }
    if (owns && panel) data.push(...panel.marked(planned.data));
    element.style.height = `${layout.height}px`;
    Plotly.react(element.firstElementChild, painted(data, ""), painted(layout, ""), { displayModeBar: false, doubleClick: false, showTips: false });
    if (!chart.drawn) {
      chart.drawn = true;
      const plot = element.firstElementChild;
      plot.on("plotly_click", ({ points: [point] }) => {
        if (panel && typeof point.customdata === "number") panel.pin(point.customdata);
      });
      if (plan.ticks) {
        plot.on("plotly_relayout", (change) => {
          if ("xaxis.range[0]" in change) {
            chart.zoom = { x: [change["xaxis.range[0]"], change["xaxis.range[1]"]], y: [change["yaxis.range[0]"], change["yaxis.range[1]"]] };
            draw(element);
          }
        });
        plot.on("plotly_doubleclick", () => { chart.zoom = null; draw(element); });
      }
    }
    element.dataset.drawn = chart.view;
  };

  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      const chart = charts.get(target);
      chart.near = isIntersecting;
      if (isIntersecting && chart.stale) { chart.stale = false; draw(target); }
    }
  }, { rootMargin: "300px" });
  const redraw = (elements) => {
    for (const element of elements) {
      const chart = charts.get(element);
      if (chart.near) draw(element); else chart.stale = true;
    }
  };
  const widths = new ResizeObserver((entries) => {
    redraw(entries.map(({ target }) => target).filter((element) => {
      const chart = charts.get(element), width = element.clientWidth;
      const changed = width > 0 && width !== chart.width;
      chart.width = width;
      return changed && (chart.drawn || chart.near);
    }));
  });

  // Tables, filters, pins ---------------------------------------------------------------------------------------
  const collator = new Intl.Collator(undefined, { numeric: true });
  const sortable = (table, rows, put) => {
    const headings = [...table.tHead.rows[0].cells];
    const columns = new Map();
    const column = (place) => {
      if (!columns.has(place) || table.dataset.shown) {  // cells of a matrix may show something else by now
        const numeric = headings[place].classList.contains("n");
        columns.set(place, new Map(rows.map((row) => {
          const text = row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
          const number = Number.parseFloat(text);
          return [row, numeric ? (Number.isNaN(number) ? -Infinity : number) : text];
        })));
      }
      return columns.get(place);
    };
    headings.forEach((heading, place) => heading.querySelector("button")?.addEventListener("click", ({ currentTarget }) => {
      const now = heading.getAttribute("aria-sort");
      const order = now === "none" ? currentTarget.dataset.first : now === "ascending" ? "descending" : "ascending";
      const sign = order === "ascending" ? 1 : -1;
      headings.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", other === heading ? order : "none"));
      const value = column(place), numeric = heading.classList.contains("n");
      rows.sort((a, b) => sign * (numeric ? value.get(a) - value.get(b) || 0 : collator.compare(value.get(a), value.get(b))));
      put(rows);
    }));
    return rows;
  };

  const text = (tag, content, properties = {}) => Object.assign(document.createElement(tag), { textContent: content, ...properties });
  const signed = (value, digits = 1) => value === null ? "–" : value.toFixed(digits).replace(/^-(0\.0+)$/, "$1").replace("-", "−");
  const pWords = (p) => p === null ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3);
  // The elements that compare two models, by their numbers in the data: what is of [j, i] is that of [i, j] with its sign turned.
  const comparison = (pairs, [one, other], names) => {
    const count = pairs.rows.length, [i, j] = [Math.min(one, other), Math.max(one, other)], sign = one < other ? 1 : -1;
    const place = i * count - i * (i + 1) / 2 + j - i - 1, all = count * (count - 1) / 2;
    const difference = (found) => {
      const value = found.difference[place], ends = [found.low[place], found.high[place]];
      const [low, high] = sign > 0 ? ends : [ends[1] === null ? null : -ends[1], ends[0] === null ? null : -ends[0]];
      return [`${signed(sign * value)}${low === null ? "" : ` [${signed(low)}, ${signed(high)}]`}`, pWords(found.p[place])];
    };
    const drops = [one, other].map((model) => signed(pairs.sets[0].accuracy[model] - pairs.sets[1].accuracy[model]));
    const rows = pairs.sets.map((set) => [`Accuracy on ${set.title} (%)`, ...[one, other].map((model) => signed(set.accuracy[model])), ...difference(set),
      `${[set.only[place], set.only[all + place]][sign > 0 ? 0 : 1].toLocaleString("en")} / ${[set.only[place], set.only[all + place]][sign > 0 ? 1 : 0].toLocaleString("en")}`]);
    rows.push(["Drop (points)", ...drops, ...difference(pairs.drop), ""]);
    if (pairs.robustness) {
      const distances = [one, other].map((model) => pairs.robustness[model]);
      rows.push(["Effective robustness (points)", ...distances.map((value) => signed(value)), distances.includes(null) ? "–" : signed(distances[0] - distances[1]), "", ""]);
    }
    const table = document.createElement("table"), head = document.createElement("tr"), body = document.createElement("tbody");
    head.append(document.createElement("td"), ...[...names, "Difference", "p", "Only one correct"].map((name) => text("th", name, { scope: "col", className: "n" })));
    for (const [name, ...cells] of rows) {
      const row = document.createElement("tr");
      row.append(text("th", name, { scope: "row", className: "t" }), ...cells.map((cell) => text("td", cell, { className: "n" })));
      body.append(row);
    }
    table.append(text("caption", `First minus second, in points, with ${100 * pairs.level} % confidence intervals for models on the same images. p: McNemar’s exact test for accuracies, a paired test for drops; not adjusted for other comparisons. Only one correct: images that the first / the second model alone classifies correctly. evalshift compare adds the interval for effective robustness.`), document.createElement("thead"), body);
    table.tHead.append(head);
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    Object.assign(scroll, { tabIndex: 0, role: "region", ariaLabel: `Comparison of ${names.join(" and ")}` });
    scroll.append(table);
    return [text("h4", `${names[0]} compared with ${names[1]}`), scroll];
  };

  const panels = new Map();  // the element of a pair's metric -> Panel
  class Panel {
    constructor(element) {
      this.element = element;
      const data = json(element.dataset.panel);
      this.models = data.models;
      this.family = data.family;
      this.copies = data.copies;
      this.lower = data.found.map((model) => model.toLowerCase());
      this.visible = null;
      this.off = new Set();
      this.query = "";
      this.pins = new Set();
      this.table = element.querySelector(".models table");
      this.status = element.querySelector(".tools-status");
      this.comparison = element.querySelector(".comparison");
      this.searches = all("input[type=search]", element);
      const later = element.querySelector(".models template");
      this.order = sortable(this.table, [...this.table.tBodies[0].rows, ...(later ? later.content.children : [])], () => this.show());
      this.limit = later ? 150 : Infinity;
      later?.parentElement.addEventListener("scroll", ({ target }) => {
        if (target.scrollTop + 2 * target.clientHeight > target.scrollHeight) this.more(150);
      });
      this.rows = [...this.order];  // by position in the table as written
      for (const row of data.highlighted) this.mark(row, true);
      if (data.highlighted.length) this.show();
      this.compare();
      this.wire();
    }
    get shown() {
      const found = this.order.filter((row) => !this.visible || this.visible[row.dataset.model]);
      const pinned = this.order.filter((row) => this.pins.has(Number(row.dataset.model)));
      return [...pinned, ...found.filter((row) => !this.pins.has(Number(row.dataset.model)))];
    }
    wire() {
      for (const input of this.searches) {
        input.addEventListener("input", () => {
          this.query = input.value;
          for (const other of this.searches) if (other !== input) other.value = input.value;
          this.filter();
        });
      }
      for (const chip of all(".chip", this.element)) {
        chip.addEventListener("click", () => {
          const on = chip.getAttribute("aria-pressed") === "false";
          chip.setAttribute("aria-pressed", on);
          this.off[on ? "delete" : "add"](Number(chip.dataset.family));
          this.filter();
        });
      }
      this.table.addEventListener("click", (event) => {
        const button = event.target.closest(".pin");
        if (button) this.pin(Number(button.closest("tr").dataset.model));
      });
      for (const button of all("[data-copy]", this.element)) button.addEventListener("click", () => this.copy(button.dataset.copy));
    }
    filter() {
      const words = this.query.toLowerCase().split(/\s+/).filter(Boolean);
      this.visible = words.length || this.off.size
        ? this.lower.map((model, row) => !this.off.has(this.family[row]) && words.every((word) => model.includes(word)))
        : null;
      this.show();
      clearTimeout(this.soon);  // typing must not wait for the figure
      this.soon = setTimeout(() => redraw(all(".chart.main", this.element)), this.models.length > 200 ? 150 : 0);
      const count = this.visible ? this.visible.filter(Boolean).length : this.models.length;
      this.say(this.visible ? `${count.toLocaleString("en")} of ${this.models.length.toLocaleString("en")} models shown` : "");
    }
    show() {
      this.listed = this.shown;
      this.table.tBodies[0].replaceChildren(...this.listed.slice(0, this.limit));
      this.table.closest(".models").scrollTop = 0;
    }
    more(rows) {
      const there = this.table.tBodies[0].rows.length;
      this.listed ??= this.shown;
      this.table.tBodies[0].append(...this.listed.slice(there, there + rows));
    }
    pin(row) {
      const on = !this.pins.has(row);
      this.mark(row, on);
      this.show();
      this.compare();
      redraw(all(".chart.main", this.element));
      this.say(`${this.models[row]} is ${on ? "pinned to the top of the table" : "no longer pinned"}`);
    }
    mark(row, on) {
      this.pins[on ? "add" : "delete"](row);
      this.rows[row].classList.toggle("pinned", on);
      this.rows[row].querySelector(".pin").setAttribute("aria-pressed", on);
    }
    // Two pinned models side by side, from differences that Python computed.
    compare() {
      if (!this.comparison) return;
      const pairs = this.pairs ??= json(`${this.element.id}-pairwise`);
      const models = [...this.pins].map((row) => pairs.rows.indexOf(row));
      this.comparison.hidden = models.length !== 2 || models.includes(-1);
      if (!this.comparison.hidden) this.comparison.replaceChildren(...comparison(pairs, models, [...this.pins].map((row) => this.models[row])));
    }
    // The pinned models again, with ring and label.
    marked(data) {
      const x = [], y = [], text = [];
      for (const trace of data) {
        if (trace.meta?.each !== 1) continue;
        trace.meta.rows.forEach((row, place) => {
          if (this.pins.has(row)) { x.push(trace.x[place]); y.push(trace.y[place]); text.push(this.models[row]); }
        });
      }
      if (!x.length) return [];
      const escaped = text.map((name) => name.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"));
      return [{ type: "scatter", mode: "markers+text", x, y, text: escaped, textposition: "bottom right", textfont: { color: "--ink", size: 12 },
        marker: { size: 14, color: "rgba(0,0,0,0)", line: { width: 2, color: "--ink" } }, hoverinfo: "skip", showlegend: false }];
    }
    async copy(kind) {
      const [before, lines, after] = this.copies[kind];
      const rows = this.shown;
      const text = before + rows.map((row) => lines[row.dataset.model] + "\n").join("") + after;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const area = document.createElement("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      this.say(`${rows.length.toLocaleString("en")} rows copied as ${kind}`);
    }
    say(text) { this.status.textContent = text; }
  }

  // Switches ----------------------------------------------------------------------------------------------------
  const press = (group, button) => { for (const other of all("button", group)) other.setAttribute("aria-pressed", other === button); };
  const switches = () => {
    for (const pair of all(".pair")) all(".metric", pair).forEach((metric, place) => { metric.hidden = place > 0; });
    for (const group of all(".segmented[data-chart]")) {
      const element = document.getElementById(group.dataset.chart);
      group.addEventListener("click", ({ target }) => {
        if (!target.matches("button")) return;
        press(group, target);
        const chart = charts.get(element);
        chart.zoom = null;
        if (target.dataset.view) chart.view = target.dataset.view;
        if (target.dataset.span) chart.span = target.dataset.span;
        draw(element);
      });
    }
    for (const group of all(".segmented[data-metrics]")) {
      group.addEventListener("click", ({ target }) => {
        if (!target.matches("button")) return;
        for (const other of all(".segmented[data-metrics]", group.closest(".pair"))) press(other, all("button", other).find((one) => one.dataset.metric === target.dataset.metric));
        for (const metric of all(".metric", group.closest(".pair"))) metric.hidden = metric.id !== target.dataset.metric;
        if (group.closest(".metric")?.hidden) all(".metric:not([hidden]) .segmented[data-metrics] [aria-pressed=true]", group.closest(".pair"))[0].focus();
      });
    }
  };
  // What the cells of a matrix show, and what it is sorted by.
  const matrices = () => {
    for (const group of all("[data-matrix]")) {
      const table = document.getElementById(group.dataset.matrix);
      group.addEventListener("click", ({ target }) => {
        if (!target.matches("button")) return;
        press(group, target);
        table.dataset.shown = target.dataset.shown;
        for (const cell of all(".heat", table)) cell.dataset.value = cell.dataset[target.dataset.shown];
      });
    }
  };
  const tabs = () => {
    const list = document.querySelector("[role=tablist]");
    if (!list) return;
    const buttons = all("[role=tab]", list);
    const open = (button) => {
      for (const other of buttons) {
        other.setAttribute("aria-selected", other === button);
        other.tabIndex = other === button ? 0 : -1;
        document.getElementById(other.getAttribute("aria-controls")).hidden = other !== button;
      }
    };
    for (const button of buttons) button.addEventListener("click", () => { open(button); history.replaceState(null, "", `#${button.getAttribute("aria-controls")}`); });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -buttons.length, End: buttons.length }[event.key];
      if (!step) return;
      const next = Math.min(buttons.length - 1, Math.max(0, buttons.indexOf(document.activeElement) + step));
      buttons[next].focus();
      buttons[next].click();
      event.preventDefault();
    });
    const named = () => {
      const part = location.hash && document.getElementById(location.hash.slice(1));
      const tab = part && buttons.find((button) => button.getAttribute("aria-controls") === part.closest("[role=tabpanel]")?.id);
      if (tab) open(tab);
      return tab;
    };
    addEventListener("hashchange", named);
    for (const link of all("a[data-tab]")) link.addEventListener("click", (event) => {
      event.preventDefault();
      const button = buttons.find((one) => one.getAttribute("aria-controls") === link.dataset.tab);
      button.click();
      button.focus();
    });
    if (!named()) open(buttons[0]);
  };
  const theme = () => {
    const button = document.querySelector(".theme"), names = ["auto", "light", "dark"];
    const remembered = { get: () => { try { return localStorage.getItem("evalshift-theme"); } catch { return null; } },
      set: (name) => { try { localStorage.setItem("evalshift-theme", name); } catch { /* a browser may forbid it */ } } };
    const wear = (name) => {
      if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
      button.dataset.now = name;
      button.textContent = { auto: "Theme: automatic", light: "Theme: light", dark: "Theme: dark" }[name];
    };
    wear(names.includes(remembered.get()) ? remembered.get() : "auto");
    button.addEventListener("click", () => {
      const name = names[(names.indexOf(button.dataset.now) + 1) % names.length];
      wear(name);
      remembered.set(name);
      redraw(charts.keys());
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(charts.keys()));
  };
  const printing = () => {
    addEventListener("beforeprint", () => {
      root.dataset.print = "";
      for (const part of all("[role=tabpanel]")) { part.dataset.was = part.hidden; part.hidden = false; }
      for (const part of all("details:not(.long)")) { part.dataset.was = part.open; part.open = true; }
      for (const panel of panels.values()) panel.more(Infinity);
      for (const element of charts.keys()) if (element.clientWidth) draw(element);
    });
    addEventListener("afterprint", () => {
      delete root.dataset.print;
      for (const part of all("[role=tabpanel]")) part.hidden = part.dataset.was === "true";
      for (const part of all("details:not(.long)")) part.open = part.dataset.was === "true";
      redraw(charts.keys());
    });
  };

  for (const element of all(".metric")) panels.set(element, new Panel(element));
  for (const table of all("table.sortable")) sortable(table, [...table.tBodies[0].rows], (rows) => table.tBodies[0].append(...rows));
  for (const element of all(".chart")) {
    const plan = json(element.dataset.plan);
    charts.set(element, { plan, view: Object.keys(plan.views)[0], span: "line", zoom: null, drawn: false, near: false, stale: true, width: 0 });
    seen.observe(element);
    widths.observe(element);
  }
  for (const button of all(".save")) {
    button.addEventListener("click", () => {
      const element = document.getElementById(button.dataset.chart);
      Plotly.downloadImage(element.firstElementChild, { format: "svg", filename: button.dataset.name, width: element.clientWidth, height: element.clientHeight });
    });
  }
  switches();
  matrices();
  tabs();
  theme();
  printing();
  root.dataset.ready = "";
})();
