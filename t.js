
const calls=[]; const handlers={};
function el(){ return {style:{},className:"",append(){},clientWidth:800,offsetWidth:100,offsetHeight:50,textContent:"",
 addEventListener(n,f){(handlers[n]=handlers[n]||[]).push(f);}, getContext(){return new Proxy({}, {get:(t,k)=> k in t? t[k] : (...a)=>{calls.push([k,...a]);}, set:(t,k,v)=>{t[k]=v;return true;}});},
 getBoundingClientRect(){return {left:0,top:0,width:800,height:100};}, setPointerCapture(){} }; }
const tipEl=el();
const document={getElementById:id=>id==="tip"?tipEl:el(),createElement:()=>el()};
const window={devicePixelRatio:2,innerWidth:1000,innerHeight:800,addEventListener(){}};


const traces=[{name:"p",lanes:["Compute","H2D"],kinds:["Forward","LoadWeights"],colors:["#111","#222"],isBytes:[false,true],units:["","layer 0"],operations:[[0,0,1,0,-1,0,10,20,1,0,5e9],[0,0,1,1,-1,0,20,2000,-1,0,5e9],[1,1,0,-1,3,1,0,9,-1,1000000,0]]},{name:"empty",lanes:["Compute"],kinds:[],colors:[],isBytes:[],units:[],operations:[]}];
const LANE = 0, KIND = 1, UNIT = 2, MICRO = 3, TILE = 4, STEP = 5, START = 6, END = 7, WAITED = 8, AMOUNT = 9, FLOPS = 10;
const tip = document.getElementById("tip");
const LABEL = 90, ROW = 34, AXIS = 24;

function formatTime(us) {
  return us >= 1e6 ? (us / 1e6).toFixed(4) + " s" : us >= 1e3 ? (us / 1e3).toFixed(3) + " ms" : us.toFixed(1) + " us";
}

function describe(trace, op) {
  const us = op[END] - op[START];
  const lines = [trace.kinds[op[KIND]] + (trace.units[op[UNIT]] ? " " + trace.units[op[UNIT]] : ""), "step " + op[STEP]];
  if (op[MICRO] >= 0) { lines.push("micro-batch " + op[MICRO]); }
  if (op[TILE] >= 0) { lines.push("tile " + op[TILE]); }
  lines.push(formatTime(us) + ", from " + formatTime(op[START]));
  if (op[AMOUNT] > 0) {
    const bytes = trace.isBytes[op[KIND]];
    lines.push((op[AMOUNT] / 1e6).toFixed(2) + (bytes ? " MB" : " M parameters") + (us > 0 ? ", " + (op[AMOUNT] / us / 1e3).toFixed(2) + (bytes ? " GB/s" : " G parameters/s") : ""));
  }
  if (op[FLOPS] > 0) { lines.push((op[FLOPS] / 1e9).toFixed(2) + " GFLOP" + (us > 0 ? ", " + (op[FLOPS] / us / 1e6).toFixed(2) + " TFLOP/s" : "")); }
  if (op[WAITED] >= 0) { lines.push("waited for " + trace.lanes[op[WAITED]]); }
  return lines.join("\n");
}

