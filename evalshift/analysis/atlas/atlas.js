"use strict"; // The atlas: choose two sets of a testbed, find a model, colour by what is known of it.
(() => {
  const all = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const [NAME, FAMILY, DATA, YEAR, PARAMETERS, SIZE] = [0, 1, 2, 3, 4, 5];
  const ROWS = 100;
  let bed, rows = [], shown = [], chosen = null, sort = { column: "original", down: true }, every = false;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const text = (node, value) => { node.textContent = value; return node; };
  const element = (tag, value = "", kind = "") => { const made = text(document.createElement(tag), value); if (kind) made.className = kind; return made; };
  const options = (select, values, wanted) => {
    select.replaceChildren(...values.map(([value, title]) => { const one = element("option", title); one.value = value; return one; }));
    if (values.some(([value]) => value === wanted)) select.value = wanted;
  };
  const counts = (set, metric) => bed.counts[`${set} ${metric}`];
  const images = (set) => bed.sets.find((one) => one.name === set).images;
  const titleOf = (set) => bed.sets.find((one) => one.name === set).title;
  const fixed = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));

  // Φ and Φ⁻¹: W. J. Cody's and P. J. Acklam's approximations are more than a screen shows.
  const probit = (p) => {
    const q = Math.min(p, 1 - p), t = Math.sqrt(-2 * Math.log(q));
    if (q > 0.02425) {
      const d = p - 0.5, r = d * d;
      return d * (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r - 30.66479806614716) * r + 2.506628277459239) /
        (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r - 13.28068155288572) * r + 1);
    }
    const z = (((((-0.007784894002430293 * t - 0.3223964580411365) * t - 2.400758277161838) * t - 2.549732539343734) * t + 4.374664141464968) * t + 2.938163982698783) /
      ((((0.007784695709041462 * t + 0.3224671290700398) * t + 2.445134137142996) * t + 3.754408661907416) * t + 1);
    return p < 0.5 ? z : -z;
  };
  const phi = (z) => {
    const t = 1 / (1 + 0.2316419 * Math.abs(z));
    const tail = Math.exp(-z * z / 2) * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))) / Math.sqrt(2 * Math.PI);
    return z > 0 ? 1 - tail : tail;
  };
  const finite = (k, n) => (k === 0 || k === n ? (k + 0.5) / (n + 1) : k / n);
  const onAxis = (p) => ($("scale").value === "probit" ? probit(p) : 100 * p);

  function chooseTestbed() {
    bed = all.testbeds.find((one) => one.name === $("testbed").value);
    const first = bed.pairs[0], sets = bed.sets.map((one) => [one.name, one.title]);
    options($("original"), sets, first ? first.original : sets[0][0]);
    options($("new"), sets, first ? first.new : sets[Math.min(1, sets.length - 1)][0]);
    $("models").replaceChildren(...[...new Set(bed.models.map((model) => model[NAME]))].map((name) => { const one = element("option"); one.value = name; return one; }));
    text($("facts"), [bed.reference, bed.source, bed.licence && `licence ${bed.licence}`].filter(Boolean).join("; "));
    chosen = null;
    update();
  }

  function update() {
    const original = $("original").value, fresh = $("new").value, metric = $("metric").value;
    const one = counts(original, metric), other = counts(fresh, metric);
    const pair = metric === "top1" && bed.pairs.find((found) => found.original === original && found.new === fresh);
    rows = [];
    if (one && other) bed.models.forEach((model, place) => {
      if (one.correct[place] === null || other.correct[place] === null) return;
      rows.push({ place, model, name: model[NAME],
        x: finite(one.correct[place], images(original)), y: finite(other.correct[place], images(fresh)),
        original: 100 * one.correct[place] / images(original), fresh: 100 * other.correct[place] / images(fresh),
        distance: pair ? pair.distance[place] : null, p: pair ? pair.p_holm[place] : null });
    });
    $("findings").replaceChildren(...(pair ? pair.findings : [rows.length ?
      `${rows.length} models have ${metric === "top1" ? "top-1" : "top-5"} accuracies on both sets. No line is fitted: it is only on the testbed's own pairs, by top-1 accuracy.` :
      "No model has this accuracy on both sets."]).map((finding) => element("li", finding)));
    draw(pair);
    table();
    document.documentElement.dataset.pair = `${original}:${fresh}`;
  }

  function groups() {
    const by = $("colour").value, field = { data: DATA, family: FAMILY }[by];
    if (field === undefined) return null;
    const names = by === "data" ? bed.data : bed.families, found = new Map();
    for (const row of rows) { const key = row.model[field]; found.set(key, [...(found.get(key) || []), row]); }
    const ordered = [...found].filter(([key]) => key !== null).sort((a, b) => b[1].length - a[1].length);
    const own = ordered.slice(0, all.series.length), rest = [...ordered.slice(all.series.length).flatMap(([, some]) => some), ...(found.get(null) || [])];
    const made = own.map(([key, some], number) => ({ name: names[key], rows: some, colour: css(all.series[number]), symbol: all.symbols[number] }));
    if (rest.length) made.push({ name: "Others or unknown", rows: rest, colour: css("--quiet"), symbol: "circle-open" });
    return made;
  }

  const hover = (row) => `<b>${row.name}</b><br>${titleOf($("original").value)} ${fixed(row.original, 1)} %<br>${titleOf($("new").value)} ${fixed(row.fresh, 1)} %` +
    (row.distance === null ? "" : `<br>${row.distance >= 0 ? "+" : "−"}${Math.abs(row.distance).toFixed(1)} points from the line`);

  function draw(pair) {
    const found = groups(), traces = [];
    const trace = (some, more) => ({ type: "scatter", mode: "markers", x: some.map((row) => onAxis(row.x)), y: some.map((row) => onAxis(row.y)),
      customdata: some.map((row) => row.place), text: some.map(hover), hovertemplate: "%{text}<extra></extra>", ...more });
    if (found) for (const group of found) traces.push(trace(group.rows, { name: `${group.name} (${group.rows.length})`, marker: { size: 5, opacity: 0.6, color: group.colour, symbol: group.symbol } }));
    else {
      const field = $("colour").value === "year" ? YEAR : PARAMETERS, log = field === PARAMETERS;
      const known = rows.filter((row) => row.model[field] !== null), unknown = rows.filter((row) => row.model[field] === null);
      if (unknown.length) traces.push(trace(unknown, { name: `unknown (${unknown.length})`, marker: { size: 5, color: css("--quiet"), symbol: "circle-open" } }));
      traces.push(trace(known, { name: log ? "parameters" : "year", showlegend: false, marker: { size: 5, opacity: 0.75, colorscale: "Viridis", showscale: true,
        color: known.map((row) => (log ? Math.log10(row.model[field]) : row.model[field])),
        colorbar: log ? { title: { text: "million parameters" }, tickvals: [0, 1, 2, 3], ticktext: ["1", "10", "100", "1,000"] } : { title: { text: "year" } } } }));
    }
    const line = ([slope, offset, low, high], more) => {
      const x = [...Array(41).keys()].map((step) => low + (high - low) * step / 40), linear = $("scale").value === "linear";
      const at = (z) => (linear ? 100 * phi(z) : z);
      return { type: "scatter", mode: "lines", x: x.map(at), y: x.map((z) => at(slope * z + offset)), hoverinfo: "skip", showlegend: false, ...more };
    };
    if (pair && pair.line) traces.push(line(pair.line, { line: { color: css("--quiet"), width: 1.5 } }));
    if (pair && found && $("colour").value === "data") for (const group of pair.groups) {
      const shownGroup = found.find((one) => one.name === group.name);
      if (shownGroup) traces.push(line(group.line, { line: { color: shownGroup.colour, width: 1.5 } }));
    }
    const searched = matching();
    if (searched.length && searched.length < rows.length) traces.push(trace(searched, { name: "found", showlegend: false, marker: { size: 10, color: "rgba(0,0,0,0)", line: { color: css("--highlight"), width: 2 } } }));
    const mine = rows.filter((row) => row.place === chosen);
    if (mine.length) traces.push(trace(mine, { name: "chosen", showlegend: false, marker: { size: 14, symbol: "star", color: css("--highlight") } }));
    const span = (key) => { const v = rows.map((row) => onAxis(row[key])); const low = Math.min(...v), high = Math.max(...v), gap = 0.04 * (high - low) || 0.1; return rows.length ? [low - gap, high + gap] : [0, 1]; };
    const xs = span("x"), ys = span("y"), from = Math.max(xs[0], ys[0]), to = Math.min(xs[1], ys[1]);
    if (from < to) traces.push({ type: "scatter", mode: "lines", x: [from, to], y: [from, to], hoverinfo: "skip", showlegend: false, line: { color: css("--quiet"), dash: "dash", width: 1 } });
    const ticks = (range) => $("scale").value === "linear" ? {} : (() => {
      const values = [0.1, 0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 93, 95, 97, 98, 99, 99.5, 99.9].filter((p) => probit(p / 100) > range[0] && probit(p / 100) < range[1]);
      return { tickvals: values.map((p) => probit(p / 100)), ticktext: values.map(String) }; })();
    const axis = (set, range) => ({ title: { text: `${titleOf(set)}: accuracy (%)` }, range, gridcolor: css("--grid"), zeroline: false, ...ticks(range) });
    Plotly.react("plot", traces, { margin: { l: 60, r: 10, t: 10, b: 50 }, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: css("--ink") }, legend: { orientation: "h", y: -0.15 }, xaxis: axis($("original").value, xs), yaxis: axis($("new").value, ys) },
      { responsive: true, displaylogo: false });
  }

  const COLUMNS = [["name", "Model", true], ["family", "Family", true], ["data", "Training data", true], ["year", "Year"], ["parameters", "Parameters (M)"], ["size", "Pixels"],
    ["original", "Original (%)"], ["fresh", "New (%)"], ["drop", "Drop"], ["distance", "From the line"], ["p", "p (Holm)"]];
  const value = (row, column) => ({ family: bed.families[row.model[FAMILY]], data: bed.data[row.model[DATA]], year: row.model[YEAR], parameters: row.model[PARAMETERS],
    size: row.model[SIZE], drop: row.original - row.fresh })[column] ?? row[column] ?? null;
  const matching = () => { const wanted = $("search").value.trim().toLowerCase(); return wanted ? rows.filter((row) => row.name.toLowerCase().includes(wanted)) : []; };

  function table() {
    shown = $("search").value.trim() ? matching() : rows.slice();
    const sign = sort.down ? -1 : 1;
    shown.sort((a, b) => { const [v, w] = [value(a, sort.column), value(b, sort.column)];
      return v === null ? (w === null ? 0 : 1) : w === null ? -1 : sign * (typeof v === "string" ? v.localeCompare(w) : v - w); });
    document.querySelector("#table thead tr").replaceChildren(...COLUMNS.map(([key, title, isText]) => {
      const head = element("th", "", isText ? "text" : ""), button = element("button", title);
      button.type = "button";
      button.onclick = () => { sort = { column: key, down: sort.column === key ? !sort.down : !isText }; table(); };
      head.append(button); head.ariaSort = sort.column === key ? (sort.down ? "descending" : "ascending") : "none"; return head; }));
    const body = document.createDocumentFragment();
    for (const row of every ? shown : shown.slice(0, ROWS)) {
      const line = element("tr", "", row.place === chosen ? "chosen" : "");
      for (const [key, , isText] of COLUMNS) {
        const found = value(row, key);
        const digits = { original: 1, fresh: 1, drop: 1, distance: 1, p: 3 }[key];
        const shownText = found === null ? "–" : key === "p" && found < 0.001 ? "< 0.001" : digits ? fixed(found, digits) : String(found);
        line.append(element("td", shownText, isText ? "text" : ""));
      }
      line.onclick = () => choose(row.place);
      body.append(line);
    }
    document.querySelector("#table tbody").replaceChildren(body);
    text($("count"), `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} models`);
    $("more").hidden = every || shown.length <= ROWS;
  }

  function choose(place) {
    chosen = place;
    const model = bed.models[place], card = $("card");
    const heading = element("h4", model[NAME]);
    const known = [bed.families[model[FAMILY]] ?? "family unknown", model[YEAR] ?? "year unknown", bed.data[model[DATA]] ? `trained on ${bed.data[model[DATA]]}` : "training data unknown",
      model[PARAMETERS] ? `${model[PARAMETERS]} million parameters` : null, model[SIZE] ? `${model[SIZE]} pixels` : null].filter(Boolean).join("; ");
    const list = element("table");
    for (const set of bed.sets) for (const metric of ["top1", "top5"]) {
      const found = counts(set.name, metric);
      if (!found || found.correct[place] === null) continue;
      const line = element("tr");
      line.append(element("td", `${set.title}, ${metric === "top1" ? "top-1" : "top-5"}`),
        element("td", `${fixed(100 * found.correct[place] / set.images, 1)} % [${fixed(found.low[place], 1)}, ${fixed(found.high[place], 1)}]`));
      list.append(line);
    }
    card.replaceChildren(heading, element("p", known, "quiet"), list);
    update();
  }

  function csv() {
    const quote = (one) => { const as = one === null || one === undefined ? "" : String(one); return /[",\n]/.test(as) ? `"${as.replaceAll('"', '""')}"` : as; };
    const original = $("original").value, fresh = $("new").value, metric = $("metric").value;
    const one = counts(original, metric), other = counts(fresh, metric);
    const head = ["model", "family", "training_data", "year", "parameters_millions", "image_size", `${original} correct`, `${original} images`, `${original} low`, `${original} high`,
      `${fresh} correct`, `${fresh} images`, `${fresh} low`, `${fresh} high`, "distance_points", "p_holm"];
    const lines = shown.map((row) => [row.name, bed.families[row.model[FAMILY]], bed.data[row.model[DATA]], row.model[YEAR], row.model[PARAMETERS], row.model[SIZE],
      one.correct[row.place], images(original), one.low[row.place], one.high[row.place], other.correct[row.place], images(fresh), other.low[row.place], other.high[row.place], row.distance, row.p]);
    return [head, ...lines].map((cells) => cells.map(quote).join(",")).join("\n") + "\n";
  }

  options($("testbed"), all.testbeds.map((one) => [one.name, `${one.title} (${one.models.length.toLocaleString("en")} models)`]), "timm");
  $("testbed").onchange = chooseTestbed;
  for (const id of ["original", "new", "metric", "colour", "scale"]) $(id).onchange = () => { every = false; update(); };
  let waiting;
  $("search").oninput = () => { clearTimeout(waiting); waiting = setTimeout(() => {
    const exact = rows.find((row) => row.name === $("search").value.trim());
    if (exact) choose(exact.place); else update(); }, 60); };
  $("more").onclick = () => { every = true; table(); };
  $("download").onclick = () => {
    const link = element("a"); link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = `${bed.name}_${$("original").value}_${$("new").value}_${$("metric").value}.csv`; link.click(); };
  chooseTestbed();
  $("plot").on("plotly_click", (event) => { const place = event.points[0].customdata; if (place !== undefined) choose(place); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
  window.atlasCsv = csv;
  document.documentElement.dataset.ready = "";
})();
