// Space and time: one lane a node, messages between them, and below them the clients.
import { useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { arrows, first } from "./arrows";
import { Canvas, type Brush } from "./canvas";
import { after, offset } from "./clocks";
import type { Model, Span } from "./model";
import type { View } from "./state";
import { seconds, span, tell } from "./tell";
import { onTerm, term, theme, type Theme } from "./theme";
import type { Operation } from "./unpack";

const LANE = 52;
const TOP = 34;
const CLIENT = 20;
/** Where the axis of time begins; names stand before it. */
export const LEFT = 58;
/** Room for the name of an operation beside its bar. */
const BESIDE = 190;
/** Of more events in view only every so-manieth is looked at for a dot. */
const DOTS_MAX = 20_000;
/** If everything is shown, there are no dots beyond so many: they would be lines. */
const CROWD = 3000;
const TALL = [6, 12, 12, 20];
const LETTERS = ["f", "p", "C", "L"];

/** Time from left to right. */
export interface Timeline {
  x: (at: number) => number;
  at: (x: number) => number;
}

export interface Scale extends Timeline {
  lanes: Map<number, number>;
  clients: Map<number, number>;
  width: number;
}

/** The window of time that is looked at. */
export function timeline(view: View, width: number): Timeline {
  const [from, to] = [view.from.value, view.to.value];
  const usable = Math.max(width - LEFT - 8, 1);
  return {
    x: (at) => LEFT + ((at - from) / (to - from)) * usable,
    at: (x) => from + ((x - LEFT) / usable) * (to - from),
  };
}

function scale(view: View, width: number): Scale {
  const { model } = view;
  const lanes = new Map(model.lanes.map((node, place) => [node, TOP + place * LANE + LANE / 2]));
  const bottom = bottomOf(model) + 6;
  const rows = new Map(view.clients.value.map((process, place) => [process, bottom + place * CLIENT + CLIENT / 2]));
  return {
    ...timeline(view, width),
    lanes,
    clients: rows,
    width,
  };
}

/** Where the lanes of the nodes end. */
function bottomOf(model: Model): number {
  return TOP + model.nodes.length * LANE;
}

export function Space({ view }: { view: View }) {
  const tip = useSignal<{ x: number; y: number; text: string } | null>(null);
  const drag = useRef<{ x: number; moved: boolean } | null>(null);
  const { model } = view;
  // The picture moves on every frame of a pan; this component must not be made anew by it.
  const height = useComputed(() => bottomOf(model) + view.clients.value.length * CLIENT + 40).value;
  const place = (event: PointerEvent | WheelEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, width: box.width };
  };
  const hit = (event: PointerEvent): number => {
    const { x, y, width } = place(event);
    return nearest(view, scale(view, width), x, y);
  };
  return (
    <div class="stage">
      <Canvas
        id="space"
        height={height}
        tabIndex={0}
        role="img"
        aria-label="Nodes and clients over time. Left and right step through events, plus and minus zoom."
        draw={(brush) => draw(view, brush)}
        onWheel={(event) => {
          if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaY) > Math.abs(event.deltaX) && !event.altKey) return;
          event.preventDefault();
          const { x, width } = place(event);
          const it = scale(view, width);
          if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
            const by = ((event.deltaX || event.deltaY) / width) * (view.to.value - view.from.value);
            view.window(view.from.value + by, view.to.value + by);
          } else view.zoom(event.deltaY > 0 ? 1.25 : 0.8, it.at(x));
        }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          drag.current = { x: event.clientX, moved: false };
        }}
        onPointerMove={(event) => {
          const grip = drag.current;
          if (!grip) {
            const e = hit(event);
            const { x, y } = place(event);
            tip.value = e < 0 ? null : { x, y, text: `${seconds(model.trace.at[e]!)} s, event ${e}: ${tell(model, e)}` };
            return;
          }
          const by = event.clientX - grip.x;
          if (Math.abs(by) > 2) grip.moved = true;
          grip.x = event.clientX;
          const { width } = place(event);
          const time = (by / (width - LEFT)) * (view.to.value - view.from.value);
          view.window(view.from.value - time, view.to.value - time);
        }}
        onPointerUp={(event) => {
          const grip = drag.current;
          drag.current = null;
          if (grip?.moved) return;
          const e = hit(event);
          if (e >= 0) view.go(e);
        }}
        onPointerLeave={() => (tip.value = null)}
        onDblClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          view.zoom(0.4, scale(view, box.width).at(event.clientX - box.left));
        }}
      />
      {tip.value && (
        <div class="tip" style={{ left: `${Math.min(tip.value.x + 12, 700)}px`, top: `${tip.value.y + 14}px` }}>
          {tip.value.text}
        </div>
      )}
    </div>
  );
}