function draw(trace) {
  const root = document.getElementById("timelines");
  const heading = document.createElement("h2");
  heading.textContent = trace.name;
  const legend = document.createElement("p");
  legend.className = "legend";
  trace.kinds.forEach((kind, i) => {
    const item = document.createElement("span"), box = document.createElement("i");
    box.style.background = trace.colors[i];
    item.append(box, kind);
    legend.append(item);
  });
  const canvas = document.createElement("canvas");
  const height = trace.lanes.length * ROW + AXIS;
  canvas.style.height = height + "px";
  root.append(heading, legend, canvas);

  const byLane = trace.lanes.map((_, lane) => trace.operations.filter(op => op[LANE] === lane));
  const first = trace.operations.reduce((least, op) => Math.min(least, op[START]), Infinity);
  const last = trace.operations.reduce((most, op) => Math.max(most, op[END]), -Infinity);
  const all = [Number.isFinite(first) ? first : 0, Number.isFinite(last) && last > first ? last : 1];
  let [from, to] = all, hover = null, drag = null;

  function paint() {
    const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const g = canvas.getContext("2d"), scale = (width - LABEL) / (to - from), x = us => LABEL + (us - from) * scale;
    g.scale(ratio, ratio);
    g.clearRect(0, 0, width, height);
    g.font = "12px sans-serif";
    g.textBaseline = "middle";
    const rough = (to - from) / Math.max(2, (width - LABEL) / 110), power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      g.strokeStyle = "#e4e4e4";
      g.beginPath(); g.moveTo(x(t), 0); g.lineTo(x(t), height - AXIS); g.stroke();
      g.fillStyle = "#555";
      g.fillText(formatTime(t), x(t) + 2, height - AXIS / 2);
    }
    byLane.forEach((ops, lane) => {
      const y = lane * ROW;
      g.save();
      g.beginPath(); g.rect(LABEL, y, width - LABEL, ROW); g.clip();
      for (const op of ops) {
        if (op[END] < from || op[START] > to) { continue; }
        const left = x(op[START]), right = x(op[END]);
        g.fillStyle = trace.colors[op[KIND]];
        g.globalAlpha = op[STEP] % 2 ? 0.78 : 1;
        g.fillRect(left, y + 4, right - left, ROW - 8);
        g.globalAlpha = 1;
        if (op === hover) { g.strokeStyle = "#000"; g.lineWidth = 2; g.strokeRect(left, y + 4, right - left, ROW - 8); g.lineWidth = 1; }
        if (right - left > 46) {
          g.fillStyle = "#fff";
          g.save(); g.beginPath(); g.rect(left, y, right - left - 2, ROW); g.clip();
          g.fillText(trace.units[op[UNIT]] || trace.kinds[op[KIND]], left + 4, y + ROW / 2);
          g.restore();
        }
      }
      g.restore();
      g.fillStyle = "#222";
      g.fillText(trace.lanes[lane], 4, y + ROW / 2);
      g.strokeStyle = "#ccc";
      g.beginPath(); g.moveTo(0, y + ROW); g.lineTo(width, y + ROW); g.stroke();
    });
  }

  function timeAt(event) {
    const box = canvas.getBoundingClientRect();
    return from + (event.clientX - box.left - LABEL) / (box.width - LABEL) * (to - from);
  }

  function find(event) {
    const lane = Math.floor((event.clientY - canvas.getBoundingClientRect().top) / ROW), ops = byLane[lane] || [], t = timeAt(event);
    const slack = (to - from) / Math.max(1, canvas.clientWidth - LABEL);
    let low = 0, high = ops.length;
    while (low < high) { const middle = (low + high) >> 1; if (ops[middle][END] < t - slack) { low = middle + 1; } else { high = middle; } }
    return low < ops.length && ops[low][START] <= t + slack ? ops[low] : null;
  }

  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    const t = timeAt(event), factor = Math.exp(event.deltaY * 0.0015);
    if ((to - from) * factor < 0.01) { return; }
    from = t - (t - from) * factor;
    to = t + (to - t) * factor;
    paint();
  }, { passive: false });
  canvas.addEventListener("pointerdown", event => { drag = { x: event.clientX, from, to }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointerup", () => { drag = null; });
  canvas.addEventListener("pointermove", event => {
    if (drag) {
      const shift = (drag.x - event.clientX) / (canvas.clientWidth - LABEL) * (drag.to - drag.from);
      from = drag.from + shift;
      to = drag.to + shift;
    }
    const found = find(event);
    if (found !== hover || drag) { hover = found; paint(); }
    tip.style.display = found ? "block" : "none";
    if (found) {
      tip.textContent = describe(trace, found);
      tip.style.left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8) + "px";
      tip.style.top = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8) + "px";
    }
  });
  canvas.addEventListener("pointerleave", () => { hover = null; tip.style.display = "none"; paint(); });
  canvas.addEventListener("dblclick", () => { [from, to] = all; paint(); });
  window.addEventListener("resize", paint);
  paint();
}

traces.forEach(draw);

if(calls.filter(c=>c[0]==="fillRect").length<3) throw "no rects";
const ev={clientX:400,clientY:5,deltaY:-100,pointerId:1,preventDefault(){}};
handlers.pointermove[0](ev); if(!/Forward layer 0/.test(tipEl.textContent)) throw "tip "+tipEl.textContent; console.log(tipEl.textContent);
handlers.wheel[0](ev); handlers.pointerdown[0](ev); handlers.pointermove[0]({...ev,clientX:420}); handlers.pointerup[0](); handlers.dblclick[0](); handlers.pointerleave[0]();
handlers.pointermove[0]({...ev,clientX:92,clientY:40}); console.log(tipEl.textContent); handlers.wheel[1](ev); handlers.pointermove[1](ev);
console.log("ok");
