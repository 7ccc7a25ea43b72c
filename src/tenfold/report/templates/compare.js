"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const tiles = [...document.querySelectorAll("#tiles .tile")];
  if (!tiles.length) return;
  const update = () => {
    const [winner, truth] = [$("filter-winner").value, $("filter-true").value];
    let count = 0;
    for (const tile of tiles) {
      tile.hidden = Boolean((winner && tile.dataset.winner !== winner) || (truth && tile.dataset.true !== truth));
      count += !tile.hidden;
    }
    $("shown").textContent = `${count.toLocaleString("en")} image${count === 1 ? "" : "s"}`;
  };
  for (const id of ["filter-winner", "filter-true"]) $(id).addEventListener("change", update);
  $("filters").hidden = false;
  update();
})();
