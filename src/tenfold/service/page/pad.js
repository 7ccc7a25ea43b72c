"use strict";
// The drawing pad: strokes as lists of points in 0..1 of its height, so that they survive any resizing.

class Pad {
  static PEN = 0.075; // of the height
  static STEP = 0.025; // of the height, for an arrow key

  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange; // (finished) => void; finished: the pen was lifted
    this.strokes = [];
    this.image = null;
    this.current = null;
    this.cursor = null; // the pen of the keyboard
    this.pointer = null; // the finger, pen or mouse that draws: a palm beside it does not
    this.ghost = ""; // what is shown where nothing is drawn
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  get empty() { return !this.strokes.length && !this.image; }
  get aspect() { return this.canvas.clientWidth / Math.max(1, this.canvas.clientHeight); }

  listen() {
    const pad = this.canvas;
    pad.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      if (event.button || (this.current && this.pointer !== null)) return;
      this.pointer = event.pointerId;
      pad.focus({ preventScroll: true });
      try { pad.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
      this.cursor = null;
      this.begin(this.place(event));
    });
    pad.addEventListener("pointermove", (event) => {
      if (!this.current || event.pointerId !== this.pointer) return;
      const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const each of events.length ? events : [event]) this.current.push(this.place(each));
      this.draw();
      this.onChange(false);
    });
    for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, (event) => { if (event.pointerId === this.pointer) this.end(); });
    pad.addEventListener("keydown", (event) => this.key(event));
    pad.addEventListener("blur", () => { if (this.cursor) { this.end(); this.cursor = null; this.draw(); } });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key.toLowerCase() === "z") { event.preventDefault(); this.undo(); }
      return;
    }
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in moves) {
      this.cursor ??= [this.aspect / 2, 0.5];
      const [x, y] = this.cursor.map((v, i) => v + moves[event.key][i] * Pad.STEP);
      this.cursor = [Math.min(Math.max(x, 0), this.aspect), Math.min(Math.max(y, 0), 1)];
      if (this.current) { this.current.push(this.cursor); this.onChange(false); }
      this.draw();
    } else if (event.key === " ") {
      this.cursor ??= [this.aspect / 2, 0.5];
      if (this.current) this.end(); else this.begin(this.cursor);
      this.draw();
    } else if (event.key.toLowerCase() === "z") this.undo();
    else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.height, (event.clientY - box.top) / box.height];
  }

  begin(point) {
    this.current = [point];
    this.strokes.push(this.current);
    this.draw();
    this.onChange(false);
  }

  end() {
    if (!this.current) return;
    this.current = this.pointer = null;
    this.onChange(true);
  }

  undo() {
    this.current = this.pointer = null;
    if (this.strokes.length) this.strokes.pop(); else this.image = null;
    this.draw();
    this.onChange(true);
  }

  clear() {
    this.strokes = [];
    this.image = this.current = this.pointer = null;
    this.draw();
    this.onChange(true);
  }

  show(image) { // anything that drawImage takes
    this.strokes = [];
    this.image = image;
    this.ground = groundOf(image);
    this.draw();
    this.onChange(true);
  }

  // What is on the pad, ink dark on white, whatever the theme.
  picture(height) {
    const canvas = document.createElement("canvas");
    if (this.image) height = Math.max(height, Math.min(1200, Math.round(this.image.height)));
    canvas.height = height;
    canvas.width = Math.round(height * this.aspect);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.paint(context, height, "#000");
    return canvas;
  }

  draw() {
    const scale = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    const [width, height] = [Math.round(clientWidth * scale), Math.round(clientHeight * scale)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const ink = getComputedStyle(this.canvas).color;
    this.paint(context, height, ink);
    if (this.empty && this.ghost) {
      Object.assign(context, { fillStyle: ink, globalAlpha: 0.09, textAlign: "center", textBaseline: "alphabetic" });
      context.font = `300 ${0.8 * height}px ${getComputedStyle(document.body).fontFamily}`;
      const { actualBoundingBoxAscent: up, actualBoundingBoxDescent: down } = context.measureText(this.ghost);
      context.fillText(this.ghost, width / 2, (height + up - down) / 2);
      context.globalAlpha = 1;
    }
    if (this.cursor) {
      context.strokeStyle = ink;
      context.lineWidth = 2 * scale;
      context.beginPath();
      context.arc(this.cursor[0] * height, this.cursor[1] * height, (Pad.PEN * height) / 2 + 3 * scale, 0, 7);
      context.stroke();
    }
  }

  paint(context, height, ink) {
    if (this.image) {
      const room = [height * this.aspect, height];
      const factor = Math.min(room[0] / this.image.width, room[1] / this.image.height);
      const [w, h] = [this.image.width * factor, this.image.height * factor];
      context.fillStyle = this.ground; // no edge between the image and the pad: an edge could be read as ink
      context.fillRect(0, 0, ...room);
      context.imageSmoothingEnabled = this.image.width > 64;
      context.drawImage(this.image, (room[0] - w) / 2, (room[1] - h) / 2, w, h);
      context.imageSmoothingEnabled = true;
    }
    Object.assign(context, { strokeStyle: ink, fillStyle: ink, lineWidth: Pad.PEN * height, lineCap: "round", lineJoin: "round" });
    for (const points of this.strokes) {
      context.beginPath();
      if (points.length === 1) {
        context.arc(points[0][0] * height, points[0][1] * height, (Pad.PEN * height) / 2, 0, 7);
        context.fill();
        continue;
      }
      context.moveTo(points[0][0] * height, points[0][1] * height);
      for (let i = 1; i < points.length - 1; i++) { // through the middles of the segments: a smooth line
        const [x, y] = points[i], [u, v] = points[i + 1];
        context.quadraticCurveTo(x * height, y * height, ((x + u) / 2) * height, ((y + v) / 2) * height);
      }
      const last = points[points.length - 1];
      context.lineTo(last[0] * height, last[1] * height);
      context.stroke();
    }
  }
}

function groundOf(image) { // the mean colour of its border
  const side = 32;
  const context = element("canvas", { width: side, height: side }).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, side, side);
  context.drawImage(image, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const sum = [0, 0, 0];
  let count = 0;
  for (let i = 0; i < side * side; i++) {
    const [x, y] = [i % side, Math.floor(i / side)];
    if (x && y && x < side - 1 && y < side - 1) continue;
    sum.forEach((_, k) => { sum[k] += data[4 * i + k]; });
    count += 1;
  }
  return `rgb(${sum.map((v) => Math.round(v / count)).join(" ")})`;
}