/** Where an event is drawn. */
function spot(model: Model, it: Scale, e: number): [number, number] | undefined {
  const { trace } = model;
  const x = it.x(trace.at[e]!);
  const name = trace.name(e);
  if (name === "invoke" || name === "complete" || name === "watch") {
    const y = it.clients.get(trace.field(e, 0)) ?? it.lanes.get(trace.node[e]!);
    return y === undefined ? undefined : [x, y];
  }
  // What befalls nobody in particular stands between the names of faults and the times.
  const y = trace.node[e] === 0 ? 16 : it.lanes.get(trace.node[e]!);
  return y === undefined ? undefined : [x, y];
}

/** The event that is meant by a place in the picture; -1 for none. */
function nearest(view: View, it: Scale, x: number, y: number): number {
  const { model } = view;
  const { trace } = model;
  const shown = view.shown.value;
  const reach = (6 / it.width) * (view.to.value - view.from.value);
  const from = trace.first(it.at(x) - reach);
  const to = Math.min(trace.first(it.at(x) + reach), from + 5000);
  let [best, least] = [-1, 22 * 22];
  for (let e = from; e < to; e++) {
    if (shown && !shown[e]) continue;
    const place = spot(model, it, e);
    if (!place) continue;
    const far = (place[0] - x) ** 2 * 4 + (place[1] - y) ** 2;
    if (far < least) [best, least] = [e, far];
  }
  return best;
}

function draw(view: View, brush: Brush): void {
  const { context, width, top, bottom } = brush;
  const colors = theme.value;
  const it = scale(view, width);
  context.fillStyle = colors.ground;
  context.fillRect(0, top, width, bottom - top);
  context.save();
  context.beginPath();
  context.rect(LEFT, top, width - LEFT, bottom - top);
  context.clip();
  grid(view, it, brush, colors);
  faults(view, it, brush, colors);
  for (const node of view.model.nodes) lane(view, it, brush, colors, node);
  const hidden = arrows(view, it, brush, colors);
  ticks(view, it, brush, colors);
  const drawn = new Map<number, number>();
  for (const operation of view.model.data.operations) bar(view, it, brush, colors, operation, drawn);
  moments(view, it, brush, colors);
  context.restore();
  labels(view, it, brush, colors);
  if (hidden > 0) {
    const text = `${hidden.toLocaleString("en")} messages in view are not drawn: zoom in`;
    context.font = "11px system-ui, sans-serif";
    const long = context.measureText(text).width;
    context.fillStyle = colors.raised;
    context.fillRect(width - long - 16, TOP - 2, long + 12, 15);
    context.fillStyle = colors.quiet;
    context.fillText(text, width - long - 10, TOP + 9);
  }
}

function grid(view: View, it: Scale, { context, height }: Brush, colors: Theme): void {
  const wide = view.to.value - view.from.value;
  const rough = wide / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough;
  context.font = "10px ui-monospace, monospace";
  context.lineWidth = 1;
  for (let at = Math.ceil(view.from.value / step) * step; at <= view.to.value; at += step) {
    const x = Math.round(it.x(at)) + 0.5;
    context.strokeStyle = colors.line;
    context.globalAlpha = 0.6;
    context.beginPath();
    context.moveTo(x, 18);
    context.lineTo(x, height);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = colors.quiet;
    const digits = Math.max(0, Math.min(9, 9 - Math.floor(Math.log10(step))));
    context.fillText(`${(at / 1e9).toFixed(digits)} s`, x + 3, 28);
  }
}

