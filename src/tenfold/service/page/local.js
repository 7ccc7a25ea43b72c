"use strict";
// The recogniser of the offline page: the same network, computed here. remote.js has the one of the service.

class Local {
  constructor({ model, manifest, samples }) {
    this.network = new Network(Uint8Array.from(atob(model), (c) => c.charCodeAt(0)));
    this.manifest = manifest;
    this.kept = samples;
    this.where = "The network runs in this page: what you draw does not leave it.";
  }

  async models() {
    const { name, class_names: classes, metrics } = this.manifest;
    return { models: [{ name, classes, metrics, reads: false }], keeps_examples: false };
  }

  async samples() {
    const order = this.kept.map((sample) => [Math.random(), sample]).sort((a, b) => a[0] - b[0]);
    return order.slice(0, 10).map(([, sample]) => sample);
  }

  async predict(canvas) {
    const levels = frame(inkOf(canvas));
    const input = rowsOf(levels);
    if (!levels.some((v) => v)) return { class: null, confidence: 0, blank: true, rejected: false, probabilities: {}, input };
    const shares = this.network.answer(levels, [1, 1, FIELD, FIELD], this.manifest.first_look);
    const best = shares.indexOf(Math.max(...shares)), names = this.manifest.class_names;
    const found = { class: names[best], confidence: shares[best], blank: false, input };
    found.rejected = shares[best] < this.manifest.reject_threshold;
    found.probabilities = Object.fromEntries(names.map((name, k) => [name, shares[k]]));
    return found;
  }

  // Where the network looks takes a hundred more looks: it is asked for once the verdict is shown, and `isOld` ends it.
  async saliency(canvas, found, isOld) {
    const lost = await this.occlusion(frame(inkOf(canvas)), this.manifest.class_names.indexOf(found.class), isOld);
    return lost && rowsOf(lost);
  }

  // tenfold.service.work, a few squares at a time so that the page stays alive
  async occlusion(levels, target, isOld) {
    const whole = this.network.run(levels, [1, 1, FIELD, FIELD])[0][target];
    const side = Math.max(2, Math.round(0.18 * FIELD)), stride = Math.max(1, Math.floor(side / 2));
    const lost = new Float32Array(FIELD * FIELD), cover = new Float32Array(FIELD * FIELD);
    let since = performance.now();
    for (let y = 1 - stride; y < FIELD; y += stride) for (let x = 1 - stride; x < FIELD; x += stride) {
      const covered = levels.slice(), places = [];
      for (let v = Math.max(0, y); v < Math.min(FIELD, y + side); v++) for (let u = Math.max(0, x); u < Math.min(FIELD, x + side); u++) places.push(v * FIELD + u);
      for (const place of places) { cover[place] += 1; covered[place] = 0; }
      if (!places.some((place) => levels[place])) continue;
      const loss = whole - this.network.run(covered, [1, 1, FIELD, FIELD])[0][target];
      for (const place of places) lost[place] += loss;
      if (performance.now() - since > 30) { await new Promise(requestAnimationFrame); since = performance.now(); }
      if (isOld()) return null;
    }
    return lost.map((v, i) => v / cover[i]);
  }
}

const rowsOf = (flat) => Array.from({ length: FIELD }, (_, y) => Array.from(flat.subarray(y * FIELD, (y + 1) * FIELD)));
const makeRecogniser = () => new Local(JSON.parse(byId("data").textContent));
