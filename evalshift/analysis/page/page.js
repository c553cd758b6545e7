"use strict";
// The page's own script: draws the figures that Python prepared; filters, sorting, pins, copying, tabs and theme.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const touch = matchMedia("(pointer: coarse)").matches;
  const text = (tag, content, properties = {}) => Object.assign(document.createElement(tag), { textContent: content, ...properties });

  const escaped = (name) => name.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // Numbers as Python's formatting.py writes them: a half is rounded away from zero, without a negative zero.
  const MISSING = "–";
  const number = (value, digits) => {
    const scale = 10 ** digits, size = Math.round(Number((Math.abs(value) * scale).toPrecision(12))) / scale;
    return `${value < 0 && size > 0 ? "−" : ""}${size.toFixed(digits)}`;
  };
  const percent = (fraction) => number(100 * fraction, 1);
  const withSign = (fraction) => { const said = percent(fraction); return said.startsWith("−") || said === "0.0" ? said : `+${said}`; };
  const count = (value) => value.toLocaleString("en");
  const within = (low, high) => `[${percent(low)}, ${percent(high)}]`;

  // What is shown, kept in the address: #section?pin=…&find=…&hide=…&scale=…&axes=…&metric=…&theme=… ----------------
  const ALONE = ["find", "scale", "axes", "metric", "theme"];
  const state = { at: "", pins: null, hide: [] };  // pins: null where the report's own highlighted models are pinned
  const readAddress = () => {
    const [at, query = ""] = location.hash.slice(1).split(/\?(.*)/s), asked = new URLSearchParams(query);
    state.at = at;
    state.pins = asked.has("pin") ? asked.getAll("pin").filter(Boolean) : null;
    state.hide = asked.getAll("hide");
    for (const name of ALONE) state[name] = asked.get(name) ?? "";
  };
  const writeAddress = () => {
    const asked = new URLSearchParams(ALONE.filter((name) => state[name]).map((name) => [name, state[name]]));
    for (const family of state.hide) asked.append("hide", family);
    for (const name of state.pins?.length === 0 ? [""] : state.pins ?? []) asked.append("pin", name);
    const hash = `${state.at}${asked.size ? `?${asked}` : ""}`;
    try {
      if (hash !== location.hash.slice(1)) history.replaceState(history.state, "", `#${hash}`);
    } catch { /* a page inside another may have no address of its own */ }
  };
  readAddress();

  // Figures -----------------------------------------------------------------------------------------------------
  const charts = new Map();  // element -> {plan, view, span, drawn}; a plan is read when its figure comes near

  // The traces of a view as plotly takes them: intervals as one broken line, and what is said of each marker.
  const whole = (trace, plan, panel) => {
    const { bars, rows, said } = trace.meta ?? {};
    if (bars) {
      const { low, high, at, along } = bars, ends = at.flatMap((_, place) => [low[place], high[place], null]);
      Object.assign(trace, { [along]: ends, [along === "y" ? "x" : "y"]: at.flatMap((value) => [value, value, null]) });
    }
    if (said?.testbed) trace.hovertext = said.testbed.map((model) => `<b>${escaped(plan.testbed[model])}</b>${said.then}`);
    else if (said) trace.hovertext = rows.map((row, place) => panel.said(said, row, place));
    return trace;
  };
  const viewed = (chart, panel) => {
    const view = chart.plan.views[chart.view];
    if (!view.whole) view.data = view.data.map((trace) => whole(trace, chart.plan, panel));
    view.whole = true;
    return view;
  };
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

  // The pinned models once more, above the others: rings around points, whole lines; their names beside an axis in bold.
  const emphasised = (data, layout, pins) => {
    const added = [];
    const bold = (axis, place) => { if (axis?.ticktext?.[place]) axis.ticktext[place] = `<b>${axis.ticktext[place]}</b>`; };
    const named = new Set();
    for (const { meta, ...trace } of data) {
      const { rows, each } = meta ?? {}, at = (rows ?? []).flatMap((row, place) => pins.has(row) ? [place] : []);
      if (!at.length) continue;
      if (each === 0) for (const place of at) { bold(layout.xaxis, place); bold(layout.yaxis, place); }
      const pick = (list) => at.flatMap((place) => list.slice(place * each, (place + 1) * each));
      const again = { type: "scatter", x: each ? pick(trace.x) : [], y: each ? pick(trace.y) : [], hoverinfo: "skip", showlegend: false,
        ...(trace.xaxis && { xaxis: trace.xaxis }), ...(trace.yaxis && { yaxis: trace.yaxis }) };
      if (each === 1) {
        added.push({ ...again, mode: "markers", marker: { size: 14, color: "rgba(0,0,0,0)", line: { width: 2, color: "--ink" } } });
        const name = `yaxis${(trace.yaxis ?? "y").slice(1)}`, axis = layout[name];
        for (const value of axis?.ticktext ? again.y : []) {
          const place = axis.tickvals.indexOf(value);
          if (!named.has(`${name} ${place}`)) bold(axis, place);
          named.add(`${name} ${place}`);
        }
      } else if (each > 1 && trace.mode === "lines" && trace.line.width <= 3) {
        added.push({ ...again, mode: "lines", line: { ...trace.line, color: "--ink", width: Math.max(1.6, trace.line.width) } });
      }
    }
    return added;
  };

  // Names of the pinned points, each where it covers no other name and the fewest points; a line leads to its point.
  const SIDES = [[1, 1], [1, 0], [0, 1], [-1, -1], [-1, 0], [0, -1], [1, -1], [-1, 1]];
  const canvas = document.createElement("canvas").getContext("2d");
  const labelled = (plot, panel) => {
    const { xaxis, yaxis } = plot._fullLayout, font = getComputedStyle(document.body).fontFamily;
    const pixels = ([x, y]) => [xaxis.l2p(x), yaxis.l2p(y)];
    const points = plot.data.flatMap(({ customdata, x, y }) => customdata ? x.map((value, place) => pixels([value, y[place]])) : []);
    const inside = ([x, y]) => x >= 0 && y >= 0 && x <= xaxis._length && y <= yaxis._length;
    const boxes = [];
    canvas.font = `12px ${font}`;
    return panel.pins.map((row) => [row, panel.places(plot.data).get(row) ?? panel.place(row)]).filter(([, place]) => place && inside(pixels(place))).map(([row, place]) => {
      const [x, y] = pixels(place), width = canvas.measureText(panel.models[row]).width + 6, height = 18;
      let best = null;
      for (const far of [10, 20, 34, 52, 76, 104]) {
        for (const [right, down] of SIDES) {
          const left = x + right * (far + width / 2) - width / 2, top = y + down * (far + height / 2) - height / 2;
          const over = (one) => Math.max(0, Math.min(left + width, one.left + one.width) - Math.max(left, one.left)) * Math.max(0, Math.min(top + height, one.top + height) - Math.max(top, one.top));
          const covered = points.filter(([px, py]) => px > left - 4 && px < left + width + 4 && py > top - 4 && py < top + height + 4).length;
          const outside = left < 0 || top < 0 || left + width > xaxis._length || top + height > yaxis._length;
          const cost = boxes.reduce((sum, one) => sum + over(one), 0) * 10 + covered * 40 + outside * 1e5 + far;
          if (!best || cost < best.cost) best = { cost, left, top, width };
        }
      }
      boxes.push(best);
      return { x: place[0], y: place[1], text: escaped(panel.models[row]), xanchor: "center", yanchor: "middle", showarrow: true, arrowhead: 0,
        ax: best.left + best.width / 2 - x, ay: best.top + height / 2 - y, arrowwidth: 1, arrowcolor: "--quiet", standoff: 7,
        bgcolor: "--paper/0.8", borderpad: 1, font: { color: "--ink", size: 12 } };
    });
  };

  // Arrow keys go from model to model, left and right by original, up and down by new accuracy.
  const step = (event, plot, panel) => {
    const places = panel.places(plot.data), way = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [1, 1], ArrowDown: [1, -1], Home: [0, -Infinity], End: [0, Infinity] }[event.key];
    if (event.key === "Escape") { Plotly.Fx.unhover(plot); return; }
    if ((event.key === "Enter" || event.key === " ") && places.has(panel.at)) panel.pin(panel.at);
    else if (!way || !places.size) return;
    else {
      const rows = [...places.keys()].sort((a, b) => places.get(a)[way[0]] - places.get(b)[way[0]] || a - b);
      const now = rows.indexOf(panel.at);
      panel.at = rows[Math.max(0, Math.min(rows.length - 1, now < 0 && Number.isFinite(way[1]) ? 0 : now + way[1]))];
    }
    event.preventDefault();
    const curve = plot.data.findIndex(({ customdata }) => customdata?.includes(panel.at));
    if (curve < 0) return;
    const point = plot.data[curve].customdata.indexOf(panel.at);
    Plotly.Fx.hover(plot, [{ curveNumber: curve, pointNumber: point }]);
    const said = new DOMParser().parseFromString(plot.data[curve].hovertext[point].replace(/<br>/g, "; "), "text/html").body.textContent;
    panel.announce(`${said}${panel.pins.includes(panel.at) ? "; pinned" : ""}`);
  };

  const draw = (element) => {
    const chart = charts.get(element);
    const { plan } = chart;
    const width = element.clientWidth;
    if (!width) return;
    const panel = panels.get(element.closest(".metric") ?? document.getElementById(plan.panel));
    const planned = viewed(chart, panel);
    const owns = element.matches(".main");
    const data = planned.data.map((trace) => kept(trace, owns && panel ? panel.visible : null));
    const layout = structuredClone(planned.layout);
    // The first figure ends where the screen does.
    const left = innerHeight - element.getBoundingClientRect().top - scrollY - 14;
    const height = plan.height || Math.min(width, owns ? Math.max(320, Math.min(left, 760)) : 660);
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
    if (panel) data.push(...emphasised(planned.data, plan.ticks ? {} : layout, new Set(panel.pins)));
    element.style.height = `${layout.height}px`;
    Plotly.react(element.firstElementChild, painted(data, ""), painted(layout, ""), { displayModeBar: false, doubleClick: false, showTips: false });
    const plot = element.firstElementChild;
    if (owns && panel?.pins.length) Plotly.relayout(plot, { annotations: painted(labelled(plot, panel), "") });
    if (!chart.drawn) {
      chart.drawn = true;
      if (owns && panel) element.addEventListener("keydown", (event) => step(event, plot, panel));
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
  // Rows are elements, or whatever `valuesOf` gives the values of a column for.
  const sortable = (table, rows, put, valuesOf = cellsOf(table, rows)) => {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, place) => heading.querySelector("button")?.addEventListener("click", ({ currentTarget }) => {
      const now = heading.getAttribute("aria-sort");
      const order = now === "none" ? currentTarget.dataset.first : now === "ascending" ? "descending" : "ascending";
      const sign = order === "ascending" ? 1 : -1;
      headings.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", other === heading ? order : "none"));
      const numeric = heading.classList.contains("n"), value = valuesOf(place, numeric);
      rows.sort((a, b) => sign * (numeric ? value(a) - value(b) || 0 : collator.compare(value(a), value(b))));
      put(rows);
    }));
    return rows;
  };
  // The values of a column by row, read from its cells.
  const cellsOf = (table, rows) => {
    const columns = new Map();
    return (place, numeric) => {
      if (!columns.has(place) || table.dataset.shown) {  // cells of a matrix may show something else by now
        columns.set(place, new Map(rows.map((row) => {
          const text = row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
          const number = Number.parseFloat(text);
          return [row, numeric ? (Number.isNaN(number) ? -Infinity : number) : text];
        })));
      }
      return (row) => columns.get(place).get(row);
    };
  };
  // A name with places where its line may break: after an underscore, a slash or a full stop.
  const breakable = (name) => name.split(/(?<=[_/.])/).flatMap((part, place) => place ? [document.createElement("wbr"), part] : [part]).concat(/[_/.]$/.test(name) ? [document.createElement("wbr")] : []);
  // The rows of a table of statistics beyond the first.
  const rest = (table, rows) => {
    const kinds = [...table.tBodies[0].rows[0].cells].map((cell) => cell.className);
    table.tBodies[0].append(...rows.map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((cell, place) => place ? text("td", cell, { className: kinds[place] }) : text("th", "", { scope: "row", className: kinds[place] })));
      row.cells[0].append(...breakable(cells[0]));
      return row;
    }));
  };
  const unread = new Map();  // details -> the element with the further rows of its table
  const fill = (details) => {
    const data = unread.get(details);
    if (!data) return;
    rest(details.querySelector("table"), JSON.parse(data.textContent));
    unread.delete(details);
    data.remove();
  };
  const longTables = () => {
    for (const data of all("script.later")) {
      const details = data.closest("details");
      unread.set(details, data);
      details.addEventListener("toggle", () => { if (details.open) fill(details); });
    }
  };

  const signed = (value, digits = 1) => value === null ? "–" : value.toFixed(digits).replace(/^-(0\.0+)$/, "$1").replace("-", "−");
  const pWords = (p) => p === null ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3);
  // The elements that compare two models, by their numbers in the data: what is of [j, i] is that of [i, j] with its sign turned.
  const comparison = (pairs, [one, other], names) => {
    const count = pairs.rows.length, [i, j] = [Math.min(one, other), Math.max(one, other)], sign = one < other ? 1 : -1;
    const place = i * count - i * (i + 1) / 2 + j - i - 1, all = count * (count - 1) / 2;
    const difference = (found) => {
      const value = found.difference[place], ends = [found.low[place], found.high[place]];
      if (value === null) return ["–", "–"];
      const [low, high] = sign > 0 ? ends : [ends[1] === null ? null : -ends[1], ends[0] === null ? null : -ends[0]];
      return [`${signed(sign * value)}${low === null ? "" : ` [${signed(low)}, ${signed(high)}]`}`, pWords(found.p[place])];
    };
    const drops = [one, other].map((model) => signed(pairs.sets[0].accuracy[model] - pairs.sets[1].accuracy[model]));
    const rows = pairs.sets.map((set) => [`Accuracy on ${set.title} (%)`, ...[one, other].map((model) => signed(set.accuracy[model])), ...difference(set),
      `${[set.only[place], set.only[all + place]][sign > 0 ? 0 : 1].toLocaleString("en")} / ${[set.only[place], set.only[all + place]][sign > 0 ? 1 : 0].toLocaleString("en")}`]);
    rows.push(["Drop (points)", ...drops, ...difference(pairs.drop), ""]);
    if (pairs.robustness) {
      const distances = [place, all + place].map((entry) => pairs.robustness.distance[entry]);
      if (sign < 0) distances.reverse();
      rows.push(["Effective robustness (points)", ...distances.map((value) => signed(value)), ...difference(pairs.robustness), ""]);
    }
    const table = document.createElement("table"), head = document.createElement("tr"), body = document.createElement("tbody");
    head.append(document.createElement("td"), ...[...names, "Difference", "p", "Only one correct"].map((name) => text("th", name, { scope: "col", className: "n" })));
    for (const [name, ...cells] of rows) {
      const row = document.createElement("tr");
      row.append(text("th", name, { scope: "row", className: "t" }), ...cells.map((cell) => text("td", cell, { className: "n" })));
      body.append(row);
    }
    table.append(document.createElement("thead"), body);
    table.tHead.append(head);
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    Object.assign(scroll, { tabIndex: 0, role: "region", ariaLabel: `Comparison of ${names.join(" and ")}` });
    scroll.append(table);
    // Below the table, which scrolls on a narrow screen: a caption would be as wide as it.
    const note = text("p", `First minus second, in points, with ${100 * pairs.level} % confidence intervals for models on the same images. p: McNemar’s exact test for accuracies, a paired test for drops, and t for effective robustness, which is measured from the line through all other models; not adjusted for other comparisons. Only one correct: images that the first / the second model alone classifies correctly.`, { className: "quiet" });
    return [text("h4", `${names[0]} compared with ${names[1]}`), scroll, note];
  };

  // The names of the pinned models, the same on every pair: the report's highlighted ones at first.
  let pinned = [];
  const everyPin = () => [...new Set([...panels.values()].flatMap((panel) => panel.highlighted))];
  const pinModels = (names) => {
    pinned = names;
    const first = everyPin();
    state.pins = names.length === first.length && names.every((name) => first.includes(name)) ? null : names;
    writeAddress();
    for (const panel of panels.values()) panel.stale = true;
    refresh();
  };
  // What is hidden is brought up to date when it is opened.
  const refresh = () => {
    for (const row of all("tr[data-name]")) row.classList.toggle("pinned", pinned.includes(row.dataset.name));
    for (const panel of panels.values()) if (panel.stale && panel.element.checkVisibility()) panel.refresh();
    redraw(all("#all-pairs .chart"));
  };

  // Whether a model, by its row, misses the image of a picture: bit `row` of its hexadecimal digits.
  const misses = (picture, row) => ((Number.parseInt(picture.dataset.missed[row >> 2] ?? "0", 16) >> (3 - (row & 3))) & 1) === 1;

  // A value as pandas writes it into a CSV file.
  const csvCell = (value, isFloat) => {
    if (value === null) return "";
    if (typeof value === "boolean") return value ? "True" : "False";
    if (typeof value === "string") return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
    if (!isFloat) return String(value);
    const size = Math.abs(value);
    if (size && size < 1e-4) return value.toExponential().replace(/e-(\d)$/, "e-0$1");
    return Number.isInteger(value) ? `${value}.0` : String(value);
  };

  const SIDES_OF_A_PAIR = ["original", "new"];
  const panels = new Map();  // the element of a pair's metric -> Panel
  class Panel {
    constructor(element) {
      this.element = element;
      const data = json(element.dataset.panel), rows = data.family.length;
      const column = (name) => Array.isArray(data.columns[name]) ? data.columns[name] : Array(rows).fill(data.columns[name]);
      this.columns = Object.fromEntries(Object.keys(data.columns).map((name) => [name, column(name)]));
      const { columns } = this;
      columns.title ??= columns.model;
      for (const side of SIDES_OF_A_PAIR) columns[`${side}_accuracy`] = columns[`${side}_correct`].map((correct, row) => correct / columns[`${side}_total`][row]);
      columns.drop = columns.original_accuracy.map((accuracy, row) => accuracy - columns.new_accuracy[row]);
      columns.delta_rank = columns.original_rank.map((rank, row) => rank - columns.new_rank[row]);
      columns.family = data.kin ? data.kin.rows.map((family) => data.kin.names[family] ?? null) : Array(rows).fill(null);
      this.kin = data.kin && data.kin.rows.map((family) => data.kin.titles[family] ?? null);
      this.models = columns.title;
      this.names = columns.model;
      this.rowOf = new Map(this.names.map((name, row) => [name, row]));
      this.family = data.family;
      this.families = data.families;
      this.distance = data.distance && { ...data.distance, extrapolated: new Set(data.distance.extrapolated) };
      this.copies = data.copies;
      this.shares = { accuracy: data.span, drop: data.drop_span };
      this.stars = new Set(data.highlighted);
      this.highlighted = data.highlighted.map((row) => this.names[row]);
      // A model is found by its title and by its name.
      this.lower = this.models.map((title, row) => `${title}${title === this.names[row] ? "" : ` ${this.names[row]}`}`.toLowerCase());
      this.visible = null;
      this.stale = true;
      this.table = element.querySelector(".models table");
      this.status = element.querySelector(".tools-status");
      this.comparison = element.querySelector(".comparison");
      this.searches = all("input[type=search]", element);
      this.rows = [...this.table.tBodies[0].rows];  // by position in the table as written; the others are made when they are shown
      this.keys = ["original_rank", "title", "original_accuracy", "new_accuracy", "drop", "new_rank", "delta_rank", ...(this.kin ? ["family"] : []), ...(data.has_year ? ["year"] : [])];
      const sorted = (place, numeric) => {
        const values = this.keys[place] === "family" ? this.kin : columns[this.keys[place]];
        return (row) => values[row] ?? (numeric ? -Infinity : MISSING);
      };
      this.order = sortable(this.table, [...this.models.keys()], () => this.show(), sorted);
      this.limit = this.rows.length < rows ? this.rows.length : Infinity;
      if (this.limit < rows) {
        this.table.closest(".models").addEventListener("scroll", ({ target }) => {
          if (target.scrollTop + 2 * target.clientHeight > target.scrollHeight) this.more(150);
        });
      }
      this.wire();
      this.wirePictures();
    }
    // Row numbers of the pinned models, in the order in which they were pinned.
    get pins() { return pinned.flatMap((name) => this.rowOf.get(name) ?? []); }
    // Row numbers in the order of the table: the pinned models, and those that the filters leave.
    get shown() {
      const pins = new Set(this.pins);
      return [...this.order.filter((row) => pins.has(row)), ...this.order.filter((row) => !pins.has(row) && (!this.visible || this.visible[row]))];
    }
    // The element of a row, as the template of the page writes it.
    row(place) {
      if (this.rows[place]) return this.rows[place];
      const { columns } = this, value = (name) => columns[name][place], title = value("title");
      const share = (one, [low, high]) => `${(100 * Math.min(1, Math.max(0, (one - low) / (high - low)))).toFixed(1)}%`;
      const interval = (name, kind, low, high, span = this.shares.accuracy) => {
        const cell = text("td", `${percent(value(name))} `, { className: "n" }), [from, to] = [value(low), value(high)];
        if (from === null) return cell;
        const bar = text("span", "", { className: `iv ${kind}` });
        bar.setAttribute("style", `--m:${share(value(name), span)};--a:${share(from, span)};--b:${share(to, span)}`);
        cell.append(text("span", within(from, to), { className: "ci" }), bar);
        return cell;
      };
      const rank = text("td", "", { className: "n" }), model = text("th", "", { scope: "row", className: "t" }), change = text("td", "", { className: "n" });
      const pin = text("button", "⊙", { type: "button", className: "pin", ariaPressed: "false", ariaLabel: `Pin ${title}` });
      rank.append(pin, value("original_rank"));
      if (title !== value("model")) model.title = value("model");
      if (this.stars.has(place)) model.append(text("span", "★", { className: "star", title: "highlighted" }), " ");
      model.append(...breakable(title));
      if (value("delta_rank_real")) {
        change.className = "n real";
        change.append(text("span", value("delta_rank") > 0 ? "▲" : "▼", { title: "statistically significant" }), " ");
      }
      change.append(String(value("delta_rank")).replace("-", "−"));
      const row = this.rows[place] = document.createElement("tr");
      row.dataset.model = place;
      row.append(rank, model, interval("original_accuracy", "original", "original_low", "original_high"), interval("new_accuracy", "new", "new_low", "new_high"),
        interval("drop", "drop", "drop_low", "drop_high", this.shares.drop), text("td", value("new_rank"), { className: "n" }), change);
      if (this.kin) row.append(text("td", this.kin[place] ?? MISSING, { className: "f" }));
      if (this.keys.includes("year")) row.append(text("td", value("year") ?? MISSING, { className: "n y" }));
      this.pinRow(place, this.pins.includes(place));
      return row;
    }
    pinRow(place, on) {
      const row = this.rows[place];
      if (!row || row.classList.contains("pinned") === on) return;
      row.classList.toggle("pinned", on);
      row.querySelector(".pin").setAttribute("aria-pressed", on);
    }
    // What is said of a model: "model" is all in the table, "distance" how far it is from the line, else numbers among words.
    said(kind, row, place) {
      const name = `<b>${escaped(this.models[row])}</b>`;
      if (kind === "model") return [name, ...this.facts(row)].join("<br>");
      if (kind === "distance") {
        const { value, low, high, p, extrapolated } = this.distance, known = value[row] === null ? MISSING : percent(value[row]);
        return `${name}<br>${known} ${low[row] === null ? "" : within(low[row], high[row])} points${extrapolated.has(row) ? "<br>extrapolated" : ""}<br>p (Holm) ${p[row] === null ? MISSING : number(p[row], 3)}`;
      }
      return `${name}<br>${kind.parts.map((part, at) => `${part}${at < kind.numbers.length ? number(kind.numbers[at][place], 1) : ""}`).join("")}`;
    }
    facts(row) {
      const { columns } = this, value = (name) => columns[name][row], distance = this.distance?.value[row] ?? null;
      const about = [this.kin?.[row], value("year")].filter((one) => one !== null && one !== undefined).join(", "), change = value("delta_rank");
      const of = (side) => `${side} ${percent(value(`${side}_accuracy`))} ${within(value(`${side}_low`), value(`${side}_high`))} %, ${count(value(`${side}_correct`))} of ${count(value(`${side}_total`))}, rank ${value(`${side}_rank`)}`;
      return [...(about ? [escaped(about)] : []), ...SIDES_OF_A_PAIR.map(of),
        `drop ${percent(value("drop"))}${value("drop_low") === null ? "" : ` ${within(value("drop_low"), value("drop_high"))}`}, Δ rank ${change > 0 ? "+" : ""}${count(change).replace("-", "−")}`,
        ...(distance === null ? [] : [`${percent(Math.abs(distance))} points ${distance > 0 ? "above" : "below"} the line of the other models`])];
    }
    wire() {
      for (const input of this.searches) {
        input.addEventListener("input", () => { state.find = input.value; writeAddress(); filterAll(); });
      }
      for (const chip of all(".chip", this.element)) {
        chip.addEventListener("click", () => {
          const name = this.families[chip.dataset.family];
          state.hide = state.hide.includes(name) ? state.hide.filter((one) => one !== name) : [...state.hide, name];
          writeAddress();
          filterAll();
        });
      }
      this.table.addEventListener("click", (event) => {
        const button = event.target.closest(".pin");
        if (button) this.pin(Number(button.closest("tr").dataset.model));
      });
      for (const button of all("[data-copy]", this.element)) button.addEventListener("click", () => this.copy(button.dataset.copy));
      const models = this.table.closest(".models"), whole = this.element.querySelector(".whole-table");
      whole?.addEventListener("click", () => {
        const on = whole.getAttribute("aria-pressed") === "false";
        whole.setAttribute("aria-pressed", on);
        models.classList.toggle("whole", on);
        if (on) this.more(Infinity);
      });
      for (const box of all(".columns input", this.element)) {
        box.addEventListener("change", () => models.classList.toggle(`without-${box.value}`, !box.checked));
      }
    }
    filter() {
      const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
      const off = new Set(state.hide.map((name) => this.families.indexOf(name)));
      this.visible = words.length || state.hide.length
        ? this.lower.map((model, row) => !off.has(this.family[row]) && words.every((word) => model.includes(word)))
        : null;
      for (const input of this.searches) if (input.value !== state.find) input.value = state.find;
      for (const chip of all(".chip", this.element)) chip.setAttribute("aria-pressed", !off.has(Number(chip.dataset.family)));
      this.show();
      clearTimeout(this.soon);  // typing must not wait for the figure
      this.soon = setTimeout(() => redraw(all(".chart.main", this.element)), this.models.length > 200 ? 150 : 0);
      const count = this.visible ? this.visible.filter(Boolean).length : this.models.length;
      this.say(this.visible ? `${count.toLocaleString("en")} of ${this.models.length.toLocaleString("en")} models shown` : "");
    }
    show() {
      this.listed = this.shown;
      const rows = this.listed.slice(0, this.limit).map((row) => this.row(row)), now = [...this.table.tBodies[0].rows];
      if (rows.length !== now.length || rows.some((row, place) => row !== now[place])) this.table.tBodies[0].replaceChildren(...rows);
      this.table.closest(".models").scrollTop = 0;
    }
    more(rows) {
      const there = this.table.tBodies[0].rows.length;
      this.listed ??= this.shown;
      this.table.tBodies[0].append(...this.listed.slice(there, there + rows).map((row) => this.row(row)));
    }
    pin(row) {
      const name = this.names[row], on = !pinned.includes(name);
      pinModels(on ? [...pinned, name] : pinned.filter((one) => one !== name));
      this.say(`${this.models[row]} is ${on ? "pinned to the top of the table" : "no longer pinned"}`);
    }
    // Everything that depends on pins and filters.
    refresh() {
      this.stale = false;
      const pins = new Set(this.pins);
      for (const place of this.rows.keys()) this.pinRow(place, pins.has(place));
      this.filter();
      this.element.querySelector(".cards").replaceChildren(...this.pins.map((row) => this.card(row)));
      this.compare();
      redraw(all(".chart", this.element));
    }
    // A pinned model beside the figure.
    card(row) {
      const { columns, distance } = this, known = distance?.value[row] ?? null;
      const said = (name, low, high) => `${percent(columns[name][row])}${columns[low][row] === null ? "" : ` ${within(columns[low][row], columns[high][row])}`}`;
      const card = text("article", "", { className: "card" }), heading = text("h4", ""), list = document.createElement("dl");
      const chip = this.element.querySelector(`.chip[data-family="${this.family[row]}"] > span`);
      heading.append(...(chip ? [chip.cloneNode(true)] : []), text("span", this.models[row]));
      const facts = SIDES_OF_A_PAIR.map((side) => [side === "new" ? "New" : "Original", `${said(`${side}_accuracy`, `${side}_low`, `${side}_high`)} %, rank ${columns[`${side}_rank`][row]}`]);
      facts.push(["Drop", `${said("drop", "drop_low", "drop_high")} points`]);
      if (known !== null) facts.push(["Distance", `${withSign(known)}${distance.low[row] === null ? "" : ` ${within(distance.low[row], distance.high[row])}`} points from the line`]);
      for (const [name, value] of facts) list.append(text("dt", name), text("dd", value));
      const off = text("button", "×", { type: "button", className: "drop-pin", ariaLabel: `Unpin ${this.models[row]}` });
      off.addEventListener("click", () => this.pin(row));
      card.append(heading, list, off);
      if (this.comparable.length > 1 && this.comparable.includes(row)) {
        const link = text("button", "Compare", { type: "button", className: "link", ariaLabel: `Compare ${this.models[row]}` });
        link.addEventListener("click", () => {
          this.compare([row, this.comparable.filter((other) => other !== row).at(-1)]);
          this.comparison.scrollIntoView({ block: "nearest" });
        });
        card.append(link);
      }
      return card;
    }
    // The pinned models with predictions on each image.
    get comparable() {
      if (!this.comparison) return [];
      this.pairs ??= json(`${this.element.id}-pairwise`);
      return this.pins.filter((row) => this.pairs.rows.includes(row));
    }
    // Two pinned models side by side, the last two unless told, from differences that Python computed.
    compare(chosen) {
      if (!this.comparison) return;
      const among = this.comparable;
      this.comparison.hidden = among.length < 2;
      if (this.comparison.hidden) return;
      const two = chosen ?? among.slice(-2), models = two.map((row) => this.pairs.rows.indexOf(row));
      const parts = comparison(this.pairs, models, two.map((row) => this.models[row]));
      if (among.length > 2) {
        const choices = text("div", "", { className: "choices" });
        for (const place of [0, 1]) {
          const select = text("select", "", { ariaLabel: place ? "Second model" : "First model" });
          for (const row of among) if (row !== two[1 - place]) select.append(new Option(this.models[row], row, false, row === two[place]));
          select.addEventListener("change", () => this.compare(two.with(place, Number(select.value))));
          choices.append(...(place ? [text("span", "compared with")] : []), select);
        }
        parts.splice(1, 0, choices);
      }
      this.comparison.replaceChildren(...parts, ...this.divided(two));
    }
    // Pictures of hard images: all, those that all models miss, or those that one model misses and another does not.
    wirePictures() {
      const choices = this.element.querySelector(".pictures");
      if (!choices) return;
      const [which, one, other] = ["which", "one", "other"].map((name) => choices.querySelector(`.${name}`));
      const filter = () => {
        const between = which.value === "between";
        if (between && !one.options.length) {
          for (const select of [one, other]) select.append(...this.models.map((name, row) => new Option(name, row)));
          const [first, second] = [...this.pins, 0, 1].filter((row, place, all) => all.indexOf(row) === place);
          one.value = first;
          other.value = second ?? first;
        }
        choices.querySelector(".two").hidden = !between;
        const pictures = all(".gallery li", this.element);
        for (const picture of pictures) {
          picture.hidden = between ? !(misses(picture, one.value) && !misses(picture, other.value)) : which.value === "all" && !("all" in picture.dataset);
        }
        choices.querySelector("[role=status]").textContent = which.value ? `${pictures.filter((one) => !one.hidden).length} of ${pictures.length} pictures` : "";
      };
      for (const select of [which, one, other]) select.addEventListener("change", filter);
    }
    // Pictures that only the first or only the second of two models classifies correctly.
    divided([first, second]) {
      const parts = [];
      for (const [right, wrong] of [[first, second], [second, first]]) {
        const pictures = all(".gallery li", this.element).filter((one) => misses(one, wrong) && !misses(one, right)).slice(0, 12);
        if (!pictures.length) continue;
        const list = text("ul", "", { className: "gallery" });
        list.append(...pictures.map((one) => { const copy = one.cloneNode(true); copy.hidden = false; return copy; }));
        parts.push(text("h5", `Correct by ${this.models[right]} alone (of the pictures on this page)`), list);
      }
      return parts;
    }
    // Where the points of the models are in these traces, by row.
    places(data) {
      return new Map(data.flatMap(({ customdata, x, y }) => (customdata ?? []).map((row, place) => [row, [x[place], y[place]]])));
    }
    // Where a model would be that the filters hide.
    place(row) {
      for (const { meta, x, y } of viewed(charts.get(this.element.querySelector(".chart.main")), this).data) {
        const at = meta?.each === 1 ? meta.rows.indexOf(row) : -1;
        if (at >= 0) return [x[at], y[at]];
      }
      return null;
    }
    announce(words) { this.element.querySelector(".announce").textContent = words; }
    async copy(kind) {
      const { before, after } = this.copies[kind], rows = this.shown;
      const text = before + rows.map((row) => `${this.line(kind, row)}\n`).join("") + after;
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
    // A row as text, as the tables in files have it.
    line(kind, row) {
      const { columns } = this, written = this.copies[kind];
      if (kind === "CSV") {
        const floats = new Set(written.floats);
        return written.columns.map((name) => csvCell(written.texts[name]?.[row] ?? columns[name][row], floats.has(name))).join(",");
      }
      const bounded = (side) => {
        const [value, low, high] = ["accuracy", "low", "high"].map((end) => columns[`${side}_${end}`][row]);
        return `${percent(value)}${Math.abs(high - low) < 1e-12 ? "" : ` ${within(low, high)}`}`;
      };
      const change = `${String(columns.delta_rank[row]).replace("-", "−")}${columns.delta_rank_real[row] ? "*" : ""}`;
      const cells = [count(columns.original_rank[row]), (written.titles ?? this.models)[row], bounded("original"), bounded("new"), percent(columns.drop[row]), count(columns.new_rank[row]), change];
      if (kind === "Markdown") return `| ${cells.join(" | ")} |`;
      const minus = (cell, place) => place === 1 ? cell : cell.replaceAll("−", "$-$");
      return `${this.stars.has(row) ? "\\rowcolor[gray]{0.9} " : ""}${cells.map(minus).join(" & ")} \\\\`;
    }
    say(text) { this.status.textContent = text; }
  }

  // Switches ----------------------------------------------------------------------------------------------------
  const press = (group, button) => { for (const other of all("button", group)) other.setAttribute("aria-pressed", other === button); };
  const switches = () => {
    for (const group of all(".segmented[data-chart]")) {
      const element = document.getElementById(group.dataset.chart), main = element.matches(".main");
      group.addEventListener("click", ({ target }) => {
        if (!target.matches("button")) return;
        const { view, span } = target.dataset;
        if (!main) {
          press(group, target);
          charts.get(element).view = view;
          draw(element);
          return;
        }
        if (view) state.scale = target === group.firstElementChild ? "" : view;
        if (span) state.axes = span === "line" ? "" : span;
        writeAddress();
        showAxes();
      });
    }
    for (const group of all(".segmented[data-metrics]")) {
      group.addEventListener("click", ({ target }) => {
        if (!target.matches("button")) return;
        state.metric = target === group.firstElementChild ? "" : target.dataset.metric.split("-")[1];
        writeAddress();
        showMetric();
        all(".metric:not([hidden]) .segmented[data-metrics] [aria-pressed=true]", group.closest(".pair"))[0].focus();
      });
    }
  };
  // The scatter plots on the scale and with the axes that were asked for.
  const showAxes = () => {
    for (const group of all(".segmented[data-chart]")) {
      const element = document.getElementById(group.dataset.chart), chart = charts.get(element);
      if (!element.matches(".main")) continue;
      const kind = group.firstElementChild.dataset.view ? "view" : "span", wanted = kind === "view" ? state.scale : state.axes;
      const button = all("button", group).find((one) => one.dataset[kind] === wanted) ?? group.firstElementChild;
      press(group, button);
      if (chart[kind] === button.dataset[kind]) continue;
      chart[kind] = button.dataset[kind];
      chart.zoom = null;
      redraw([element]);
    }
  };
  const showMetric = () => {
    for (const pair of all(".pair")) {
      const metrics = all(".metric", pair), shown = metrics.find(({ id }) => state.metric && id.endsWith(`-${state.metric}`)) ?? metrics[0];
      for (const metric of metrics) metric.hidden = metric !== shown;
    }
    refresh();
  };
  const filterAll = () => {
    for (const panel of panels.values()) if (panel.element.checkVisibility()) panel.filter(); else panel.stale = true;
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
  // The tab that the address names, or the one that is shown.
  const showTab = (part) => {
    const tabs = all("[role=tab]"), panel = part && part.closest("[role=tabpanel]");
    const chosen = tabs.find((tab) => tab.getAttribute("aria-controls") === panel?.id) ?? tabs.find((tab) => tab.getAttribute("aria-selected") === "true");
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    root.dataset.tabs = "";  // until then, the page shows no pair of several
    return panel;
  };
  // The tab, metric and section that the address names.
  const showPart = (scroll) => {
    const part = state.at && document.getElementById(state.at), metric = part && part.closest(".metric");
    if (metric?.hidden) { state.metric = metric.id.split("-")[1]; showMetric(); }
    const panel = showTab(part);
    refresh();
    if (scroll && part && part !== panel) part.scrollIntoView();
  };
  const goTo = (id, scroll) => { state.at = id; writeAddress(); showPart(scroll); };
  const tabs = () => {
    const list = document.querySelector("[role=tablist]"), buttons = list ? all("[role=tab]", list) : [];
    for (const button of buttons) button.addEventListener("click", () => goTo(button.getAttribute("aria-controls"), false));
    list?.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -buttons.length, End: buttons.length }[event.key];
      if (!step) return;
      const next = Math.min(buttons.length - 1, Math.max(0, buttons.indexOf(document.activeElement) + step));
      buttons[next].focus();
      buttons[next].click();
      event.preventDefault();
    });
    for (const link of all("a[data-tab]")) link.addEventListener("click", (event) => {
      event.preventDefault();
      goTo(link.dataset.tab, false);
      buttons.find((one) => one.getAttribute("aria-controls") === link.dataset.tab).focus();
    });
    for (const link of all("nav.bar a")) link.addEventListener("click", (event) => { event.preventDefault(); goTo(link.hash.slice(1), true); });
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
    wear([state.theme, remembered.get()].find((name) => names.includes(name)) ?? "auto");
    button.addEventListener("click", () => {
      const name = names[(names.indexOf(button.dataset.now) + 1) % names.length];
      wear(name);
      remembered.set(name);
      state.theme = name === "auto" ? "" : name;
      writeAddress();
      redraw(charts.keys());
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(charts.keys()));
  };
  const printing = () => {
    addEventListener("beforeprint", () => {
      root.dataset.print = "";
      for (const part of all("[role=tabpanel]")) { part.dataset.was = part.hidden; part.hidden = false; }
      for (const part of all("details:not(.long)")) { part.dataset.was = part.open; part.open = true; }
      refresh();
      for (const panel of panels.values()) panel.more(Infinity);
      for (const details of [...unread.keys()]) fill(details);
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
    let plan = null;
    charts.set(element, {
      get plan() { return plan ??= json(element.dataset.plan); },
      view: element.dataset.view, span: "line", zoom: null, drawn: false, near: false, stale: true, width: 0,
    });
    seen.observe(element);
    widths.observe(element);
  }
  for (const button of all(".save")) {
    button.addEventListener("click", () => {
      const element = document.getElementById(button.dataset.chart);
      Plotly.downloadImage(element.firstElementChild, { format: "svg", filename: button.dataset.name, width: element.clientWidth, height: element.clientHeight });
    });
  }
  // All that the address says, at first and where it was changed by hand.
  const obey = (scroll) => {
    pinned = state.pins ?? everyPin();
    for (const panel of panels.values()) panel.stale = true;
    showTab(state.at && document.getElementById(state.at));  // first: what is hidden is not laid out
    showAxes();
    showMetric();
    showPart(scroll);
  };
  // A page of `evalshift view` asks whether predictions have come since, and then shows itself anew at the same address.
  const live = document.querySelector("meta[name=evalshift-live]");
  if (live) {
    setInterval(async () => {
      try {
        const now = await (await fetch("/state")).json();
        if (now.shown && now.shown !== live.content) location.reload();
      } catch { /* the server has ended: what is shown stays */ }
    }, 3000);
  }
  switches();
  longTables();
  matrices();
  tabs();
  theme();
  printing();
  obey(true);
  addEventListener("hashchange", () => { readAddress(); obey(true); });
  root.dataset.ready = "";
})();