function faults(view: View, it: Scale, { context }: Brush, colors: Theme): void {
  context.font = "10px system-ui, sans-serif";
  const bottom = bottomOf(view.model);
  for (const fault of view.model.faults) {
    if (fault.to < view.from.value || fault.from > view.to.value) continue;
    const [from, to] = [Math.round(Math.max(it.x(fault.from), LEFT)), Math.round(it.x(fault.to))];
    context.fillStyle = colors.bad;
    context.globalAlpha = fault.is_cut ? 0.14 : 0.06;
    context.fillRect(from, 0, Math.max(1, to - from), bottom);
    context.globalAlpha = 1;
    context.fillRect(from, 0, Math.max(1, to - from), 2);
    if (to - from > 30) fit(context, fault.text, from + 3, 12, to - from - 4);
    sides(view, fault, from, to, context, colors);
  }
}

/** A line between lanes whose nodes do not reach each other. */
function sides(view: View, { side }: Span, from: number, to: number, context: CanvasRenderingContext2D, colors: Theme): void {
  if (!side) return;
  const { lanes } = view.model;
  context.strokeStyle = colors.bad;
  context.lineWidth = 1.5;
  context.setLineDash([7, 4]);
  context.beginPath();
  for (let place = 1; place < lanes.length; place++) {
    if (side.get(lanes[place - 1]!) === side.get(lanes[place]!)) continue;
    const y = TOP + place * LANE + 0.5;
    context.moveTo(from, y);
    context.lineTo(to, y);
  }
  context.stroke();
  context.setLineDash([]);
}

/** Text that is cut where there is no room for it. */
export function fit(context: CanvasRenderingContext2D, text: string, x: number, y: number, room: number): void {
  if (room < 8) return;
  let shown = text.slice(0, 120);
  while (shown.length > 1 && context.measureText(shown).width > room) {
    shown = `${shown.slice(0, Math.max(1, Math.floor(shown.length * 0.8) - 1))}\u2026`;
    if (shown.length <= 2) return;
  }
  context.fillText(shown, x, y);
}

/** Whether something around there is on the canvas. */
function isDrawn({ top, bottom }: Brush, y: number): boolean {
  return y > top - LANE && y < bottom + LANE;
}

function lane(view: View, it: Scale, brush: Brush, colors: Theme, node: number): void {
  const { context, width } = brush;
  const y = it.lanes.get(node)!;
  if (!isDrawn(brush, y)) return;
  const base = y + 10;
  context.strokeStyle = colors.line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(LEFT, base + 0.5);
  context.lineTo(width, base + 0.5);
  context.stroke();
  context.font = "bold 11px ui-monospace, monospace";
  let [thin, tallest] = [-1, 0];
  for (const segment of view.model.segments.get(node) ?? []) {
    if (segment.to < view.from.value || segment.from > view.to.value) continue;
    const [from, to] = [Math.round(Math.max(it.x(segment.from), LEFT)), Math.round(Math.min(it.x(segment.to), width))];
    const wide = Math.max(1, to - from);
    // Of many that share a point only what rises above the others is drawn.
    if (wide === 1 && from === thin && segment.role <= tallest) continue;
    [thin, tallest] = [wide === 1 ? from : -1, segment.role];
    if (segment.role < 0) {
      context.strokeStyle = colors.fail;
      context.setLineDash([3, 3]);
      context.strokeRect(from + 0.5, base - 8.5, wide - 1, 8);
      context.setLineDash([]);
      context.fillStyle = colors.fail;
      fit(context, "down", from + 4, base - 1, wide - 6);
      continue;
    }
    const tall = TALL[segment.role]!;
    context.fillStyle = term(segment.term);
    context.globalAlpha = segment.paused ? 0.35 : segment.role === 3 ? 1 : 0.75;
    context.fillRect(from, base - tall, wide, tall);
    context.globalAlpha = 1;
    if (segment.role > 0) {
      context.fillStyle = onTerm(segment.term);
      if (wide > 26) fit(context, `${LETTERS[segment.role]}${segment.term}`, from + 4, base - (segment.role === 3 ? 6 : 2), wide - 6);
    } else if (wide > 34) {
      context.fillStyle = colors.ink;
      fit(context, `${segment.paused ? "z" : ""}f${segment.term}`, from + 4, base - 8, wide - 6);
    }
  }
  disks(view, it, context, colors, node, base + 5);
  clock(view, it, context, colors, node, y - 18);
}

