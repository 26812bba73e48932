// The sampled drums: one sound file with every drum at several velocities, struck at exact times.

export class Kit {
  constructor({ url, shots }) {
    this.url = url;
    this.shots = new Map(); // drum → [{velocity, start, length}], softest first
    for (const [drum, velocity, start, length] of shots) {
      if (!this.shots.has(drum)) this.shots.set(drum, []);
      this.shots.get(drum).push({ velocity, start, length });
    }
    this.buffer = null;
    this.loading = null;
    this.open = []; // sounding open hats, to be choked
    this.voices = new Set();
  }

  load(context) {
    this.loading ??= fetch(this.url)
      .then((response) => {
        if (!response.ok) throw new Error(`The drum sounds could not be fetched (${response.status}). Reload the page.`);
        return response.arrayBuffer();
      })
      .then((bytes) => context.decodeAudioData(bytes))
      .then((buffer) => {
        this.buffer = buffer;
      })
      .catch((error) => {
        this.loading = null;
        throw error;
      });
    return this.loading;
  }

  /** Strike `drum` at context time `when` into `target`. */
  strike(context, target, drum, velocity, when) {
    const layers = this.shots.get(drum);
    if (!this.buffer || !layers) return;
    const layer = layers.reduce((best, l) => (Math.abs(l.velocity - velocity) < Math.abs(best.velocity - velocity) ? l : best));
    const source = new AudioBufferSourceNode(context, { buffer: this.buffer });
    const gain = new GainNode(context, { gain: velocity / layer.velocity });
    source.connect(gain).connect(target);
    source.start(when, layer.start, layer.length);
    const voice = { source, gain, when };
    this.voices.add(voice);
    source.onended = () => this.voices.delete(voice);
    if (drum === "closed_hihat" || drum === "pedal_hihat" || drum === "open_hihat") {
      for (const hat of this.open) if (hat.when < when) hat.gain.gain.setTargetAtTime(0, when, 0.008);
      this.open = drum === "open_hihat" ? [voice] : [];
    }
  }

  /** Silence what sounds and what is still to sound. */
  hush(context) {
    for (const { source, gain } of this.voices) {
      gain.gain.cancelScheduledValues(context.currentTime);
      gain.gain.setTargetAtTime(0, context.currentTime, 0.008);
      source.stop(context.currentTime + 0.05);
    }
    this.voices.clear();
    this.open = [];
  }
}
