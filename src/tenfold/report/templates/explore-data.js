"use strict";
// The page's arrays: unpacked once, and rows of them as pictures.
const explored = (() => {
  const meta = JSON.parse(document.getElementById("meta").textContent);
  const [channels, height, width] = meta.thumbnail;
  const pixels = channels * height * width;
  const stride = Math.ceil(pixels / 2);
  const count = meta.splits.reduce((sum, [, size]) => sum + size, 0);
  const NONE = 65535;

  async function unpack(name) {
    const element = document.getElementById(`data-${name}`);
    const text = atob(element.textContent);
    element.remove(); // megabytes that nobody needs twice
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  const found = { meta, count, width, height, channels };

  found.ready = (async () => {
    const isRead = document.getElementById("data-read") !== null;
    const [read, confidence] = await Promise.all(isRead ? ["read", "confidence"].map(unpack) : []);
    found.reads = isRead ? new Uint16Array(read) : null;
    found.confidences = isRead ? new Uint8Array(confidence) : null;
    const [thumbnails, ids, labels, ...maps] = await Promise.all(
      ["thumbnails", "ids", "labels", ...meta.maps.map((_, index) => `map-${index}`)].map(unpack));
    found.thumbnails = new Uint8Array(thumbnails);
    found.ids = new TextDecoder().decode(ids).split("\n");
    found.labels = new Uint16Array(labels);
    found.maps = maps.map((map) => new Uint16Array(map));
  })();

  found.label = (row) => (found.labels[row] === NONE ? null : found.labels[row]);
  found.name = (row) => (found.label(row) === null ? "–" : meta.names[found.label(row)]);

  // the class it was read as, or null; its confidence, 0..1
  found.read = (row) => (!found.reads || found.reads[row] === NONE ? null : found.reads[row]);
  found.confidence = (row) => found.confidences[row] / 255;
  found.isMistake = (row) => found.read(row) !== null && found.label(row) !== null && found.read(row) !== found.label(row);
  found.said = (row) => (found.read(row) === null ? "" : `read as ${meta.names[found.read(row)]}, ${(100 * found.confidence(row)).toFixed(1)} %`);
  found.shortId = (id) => (id.length > 12 ? `…${id.slice(-11)}` : id); // the end tells files apart

  // [name of the set, its number] of a row
  found.split = (row) => {
    let end = 0;
    const index = meta.splits.findIndex(([, size]) => row < (end += size));
    return [meta.splits[index][0], index];
  };

  // value 0..15 of the pixel number `at` of a row
  found.level = (row, at) => {
    const byte = found.thumbnails[row * stride + (at >> 1)];
    return at & 1 ? byte & 15 : byte >> 4;
  };

  found.draw = (row, canvas) => {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const plane = width * height;
    for (let at = 0; at < plane; at++) {
      for (let c = 0; c < 3; c++) image.data[4 * at + c] = 17 * found.level(row, at + (channels === 3 ? c * plane : 0));
      image.data[4 * at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };

  // a figure with image, label and id
  found.tile = (row) => {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    canvas.className = channels === 1 ? "px grey" : "px";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Image ${found.ids[row]}, ${found.name(row)}`);
    found.draw(row, canvas);
    const caption = document.createElement("figcaption");
    caption.classList.toggle("long", meta.names.some((name) => name.length > 3));
    const [name, id] = [document.createElement("b"), document.createElement("span")];
    name.textContent = found.name(row);
    id.textContent = found.shortId(found.ids[row]);
    if (meta.report && found.isMistake(row)) {
      const link = document.createElement("a");
      link.href = `${meta.report}#image=${encodeURIComponent(found.ids[row])}`;
      link.textContent = id.textContent;
      link.title = "This mistake in the report";
      id.replaceChildren(link);
    }
    figure.title = `${found.split(row)[0]} ${found.ids[row]}: ${found.name(row)}${found.said(row) ? `, ${found.said(row)}` : ""}`;
    caption.append(name, id);
    figure.append(canvas, caption);
    return figure;
  };

  // a file for the reader to keep; nothing is sent anywhere
  found.save = (name, lines) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  found.quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  return found;
})();
