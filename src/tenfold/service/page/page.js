"use strict";
// Wires the pad to the recogniser and its answers to the views.

(() => {
  const recogniser = makeRecogniser();
  const HEIGHT = 280; // of the picture that is sent
  let classes = [..."0123456789"];
  let mode = "one";
  let keeps = false;
  let turn = 0; // answers to older drawings are dropped
  let busy = false, again = null;
  let word = "a digit", none = "Not a digit?"; // what the model knows, and what it says of anything else

  const pad = new Pad(byId("pad"), (finished) => {
    byId("hint").hidden = !pad.empty;
    byId("undo").disabled = byId("clear").disabled = byId("save").disabled = pad.empty;
    byId("kept").textContent = "";
    refreshLabels();
    if (finished) byId("truth").textContent = pad.sample ? `MNIST says it is a ${pad.sample}` : "";
    recognise(finished);
  });

  // One request at a time; what is drawn meanwhile is asked about next.
  async function recognise(finished) {
    turn += 1;
    if (pad.empty) { again = null; show(null, true); return; }
    if (busy) { again = finished || again; again ??= false; return; }
    busy = true;
    const mine = turn, asked = mode;
    try {
      const picture = pad.picture(HEIGHT);
      if (asked === "many") {
        if (finished) { const page = await recogniser.read(picture); if (mine === turn) showSeveral(page, picture); }
      } else {
        const found = await recogniser.predict(picture);
        if (mine === turn || !pad.empty) show(found, finished && mine === turn);
        if (finished && mine === turn && !found.blank) look(picture, found, () => mine !== turn);
      }
      problem("");
    } catch (error) {
      byId("token-form").hidden = error.status !== 401;
      problem(error.message);
    }
    busy = false;
    if (again !== null) { const next = again; again = null; recognise(next); }
  }

  async function look(picture, found, isOld) {
    try {
      const saliency = await recogniser.saliency(picture, found, isOld);
      if (saliency && !isOld()) showSaliency({ ...found, saliency });
    } catch (error) { if (!isOld()) problem(error.message); }
  }

  function show(found, finished) {
    byId("boxes").replaceChildren();
    byId("several").replaceChildren();
    showVerdict(found, none);
    showShares(classes, found?.probabilities ?? {});
    showSeen(found);
    if (finished || !found) showSaliency(found);
    if (!found) byId("said").textContent = "";
    if (!finished || !found) return;
    const words = found.blank || found.rejected ? byId("sure").textContent : `${found.class}. ${byId("sure").textContent}`;
    if (byId("said").textContent !== words) byId("said").textContent = words; // the same again would be read out again
  }

  function showSeveral(page, picture) {
    showPage(page, picture.width, picture.height);
    byId("said").textContent = page.text ? `Read: ${page.text}` : "No digit found";
  }

  function problem(text) {
    byId("problem").textContent = text;
    byId("problem").hidden = !text;
  }

  // Tools
  byId("undo").addEventListener("click", () => pad.undo());
  byId("clear").addEventListener("click", () => { pad.sample = null; pad.clear(); byId("pad").focus(); });
  byId("save").addEventListener("click", async () => {
    const file = new File([await toPng(pad.picture(HEIGHT))], "drawing.png", { type: "image/png" });
    if (matchMedia("(pointer: coarse)").matches && navigator.canShare?.({ files: [file] })) {
      navigator.share({ files: [file] }).catch(() => {}); // it was put off
      return;
    }
    const link = element("a", { href: URL.createObjectURL(file), download: file.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
  byId("file").addEventListener("change", (event) => { open(event.target.files[0]); event.target.value = ""; });
  addEventListener("paste", (event) => open([...event.clipboardData.files][0]));
  const paper = byId("paper");
  for (const name of ["dragenter", "dragover"]) paper.addEventListener(name, (event) => { event.preventDefault(); paper.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) paper.addEventListener(name, () => paper.classList.remove("over"));
  paper.addEventListener("drop", (event) => { event.preventDefault(); open(event.dataTransfer.files[0]); });

  async function open(file) {
    if (!file) return;
    try {
      pad.sample = null;
      pad.show(await createImageBitmap(file));
    } catch {
      problem("That is no image that this browser can open.");
    }
  }

  byId("modes").addEventListener("click", (event) => {
    if (!event.target.dataset.mode) return;
    mode = event.target.dataset.mode;
    for (const button of byId("modes").children) button.setAttribute("aria-pressed", String(button === event.target));
    document.querySelector("main").classList.toggle("wide", mode === "many");
    title();
    byId("single").hidden = mode === "many";
    byId("several").hidden = mode !== "many";
    refreshLabels();
    show(null, true);
    if (!pad.empty) requestAnimationFrame(() => recognise(true));
  });

  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    try { localStorage.setItem("tenfold-theme", root.dataset.theme); } catch { /* storage may be off */ }
    pad.draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => pad.draw());

  // Corrections
  function refreshLabels() {
    byId("correct").hidden = !keeps || mode === "many";
    for (const button of byId("labels").children) button.disabled = pad.empty;
  }

  async function keep(label) {
    try {
      const { kept } = await recogniser.keep(pad.picture(HEIGHT), label);
      byId("kept").textContent = `Kept as ${label}: ${kept} example${kept === 1 ? "" : "s"} of it now.`;
    } catch (error) { problem(error.message); }
  }

  // Start
  async function samples() {
    try {
      showSamples(await recogniser.samples(), (sample, canvas) => {
        pad.sample = sample.label;
        pad.show(canvas);
      });
    } catch { byId("sample-section").hidden = true; }
  }
  byId("more").addEventListener("click", samples);

  function title() {
    byId("draw-title").textContent = mode === "many" ? "Draw digits" : `Draw ${word}`;
    document.title = `Draw ${word} · tenfold`;
    pad.ghost = mode === "one" && classes.every((name) => [...name].length === 1) ? classes[Math.floor(Math.random() * classes.length)] : "";
    pad.draw();
  }

  function choose(model) {
    classes = model.classes;
    const digits = classes.every((name) => /^\d$/.test(name));
    word = digits ? "a digit" : `${classes.slice(0, 4).join(", ")}${classes.length > 4 ? " …" : ""}`;
    none = digits ? "Not a digit?" : "None of these?";
    title();
    recogniser.model = model.name;
    showShares(classes, {});
    byId("labels").replaceChildren(...classes.map((name) => {
      const button = element("button", { type: "button", textContent: name });
      button.addEventListener("click", () => keep(name));
      return button;
    }));
    refreshLabels();
    const [name, figure] = Object.entries(model.metrics)[0] ?? [];
    byId("about").textContent = figure
      ? `${model.name}: ${name} ${percent(figure.value)} of ${figure.images.toLocaleString("en")} images (95 % interval ${percent(figure.low)} to ${percent(figure.high)}). ${recogniser.where ?? "What you draw goes to this service and nowhere else."}`
      : model.name;
    byId("modes").hidden = !(model.reads && recogniser.read);
    if (!pad.empty) recognise(true);
  }

  async function start() {
    try {
      const stored = (() => { try { return localStorage.getItem("tenfold-theme"); } catch { return null; } })();
      if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
      const info = await recogniser.models();
      byId("token-form").hidden = true;
      problem("");
      keeps = info.keeps_examples;
      byId("choose-model").hidden = info.models.length < 2;
      byId("model").replaceChildren(...info.models.map((model) => element("option", { value: model.name, textContent: model.name })));
      byId("model").onchange = () => choose(info.models.find((model) => model.name === byId("model").value));
      if (info.models.length) choose(info.models[0]); else setTimeout(start, 500); // the workers are starting
      samples();
    } catch (error) {
      byId("token-form").hidden = error.status !== 401;
      problem(error.message);
    }
  }

  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    recogniser.use(byId("token").value);
    byId("token").value = "";
    start();
  });
  pad.draw();
  start();
})();
