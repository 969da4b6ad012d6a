"use strict";
(() => {
  const holder = document.getElementById("explore-data");
  if (!holder) return;
  const { metrics, places, systems, values, across, up } = JSON.parse(holder.textContent);
  const section = document.getElementById("explore");
  const [controls, panels, table] = ["controls", "panels", "table"].map((part) => section.querySelector(".explore-" + part));
  const NAMED = 14; // points of a panel that have their names beside them
  const SHAPES = ["M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z", "M-4-4h8v8h-8z", "M0-5.5L5.5 0L0 5.5L-5.5 0z", "M0-5.5L5 3.5H-5z", "M0 5.5L5-3.5H-5z", "M-1.7-5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z", "M-5-3L-3-5L0-2L3-5L5-3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0z"];
  const colour = (system) => "s" + (system + Math.floor(system / 7)) % 7;
  const first = () => ({ x: across, y: up, on: new Set([0]), off: new Set() });
  let state = first();

  // ---- small helpers
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  function draw(tag, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  const sign = (system, hollow = false) => draw("path", { class: hollow ? "hollow" : "mark", d: SHAPES[system % SHAPES.length] });

  // ---- the choice in the address
  function written() {
    const words = new URLSearchParams({ x: metrics[state.x].name, y: metrics[state.y].name });
    state.on.forEach((place) => words.append("on", places[place]));
    const shown = systems.filter((_, system) => !state.off.has(system));
    const [key, names] = shown.length < state.off.size ? ["only", shown] : ["without", [...state.off].map((system) => systems[system])];
    if (state.off.size) (names.length ? names : [""]).forEach((name) => words.append(key, name));
    return "#explore?" + words;
  }
  function read(hash) {
    const words = new URLSearchParams(hash.slice("#explore?".length));
    const chosen = first();
    for (const axis of ["x", "y"]) {
      const place = metrics.findIndex((metric) => metric.name === words.get(axis));
      if (place >= 0) chosen[axis] = place;
    }
    const on = words.getAll("on").map((name) => places.indexOf(name)).filter((place) => place >= 0);
    if (on.length) chosen.on = new Set(on);
    const only = words.getAll("only"), without = words.getAll("without");
    systems.forEach((name, system) => {
      if (only.length ? !only.includes(name) : without.includes(name)) chosen.off.add(system);
    });
    return chosen;
  }
  function remember() {
    try { history.replaceState(null, "", written()); } catch { location.replace(written()); }
  }

  // ---- the controls
  function axis(key, title) {
    const select = make("select");
    for (const group of new Set(metrics.map((metric) => metric.group))) {
      const options = metrics.map((metric, place) => [metric, place]).filter(([metric]) => metric.group === group);
      select.append(make("optgroup", { label: group }, ...options.map(([metric, place]) => make("option", { value: place }, metric.label))));
    }
    select.addEventListener("change", () => { state[key] = Number(select.value); changed(); });
    return [make("label", {}, title + " ", select), () => { select.value = state[key]; }];
  }
  function choices(title, names, chosen, choose, mark) {
    const boxes = names.map((name, place) => {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => { choose(place, box.checked); changed(); });
      return [box, make("label", {}, box, " ", ...(mark ? [mark(place)] : []), name), name];
    });
    const group = make("fieldset", {}, make("legend", {}, title));
    if (names.length > 3) {
      const listed = () => boxes.map((row, place) => [row, place]).filter(([[, label]]) => !label.hidden);
      for (const [text, on] of [["All", true], ["None", false]]) {
        const button = make("button", { type: "button", "aria-label": text + " of the " + title.toLowerCase() + " listed" }, text);
        button.addEventListener("click", () => { listed().forEach(([, place]) => choose(place, on)); changed(); });
        group.append(button);
      }
      const find = make("input", { type: "search", class: "filter", placeholder: "Find", "aria-label": "Find " + title.toLowerCase() });
      find.addEventListener("input", () => {
        const words = find.value.toLowerCase().split(/\s+/);
        boxes.forEach(([, label, name]) => { label.hidden = !words.every((word) => name.toLowerCase().includes(word)); });
      });
      group.append(find);
    }
    group.append(make("div", { class: "boxes" }, ...boxes.map(([, label]) => label)));
    return [group, () => boxes.forEach(([box], place) => { box.checked = chosen(place); })];
  }
  const swatch = (system) => draw("svg", { class: "swatch " + colour(system), viewBox: "-8 -8 16 16", "aria-hidden": "true" }, sign(system));
  const parts = [
    axis("y", "Up"),
    axis("x", "Across"),
    ...(places.length > 1 ? [choices("Collections", places, (place) => state.on.has(place), (place, on) => state.on[on ? "add" : "delete"](place))] : []),
    choices("Systems", systems, (system) => !state.off.has(system), (system, on) => state.off[on ? "delete" : "add"](system), swatch),
  ];
  controls.append(...parts.map(([element]) => element));

  // ---- scales
  function scale(points, key, metric, [from, to]) {
    const all = points.map((point) => point[key]);
    const positive = all.every((value) => value[1] > 0);
    const [least, most] = [Math.min, Math.max].map((end) => end(...all.map((value) => value[1])));
    const log = positive && metric.unit !== "fraction" && most / least > 3;
    // Intervals of two processes can span decades: the axis shows them up to three times beyond the values.
    const bound = (value) => positive && metric.unit !== "fraction" ? Math.min(Math.max(value, least / 3), most * 3) : value;
    const ends = all.flatMap((value) => [value[1], bound(value[2] ?? value[1]), bound(value[3] ?? value[1])]);
    let low = Math.min(...ends), high = Math.max(...ends);
    const room = log ? Math.max((high / low) ** 0.07, 1.05) : (high - low || Math.abs(high) || 1) * 0.07;
    [low, high] = log ? [low / room, high * room] : [low - room, high + room];
    const map = log ? Math.log : (value) => value;
    const place = (value) => from + (to - from) * (map(value) - map(low)) / (map(high) - map(low));
    const at = (value) => place(bound(value));
    const [unit, size] = units(metric.unit, most);
    return { at, bound, ticks: ticks(low / size, high / size, log).map((value) => [place(value * size), tick(value)]), title: metric.label + unit };
  }
  function units(unit, most) {
    const steps = { seconds: [["s", 1], ["ms", 1e-3], ["µs", 1e-6]], bytes: [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10], ["bytes", 1]] }[unit];
    if (!steps) return ["", 1];
    const [name, size] = steps.find(([, size]) => most >= size * (unit === "bytes" ? 10 : 1)) ?? steps[steps.length - 1];
    return [" (" + name + ")", size];
  }
  function ticks(low, high, log) {
    const within = (value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9);
    if (log) {
      for (const parts of [[1, 2, 5], [1, 3], [1]]) {
        const made = [];
        for (let decade = Math.floor(Math.log10(low)); decade <= Math.log10(high); decade++) made.push(...parts.map((part) => part * 10 ** decade).filter(within));
        if (made.length >= 2 && made.length < 8) return made;
      }
    }
    const rough = (high - low) / 6, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((part) => part * power >= rough), made = [];
    for (let place = Math.ceil(low / step); place * step <= high; place++) made.push(place * step);
    return made;
  }
  function tick(value) {
    const [unit, size] = [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]].find(([, size]) => Math.abs(value) >= Math.max(size, 1e4)) ?? ["", 1];
    return Number((value / size).toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 }) + unit;
  }

  // ---- one panel
  function pointsOf(place) {
    return systems.flatMap((name, system) => {
      const own = values[place]?.[system], x = own?.[state.x], y = own?.[state.y];
      return x && y && !state.off.has(system) ? [{ system, name, x, y }] : [];
    });
  }
  function front(points) {
    const [signX, signY] = [state.x, state.y].map((axis) => ({ lower: -1, higher: 1 })[metrics[axis].direction]);
    if (!signX || !signY) return points.forEach((point) => { point.best = true; });
    for (const point of points) {
      point.best = !points.some((other) => {
        const [x, y] = [signX * (other.x[1] - point.x[1]), signY * (other.y[1] - point.y[1])];
        return x >= 0 && y >= 0 && (x > 0 || y > 0);
      });
    }
    return { signX, line: points.filter((point) => point.best).sort((a, b) => signX * (b.x[1] - a.x[1])) };
  }
  function panel(place) {
    const points = pointsOf(place).sort((a, b) => a.x[1] - b.x[1]), [x, y] = [metrics[state.x], metrics[state.y]];
    const title = places[place] + ": " + y.label + " against " + x.label;
    const whole = make("div", { class: "panel" }, make("h3", {}, title));
    if (!points.length) return whole.append(make("p", { class: "soft" }, "No chosen system has both.")), whole;
    const [left, right, top, bottom] = [58, 446, 10, 262];
    const [sx, sy] = [scale(points, "x", x, [left, right]), scale(points, "y", y, [bottom, top])];
    const axes = draw("g", { "aria-hidden": "true" });
    for (const [at, text] of sx.ticks) axes.append(draw("path", { class: "grid", d: `M${at} ${top}V${bottom}` }), draw("text", { x: at, y: bottom + 17 }, text));
    for (const [at, text] of sy.ticks) axes.append(draw("path", { class: "grid", d: `M${left} ${at}H${right}` }), draw("text", { class: "en", x: left - 7, y: at + 4 }, text));
    axes.append(draw("path", { class: "axis", d: `M${left} ${bottom}H${right}` }));
    axes.append(draw("text", { class: "label", x: (left + right) / 2, y: bottom + 36 }, sx.title));
    axes.append(draw("text", { class: "label", transform: `translate(13 ${(top + bottom) / 2})rotate(-90)` }, sy.title));
    const best = front(points);
    for (const point of points) point.at = [sx.at(point.x[1]), sy.at(point.y[1])];
    if (best && best.line.length) {
      const steps = best.line.map((point, number) => number ? `H${point.at[0]}V${point.at[1]}` : `M${point.at}`).join("");
      axes.append(draw("path", { class: "line thin s-ink", "stroke-dasharray": "2 3", d: steps + `H${best.signX < 0 ? right : left}` }));
    }
    const svg = draw("svg", { viewBox: "0 0 460 304", role: "group", "aria-label": title + ". Arrow keys go from point to point." }, axes);
    const tip = make("div", { class: "tip", hidden: "" });
    const marks = points.map((point) => {
      const [px, py] = point.at, ends = (value, axis) => [value[2], value[3]].map((end) => axis.at(end ?? value[1]));
      const [[x0, x1], [y0, y1]] = [ends(point.x, sx), ends(point.y, sy)];
      point.reach = [[x0, py - 1, x1, py + 1], [px - 1, y1, px + 1, y0]];
      const words = [`${y.label} ${point.y[0]}`, `${x.label} ${point.x[0]}`, ...(best ? [point.best ? "on the front" : "dominated"] : [])];
      const mark = draw("g", { class: "point " + colour(point.system), role: "img", tabindex: "-1", "aria-label": `${point.name} on ${places[place]}: ${words.join("; ")}` },
        draw("path", { class: "line thin", d: `M${x0} ${py}H${x1}M${px} ${y0}V${y1}` }),
        draw("circle", { class: "hit", cx: px, cy: py, r: 11 }),
        draw("g", { transform: `translate(${px} ${py})` }, sign(point.system, !point.best)));
      const show = () => {
        tip.replaceChildren(make("strong", {}, point.name), ...words.map((text) => make("span", {}, text)));
        tip.hidden = false;
        const [box, mine] = [whole.getBoundingClientRect(), mark.lastChild.getBoundingClientRect()];
        tip.style.left = Math.max(0, Math.min(mine.left - box.left + 14, box.width - tip.offsetWidth)) + "px";
        tip.style.top = mine.bottom - box.top + 8 + "px";
      };
      const hide = () => { if (!mark.matches(":hover, :focus")) tip.hidden = true; };
      mark.addEventListener("pointerenter", show);
      mark.addEventListener("pointerleave", hide);
      mark.addEventListener("focus", () => { marks.forEach((other) => other.setAttribute("tabindex", other === mark ? "0" : "-1")); show(); });
      mark.addEventListener("blur", hide);
      return mark;
    });
    const byHeight = points.map((_, number) => number).sort((a, b) => points[a].y[1] - points[b].y[1]);
    const byX = points.map((_, number) => number);
    svg.addEventListener("keydown", (event) => {
      const now = marks.indexOf(event.target);
      if (event.key === "Escape") tip.hidden = true;
      const moves = { ArrowRight: [byX, 1], ArrowLeft: [byX, -1], ArrowUp: [byHeight, 1], ArrowDown: [byHeight, -1], Home: [byX, -Infinity], End: [byX, Infinity] };
      if (now < 0 || !(event.key in moves)) return;
      const [order, by] = moves[event.key];
      marks[order[Math.min(Math.max(order.indexOf(now) + by, 0), order.length - 1)]].focus();
      event.preventDefault();
    });
    marks[0].setAttribute("tabindex", "0");
    svg.append(...marks, ...(points.length <= NAMED ? names(points, [left, top, right, bottom]) : []));
    whole.append(svg, tip);
    return whole;
  }
  function names(points, [left, top, right, bottom]) {
    const apart = (box, boxes) => boxes.every(([a, b, c, d]) => box[0] >= c || a >= box[2] || box[1] >= d || b >= box[3]);
    const taken = points.map(({ at: [x, y] }) => [x - 6, y - 6, x + 6, y + 6]), lines = points.flatMap((point) => point.reach);
    return points.flatMap(({ name, at: [x, y] }) => {
      const text = name.length > 26 ? name.slice(0, 25) + "…" : name, width = 6.7 * text.length;
      const ways = [["st", x + 7, y - 6], ["st", x + 7, y + 15], ["en", x - 7, y - 6], ["en", x - 7, y + 15], ["st", x + 9, y + 4], ["en", x - 9, y + 4]].map(([kind, from, line]) => {
        const start = kind === "st" ? from : from - width;
        return { kind, from, line, box: [start, line - 10, start + width, line + 3] };
      }).filter(({ box }) => box[0] >= left && box[2] <= right + 8 && box[1] >= top - 8 && box[3] <= bottom && apart(box, taken));
      const way = ways.find(({ box }) => apart(box, lines)) ?? ways[0];
      if (!way) return []; // its tip says it
      taken.push(way.box);
      return [draw("text", { class: way.kind + " name", x: way.from, y: way.line, "aria-hidden": "true" }, text)];
    });
  }

  // ---- all of it
  function render() {
    parts.forEach(([, update]) => update());
    const chosen = places.map((_, place) => place).filter((place) => state.on.has(place));
    panels.replaceChildren(...chosen.map(panel), ...(chosen.length ? [] : [make("p", { class: "soft" }, "Choose a collection.")]));
    const head = ["System", "On", metrics[state.y].label, metrics[state.x].label];
    const rows = chosen.flatMap((place) => pointsOf(place).map((point) => [point.name, places[place], point.y[0], point.x[0]]));
    table.replaceChildren(
      make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...rows.map(([name, ...cells]) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((text) => make("td", {}, text))))),
    );
  }
  function changed() { render(); remember(); }
  function arrived() {
    if (!location.hash.startsWith("#explore?")) return false;
    state = read(location.hash);
    render();
    section.scrollIntoView();
    return true;
  }
  document.querySelectorAll(".needs-script").forEach((part) => { part.hidden = false; });
  window.addEventListener("hashchange", arrived);
  if (!arrived()) render();
})();
