// What was changed by hand and is not engraved yet, drawn into the engraved pages; and places on the staff under the pointer.
const SVG = "http://www.w3.org/2000/svg";
const HEADS = {
  normal: "M-118 20C-110 -62 20 -118 92 -78C150 -40 110 60 20 92C-60 120 -126 80 -118 20Z",
  x: "M-100 -84L-84 -100L0 -18L84 -100L100 -84L18 0L100 84L84 100L0 18L-84 100L-100 84L-18 0Z",
  "circle-x": "M-100 -84L-84 -100L0 -18L84 -100L100 -84L18 0L100 84L84 100L0 18L-84 100L-100 84L-18 0ZM0 -150A150 150 0 1 0 1 -150ZM0 -130A130 130 0 1 1 -1 -130Z",
  diamond: "M0 -110L110 0L0 110L-110 0Z",
};
const HALF = 118; // of a head's width

const draw = (parent, name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
};

/** Left edge, bottom line, and half a space of the staff of a measure, in its own units; null where it has none. */
function staffOf(measure) {
  const lines = [...measure.querySelectorAll(".staff > path")].map((path) => /^M(-?[\d.]+) (-?[\d.]+) L(-?[\d.]+)/.exec(path.getAttribute("d") ?? "")).filter(Boolean);
  if (lines.length < 5) return null;
  const ys = lines.slice(0, 5).map((line) => Number(line[2])).sort((a, b) => b - a);
  return { left: Number(lines[0][1]), right: Number(lines[0][3]), bottom: ys[0], half: (ys[0] - ys[4]) / 8 };
}

/** Where a head stands, in the units of its measure. */
function spotOf(head) {
  const use = head.querySelector(".notehead use");
  const found = /translate\((-?[\d.]+),? (-?[\d.]+)\)/.exec(use?.getAttribute("transform") ?? "");
  return found && { x: Number(found[1]) + HALF, y: Number(found[2]) };
}

export class Overlay {
  /** `score`: offers heads (id → element), chart, scroller; `hands`: drums, bars. */
  constructor(score) {
    this.score = score;
    this.drawn = [];
    this.hidden = [];
  }

  clear() {
    for (const element of this.drawn) element.remove();
    for (const head of this.hidden) head.classList.remove("gone");
    this.drawn = [];
    this.hidden = [];
    this.heads = new Map();
  }

  /** Draw `shown` where it differs from the `engraved` hits. */
  show(engraved, shown, drums) {
    this.clear();
    if (engraved === shown) return;
    this.engraved = engraved;
    const after = new Map(shown.map((hit) => [hit.id, hit]));
    const before = new Map(engraved.map((hit) => [hit.id, hit]));
    for (const hit of engraved) {
      const now = after.get(hit.id);
      if (now && now.drum === hit.drum && Math.abs(now.time - hit.time) < 1e-4 && !now.mark) continue;
      if (hit.faint) continue;
      const head = this.score.heads.get(hit.id);
      if (!head) continue;
      if (!now || now.drum !== hit.drum || Math.abs(now.time - hit.time) >= 1e-4) {
        head.classList.add("gone");
        this.hidden.push(head);
        if (now) this.#draw(now, drums);
      } else this.#mark(now, head.closest(".measure"), spotOf(head));
    }
    for (const hit of shown) if (!hit.faint && !before.has(hit.id)) this.#draw(hit, drums);
  }

