// Editing by hand: what is selected, what keys and the pointer do to it, and the box of actions on their way to the
// server. An action changes the hits that are shown at once; the server's answer replaces them later.

const boxes = new Map(); // song → {name, next, actions}: kept while the tab is open, whichever page is shown
const STORE = "drumscribe-hands-";
const AGAIN_MS = 20000; // an answer that has not come by then is asked for again: rarely, because asking breaks off what is being done

function boxOf(song) {
  if (!boxes.has(song)) {
    const box = { name: Math.random().toString(36).slice(2), next: 1, actions: [] };
    try {
      // What had not been sent when the page was left.
      box.actions = JSON.parse(sessionStorage.getItem(STORE + song)) ?? [];
      sessionStorage.removeItem(STORE + song);
      box.next = 1 + Math.max(0, ...box.actions.map((action) => action.id));
    } catch {
      // a browser that keeps nothing
    }
    boxes.set(song, box);
  }
  return boxes.get(song);
}

let copied = null; // {bars, notes}: survives a change of the song, as any clipboard

const SOON_MS = 4000; // the same where a run of the page has ended without one

/** Keys of the selected notes, as the shortcut sheet tells them. */
export const HAND_KEYS = [
  ["← → ↑ ↓", "next note, other voice (score focused)"],
  ["Shift + arrows", "select more"],
  ["Alt + ← →", "earlier, later by the grid"],
  ["Alt + ↑ ↓", "higher, lower drum"],
  ["G A F", "ghost, accent, flam"],
  ["Del", "delete"],
  ["Ctrl + A C X V", "select the bar, copy, cut, paste"],
];

export class Hands {
  /** `player`: offers hits, bars, score, say(text), changed(), report(id). */
  constructor(player) {
    this.player = player;
    this.active = false;
    this.grid = []; // of each bar: onset in quarter notes, and when it sounds
    this.chosen = new Set();
    this.anchor = null; // where a range begins
    this.head = null; // where it ends: the note that arrows move from
    this.onleave = () => this.#leave();
    window.addEventListener("pagehide", this.onleave);
  }

