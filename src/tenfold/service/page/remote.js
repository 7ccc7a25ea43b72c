"use strict";
// The recogniser behind the page: this service. The offline page has another one with the same methods (local.js).

class Remote {
  constructor() {
    this.token = sessionStorage.getItem("tenfold-token") ?? "";
    this.model = "";
  }

  async models() { return this.ask("GET", "v1/models"); }
  async samples() { return (await this.ask("GET", "v1/samples?count=10")).samples; }

  async predict(canvas, show = "input") {
    const answer = await this.ask("POST", `v1/predict?show=${show}&${this.chosen()}`, await toPng(canvas), "image/png");
    return answer.predictions[0];
  }

  // Where the model looks takes a hundred more looks: it is asked for once the verdict is shown.
  async saliency(canvas) { return (await this.predict(canvas, "saliency")).saliency; }

  async read(canvas) {
    const answer = await this.ask("POST", `v1/read?${this.chosen()}`, await toPng(canvas), "image/png");
    return answer.images[0];
  }

  async keep(canvas, label) {
    const image = { base64: canvas.toDataURL("image/png").split(",")[1] };
    return this.ask("POST", `v1/examples?${this.chosen()}`, JSON.stringify({ image, label }), "application/json");
  }

  chosen() { return this.model ? `model=${encodeURIComponent(this.model)}` : ""; }

  use(token) {
    this.token = token;
    sessionStorage.setItem("tenfold-token", token);
  }

  async ask(method, path, body, type) {
    const headers = type ? { "Content-Type": type } : {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    let answer;
    try {
      answer = await fetch(path, { method, body, headers });
    } catch {
      throw Object.assign(new Error("The service does not answer. Is it running?"), { status: 0 });
    }
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(found.error?.message ?? `The service answered ${answer.status}`), { status: answer.status });
    return found;
  }
}

const makeRecogniser = () => new Remote();