  #draw(hit, drums) {
    const drum = drums.get(hit.drum);
    const measure = this.measureAt(hit.time)?.measure;
    const staff = measure && staffOf(measure);
    if (!drum || !staff) return;
    const x = this.#x(measure, staff, hit.time);
    const y = staff.bottom - drum.height * staff.half;
    const group = draw(measure, "g", { class: "note fresh" });
    group.dataset.hit = hit.id;
    const stem = drum.voice === "hands" ? [x + HALF - 10, y, y - 7 * staff.half] : [x - HALF + 10, y, y + 7 * staff.half];
    draw(group, "path", { d: `M${stem[0]} ${stem[1]}L${stem[0]} ${stem[2]}`, "stroke-width": 20, stroke: "currentColor" });
    for (let line = 10; line <= drum.height; line += 2) {
      const at = staff.bottom - line * staff.half;
      draw(group, "path", { d: `M${x - 190} ${at}L${x + 190} ${at}`, "stroke-width": 20, stroke: "currentColor" });
    }
    const head = draw(group, "g", { class: "notehead" });
    draw(head, "path", { d: HEADS[drum.head] ?? HEADS.normal, transform: `translate(${x}, ${y})`, "fill-rule": "evenodd" });
    this.drawn.push(group);
    this.heads.set(hit.id, group);
    if (hit.mark) this.#mark(hit, measure, { x, y });
  }

  #mark(hit, measure, spot) {
    if (!hit.mark || !measure || !spot) return;
    const sign = { ghost: "(   )", accent: ">", flam: "♪" }[hit.mark];
    const up = hit.mark === "accent" ? 260 : -110;
    const at = hit.mark === "flam" ? spot.x - 260 : spot.x;
    const text = draw(measure, "text", { x: at, y: spot.y - up, "font-size": "360px", "text-anchor": "middle", class: "fresh" });
    text.textContent = sign;
    this.drawn.push(text);
  }

  /** The written bar that sounds at `time`: {measure (element), start, end}; under a repeat the nearest to the cursor. */
  measureAt(time) {
    const row = this.score.chart.measures.find(([start, end]) => time >= start - 0.002 && time < end - 0.002) ?? this.score.chart.measures.find(([start, end]) => Math.abs(time - end) < 0.05 || Math.abs(time - start) < 0.05);
    const measure = row && this.score.scroller.querySelector(`[id="${row[2]}"]`);
    return measure ? { measure, start: row[0], end: row[1] } : null;
  }

  /** [time, x] of what is engraved in a bar, in order; `start`, `end`: seconds of the bar. */
  #anchors(measure, staff, start, end) {
    const found = [];
    for (const hit of this.engraved ?? []) {
      if (hit.time < start - 0.05 || hit.time > end) continue;
      const head = this.score.heads.get(hit.id);
      const spot = head?.closest(".measure") === measure ? spotOf(head) : null;
      if (spot) found.push([Math.max(start, hit.time), spot.x]);
    }
    found.sort((a, b) => a[0] - b[0]);
    const width = staff.right - staff.left;
    if (!found.length || found[0][0] > start + 0.03) found.unshift([start, Math.min(staff.left + 0.08 * width, (found[0]?.[1] ?? Infinity) - HALF)]);
    found.push([end, staff.right]);
    return found.filter((one, i) => !i || (one[0] > found[i - 1][0] && one[1] > found[i - 1][1]));
  }

  #x(measure, staff, time) {
    const row = this.score.chart.measures.find(([start, end, id]) => measure.id === id && time >= start - 0.06 && time <= end + 0.06);
    const anchors = this.#anchors(measure, staff, row?.[0] ?? time, row?.[1] ?? time + 1);
    for (let i = 1; i < anchors.length; i += 1) {
      const [[t0, x0], [t1, x1]] = [anchors[i - 1], anchors[i]];
      if (time <= t1 || i === anchors.length - 1) return x0 + ((x1 - x0) * (Math.min(time, t1) - t0)) / (t1 - t0);
    }
    return staff.left + HALF;
  }

  /** The time and the height on the staff (steps above its bottom line) under a point of the window; null outside. */
  under(clientX, clientY, now, engraved) {
    this.engraved = engraved;
    for (const page of this.score.scroller.querySelectorAll(".page")) {
      const frame = page.getBoundingClientRect();
      if (clientY < frame.top || clientY > frame.bottom) continue;
      for (const measure of page.querySelectorAll(".measure")) {
        const staff = staffOf(measure);
        const matrix = staff && measure.getScreenCTM();
        if (!matrix) continue;
        const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(matrix.inverse());
        const height = Math.round((staff.bottom - y) / staff.half);
        if (x < staff.left || x > staff.right || height < -3 || height > 14) continue;
        const rows = this.score.chart.measures.filter(([, , id]) => id === measure.id);
        if (!rows.length) continue;
        const [start, end] = rows.reduce((a, b) => (Math.abs(a[0] - now) <= Math.abs(b[0] - now) ? a : b));
        const anchors = this.#anchors(measure, staff, start, end);
        let i = anchors.findIndex(([, at]) => at >= x);
        if (i < 0) i = anchors.length - 1;
        if (i === 0) return { time: anchors[0][0], height };
        const [[t0, x0], [t1, x1]] = [anchors[i - 1], anchors[i]];
        return { time: t0 + ((t1 - t0) * (x - x0)) / (x1 - x0), height };
      }
    }
    return null;
  }
}
