"use strict";
// What an answer looks like. Text goes in as text: a class name can hold anything.

const byId = (id) => document.getElementById(id);
const percent = (share) => (share >= 0.9995 && share < 1 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`);

const toPng = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/png"));

function element(name, options = {}, ...children) {
  const made = Object.assign(document.createElement(name), options);
  made.append(...children);
  return made;
}

function showShares(classes, probabilities) {
  const body = byId("shares");
  if (JSON.stringify([...body.rows].map((row) => row.cells[0].textContent)) !== JSON.stringify(classes)) {
    body.replaceChildren(...classes.map((name) => element("tr", {},
      element("th", { scope: "row", textContent: name, title: name }),
      element("td", {}, element("span", { className: "track" }, element("i"))),
      element("td", { textContent: "" }))));
  }
  const best = Math.max(...classes.map((name) => probabilities[name] ?? 0));
  classes.forEach((name, i) => {
    const share = probabilities[name];
    const row = body.rows[i];
    row.className = share !== undefined && share === best ? "top" : "";
    row.querySelector("i").style.width = `${100 * (share ?? 0)}%`;
    row.cells[2].textContent = share === undefined ? "" : percent(share);
  });
}

function showVerdict(found, none) {
  const label = byId("label");
  label.classList.remove("text");
  label.classList.toggle("unsure", !found || found.blank || found.rejected);
  if (!found) [label.textContent, byId("sure").textContent] = ["", "Nothing drawn yet"];
  else if (found.blank) [label.textContent, byId("sure").textContent] = ["", "No ink found"];
  else {
    label.textContent = found.rejected ? "?" : found.class;
    byId("sure").textContent = found.rejected ? `${none} At best this is ${found.class}, ${percent(found.confidence)}` : `${percent(found.confidence)} sure`;
  }
}

function showPage(found, width, height) {
  const label = byId("label");
  label.classList.add("text");
  label.classList.toggle("unsure", !found.digits.length);
  label.textContent = found.text || "–";
  byId("sure").textContent = found.digits.length ? "" : "No digit found";
  byId("several").replaceChildren(...found.digits.map((digit) => element("li", { className: digit.rejected ? "rejected" : "" },
    element("b", { textContent: digit.class }), ` ${percent(digit.confidence)}${digit.rejected ? ", not a digit?" : ""}`)));
  byId("boxes").replaceChildren(...found.digits.map((digit) => {
    const [x, y, w, h] = digit.box;
    const box = element("span", { className: digit.rejected ? "rejected" : "" }, element("b", { textContent: digit.class }));
    Object.assign(box.style, { left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%`, width: `${(100 * w) / width}%`, height: `${(100 * h) / height}%` });
    return box;
  }));
}

function showLevels(canvas, levels, colour = (v) => [v, v, v]) {
  const height = levels.length, width = height ? levels[0].length : 0;
  canvas.classList.toggle("none", !height);
  Object.assign(canvas, { width: width || 28, height: height || 28 });
  if (!height) return;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  levels.flat().forEach((value, i) => image.data.set([...colour(value, Math.floor(i / width), i % width), 255], 4 * i));
  context.putImageData(image, 0, 0);
}

function showSeen(found) {
  const seen = byId("seen");
  showLevels(seen, found?.input ?? []);
  seen.setAttribute("aria-label", found?.input && !found.blank ? `What the model sees: the digit in ${seen.width} by ${seen.height} pixels` : "What the model sees: nothing yet");
}

// Orange speaks for the answer, blue against it, over the image in grey.
function showSaliency(found) {
  const canvas = byId("saliency");
  const rows = found?.saliency ?? [];
  const most = Math.max(0.02, ...rows.flat().map(Math.abs));
  const input = found?.input;
  showLevels(canvas, rows, (value, y, x) => {
    const grey = 0.55 * (input ? input[y][x] : 0), part = Math.min(1, Math.abs(value) / most);
    const hue = value > 0 ? [242, 153, 90] : [74, 144, 217];
    return hue.map((h) => grey * (1 - 0.8 * part) + h * 0.8 * part);
  });
  canvas.setAttribute("aria-label", rows.length ? `Where the model looks: ${strongest(rows)}` : "Where the model looks: nothing yet");
}

function strongest(rows) { // for those who do not see the picture
  let best = [0, 0, 0];
  rows.forEach((row, y) => row.forEach((value, x) => { if (value > best[0]) best = [value, y, x]; }));
  if (!best[0]) return "no part decides alone";
  const third = (v, n, words) => words[Math.min(2, Math.floor((3 * v) / n))];
  const down = third(best[1], rows.length, ["upper", "middle", "lower"]), right = third(best[2], rows[0].length, ["left", "centre", "right"]);
  return `most at the ${down} ${right}`;
}

function showSamples(samples, onChoose) {
  byId("sample-section").hidden = !samples.length;
  byId("samples").replaceChildren(...samples.map((sample, i) => {
    const canvas = element("canvas");
    showLevels(canvas, sample.pixels);
    const button = element("button", { type: "button" }, canvas);
    button.setAttribute("aria-label", `Sample ${i + 1}`);
    button.addEventListener("click", () => onChoose(sample, canvas));
    return button;
  }));
}
