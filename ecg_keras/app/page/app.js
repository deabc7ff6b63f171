"use strict";
// Addresses are relative to the page's own, so that it works below a proxy's.

const by = (id) => document.getElementById(id);
const pages = new Map(); // number -> what the server says of a page
const queue = [];
let current = null;
let reading = null;
let corners = [];
let marking = false;
const FIELDS = ["layout", "speed_mm_per_s", "gain_mm_per_mv", "px_per_mm"];

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the app does not answer: has it ended?");
  }
  const values = await response.json();
  if (!response.ok) throw new Error(values.error);
  return values;
}

function send(path, values) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  });
}

function say(words) {
  by("message").textContent = words || "";
  by("message").hidden = !words;
}

async function attempt(action) {
  try {
    say("");
    await action();
  } catch (error) {
    say(error.message);
  }
}

// ---- files in

async function open(files) {
  for (const file of files) {
    await attempt(async () => {
      const opened = await ask(
        `files?name=${encodeURIComponent(file.name)}`,
        { method: "POST", body: file },
      );
      for (const page of opened) add(page);
    });
  }
}

function add(page) {
  pages.set(page.number, page);
  if (page.quality === "waiting") queue.push(page.number);
  if (current === null) show(page.number);
  list();
  next();
}

async function next() {
  if (reading !== null || !queue.length) return;
  reading = queue.shift();
  if (pages.has(reading)) await read(reading, {});
  reading = null;
  next();
}

async function read(number, said) {
  mark(number, true);
  await attempt(async () => update(await send(`pages/${number}/read`, said)));
  mark(number, false);
}

function mark(number, busy) {
  const page = pages.get(number);
  if (!page) return;
  page.busy = busy;
  list();
  if (number === current) render();
}

function update(page) {
  if (!pages.has(page.number)) return; // closed meanwhile
  pages.set(page.number, page);
  list();
  if (page.number === current) render();
}

// ---- the list of pages

function list() {
  const items = [...pages.values()].map((page) => {
    const item = document.createElement("li");
    const word = page.busy ? "reading" : page.quality;
    item.className = page.number === current ? "current" : "";
    const button = document.createElement("button");
    button.className = "open";
    button.title = page.name;
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = page.name;
    const state = document.createElement("span");
    state.className = `word ${word}`;
    state.textContent = `● ${word}${page.busy ? " …" : ""}`;
    button.append(name, state);
    button.onclick = () => show(page.number);
    const close = document.createElement("button");
    close.className = "close";
    close.textContent = "×";
    close.title = `close ${page.name}`;
    close.onclick = () => attempt(() => remove(page.number));
    item.append(button, close);
    return item;
  });
  by("pages").replaceChildren(...items);
  by("all").hidden = ![...pages.values()].some((page) =>
    ["good", "doubtful"].includes(page.quality),
  );
}

async function remove(number) {
  await ask(`pages/${number}`, { method: "DELETE" });
  pages.delete(number);
  if (current === number) show([...pages.keys()][0] ?? null);
  list();
}

function show(number) {
  current = number;
  corners = [];
  setMarking(false);
  say("");
  list();
  render(true);
}

// ---- one page

function render(fresh = false) {
  const page = pages.get(current);
  by("shown").hidden = !page;
  by("empty").hidden = !!page;
  if (!page) return;
  const word = page.busy ? "reading" : page.quality;
  by("verdict").className = word;
  by("quality").className = word;
  by("quality").textContent = word;
  by("name").textContent = page.name;
  by("reasons").replaceChildren(
    ...page.reasons.map((reason) => {
      const item = document.createElement("li");
      item.textContent = reason;
      return item;
    }),
  );
  by("advice").textContent = page.busy
    ? "Reading; the first page takes longer, as the model is loaded."
    : page.advice;
  by("facts").textContent = page.facts.join(" · ");
  by("page-card").hidden = !page.has_picture;
  by("chart-card").hidden = !page.chart;
  by("forms").parentElement.hidden = !page.has_picture;
  const address = `pages/${page.number}/picture.jpg`;
  if (page.has_picture && by("picture").getAttribute("src") !== address) {
    by("picture").src = address;
  }
  // The server escapes what it puts into these.
  by("overlay").innerHTML = page.overlay;
  by("chart-frame").innerHTML = page.chart;
  watchChart();
  if (fresh || !page.busy) fill(page);
  drawCorners();
  downloads(page);
  const busy = !!page.busy;
  for (const button of document.querySelectorAll("form button")) {
    button.disabled = busy;
  }
  by("take").disabled = busy || !page.has_signals;
  by("restore").disabled = busy || !page.taken_back.length;
}