/** How far a wall clock is off, above the lane, all on one scale: ahead is up. */
function clock(view: View, it: Scale, context: CanvasRenderingContext2D, colors: Theme, node: number, y: number): void {
  const bends = view.model.offsets.get(node);
  if (!bends) return;
  const [from, to] = [view.from.value, view.to.value];
  const tall = (off: number) => y - (off / view.model.skew) * 7;
  context.strokeStyle = colors.line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(it.x(from), y + 0.5);
  context.lineTo(it.x(to), y + 0.5);
  context.stroke();
  context.strokeStyle = colors.clock;
  context.beginPath();
  context.moveTo(it.x(from), tall(offset(bends, from)));
  for (let place = after(bends, from); place < bends.length && bends[place]!.at <= to; place++) {
    context.lineTo(it.x(bends[place]!.at), tall(bends[place]!.off));
  }
  context.lineTo(it.x(to), tall(offset(bends, to)));
  context.stroke();
}

/** Batches on their way to the disk; a tick where they are on it, a cross where they failed. */
function disks(view: View, it: Scale, context: CanvasRenderingContext2D, colors: Theme, node: number, y: number): void {
  const all = view.model.batches.get(node) ?? [];
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle]!.to < view.from.value) low = middle + 1;
    else high = middle;
  }
  const batches = all.slice(low, low + 4000);
  const many = batches.filter((batch) => batch.from <= view.to.value);
  if (many.length >= 1500) return;
  // Whole points: what is not smoothed is drawn in a tenth of the time.
  let end = -1;
  for (const batch of many) {
    const [from, to] = [Math.round(it.x(batch.from)), Math.round(it.x(batch.to))];
    if (to <= end && !batch.failed) continue;
    end = to;
    context.fillStyle = batch.failed ? colors.fail : colors.quiet;
    context.fillRect(from, y - 1, to - from, 2);
    context.fillRect(to, y - 3, 1, 6);
  }
}

/** A dot for each event that is shown, unless they are too many. */
function ticks(view: View, it: Scale, brush: Brush, colors: Theme): void {
  const { context } = brush;
  const { model } = view;
  const { trace } = model;
  const list = view.list.value;
  const [from, to] = [first(list, trace.at, view.from.value), first(list, trace.at, view.to.value + 1)];
  if (!view.shown.value && to - from > CROWD) return;
  const stride = Math.ceil((to - from) / DOTS_MAX);
  /** By lane: where its last dot is. */
  const last = new Map<number, number>();
  context.fillStyle = colors.ink;
  for (let i = from; i < to; i += stride) {
    const place = spot(model, it, list[i]!);
    if (!place || !isDrawn(brush, place[1])) continue;
    const [x, y] = [Math.round(place[0]), Math.round(place[1])];
    if (last.get(y)! > x - 2) continue;
    last.set(y, x);
    // A cross of points is a dot, and costs no smoothing.
    context.fillRect(x - 2, y - 1, 4, 2);
    context.fillRect(x - 1, y - 2, 2, 4);
  }
}

