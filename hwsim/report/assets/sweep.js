// The page of a sweep: all that it shows is computed from summary.json, which it holds.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("summary").textContent);
  const place = (id) => document.getElementById(id);
  if (!place("explorer")) return; // nothing is feasible, there is nothing to explore
  const all = data.machines;
  const fields = data.ranking; // the one that matters most first
  const metrics = Object.keys(data.metrics);
  const traces = Object.keys(all.metrics);
  const ramp = place("explorer").dataset.ramp.split(" ");
  const state = {
    trace: traces[0], x: "energy_uj", y: data.speed, colour: fields[0], outside: false,
    across: data.heat_map.x, down: data.heat_map.y ?? "", best: data.speed,
    hidden: Object.fromEntries(fields.map((name) => [name, new Set()])),
    sort: data.speed, falling: false, rows: 100,
  };

  // Numbers as people read them: the same words as in the tables of a report.
  const scaled = (value, units) => {
    let step = 0;
    while (Math.abs(value) >= 999.5 && step < units.length - 1) { value /= 1000; step += 1; }
    const whole = Math.abs(value) >= 99.95 || (step === 0 && Number.isInteger(value));
    return `${value.toFixed(whole ? 0 : Math.abs(value) >= 9.995 ? 1 : 2)} ${units[step]}`.trim();
  };
  const prefixes = ["", "k", "M", "G", "T", "P"];
  const bytes = (value) => scaled(value, prefixes.map((prefix) => `${prefix}B`));
  const show = {
    cycles: (value) => scaled(value, prefixes),
    seconds: (value) => scaled(value * 1e9, ["ns", "µs", "ms", "s"]),
    energy_uj: (value) => scaled(value * 1e6, ["pJ", "nJ", "µJ", "mJ", "J", "kJ"]),
    dram_bytes: bytes,
    luts: (value) => scaled(value, prefixes),
    dsps: String,
    brams: String,
    sram_bytes: bytes,
    speedup: (value) => `${value.toFixed(value < 99.5 ? 2 : 0)}×`,
  };
  const shown = (key, value) =>
    value === null ? "" : show[key] ? show[key](value)
      : typeof value === "number" && !Number.isInteger(value) ? String(+value.toPrecision(4)) : String(value);
  const bare = (number) => number.replace(/\.0+(?!\d)/, ""); // on an axis: 20 k for 20.0 k
  const title = (key) => data.metrics[key] ?? key;
  const values = (key) => all.metrics[state.trace][key] ?? all.fields[key] ?? all[key];
  const numeric = (key) => typeof values(key).find((value) => value !== null) === "number";
  const colours = (count) =>
    Array.from({ length: count }, (_, level) => ramp[Math.round((level * (ramp.length - 1)) / Math.max(count - 1, 1))]);
  const readable = (colour) => {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140 ? "#ffffff" : "#101010";
  };

  // Which machines: those that ran, are within the constraints or asked for all the same, and pass the filters.
  const chosen = () => {
    const ran = values("cycles");
    const found = [];
    for (let at = 0; at < ran.length; at += 1) {
      if (ran[at] === null || !(all.feasible[at] || state.outside)) continue;
      if (fields.every((name) => !state.hidden[name].has(all.levels[name].of[at]))) found.push(at);
    }
    return found;
  };
  // The machines that none beats in both, ascending in x; of equal ones the first. As hwsim.report.sweep.analysis.
  const front = (machines, x, y) => {
    const up = (key) => (key === "speedup" ? (value) => -value : (value) => value);
    const [a, b] = [up(state.x), up(state.y)];
    const order = machines.filter((at) => all.feasible[at])
      .sort((i, j) => a(x[i]) - a(x[j]) || b(y[i]) - b(y[j]) || i - j);
    let lowest = Infinity;
    return order.filter((at) => b(y[at]) < lowest && ((lowest = b(y[at])), true));
  };

  const make = (tag, attributes = {}, ...children) => {
    const space = ["svg", "path", "line", "text", "circle", "g"].includes(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
    const node = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const choice = (name, label, options, then) => {
    const select = make("select", { "data-name": name });
    for (const [value, words] of options) {
      const option = make("option", { value }, words);
      option.selected = value === state[name];
      select.append(option);
    }
    select.addEventListener("change", () => { state[name] = select.value; then(); });
    return make("label", {}, make("span", {}, label), select);
  };

  // An axis: a scale from values to pixels, and ticks where words can stand.
  const axis = (key, machines, from, to) => {
    const own = machines.map((at) => values(key)[at]);
    let low = own.reduce((a, b) => Math.min(a, b), Infinity);
    let high = own.reduce((a, b) => Math.max(a, b), -Infinity);
    const log = low > 0 && high / low > 3;
    if (log) {
      const room = (high / low) ** 0.06;
      [low, high] = [low / room, high * room];
    } else {
      const room = Math.max((high - low) * 0.06, ((high + low) / 2) * 0.03 - (high - low) / 2) || 1;
      [low, high] = [low - room, high + room];
    }
    const of = log ? Math.log10 : (value) => value;
    const scale = (value) => from + ((of(value) - of(low)) / (of(high) - of(low))) * (to - from);
    const ticks = [];
    if (log) {
      const span = Math.log10(high / low); // as hwsim.report.plots.style.log_ticks
      const digits = span < 1 ? [1, 2, 3, 5, 7] : span < 2.2 ? [1, 2, 5] : [1];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
        for (const digit of digits) ticks.push(digit * 10 ** power);
    } else {
      const rough = (high - low) / (Math.abs(to - from) < 400 ? 4 : 6);
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
      for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
    }
    return { scale, ticks: ticks.filter((tick) => tick >= low && tick <= high), kind: log ? ", logarithmic" : "" };
  };

  let pointAt = () => {};
  const drawScatter = (machines) => {
    const box = place("scatter");
    const width = Math.max(box.clientWidth, 260);
    const height = Math.round(Math.min(480, Math.max(300, width * 0.55)));
    const [left, right, top, bottom] = [70, 14, 12, 46];
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title(state.y)} against ${title(state.x)}` });
    box.replaceChildren(svg);
    if (!machines.length) {
      svg.append(make("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "No machine passes the filters."));
      place("levels").replaceChildren();
      pointAt = () => {};
      return;
    }
    const [x, y] = [values(state.x), values(state.y)];
    const across = axis(state.x, machines, left, width - right);
    const up = axis(state.y, machines, height - bottom, top);
    for (const tick of across.ticks) {
      const at = across.scale(tick);
      svg.append(make("line", { class: "grid", x1: at, x2: at, y1: top, y2: height - bottom }));
      svg.append(make("text", { x: at, y: height - bottom + 17, "text-anchor": "middle" }, bare(shown(state.x, tick))));
    }
    for (const tick of up.ticks) {
      const at = up.scale(tick);
      svg.append(make("line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at }));
      svg.append(make("text", { x: left - 7, y: at + 4, "text-anchor": "end" }, bare(shown(state.y, tick))));
    }
    svg.append(make("text", { class: "name", x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, title(state.x) + across.kind));
    svg.append(make("text", { class: "name", transform: `translate(14 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, title(state.y) + up.kind));
    const level = all.levels[state.colour];
    const palette = colours(level.labels.length);
    const size = machines.length < 100 ? 10 : machines.length < 1500 ? 7 : 4.5;
    const spots = machines.map((at) => [across.scale(x[at]), up.scale(y[at]), at]);
    const paths = new Map(); // one path a colour: thousands of dots stay light
    for (const [px, py, at] of spots) {
      const key = all.feasible[at] ? level.of[at] : -1;
      paths.set(key, `${paths.get(key) ?? ""}M${px.toFixed(1)} ${py.toFixed(1)}h0`);
    }
    for (const key of [...paths.keys()].sort((a, b) => a - b))
      svg.append(make("path", { class: key < 0 ? "dots refused" : "dots", d: paths.get(key), stroke: palette[key] ?? "", "stroke-width": size }));
    if (metrics.includes(state.x) && metrics.includes(state.y)) {
      const best = front(machines, x, y);
      let line = "";
      best.forEach((at, number) => {
        const [px, py] = [across.scale(x[at]).toFixed(1), up.scale(y[at]).toFixed(1)];
        line += number ? `H${px}V${py}` : `M${px} ${py}`;
      });
      svg.append(make("path", { class: "front", d: line, "data-machines": best.map((at) => all.machine[at]).join(" ") }));
      for (const at of best)
        svg.append(make("circle", { class: "best", cx: across.scale(x[at]), cy: up.scale(y[at]), r: size / 2 + 1.5, fill: palette[level.of[at]] }));
    }
    const ring = make("circle", { class: "ring", r: size / 2 + 5, visibility: "hidden" });
    svg.append(ring);
    pointAt = (at) => {
      ring.setAttribute("visibility", at === null ? "hidden" : "visible");
      if (at === null) return;
      ring.setAttribute("cx", across.scale(x[at]));
      ring.setAttribute("cy", up.scale(y[at]));
      place("pointed").textContent = [
        `machine ${all.machine[at]}`, ...fields.map((name) => `${name} ${shown(name, all.fields[name][at])}`),
        ...metrics.map((key) => `${title(key)} ${shown(key, values(key)[at])}`),
        ...(all.feasible[at] ? [] : ["not feasible"]),
      ].join(", ");
    };
    const look = (event) => {
      const frame = svg.getBoundingClientRect();
      const [mx, my] = [((event.clientX - frame.left) * width) / frame.width, ((event.clientY - frame.top) * height) / frame.height];
      let [nearest, distance] = [null, 30 ** 2];
      for (const [px, py, at] of spots) {
        const away = (px - mx) ** 2 + (py - my) ** 2;
        if (away < distance) [nearest, distance] = [at, away];
      }
      if (nearest !== null) pointAt(nearest);
    };
    svg.addEventListener("pointermove", look);
    svg.addEventListener("pointerdown", look);
    place("levels").replaceChildren(make("span", {}, state.colour), ...level.labels.map((label, number) =>
      make("span", {}, make("i", { style: `background:${palette[number]}` }), label)));
  };

  const drawHeat = (machines) => {
    const across = all.levels[state.across];
    const down = state.down ? all.levels[state.down] : { labels: [""], of: all.machine.map(() => 0) };
    const own = values(state.best);
    const better = state.best === "speedup" ? (a, b) => a > b : (a, b) => a < b;
    const best = down.labels.map(() => across.labels.map(() => null));
    for (const at of machines) {
      if (!all.feasible[at]) continue;
      const [row, column] = [down.of[at], across.of[at]];
      if (best[row][column] === null || better(own[at], own[best[row][column]])) best[row][column] = at;
    }
    const logs = best.flat().filter((at) => at !== null).map((at) => Math.log(own[at]));
    const [low, high] = [Math.min(...logs), Math.max(...logs)];
    const body = make("tbody");
    for (let row = down.labels.length - 1; row >= 0; row -= 1) {
      const line = make("tr", {}, make("th", { scope: "row" }, down.labels[row]));
      best[row].forEach((at) => {
        if (at === null) { line.append(make("td", { "data-value": "" })); return; }
        const part = high > low ? (Math.log(own[at]) - low) / (high - low) : 0;
        const colour = ramp[Math.round((ramp.length - 1) * (state.best === "speedup" ? 1 - part : part))];
        const cell = make("td", { "data-value": own[at], "data-machine": all.machine[at], title: `machine ${all.machine[at]}`, style: `background:${colour};color:${readable(colour)}` }, shown(state.best, own[at]));
        cell.addEventListener("pointerenter", () => pointAt(at));
        line.append(cell);
      });
      body.append(line);
    }
    const foot = make("tr", {}, make("th", {}, ""), ...across.labels.map((label) => make("th", { scope: "col" }, label)));
    const names = make("caption", {}, `${state.across} across${state.down ? `, ${state.down} up` : ""}`);
    place("heat").replaceChildren(names, body, make("tfoot", {}, foot));
  };

  const drawTable = (machines) => {
    const columns = ["machine", ...(state.outside ? ["feasible"] : []), ...fields, ...metrics];
    const key = values(state.sort);
    const order = (i, j) => {
      const [a, b] = state.falling ? [key[j], key[i]] : [key[i], key[j]];
      return (typeof a === "string" ? a.localeCompare(b) : a - b) || i - j;
    };
    const head = make("tr", {}, ...columns.map((name) => {
      const button = make("button", { type: "button" }, title(name));
      const cell = make("th", { scope: "col", "data-key": name, ...(numeric(name) ? {} : { class: "words" }) }, button);
      if (name === state.sort) cell.setAttribute("aria-sort", state.falling ? "descending" : "ascending");
      button.addEventListener("click", () => {
        state.falling = name === state.sort ? !state.falling : name === "speedup";
        state.sort = name;
        drawTable(machines);
      });
      return cell;
    }));
    const body = make("tbody");
    for (const at of [...machines].sort(order).slice(0, state.rows)) {
      const row = make("tr", {}, ...columns.map((name) => {
        const value = values(name)[at];
        return make("td", { "data-value": value ?? "", ...(numeric(name) ? {} : { class: "words" }) },
          typeof value === "boolean" ? (value ? "yes" : "no") : shown(name, value));
      }));
      row.addEventListener("pointerenter", () => pointAt(at));
      body.append(row);
    }
    place("machines").replaceChildren(make("thead", {}, head), body);
    place("count").textContent = `${machines.length} of ${all.machine.length} machines pass the filters; ${Math.min(state.rows, machines.length)} are listed. A click on a title sorts.`;
    place("more").hidden = state.rows >= machines.length;
  };

  const draw = () => {
    const machines = chosen();
    drawScatter(machines);
    drawHeat(machines);
    drawTable(machines);
  };

  const axes = () => [...metrics, ...fields.filter(numeric)].map((key) => [key, title(key)]);
  const outside = make("input", { type: "checkbox" });
  outside.addEventListener("change", () => { state.outside = outside.checked; draw(); });
  place("controls").append(
    ...(traces.length > 1 ? [choice("trace", "trace", traces.map((name) => [name, name]), draw)] : []),
    choice("x", "across", axes(), draw),
    choice("y", "up", axes(), draw),
    choice("colour", "colour", fields.map((name) => [name, name]), draw),
    make("label", { class: "check" }, outside, make("span", {}, "show what breaks a constraint")),
  );
  place("heat-controls").append(
    choice("across", "across", fields.map((name) => [name, name]), draw),
    choice("down", "up", [["", "nothing"], ...fields.map((name) => [name, name])], draw),
    choice("best", "best", metrics.map((key) => [key, title(key)]), draw),
  );
  for (const name of fields) {
    const chips = all.levels[name].labels.map((label, level) => {
      const chip = make("button", { type: "button", "aria-pressed": "true", "data-field": name }, label);
      chip.addEventListener("click", () => {
        const hidden = state.hidden[name];
        if (!hidden.delete(level)) hidden.add(level);
        chip.setAttribute("aria-pressed", String(!hidden.has(level)));
        draw();
      });
      return chip;
    });
    place("filters").append(make("div", {}, make("b", {}, name), make("span", { class: "chips" }, ...chips)));
  }
  place("more").addEventListener("click", () => { state.rows *= 4; draw(); });
  let width = 0; // a phone's bars come and go: only another width draws anew
  new ResizeObserver(() => {
    const now = place("scatter").clientWidth;
    if (now !== width) { width = now; drawScatter(chosen()); }
  }).observe(place("scatter"));
  draw();
})();