function fill(page) {
  for (const name of FIELDS) by(name).value = page.said[name] ?? "";
  corners = (page.said.corners_px ?? []).map((corner) => [...corner]);
  const [width, height] = page.said.sides_mm ?? ["", ""];
  by("width_mm").value = width;
  by("height_mm").value = height;
  const chosen = by("lead").value;
  const leads = Object.keys(page.leads);
  options(by("lead"), leads.map((lead) => [lead, lead]));
  if (leads.includes(chosen)) by("lead").value = chosen;
  by("taken").textContent = page.taken_back.length
    ? "Taken back: " +
      page.taken_back
        .map(([lead, from, to]) => `${lead} ${from.toFixed(2)} to ` +
          `${to.toFixed(2)} s`)
        .join("; ") +
      ". They are empty in all files, and grey above."
    : "";
}

function downloads(page) {
  const refused = page.quality === "refused";
  const although = by("although_refused").checked;
  by("although").hidden = !(refused && page.has_signals);
  const links = downloadKinds.map((kind) => {
    const link = document.createElement("a");
    link.className = "button";
    link.textContent = { csv: "csv", wfdb: "WFDB (zip)", json: "JSON" }[kind];
    link.href = `pages/${page.number}/download/${kind}` +
      (refused && although ? "?although_refused" : "");
    link.setAttribute("download", "");
    const off = kind === "json"
      ? !page.facts.length
      : !page.has_signals || (refused && !although);
    link.classList.toggle("off", off);
    link.toggleAttribute("aria-disabled", off);
    return link;
  });
  by("downloads").replaceChildren(...links);
}

function options(select, pairs) {
  select.replaceChildren(
    ...pairs.map(([value, text]) => new Option(text, value)),
  );
}

// ---- the page's corners

function setMarking(on) {
  marking = on;
  by("picture-box").classList.toggle("marking", on);
  by("marking").hidden = !on;
  by("marking").textContent =
    "Click the four corners of the sheet, or of any rectangle of the grid " +
    "that holds all traces" +
    (corners.length ? `: ${4 - corners.length} more` : "") + ".";
}

function drawCorners() {
  const page = pages.get(current);
  if (!page || !page.size_px) return;
  const [width, height] = page.size_px;
  const marks = by("marks");
  marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
  marks.setAttribute("preserveAspectRatio", "none");
  const middle = [0, 1].map(
    (k) => corners.reduce((sum, corner) => sum + corner[k], 0) /
      corners.length,
  );
  const around = [...corners].sort(
    (a, b) =>
      Math.atan2(a[1] - middle[1], a[0] - middle[0]) -
      Math.atan2(b[1] - middle[1], b[0] - middle[0]),
  );
  const parts = [];
  if (corners.length > 2) parts.push(
    element("polygon", { points: around.map((c) => c.join(",")).join(" ") }),
  );
  for (const [x, y] of corners) {
    parts.push(element("circle", { cx: x, cy: y, r: width / 160 }));
  }
  marks.replaceChildren(...parts);
  by("mark").textContent = marking
    ? "Stop marking"
    : corners.length === 4 ? "Mark them anew" : "Mark the four corners";
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  return made;
}

by("mark").onclick = () => {
  if (!marking) corners = [];
  setMarking(!marking);
  drawCorners();
  if (marking) by("page-card").scrollIntoView({ block: "nearest" });
};

