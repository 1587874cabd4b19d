// The whole run in a strip: how much happened, which faults held, who led, and the window that is looked at.
import { useRef } from "preact/hooks";
import { Canvas, type Brush } from "./canvas";
import type { Model } from "./model";
import type { View } from "./state";
import { term, theme } from "./theme";

const HEIGHT = 54;
const BINS = 1200;
const stills = new WeakMap<Model, { name: string; canvas: HTMLCanvasElement }>();

/** How many events there are in each of many equal parts of the run, of the most. */
function density(model: Model): Float32Array {
  const bins = new Float32Array(BINS);
  const edge = (bin: number) => (bin < BINS ? model.trace.first((bin / BINS) * model.end) : model.trace.length);
  for (let i = 0; i < BINS; i++) bins[i] = edge(i + 1) - edge(i);
  let most = 1;
  for (const count of bins) most = Math.max(most, count);
  for (let i = 0; i < BINS; i++) bins[i] = Math.sqrt(bins[i]! / most);
  return bins;
}

export function Overview({ view }: { view: View }) {
  const drag = useRef<{ from: number; grip: "new" | "move"; at: number } | null>(null);
  const { model } = view;
  const time = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * model.end;
  };
  return (
    <div class="stage">
      <Canvas
        height={HEIGHT}
        role="img"
        aria-label="The whole run: drag to choose the window below"
        draw={(brush) => draw(view, brush)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          const at = time(event);
          const inside = at >= view.from.value && at <= view.to.value;
          const all = view.to.value - view.from.value > model.end * 0.98;
          drag.current = { from: at, at, grip: inside && !all ? "move" : "new" };
        }}
        onPointerMove={(event) => {
          const grip = drag.current;
          if (!grip) return;
          const at = time(event);
          if (grip.grip === "new") view.window(Math.min(grip.from, at), Math.max(grip.from, at));
          else view.window(view.from.value + at - grip.at, view.to.value + at - grip.at);
          grip.at = at;
        }}
        onPointerUp={() => (drag.current = null)}
        onDblClick={() => view.window(0, model.end)}
      />
    </div>
  );
}

/** What never changes, drawn once for each size and theme. */
function still(model: Model, { width, height, ratio }: Brush): HTMLCanvasElement {
  const colors = theme.value;
  const name = `${width} ${height} ${ratio} ${colors.ground}`;
  if (stills.get(model)?.name === name) return stills.get(model)!.canvas;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const x = (at: number) => (at / model.end) * width;
  context.fillStyle = colors.ground;
  context.fillRect(0, 0, width, height);
  for (const fault of model.faults) {
    context.globalAlpha = fault.is_cut ? 0.22 : 0.1;
    context.fillStyle = colors.bad;
    context.fillRect(x(fault.from), 0, Math.max(1, x(fault.to) - x(fault.from)), height - 10);
  }
  context.globalAlpha = 1;
  const bins = density(model);
  context.fillStyle = colors.quiet;
  for (let i = 0; i < BINS; i++) {
    const tall = bins[i]! * (height - 22);
    if (tall > 0) context.fillRect((i / BINS) * width, height - 12 - tall, Math.max(width / BINS, 0.6), tall);
  }
  for (const segments of model.segments.values()) {
    for (const it of segments) {
      if (it.role !== 3) continue;
      context.fillStyle = term(it.term);
      context.fillRect(x(it.from), height - 9, Math.max(1, x(it.to) - x(it.from)), 8);
    }
  }
  stills.set(model, { name, canvas });
  return canvas;
}

function draw(view: View, brush: Brush): void {
  const colors = theme.value;
  const { model } = view;
  const { context, width, height } = brush;
  const x = (at: number) => (at / model.end) * width;
  context.drawImage(still(model, brush), 0, 0, width, height);
  const [from, to] = [x(view.from.value), x(view.to.value)];
  context.fillStyle = colors.ground;
  context.globalAlpha = 0.6;
  context.fillRect(0, 0, from, height);
  context.fillRect(to, 0, width - to, height);
  context.globalAlpha = 1;
  context.strokeStyle = colors.link;
  context.lineWidth = 2;
  context.strokeRect(from + 1, 1, Math.max(2, to - from - 2), height - 2);
  const { bad, detected } = model.data.head;
  for (const [moment, color] of [
    [detected, colors.fail],
    [bad, colors.bad],
  ] as const) {
    if (!moment || moment.event >= model.trace.length) continue;
    context.fillStyle = color;
    const at = x(model.trace.at[moment.event]!);
    context.fillRect(at - 1, 0, 2, height);
    context.beginPath();
    context.moveTo(at - 5, 0);
    context.lineTo(at + 5, 0);
    context.lineTo(at, 7);
    context.fill();
  }
}
