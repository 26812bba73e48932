// Compressed audio fetched and decoded piece by piece, so that a ten-minute song starts at once and stays small in memory.

const KEPT_SECONDS = 180; // of decoded audio per track

/** One recording on the server: `spans` are [start_s, firstByte, endByte] of pieces that decode by themselves. */
export class Segments {
  constructor({ url, spans, segment }) {
    this.url = url;
    this.spans = spans;
    this.length = segment; // seconds that each piece stands for; its audio begins at spans[i][0] and overlaps the next
    this.ready = new Map(); // index → AudioBuffer, in order of last use
    this.pending = new Map(); // index → Promise
    this.whole = null; // the complete file, where the server does not serve ranges
  }

  index(time) {
    return Math.min(this.spans.length - 1, Math.max(0, Math.floor(time / this.length)));
  }

  get(index) {
    const buffer = this.ready.get(index);
    if (buffer) {
      this.ready.delete(index);
      this.ready.set(index, buffer);
    }
    return buffer;
  }

  load(context, index) {
    if (index < 0 || index >= this.spans.length || this.ready.has(index)) return Promise.resolve();
    let promise = this.pending.get(index);
    if (!promise) {
      promise = this.#fetch(index)
        .then((bytes) => context.decodeAudioData(bytes))
        .then((buffer) => {
          this.ready.set(index, buffer);
          const most = Math.max(4, Math.ceil(KEPT_SECONDS / this.length));
          while (this.ready.size > most) this.ready.delete(this.ready.keys().next().value);
        })
        .finally(() => this.pending.delete(index));
      this.pending.set(index, promise);
    }
    return promise;
  }

  async #fetch(index) {
    const [, first, end] = this.spans[index];
    if (this.whole) return this.whole.slice(first, end);
    const response = await fetch(this.url, { headers: { Range: `bytes=${first}-${end - 1}` } });
    if (!response.ok) throw new Error(`The audio could not be fetched (${response.status}). Reload the page.`);
    const bytes = await response.arrayBuffer();
    if (response.status === 206) return bytes;
    this.whole = bytes;
    return bytes.slice(first, end);
  }
}