by("picture-box").onclick = (event) => {
  if (!marking) return;
  const page = pages.get(current);
  const box = by("picture").getBoundingClientRect();
  corners.push([
    ((event.clientX - box.left) / box.width) * page.size_px[0],
    ((event.clientY - box.top) / box.height) * page.size_px[1],
  ]);
  setMarking(corners.length < 4);
  drawCorners();
};

// ---- what a person says of the page

function said() {
  const values = {};
  for (const name of FIELDS) {
    if (by(name).value !== "") values[name] = by(name).value;
  }
  if (corners.length && corners.length < 4) {
    throw new Error("mark four corners, or none");
  }
  if (corners.length) values.corners_px = corners;
  const sides = [by("width_mm").value, by("height_mm").value];
  if (sides.some((side) => side !== "")) {
    if (sides.includes("")) {
      throw new Error("give the rectangle's width and height, or neither");
    }
    values.sides_mm = sides;
  }
  return values;
}

by("said").onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => {
    const values = said();
    setMarking(false);
    await read(current, values);
  });
};

by("forget").onclick = () => {
  setMarking(false);
  read(current, {});
};

// ---- stretches

by("stretch").onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => {
    const values = { lead: by("lead").value };
    for (const name of ["start_s", "stop_s"]) values[name] = by(name).value;
    update(await send(`pages/${current}/take_back`, values));
  });
};

by("restore").onclick = () =>
  attempt(async () => update(await send(`pages/${current}/restore`, {})));

function watchChart() {
  const svg = by("chart-frame").querySelector("svg");
  if (!svg) return;
  const chosen = element("rect", { class: "chosen" });
  svg.append(chosen);
  let from = null;
  const place = (event, rect) => {
    const box = rect.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    return Math.min(1, Math.max(0, share));
  };
  const time = (rect, share) => {
    const start = Number(rect.dataset.startS);
    return start + share * (Number(rect.dataset.stopS) - start);
  };
  for (const rect of svg.querySelectorAll("rect.lead")) {
    rect.onpointerdown = (event) => {
      from = place(event, rect);
      rect.setPointerCapture(event.pointerId);
    };
    rect.onpointermove = (event) => {
      const to = place(event, rect);
      const lead = rect.dataset.lead;
      by("readout").textContent = `${lead} ${time(rect, to).toFixed(2)} s`;
      if (from === null) return;
      const [low, high] = [Math.min(from, to), Math.max(from, to)];
      const [left, width] = ["x", "width"].map((k) =>
        Number(rect.getAttribute(k)),
      );
      chosen.setAttribute("x", left + low * width);
      chosen.setAttribute("width", (high - low) * width);
      chosen.setAttribute("y", rect.getAttribute("y"));
      chosen.setAttribute("height", rect.getAttribute("height"));
      by("lead").value = lead;
      by("start_s").value = time(rect, low).toFixed(2);
      by("stop_s").value = time(rect, high).toFixed(2);
    };
    rect.onpointerup = rect.onpointercancel = () => {
      from = null;
    };
    rect.onpointerleave = () => {
      if (from === null) by("readout").textContent = "";
    };
  }
}

// ---- the rest

by("traces").onchange = () => {
  by("overlay").hidden = !by("traces").checked;
};
by("large").onchange = () => {
  by("picture-box").classList.toggle("large", by("large").checked);
};
by("although_refused").onchange = () => downloads(pages.get(current));
by("files").onchange = () => {
  const files = [...by("files").files];
  by("files").value = "";
  open(files);
};
// Anywhere on the page: else the browser would leave it and show the file.
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    const over = ["dragenter", "dragover"].includes(name);
    by("drop").classList.toggle("over", over);
    if (name === "drop") open([...event.dataTransfer.files]);
  });
}

let downloadKinds = [];
attempt(async () => {
  const state = await ask("state");
  const { choices } = state;
  downloadKinds = choices.downloads;
  by("files").accept = choices.suffixes.join(",");
  for (const name of FIELDS) {
    if (!choices[name]) continue;
    options(by(name), [
      ["", "found"],
      ...choices[name].map((value) => [value, value]),
    ]);
  }
  for (const page of state.pages) add(page);
});