  /** Take the server's answer in; returns whether the actions that are still to be drawn are others than before. */
  update(data) {
    this.song = data.song;
    this.box = boxOf(data.song);
    this.active = Boolean(data.hands?.active);
    this.kit = data.hands?.kit ?? [];
    this.byKey = new Map(this.kit.map((drum) => [drum.key.toLowerCase(), drum]));
    this.drums = new Map(this.kit.map((drum) => [drum.label, drum]));
    const acted = data.hands?.acted[this.box.name];
    const before = this.box.actions.length;
    this.names = new Map(acted?.names ?? []);
    this.box.actions = this.box.actions.filter((action) => action.id > (acted?.last ?? 0));
    if (this.names.size) {
      this.chosen = new Set([...this.chosen].map((id) => this.#real(id)));
      this.anchor = this.#real(this.anchor);
      this.head = this.#real(this.head);
    }
    if (before !== this.box.actions.length || this.box.actions.some((action) => !action.sent)) this.waiting = 0;
    if (data.hands && this.box.actions.length) this.#send(SOON_MS);
    return before !== this.box.actions.length;
  }

  #real(id) {
    return this.names?.get(id) ?? id;
  }

  // --- what is shown ----------------------------------------------------------------------------------------------

  /** The hits as they will be once every action in the box has been taken in. */
  shown(hits) {
    let found = hits;
    for (const action of this.box?.actions ?? []) found = this.#foreseen(found, action);
    return found === hits ? hits : [...found].sort((a, b) => a.time - b.time);
  }

  #foreseen(hits, action) {
    const own = new Set((action.hits ?? []).map((id) => this.#real(id)));
    const each = (change) => hits.map((hit) => (own.has(hit.id) && !hit.faint ? { ...hit, confidence: 1, ...change(hit) } : hit));
    switch (action.kind) {
      case "delete":
        return hits.filter((hit) => !own.has(hit.id));
      case "relabel":
        return each(() => ({ drum: action.drum }));
      case "step":
        return each((hit) => ({ drum: this.#stepped(hit, action.by, hits) }));
      case "nudge":
        return each((hit) => ({ time: this.moved(hit.time, action.by) }));
      case "move":
        return each((hit) => ({ time: Math.max(0, hit.time + action.by) }));
      case "ghost":
        return each((hit) => ({ velocity: 30, mark: hit.mark === "ghost" ? "" : "ghost" }));
      case "accent":
        return each((hit) => ({ velocity: 120, mark: hit.mark === "accent" ? "" : "accent" }));
      case "flam":
        return each((hit) => ({ mark: "flam" }));
      case "add": {
        const time = this.timeOf(action.bar, action.onset);
        return time === null ? hits : [...hits, { id: this.#real(action.names[0]), time, drum: action.drum, velocity: 90, confidence: 1, faint: false }];
      }
      case "paste": {
        const last = Math.min(this.grid.length, action.bar + Math.max(1, action.bars)) - 1;
        const [from, to] = [this.player.bars[action.bar]?.start, this.player.bars[last]?.end];
        const kept = action.bars ? hits.filter((hit) => hit.faint || hit.time < from - 0.03 || hit.time >= to - 0.03) : hits;
        const come = action.notes.flatMap((note, i) => {
          const time = this.#later(action.bar, note.onset);
          return time === null ? [] : [{ id: this.#real(action.names[i]), time, drum: note.drum, velocity: note.velocity, confidence: 1, faint: false }];
        });
        return [...kept, ...come];
      }
      default:
        return hits; // undo and redo: only the server knows
    }
  }

  /** The next drum up or down that is not struck there already. */
  #stepped(hit, by, hits) {
    const struck = new Set(hits.filter((one) => one.id !== hit.id && Math.abs(one.time - hit.time) < 0.005).map((one) => one.drum));
    const free = this.kit.filter((row) => row.label === hit.drum || !struck.has(row.label));
    const place = free.findIndex((row) => row.label === hit.drum) + by;
    return free[Math.min(free.length - 1, Math.max(0, place))]?.label ?? hit.drum;
  }

  // --- the grid -----------------------------------------------------------------------------------------------------

  barAt(time) {
    const { bars } = this.player;
    let bar = 0;
    while (bar + 1 < bars.length && bars[bar + 1].start <= time + 0.001) bar += 1;
    return bar;
  }

  /** [bar, index of the slot] nearest to a time. */
  #slot(time) {
    let best = [0, 0];
    let least = Infinity;
    const here = this.barAt(time);
    for (let bar = Math.max(0, here); bar <= Math.min(this.grid.length - 1, here + 1); bar += 1) {
      this.grid[bar].forEach(([, at], i) => {
        if (Math.abs(at - time) < least) [least, best] = [Math.abs(at - time), [bar, i]];
      });
    }
    return best;
  }

  /** {bar, onset, time} of the place of the grid nearest to a time. */
  place(time) {
    if (!this.grid.length) return null;
    const [bar, i] = this.#slot(time);
    const [onset, at] = this.grid[bar][i];
    return { bar, onset, time: at };
  }

  moved(time, by) {
    if (!this.grid.length) return time;
    let [bar, i] = this.#slot(time);
    i += by;
    while (i < 0 && bar > 0) i += this.grid[(bar -= 1)].length;
    while (bar + 1 < this.grid.length && i >= this.grid[bar].length) i -= this.grid[(bar += 1) - 1].length;
    return this.grid[bar][Math.min(this.grid[bar].length - 1, Math.max(0, i))][1];
  }

  timeOf(bar, onset) {
    const slot = this.grid[bar]?.find(([at]) => Math.abs(at - onset) < 0.001);
    if (slot) return slot[1];
    const found = this.player.bars[bar];
    const length = this.#length(bar);
    return found ? found.start + (found.end - found.start) * Math.min(1, onset / length) : null;
  }

  /** Quarter notes in a bar. */
  #length(bar) {
    const slots = this.grid[bar] ?? [];
    if (slots.length < 2) return 4;
    return slots.at(-1)[0] + (slots.at(-1)[0] - slots.at(-2)[0]);
  }

  #later(bar, onset) {
    while (bar < this.grid.length && onset >= this.#length(bar) - 0.001) {
      onset -= this.#length(bar);
      bar += 1;
    }
    return bar < this.grid.length ? this.timeOf(bar, onset) : null;
  }

  // --- the selection --------------------------------------------------------------------------------------------------

  get hits() {
    return this.player.hits.filter((hit) => !hit.faint);
  }

  selected() {
    return this.hits.filter((hit) => this.chosen.has(hit.id));
  }

  /** Select one hit (`null`: none), add or drop it (`"toggle"`), or all from the last one to it (`"range"`). */
  pick(id, how = "") {
    const hit = this.hits.find((one) => one.id === id);
    if (!hit) this.chosen.clear();
    else if (how === "toggle") {
      if (!this.chosen.delete(id)) this.chosen.add(id);
      this.anchor = this.head = id;
    } else if (how === "range" && this.hits.some((one) => one.id === this.anchor)) {
      const from = this.hits.find((one) => one.id === this.anchor).time;
      const [low, high] = [Math.min(from, hit.time) - 0.02, Math.max(from, hit.time) + 0.02];
      this.chosen = new Set(this.hits.filter((one) => one.time >= low && one.time <= high).map((one) => one.id));
      this.head = id;
    } else {
      this.chosen = new Set([id]);
      this.anchor = this.head = id;
    }
    this.#told();
  }

  pickAll(ids) {
    this.chosen = new Set(ids);
    this.anchor = this.head = ids[0] ?? null;
    this.#told();
  }

  #told() {
    const count = this.chosen.size;
    if (count !== 1) this.player.say(count ? `${count} notes selected` : "Nothing selected");
    this.player.picked();
  }

  #step(key, extend) {
    const { hits } = this;
    if (!hits.length) return;
    const now = hits.find((hit) => hit.id === this.head) ?? this.selected()[0];
    if (!now) return this.pick((hits.find((hit) => hit.time >= this.player.time - 0.02) ?? hits[0]).id);
    const voice = (hit) => this.drums.get(hit.drum)?.voice;
    const height = (hit) => this.kit.findIndex((row) => row.label === hit.drum);
    let next = null;
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const way = key === "ArrowRight" ? 1 : -1;
      const ahead = hits.filter((hit) => voice(hit) === voice(now) && way * (hit.time - now.time) > 0.012);
      const near = way > 0 ? ahead[0] : ahead.at(-1);
      next = near && ahead.filter((hit) => Math.abs(hit.time - near.time) < 0.012).sort((a, b) => Math.abs(height(a) - height(now)) - Math.abs(height(b) - height(now)))[0];
    } else {
      const way = key === "ArrowUp" ? 1 : -1;
      const others = hits.filter((hit) => way * (height(hit) - height(now)) > 0 && Math.abs(hit.time - now.time) < 1);
      const cost = (hit) => 100 * Math.abs(hit.time - now.time) + Math.abs(height(hit) - height(now));
      next = others.sort((a, b) => cost(a) - cost(b))[0];
    }
    if (!next) return;
    if (extend) this.pick(next.id, "range");
    else this.pick(next.id);
    this.player.heard(next);
  }

  // --- actions --------------------------------------------------------------------------------------------------------

  do(kind, more = {}, told = "") {
    const action = { id: this.box.next, kind, ...more };
    this.box.next += 1;
    this.box.actions.push(action);
    this.player.changed();
    if (told) this.player.say(told);
    this.#send();
  }

  /** An action on what is selected. */
  #on(kind, more, told) {
    const hits = this.selected().map((hit) => hit.id);
    if (!hits.length) return this.player.say("Select a note first");
    const notes = hits.length === 1 ? "1 note" : `${hits.length} notes`;
    this.do(kind, { hits, ...more }, `${told}: ${notes}`);
  }

  add(bar, onset, drum) {
    const there = this.timeOf(bar, onset);
    const same = this.hits.find((hit) => hit.drum === drum && Math.abs(hit.time - there) < 0.03);
    if (same) return this.pick(same.id);
    const name = -this.box.next;
    this.do("add", { bar, onset, drum, names: [name] });
    this.pick(name);
    this.player.say(`Added ${this.drums.get(drum)?.name ?? drum}`);
    this.player.heard({ drum, velocity: 90 });
  }

  move(by) {
    this.#on("move", { by }, "Moved");
  }

  copy() {
    const hits = this.selected();
    if (!hits.length) return false;
    const places = hits.map((hit) => ({ hit, ...this.place(hit.time) }));
    const first = Math.min(...places.map((one) => one.bar));
    const last = Math.max(...places.map((one) => one.bar));
    let before = 0;
    const begins = new Map();
    for (let bar = first; bar <= last; bar += 1) {
      begins.set(bar, before);
      before += this.#length(bar);
    }
    const notes = places.map(({ hit, bar, onset }) => ({ onset: begins.get(bar) + onset, drum: hit.drum, velocity: hit.velocity }));
    const inside = this.hits.filter((hit) => {
      const { bar } = this.place(hit.time);
      return bar >= first && bar <= last;
    });
    // Every note of its bars: they are copied as bars, and take the place of what is there.
    copied = { notes, bars: inside.length === hits.length ? last - first + 1 : 0 };
    this.player.say(copied.bars ? `Copied ${copied.bars === 1 ? "1 bar" : `${copied.bars} bars`}` : `Copied ${notes.length} notes`);
    return true;
  }

  paste() {
    if (!copied) return this.player.say("Nothing was copied");
    const at = this.selected()[0]?.time ?? this.player.time;
    const bar = this.place(at)?.bar;
    if (bar === undefined) return;
    const names = copied.notes.map((_, i) => -(this.box.next * 10000 + i));
    this.do("paste", { bar, notes: copied.notes, bars: copied.bars, names }, `Pasted into bar ${this.player.bars[bar].number}`);
    this.pickAll(names);
  }

  /** Undo and redo wait in line behind what is still on its way. */
  pending() {
    return Boolean(this.box?.actions.length);
  }

  /** A key in the score; returns whether it was one of ours. */
  key(event) {
    const { key } = event;
    const control = event.ctrlKey || event.metaKey;
    const lower = key.toLowerCase();
    if (control && !event.altKey) {
      if (lower === "a") {
        const at = this.selected()[0]?.time ?? this.player.time;
        const bar = this.place(at)?.bar;
        this.pickAll(this.hits.filter((hit) => this.place(hit.time)?.bar === bar).map((hit) => hit.id));
      } else if (lower === "c") return this.copy();
      else if (lower === "x") {
        if (!this.copy()) return false;
        this.#on("delete", {}, "Cut");
      } else if (lower === "v") this.paste();
      else return false;
      return true;
    }
    if (key.startsWith("Arrow")) {
      if (!event.altKey) this.#step(key, event.shiftKey);
      else if (key === "ArrowLeft" || key === "ArrowRight") this.#on("nudge", { by: key === "ArrowRight" ? 1 : -1 }, "Moved");
      else this.#on("step", { by: key === "ArrowUp" ? 1 : -1 }, "Another drum");
      return true;
    }
    if (event.altKey) return false;
    if (key === "Delete" || key === "Backspace") {
      const { hits } = this;
      const last = this.selected().at(-1);
      this.#on("delete", {}, "Deleted");
      const next = last && hits.find((hit) => hit.time > last.time && !this.chosen.has(hit.id));
      this.chosen = new Set();
      this.head = this.anchor = next?.id ?? null;
      this.player.picked();
    } else if (key === "Escape" && this.chosen.size) this.pick(null);
    else if (lower === "g") this.#on("ghost", {}, "Ghost");
    else if (lower === "a") this.#on("accent", {}, "Accent");
    else if (lower === "f") this.#on("flam", {}, "Flam");
    else if (this.byKey.has(lower)) {
      const drum = this.byKey.get(lower);
      this.#on("relabel", { drum: drum.label }, drum.name);
      this.player.heard({ drum: drum.label, velocity: 90 });
    } else return false;
    return true;
  }

  // --- the way to the server -------------------------------------------------------------------------------------------

  /** Send the box, unless an answer is awaited: what came meanwhile goes with the next one. */
  #send(patience = AGAIN_MS) {
    clearTimeout(this.again);
    const now = performance.now();
    if (this.waiting && now - this.waiting < patience) {
      this.again = setTimeout(() => this.#send(patience), patience);
      return;
    }
    if (!this.box.actions.length) return;
    this.waiting = now;
    for (const action of this.box.actions) action.sent = true;
    const actions = this.box.actions.map(({ sent, ...action }) => action);
    this.player.component.setTriggerValue("edit", { song: this.song, box: this.box.name, page: this.player.score.current(), actions });
    this.again = setTimeout(() => this.#send(), AGAIN_MS);
  }

  #leave() {
    const left = this.box?.actions.filter((action) => !action.sent) ?? [];
    if (!left.length) return;
    try {
      sessionStorage.setItem(STORE + this.song, JSON.stringify(left));
    } catch {
      // a browser that keeps nothing
    }
  }

  destroy() {
    clearTimeout(this.again);
    window.removeEventListener("pagehide", this.onleave);
  }
}