/** `drawn` says by client how far its lane is drawn: of many operations at one point one is enough. */
function bar(view: View, it: Scale, brush: Brush, colors: Theme, operation: Operation, drawn: Map<number, number>): void {
  if (operation.completed < view.from.value || operation.invoked > view.to.value) return;
  const { context } = brush;
  const y = it.clients.get(operation.process);
  if (y === undefined || !isDrawn(brush, y)) return;
  const wanted = view.model.wanted.has(operation);
  const [from, to] = [it.x(operation.invoked), it.x(operation.completed)];
  const wide = Math.max(2, to - from);
  if (wide < 4 && !wanted) {
    const x = Math.round(from);
    if (drawn.get(operation.process) === x) return;
    drawn.set(operation.process, x);
    context.fillStyle = colors.line;
    context.fillRect(x, y - 8, Math.ceil(wide), 15);
    return;
  }
  context.fillStyle = wanted ? colors.mark : colors.raised;
  context.strokeStyle = wanted ? colors.bad : colors.line;
  context.lineWidth = wanted ? 2 : 1;
  context.setLineDash(operation.outcome === 2 ? [3, 3] : []);
  context.fillRect(from, y - 8, wide, 15);
  context.strokeRect(from, y - 8, wide, 15);
  context.setLineDash([]);
  context.fillStyle = operation.outcome === 0 ? colors.ink : colors.quiet;
  context.font = "10px ui-monospace, monospace";
  const text = `${operation.request} \u2192 ${operation.answer}`;
  // What the objection is about is named even where its bar is too short: beside it, on the side where there is room.
  const beside = wanted && wide < 60;
  if (!beside) fit(context, text, Math.max(from, LEFT) + 3, y + 3, wide - 4);
  else if (it.width - to > BESIDE) fit(context, text, to + 9, y + 3, BESIDE - 12);
  else {
    context.textAlign = "right";
    fit(context, text, from - 9, y + 3, BESIDE - 12);
    context.textAlign = "left";
  }
}

function moments(view: View, it: Scale, { context, height }: Brush, colors: Theme): void {
  const { trace, data } = view.model;
  const line = (event: number, color: string, text: string, dash: number[], y: number) => {
    if (event >= trace.length) return;
    const x = it.x(trace.at[event]!);
    context.strokeStyle = context.fillStyle = color;
    context.lineWidth = 1.5;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.stroke();
    context.setLineDash([]);
    if (!text) return;
    context.font = "bold 11px system-ui, sans-serif";
    const long = context.measureText(text).width;
    const left = Math.min(x + 4, it.width - long - 4);
    context.fillStyle = colors.ground;
    context.globalAlpha = 0.85;
    context.fillRect(left - 2, y - 10, long + 4, 13);
    context.globalAlpha = 1;
    context.fillStyle = color;
    context.fillText(text, left, y);
  };
  const { bad, detected } = data.head;
  if (detected) line(detected.event, colors.fail, "detected", [], height - 20);
  if (bad) line(bad.event, colors.bad, "first bad moment", [], height - 6);
  line(view.cursor.value, colors.link, "", [2, 2], 0);
  const cursor = trace.length ? spot(view.model, it, view.cursor.value) : undefined;
  if (cursor) {
    context.strokeStyle = colors.link;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(cursor[0], cursor[1], 6, 0, 7);
    context.stroke();
  }
}

/** Names of lanes, which stay where they are. */
function labels(view: View, it: Scale, { context, height }: Brush, colors: Theme): void {
  context.fillStyle = colors.ground;
  context.fillRect(0, 0, LEFT, height);
  context.fillStyle = colors.ink;
  context.font = "bold 12px ui-monospace, monospace";
  for (const [node, y] of it.lanes) {
    context.fillStyle = colors.ink;
    context.fillText(`n${node}`, 6, y + 6);
    const bends = view.model.offsets.get(node);
    if (!bends) continue;
    const off = offset(bends, view.model.trace.at[view.cursor.value] ?? 0);
    context.font = "9px ui-monospace, monospace";
    context.fillStyle = colors.clock;
    context.fillText(`${off < 0 ? "\u2212" : "+"}${span(Math.abs(off))}`, 2, y - 15);
    context.font = "bold 12px ui-monospace, monospace";
  }
  context.font = "11px ui-monospace, monospace";
  context.fillStyle = colors.quiet;
  for (const [process, y] of it.clients) context.fillText(`p${process}`, 6, y + 4);
  context.font = "10px ui-monospace, monospace";
  context.fillText(span(view.to.value - view.from.value), 2, 28);
}
