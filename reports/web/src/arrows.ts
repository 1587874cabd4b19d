// Messages as arrows from lane to lane.
import type { Brush } from "./canvas";
import type { Scale } from "./space";
import type { View } from "./state";
import { stroke, type Theme } from "./theme";

/** Beyond so many arrows in view nobody can read them, and only those of the story are drawn. */
const ARROWS_MAX = 430;
/** Beyond so many, dashes are a blur that takes most of the time of a picture: lines are thin and whole instead. */
const DASHES_MAX = 120;

/** Returns how many messages there were no room for. */
export function arrows(view: View, it: Scale, brush: Brush, colors: Theme): number {
  const { model } = view;
  const { trace } = model;
  const shown = view.shown.value;
  const window = (all: Int32Array): [number, number] => [
    first(all, trace.at, view.from.value),
    first(all, trace.at, view.to.value + model.slowest + 1),
  ];
  const [from, to] = window(model.arrivals);
  const crowded = to - from > ARROWS_MAX;
  // Of hundreds of thousands in view, only those that may be drawn are looked at.
  const all = crowded ? view.told.value : model.arrivals;
  const [low, high] = crowded ? window(all) : [from, to];
  const plain = high - low > DASHES_MAX;
  let drawn = 0;
  for (let i = low; i < high && drawn <= ARROWS_MAX; i++) {
    const e = all[i]!;
    const sent = model.sent[trace.field(e, 0)] ?? -1;
    if (sent < 0 || trace.at[sent]! > view.to.value) continue;
    const told = !shown || shown[e] === 1 || shown[sent] === 1;
    drawn++;
    arrow(view, it, brush, colors, sent, e, trace.is(e, "drop"), told, plain);
  }
  return crowded ? to - from - drawn : 0;
}

/** The place of the first of these events, which are in order, at or after a time. */
export function first(events: Int32Array, times: Float64Array, at: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[events[middle]!]! < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

function arrow(
  view: View,
  it: Scale,
  { context, top, bottom }: Brush,
  colors: Theme,
  sent: number,
  e: number,
  lost: boolean,
  strong: boolean,
  plain: boolean,
): void {
  const { trace } = view.model;
  const style = stroke(trace.word(sent, 2), colors);
  const from = it.lanes.get(trace.node[sent]!);
  const to = it.lanes.get(trace.field(sent, 1));
  if (from === undefined || to === undefined) return;
  if (Math.max(from, to) < top || Math.min(from, to) > bottom) return;
  const down = to > from ? 1 : -1;
  const [x0, y0] = [it.x(trace.at[sent]!), from + (down > 0 ? 10 : -10)];
  let [x1, y1] = [it.x(trace.at[e]!), to - (down > 0 ? 10 : -10)];
  if (lost) [x1, y1] = [x0 + Math.max((x1 - x0) * 0.5, 6), y0 + (y1 - y0) * 0.5];
  context.globalAlpha = strong ? 1 : 0.45;
  context.strokeStyle = context.fillStyle = style.color;
  context.lineWidth = plain ? 1 : strong ? style.width + 0.4 : style.width;
  context.setLineDash(plain ? [] : style.dash);
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
  context.setLineDash([]);
  if (lost) {
    context.strokeStyle = colors.fail;
    context.beginPath();
    context.moveTo(x1 - 3, y1 - 3);
    context.lineTo(x1 + 3, y1 + 3);
    context.moveTo(x1 + 3, y1 - 3);
    context.lineTo(x1 - 3, y1 + 3);
    context.stroke();
  } else {
    const angle = Math.atan2(y1 - y0, x1 - x0);
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x1 - 7 * Math.cos(angle - 0.4), y1 - 7 * Math.sin(angle - 0.4));
    context.lineTo(x1 - 7 * Math.cos(angle + 0.4), y1 - 7 * Math.sin(angle + 0.4));
    context.fill();
    if (trace.field(e, 2) > 0 && trace.is(e, "deliver")) {
      context.beginPath();
      context.arc(x1, y1, 5, 0, 7);
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}
