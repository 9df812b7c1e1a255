"use strict";
// What the page does once it is open. Text is only ever set as text, never as markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const GALLERY = 80;
  const MARK = 11; // of a center, in pixels
  const [ASIDE, UP] = [9, 4]; // from a center to its name
  const NAME_HEIGHT = 14;
  const GAP = 4; // from a name to the mark of the next center
  const HOVER = 6; // as near a pointer must be to a point, in pixels

  function make(tag, text, attributes = {}) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  // ---- Tables: they work even where the charts do not ------------------------------------------------------------

  /** Sort a table by the column of a head; tables of the same rows follow. */
  function sortBy(head) {
    const table = head.closest("table");
    const ascending = head.getAttribute("aria-sort") === "descending";
    const keys = [...table.tBodies[0].rows].map((row) => row.cells[head.cellIndex].dataset.value);
    const numeric = keys.every((key) => Number.isFinite(Number(key))); // a blank is 0 here
    const order = [...keys.keys()].sort((a, b) => {
      if (keys[a] === "" || keys[b] === "") return (keys[a] === "") - (keys[b] === ""); // blanks last, always
      const difference = numeric ? keys[a] - keys[b] : keys[a].localeCompare(keys[b]);
      return ascending ? difference : -difference;
    });
    for (const each of table.closest(".together") ? document.querySelectorAll(".together table") : [table]) {
      const rows = [...each.tBodies[0].rows];
      each.tBodies[0].append(...order.map((place) => rows[place]));
      each.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    }
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  }
  document.querySelectorAll(".sortable thead button").forEach((button) => {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  });

  // On a phone each row is a card, in which a figure stands beside the head of its column; see report.css.
  document.querySelectorAll(".wide table:not(.confusion)").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent);
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, place) => (cell.dataset.title = heads[place]));
    table.classList.add("cards");
  });

  // Where a table is cut off, the style sheet says that it scrolls.
  const cut = new ResizeObserver((entries) => {
    for (const { target: box } of entries) box.classList.toggle("cut", box.scrollWidth > box.clientWidth + 1);
  });
  document.querySelectorAll(".wide").forEach((box) => cut.observe(box));

  // ---- Data ------------------------------------------------------------------------------------------------------

  const data = read("report-data");
  const charts = read("report-charts");
  const TYPES = { int8: Int8Array, int16: Int16Array, int32: Int32Array, uint16: Uint16Array };

  function unpack({ type, data: text }) {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return new TYPES[type](bytes.buffer);
  }

  const LAST_STEP = 65535; // of those between the smallest number and the largest
  const unpackSteps = (packed) => Float64Array.from(unpack(packed), (step) => packed.low + step * packed.scale);

  const groups = data.groups.map(({ labels, names }) => ({ labels: unpack(labels), names }));
  const membersOf = (group) => data.panels.filter((panel) => panel.group === group);
  const selectedOf = (group) => groups[group].source.selected.indices;
  const nameOf = (group, label) => groups[group].names[label] ?? "unknown";
  const classOf = (group, index) => nameOf(group, groups[group].labels[index]);

  /** The numbers of a frame, unpacked when it is first shown. */
  function opened(panel, frame) {
    if (frame.points === undefined) {
      const labels = groups[panel.group].labels;
      const kept = frame.images && unpack(frame.images); // which images it is of; all, if it does not say
      /** Numbers of the images that are kept, at the places that these have among all. */
      const placed = (values) => {
        if (!kept) return values;
        const all = new Float64Array(labels.length).fill(NaN);
        kept.forEach((image, i) => (all[image] = values[i]));
        return all;
      };
      const [x, y] = [frame.x, frame.y].map((packed) => placed(unpackSteps(packed)));
      const away = (label, i) => (label < 0 ? 0 : Math.hypot(x[i] - frame.centers[label][0], y[i] - frame.centers[label][1]));
      const z = frame.z && placed(unpackSteps(frame.z));
      const distances = !frame.centers.length ? null : frame.distances ? placed(unpackSteps(frame.distances)) : Float64Array.from(labels, away);
      const [predicted, wrong] = [{}, {}];
      for (const judge of panel.judges) {
        predicted[judge] = placed(unpack(frame.predicted[judge]));
        wrong[judge] = Array.from(labels, (label, i) => label >= 0 && !Number.isNaN(x[i]) && label !== predicted[judge][i]);
      }
      wrong.either = Array.from(labels, (_, i) => panel.judges.some((judge) => wrong[judge][i]));
      // What another run has and this one lacks, such as centers or a head, calls nothing wrong here.
      for (const judge of Object.keys(data.judges)) wrong[judge] ??= Array.from(labels, () => false);
      const ends = [frame.x, frame.y].map(({ low, scale }, axis) => {
        const centers = frame.centers.map((center) => center[axis]);
        return [Math.min(low, ...centers), Math.max(low + LAST_STEP * scale, ...centers)];
      });
      frame.points = { x, y, ends, predicted, distances, wrong };
      if (z) {
        frame.space = [x, y, z];
        let far = Math.max(0, ...frame.centers.map((center) => Math.hypot(...center)));
        for (let i = 0; i < x.length; i++) far = Math.max(far, Math.hypot(x[i], y[i], z[i]) || 0);
        frame.points.ends = [[-far, far], [-far, far]]; // whatever side is seen
      }
    }
    if (frame.space && frame.seen !== state.side) {
      const [x, y, z] = frame.space;
      const turned = Array.from(x, (_, i) => turn([x[i], y[i], z[i]]));
      [0, 1].forEach((axis) => (frame.points["xy"[axis]] = Float64Array.from(turned, (point) => point[axis])));
      frame.seen = state.side;
    }
    return frame.points;
  }

  /** Where three features are on the screen, in parallel projection: turned about the vertical axis, then tilted. */
  function turn([x, y, z]) {
    const { turn: about, tilt } = state.side;
    const deep = z * Math.cos(about) - x * Math.sin(about);
    return [x * Math.cos(about) + z * Math.sin(about), y * Math.cos(tilt) - deep * Math.sin(tilt)];
  }
  const centersOf = (frame) => (frame.z ? frame.centers.map(turn) : frame.centers);

  const HOW_TO_LOOK = byId("about")?.textContent;
  const state = { stop: data.times.length - 1, wrongOnly: false, judge: Object.keys(data.judges)[0], look: null, side: { turn: 0, tilt: 0 } };
  const panels = data.panels;
  /** The frame of a panel at this time: the last that is not later. */
  const frameOf = (panel) => panel.frames.findLast((frame) => frame.at <= state.stop) ?? panel.frames[0];
  const current = (panel) => opened(panel, frameOf(panel));
  const axes = () => byId("axes").value;
  const wrongNow = (panel) => current(panel).wrong[state.judge];

  // ---- One image -------------------------------------------------------------------------------------------------

  const hasImages = (group) => data.images !== null && data.images.groups.includes(group);

  function crop(element, index) {
    const { columns, width, height } = data.images;
    const [column, row] = [index % columns, Math.floor(index / columns)];
    element.dataset.index = index;
    element.style.backgroundPosition = `calc(${-width * column}px * var(--zoom)) calc(${-height * row}px * var(--zoom))`;
  }

  function tile(index) {
    const picture = make("span", "", { class: "tile" });
    crop(picture, index);
    return picture;
  }

  const figure = (value) => Number(value.toPrecision(3)).toString();

  /** What a panel says of an image: [judge, the class it predicts, whether that is wrong], and the distance in words. */
  function judgement(panel, index) {
    const { x, predicted, distances, wrong } = current(panel);
    if (Number.isNaN(x[index])) return { verdicts: panel.judges.map((judge) => [judge, null, false]), distance: null };
    const verdicts = panel.judges.map((judge) => [judge, nameOf(panel.group, predicted[judge][index]), wrong[judge][index]]);
    return { verdicts, distance: distances && groups[panel.group].labels[index] >= 0 ? figure(distances[index]) : null };
  }

  function lookAway() {
    state.look = null;
    byId("about").replaceChildren(HOW_TO_LOOK);
    byId("judgements").replaceChildren();
    if (byId("image")) byId("image").hidden = true;
    panels.forEach(placeRing);
  }

  /** Show an image in the inspector, and ring it in every panel. */
  function look(group, index) {
    state.look = { group, index };
    byId("about").replaceChildren(make("strong", classOf(group, index)), `test image ${index}`);
    const picture = byId("image");
    if (picture) {
      picture.hidden = !hasImages(group);
      if (hasImages(group)) {
        crop(picture, index);
        picture.setAttribute("aria-label", `test image ${index}, ${classOf(group, index)}`);
      }
    }
    const members = membersOf(group);
    const judges = [...new Set(members.flatMap((panel) => panel.judges))];
    const table = make("table");
    const head = table.createTHead().insertRow();
    const far = members.some((panel) => current(panel).distances);
    const titles = ["run", ...judges.map((judge) => data.judges[judge]), ...(far ? [`to its ${data.point}`] : [])];
    for (const title of titles) head.append(make("th", title, { scope: "col" }));
    const body = table.createTBody();
    for (const panel of members) {
      const { verdicts, distance } = judgement(panel, index);
      const row = body.insertRow();
      row.append(make("th", panel.label.replace(/([λα]\w*) = /g, "$1\u00a0=\u00a0"), { scope: "row" }));
      for (const judge of judges) {
        const [, name, wrong] = verdicts.find(([own]) => own === judge) ?? [judge, "", null];
        row.append(wrong === null ? make("td", "") : make("td", name === null ? "not kept" : wrong ? `${name} ✗` : `${name} ✓`, wrong ? { class: "bad" } : {}));
      }
      if (distance !== null) row.append(make("td", distance));
    }
    byId("judgements").replaceChildren(table);
    panels.forEach(placeRing);
  }

  function placeRing(panel) {
    panel.ring.hidden = true;
    const { group, index } = state.look ?? {};
    if (group !== panel.group || (state.wrongOnly && !wrongNow(panel)[index])) return; // its point is not drawn
    const spot = spotOf(panel, index);
    const { left, right, top, bottom } = panel.view.frame.bbox;
    panel.ring.hidden = !(spot.x >= left && spot.x <= right && spot.y >= top && spot.y <= bottom); // NaN is nowhere
    Object.assign(panel.ring.style, { left: `${spot.x}px`, top: `${spot.y}px` });
  }

  /** Where an image's point is, in pixels from the corner of its plot. */
  function spotOf(panel, index) {
    const { x, y } = current(panel);
    return { x: panel.view.frame.x_scale.compute(x[index]), y: panel.view.frame.y_scale.compute(y[index]) };
  }

  const tip = byId("tip");

  /** Show an image at a place of the window. */
  function showTip(panel, index, [x, y]) {
    const { verdicts, distance } = judgement(panel, index);
    const words = make("div");
    words.append(make("strong", classOf(panel.group, index)));
    for (const [judge, name, wrong] of verdicts) {
      words.append(make("div", judge === "softmax" ? `predicted as ${name}` : `${judge === "nearest_center" ? `nearest ${panel.point}` : data.judges[judge]}: ${name}`, wrong ? { class: "bad" } : {}));
    }
    if (distance !== null) words.append(make("div", `${distance} from its ${panel.point}`));
    words.append(make("div", `test image ${index}`));
    tip.replaceChildren(...(hasImages(panel.group) ? [tile(index)] : []), words);
    tip.dataset.index = index;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = x + 16 + width > innerWidth ? x - 16 - width : x + 16;
    const top = y + 16 + height > innerHeight ? y - 16 - height : y + 16;
    tip.style.left = `${Math.max(4, Math.min(left, innerWidth - width - 4))}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  }

  const hideTip = () => (tip.hidden = true);

  // ---- Stepping through images -------------------------------------------------------------------------------------

  /** The images to step through, those of one set of labels after those of another. */
  function listed() {
    const which = byId("which").value;
    return groups.flatMap(({ labels }, group) => {
      const judges = membersOf(group).filter((panel) => which === "any" || String(panels.indexOf(panel)) === which);
      const wrongs = judges.map(wrongNow);
      const selected = new Set(selectedOf(group));
      const chosen = { all: () => true, selected: (index) => selected.has(index) };
      const wanted = chosen[which] ?? ((index) => wrongs.some((wrong) => wrong[index]));
      return [...labels.keys()].filter(wanted).map((index) => ({ group, index }));
    });
  }

  function step(direction) {
    const images = listed();
    if (!images.length) return countListed();
    const key = ({ group, index }) => group * 2 ** 32 + index;
    const here = state.look === null ? -direction * Infinity : key(state.look);
    let place = direction > 0 ? images.findIndex((image) => key(image) > here) : images.findLastIndex((image) => key(image) < here);
    if (place < 0) place = direction > 0 ? 0 : images.length - 1; // round and round
    byId("count").textContent = `${place + 1} of ${images.length}`;
    look(images[place].group, images[place].index);
  }

  function countListed() {
    const { length } = listed();
    byId("count").textContent = length ? `${length} image${length === 1 ? "" : "s"}` : "none";
  }

  // ---- Selection -----------------------------------------------------------------------------------------------------

  function selectionChanged(number) {
    showSelected();
    if (selectedOf(number).length === 1) look(number, selectedOf(number)[0]);
    if (byId("which").value === "selected") countListed();
  }

  function showSelected() {
    const total = groups.reduce((sum, _, number) => sum + selectedOf(number).length, 0);
    byId("selected").textContent = total ? `${total} selected` : "nothing selected";
    byId("clear").disabled = total === 0;
    const gallery = byId("gallery");
    gallery.replaceChildren();
    byId("gallery-title").hidden = total === 0;
    byId("gallery-title").textContent = `Selected: ${total}`;
    groups.forEach((_, number) => {
      for (const index of selectedOf(number).slice(0, GALLERY)) {
        const name = classOf(number, index);
        const wrong = membersOf(number).some((panel) => wrongNow(panel)[index]);
        const description = `test image ${index}, ${name}${wrong ? ", misclassified by some run" : ""}`;
        const button = make("button", undefined, { type: "button", "aria-label": description, "data-wrong": Number(wrong) });
        button.append(hasImages(number) ? tile(index) : `${name} (${index})`);
        button.classList.toggle("text", !hasImages(number));
        button.addEventListener("click", () => look(number, index));
        gallery.append(button);
      }
    });
    if (total > GALLERY) gallery.append(make("p", `… the first ${GALLERY} of each set; step through all of them above.`));
  }

  const select = (number, indices) => (groups[number].source.selected.indices = indices);

  // ---- Panels --------------------------------------------------------------------------------------------------------

  /** Show every point and center, of all panels at one scale; a unit as long on both axes where distances mean something. */
  function fit(panel) {
    const { width, height } = panel.view.frame.bbox;
    panel.fitted = width > 0 && height > 0;
    if (!panel.fitted) return; // not laid out: `resized` comes back to it
    const alike = panels.filter((each) => each === panel || (axes() === "shared" && each.isometric === panel.isometric));
    const [across, along] = [0, 1].map((axis) => {
      const ends = alike.flatMap((each) => current(each).ends[axis]);
      const [low, high] = [Math.min(...ends), Math.max(...ends)];
      return { middle: (low + high) / 2, half: ((high - low) / 2) * 1.06 };
    });
    if (panel.isometric) {
      const unit = (panel.unit = Math.max(across.half / width, along.half / height));
      [across.half, along.half] = [unit * width, unit * height];
    }
    for (const [range, { middle, half }] of [[panel.plot.x_range, across], [panel.plot.y_range, along]]) {
      const room = half || 1; // a network that has collapsed puts all points in one place
      range.setv({ start: middle - room, end: middle + room });
    }
  }

  /** Once Bokeh has laid a panel out again. */
  function resized(panel) {
    if (axes() !== "keep" || !panel.fitted) fit(panel);
    placeCenters(panel);
    placeRing(panel);
  }

  /** Move by parts of what is shown, and show `factor` times as much. */
  function move(panel, right, up, factor = 1) {
    for (const [range, by] of [[panel.plot.x_range, right], [panel.plot.y_range, up]]) {
      const half = (range.end - range.start) / 2;
      const middle = range.start + half + 2 * half * by;
      range.setv({ start: middle - half * factor, end: middle + half * factor });
    }
  }

  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "bold 14px sans-serif";

  /** How much larger than now a panel would show its last frame, when each frame has axes that fit it. */
  function closerAtLast(panel) {
    if (axes() !== "each" || !panel.isometric) return 1;
    const { width, height } = panel.view.frame.bbox;
    const [across, along] = opened(panel, panel.frames.at(-1)).ends.map(([low, high]) => ((high - low) / 2) * 1.06);
    return panel.unit / (Math.max(across / width, along / height) || panel.unit);
  }

  /** Crowded centers are marked smaller, and those without room for their name go without; at an edge, it is inside. */
  function placeCenters(panel) {
    const centers = centersOf(frameOf(panel));
    if (!panel.fitted || !centers.length) return;
    const { names } = groups[panel.group];
    panel.widths ??= centers.map((_, i) => pen.measureText(names[i]).width);
    const { x_scale, y_scale, bbox } = panel.view.frame;
    const spotsOf = (points) => points.map(([x, y]) => [x_scale.compute(x), y_scale.compute(y)]);
    const roomsOf = (spots) => spots.map(([left, top], i) => {
      let least = Infinity;
      spots.forEach((other, j) => i !== j && (least = Math.min(least, Math.hypot(other[0] - left, other[1] - top))));
      return least;
    });
    const spots = spotsOf(centers);
    const rooms = roomsOf(spots);
    // The room at the last frame, so that marks keep their size while the slider moves.
    const last = roomsOf(spotsOf(centersOf(panel.frames.at(-1)))).sort((a, b) => a - b);
    const mark = MARK * Math.min(1, Math.max(0.4, (last[last.length >> 1] * closerAtLast(panel)) / 32));
    const black = Math.max(1, (1.7 * mark) / MARK);
    const all = (value) => centers.map(() => value);
    panel.centers.data = {
      x: centers.map(([x]) => x),
      y: centers.map(([, y]) => y),
      name: rooms.map((room, i) => (room < ASIDE + panel.widths[i] + mark / 2 + GAP ? "" : names[i])),
      size: all(mark),
      black: all(black), // the smaller the mark, the thinner, but the white edge stays
      white: all(black + 2),
      right: spots.map(([left], i) => (left + ASIDE + panel.widths[i] > bbox.right ? -ASIDE - panel.widths[i] : ASIDE)),
      down: spots.map(([, top]) => (top - UP - NAME_HEIGHT < bbox.top ? UP + NAME_HEIGHT : -UP)),
    };
  }

  function facts(panel) {
    const { x } = current(panel);
    const known = groups[panel.group].labels.filter((label, i) => label >= 0 && !Number.isNaN(x[i])).length;
    return panel.judges.map((judge) => {
      const count = current(panel).wrong[judge].filter(Boolean).length;
      return `${count} ${judge === panel.judges[0] ? "wrong " : ""}by ${judge === "nearest_center" ? `nearest ${panel.point}` : data.judges[judge]} (${(100 * (1 - count / known)).toFixed(2)} % right)`;
    }).join(", ");
  }

  function placePoints() {
    groups.forEach((group, number) => {
      const columns = { label: group.labels };
      for (const panel of membersOf(number)) {
        const { x, y } = current(panel);
        columns[`x${panels.indexOf(panel)}`] = x;
        columns[`y${panels.indexOf(panel)}`] = y;
      }
      group.source.data = columns;
    });
  }

  /** Show three features from another side, in axes that stay as they are; once a frame, however fast a slider moves. */
  function showSide() {
    const degrees = (name) => Number(byId(name).value);
    for (const name of ["turn", "tilt"]) byId(name).setAttribute("aria-valuetext", `${degrees(name)}°`);
    state.due ??= requestAnimationFrame(() => {
      state.due = undefined;
      state.side = { turn: (degrees("turn") * Math.PI) / 180, tilt: (degrees("tilt") * Math.PI) / 180 };
      placePoints();
      for (const panel of panels) {
        placeCenters(panel);
        placeRing(panel);
      }
      hideTip();
    });
  }

  /** Put the points of this time into the panels. */
  function show() {
    byId("time-name").textContent = data.times[state.stop];
    byId("time").value = state.stop;
    byId("time").setAttribute("aria-valuetext", data.times[state.stop]);
    placePoints();
    for (const panel of panels) {
      byId(`facts-${panels.indexOf(panel)}`).textContent = `${frameOf(panel).label} · ${facts(panel)}`;
      if (axes() !== "keep") fit(panel);
      placeCenters(panel);
    }
    filter();
    if (state.look !== null) look(state.look.group, state.look.index);
    countListed();
    hideTip();
  }

  function filter() {
    panels.forEach(placeRing);
    // A selection dims the other points; but where only a few are shown, all of them are to be seen.
    const dimmed = { value: state.wrongOnly ? 0.6 : 0.25 };
    for (const panel of panels) {
      panel.points.nonselection_glyph.fill_alpha = dimmed;
      panel.points.view.filter.booleans = state.wrongOnly ? wrongNow(panel) : null;
    }
  }

  /** The image whose point is nearest to a place of the plot; null where none is within reach, in pixels. */
  function nearest(panel, { sx, sy }, reach) {
    const { x, y } = current(panel);
    const wrong = wrongNow(panel);
    const { x_scale, y_scale } = panel.view.frame;
    let [best, least] = [null, reach];
    for (let i = 0; i < x.length; i++) {
      if (state.wrongOnly && !wrong[i]) continue;
      const away = Math.hypot(x_scale.compute(x[i]) - sx, y_scale.compute(y[i]) - sy);
      if (away < least) [best, least] = [i, away];
    }
    return best;
  }

  /** Once a frame, however many events a gesture makes. */
  function moved(panel) {
    placeRing(panel);
    panel.due ??= requestAnimationFrame(() => {
      panel.due = undefined;
      placeCenters(panel);
    });
  }

  function connect(panel, index, view) {
    panel.view = view;
    panel.plot = view.model;
    panel.points = panel.plot.renderers.find((each) => each.name === `points-${index}`);
    panel.centers = panel.plot.renderers.find((each) => each.name === "centers").data_source;
    groups[panel.group].source = panel.points.data_source;
    const element = byId(`panel-${index}`);
    panel.ring = make("span", "", { class: "ring" });
    panel.ring.hidden = true;
    element.append(panel.ring);
    let finger = false;
    element.addEventListener("pointerdown", (event) => (finger = event.pointerType === "touch"), true);
    let place = "";
    element.addEventListener("pointermove", (event) => {
      const before = place;
      place = `${event.clientX} ${event.clientY}`;
      // A finger taps; a pointer that drags, or rests while the points move below it, chooses nothing.
      if (event.pointerType === "touch" || event.buttons || place === before) return;
      const { left, top } = element.getBoundingClientRect();
      const found = nearest(panel, { sx: event.clientX - left, sy: event.clientY - top }, HOVER);
      if (found === null) return hideTip();
      showTip(panel, found, [event.clientX, event.clientY]);
      look(panel.group, found);
    });
    element.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && hideTip());
    for (const range of [panel.plot.x_range, panel.plot.y_range]) range.change.connect(() => moved(panel));
    panel.plot.on_event("reset", () => fit(panel));
    panel.plot.on_event("tap", (event) => {
      const found = nearest(panel, event, finger ? 20 : 7);
      hideTip();
      select(panel.group, found === null ? [] : [found]);
      if (!finger || found === null) return;
      const { left, top } = element.getBoundingClientRect();
      showTip(panel, found, [left + event.sx, top + event.sy]);
    });
    element.addEventListener("keydown", (event) => {
      const acts = {
        ...{ ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.15], ArrowDown: [0, -0.15] },
        ...{ "+": [0, 0, 0.8], "=": [0, 0, 0.8], "-": [0, 0, 1.25], 0: null },
      };
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in acts)) return;
      event.preventDefault();
      if (acts[event.key]) move(panel, ...acts[event.key]);
      else fit(panel);
    });
    if (matchMedia("(pointer: coarse)").matches) panel.plot.toolbar.active_drag = null; // a finger scrolls the page
  }

  // ---- Controls ------------------------------------------------------------------------------------------------------

  let playing = null;

  function stopPlaying() {
    clearInterval(playing);
    playing = null;
    byId("play").textContent = "Play";
  }

  function play() {
    if (playing !== null) return stopPlaying();
    if (state.stop === data.times.length - 1) state.stop = -1;
    byId("play").textContent = "Pause";
    const next = () => {
      state.stop += 1;
      show();
      if (state.stop === data.times.length - 1) stopPlaying();
    };
    playing = setInterval(next, 800);
    next();
  }

  function listen() {
    byId("time").addEventListener("input", (event) => {
      stopPlaying();
      state.stop = Number(event.target.value);
      show();
    });
    byId("play").addEventListener("click", play);
    byId("wrong-only").addEventListener("change", (event) => {
      state.wrongOnly = event.target.checked;
      filter();
    });
    byId("judge").addEventListener("change", (event) => {
      state.judge = event.target.value;
      filter();
      showSelected();
      countListed();
    });
    for (const name of ["turn", "tilt"]) byId(name)?.addEventListener("input", showSide);
    byId("axes").addEventListener("change", () => axes() !== "keep" && panels.forEach(fit));
    byId("clear").addEventListener("click", () => {
      groups.forEach((_, number) => select(number, []));
      if (byId("which").value !== "selected") return;
      byId("which").value = "any";
      lookAway();
      countListed();
    });
    byId("previous").addEventListener("click", () => step(-1));
    byId("next").addEventListener("click", () => step(1));
    byId("which").addEventListener("change", countListed);
    byId("inspector").addEventListener("keydown", (event) => {
      const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (direction === undefined || event.target.tagName === "SELECT") return;
      event.preventDefault();
      step(direction);
    });
    document.querySelectorAll(".confusion button").forEach((button) => {
      button.addEventListener("click", () => {
        const panel = panels[button.dataset.panel];
        const [label, predicted] = [Number(button.dataset.label), Number(button.dataset.predicted)];
        stopPlaying();
        state.stop = data.times.length - 1;
        show();
        const judged = current(panel).predicted[button.dataset.judge];
        const found = [...judged.keys()].filter((i) => groups[panel.group].labels[i] === label && judged[i] === predicted);
        select(panel.group, found);
        byId("which").value = "selected";
        countListed();
        if (found.length) look(panel.group, found[0]);
        byId("features").scrollIntoView();
        byId("inspector").focus({ preventScroll: true });
      });
    });
    addEventListener("scroll", hideTip, { passive: true });
    addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
  }

  // Paper has another width than the window, and nothing is laid out again for it: print pictures of the charts.
  function listenToPrinter(views) {
    addEventListener("beforeprint", () => {
      for (const [element, view] of views) {
        const { canvas } = view.export("auto", true);
        canvas.className = "printed";
        canvas.removeAttribute("style");
        element.append(canvas);
      }
    });
    addEventListener("afterprint", () => document.querySelectorAll(".printed").forEach((each) => each.remove()));
  }

  // ---- Beginning -----------------------------------------------------------------------------------------------------

  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

  async function begin() {
    const roots = charts.roots;
    const item = { docid: "report", roots, root_ids: Object.keys(roots) };
    const [manager] = await Bokeh.embed.embed_items({ report: charts.document }, [item]);
    const drawn = [...manager.roots].filter((view) => view.model.id in roots); // Bokeh adds one for its own messages
    const views = new Map(drawn.map((view) => [byId(roots[view.model.id]), view]));
    await painted(); // frames have their size now
    if (panels.length) {
      panels.forEach((panel, index) => connect(panel, index, views.get(byId(`panel-${index}`))));
      groups.forEach((group, number) => {
        group.source.selected.properties.indices.change.connect(() => selectionChanged(number));
      });
      listen();
      show();
      // The controls stay above the image while the page scrolls, in as many lines as they need.
      const controls = document.querySelector(".controls");
      const above = () => document.body.style.setProperty("--above", `${controls.offsetHeight}px`);
      new ResizeObserver(above).observe(controls);
      panels.forEach((panel, index) => {
        new ResizeObserver(() => painted().then(() => resized(panel))).observe(byId(`panel-${index}`));
      });
      await painted(); // an observer tells the size once at the beginning
    }
    listenToPrinter(views);
    await painted();
    // For tests, and for the console.
    window.report = { panels, views, groups, state, select, look, show, spotOf, readyAfter: performance.now() };
    document.documentElement.dataset.ready = "yes";
  }

  begin();
})();
