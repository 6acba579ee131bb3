"use strict";
// Hover and arrow keys read the picture out; without this script the page tells the same in its tables.
(() => {
  const holder = document.getElementById("readings");
  if (!holder) return;
  const time = (s) => (s == null ? "–" : s >= 1 ? s.toPrecision(3).replace(/\.?0+$/, "") + " s" : (s * 1000).toPrecision(3).replace(/\.?0+$/, "") + " ms");
  for (const { id, plot, rows } of JSON.parse(holder.textContent)) {
    const svg = document.getElementById(id + "-svg"), out = document.getElementById(id + "-readout");
    if (!svg || !out || !rows.length) continue;
    const cursor = svg.querySelector(".cursor"), rest = out.textContent;
    const [left, right, low, high] = plot, x = (s) => left + ((s - low) / (high - low)) * (right - left);
    let at = -1;
    const show = (index) => {
      at = Math.max(0, Math.min(rows.length - 1, index));
      const [start, end, attempted, good, degraded, failed, answered, p50, p95, p99, flight] = rows[at];
      const from = Math.max(left, x(start));
      cursor.setAttribute("x", from);
      cursor.setAttribute("width", Math.max(1, Math.min(right, x(end)) - from));
      const parts = [[start.toFixed(1) + "–" + end.toFixed(1) + " s", ""], [attempted, "attempted/s"], [good, "good"], [degraded, "degraded"], [failed, "failed"],
        [answered == null ? "–" : Math.floor(answered * 1000) / 10 + " %", "answered"], [time(p50), "median"], [time(p95), "95th"], [time(p99), "99th"], [flight, "in flight"]];
      out.replaceChildren(...parts.flatMap(([value, name]) => {
        const bold = document.createElement("b");
        bold.textContent = value;
        return [bold, " " + name + "  "];
      }));
    };
    const hide = () => { cursor.setAttribute("width", 0); out.textContent = rest; at = -1; };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(), moment = low + (((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width - left) / (right - left) * (high - low);
      const index = rows.findIndex((row) => moment >= row[0] && moment < row[1]);
      if (index >= 0) show(index); else hide();
    });
    svg.addEventListener("pointerleave", hide);
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight" || event.key === "ArrowLeft") { show(at + (event.key === "ArrowRight" ? 1 : -1)); event.preventDefault(); }
    });
  }
})();
