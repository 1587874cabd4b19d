// Who held what, and when: a row a lock with those who believed that they had it, and a row a lease from its grant to its
// end. The axis of time is that of the picture above.
import { Canvas, type Brush } from "./canvas";
import { LEFT, fit, timeline } from "./space";
import type { View } from "./state";
import { seconds, span } from "./tell";
import { theme, type Theme } from "./theme";
import type { Hold, Lease } from "./unpack";

const ROW = 26;
const LOCKS_MAX = 6;
const LEASES_MAX = 8;

interface Row {
  label: string;
  holds?: Hold[];
  lease?: Lease;
}

export function hasHolding(view: View): boolean {
  const { holds, leases } = view.model.data;
  return holds.length > 0 || leases.length > 0;
}

/** What is in view, those first that the objection names; in the order of time. */
function rows(view: View): Row[] {
  const { holds, leases, head } = view.model.data;
  const [from, to] = [view.from.value, view.to.value];
  const isNamed = (name: string) => head.sentence.split(/[\s,;:()]+/).includes(name);
  const locks = new Map<string, Hold[]>();
  for (const it of holds) {
    if (it.to < from || it.from > to) continue;
    const all = locks.get(it.lock);
    if (all) all.push(it);
    else locks.set(it.lock, [it]);
  }
  const inside = leases.filter((it) => it.asked <= to && Math.max(it.ended ?? 0, it.promised) >= from);
  const held = new Set([...locks.values()].flat().map((it) => it.lease));
  const weight = (it: Lease) => (isNamed(it.lease) ? 2 : 0) + (held.has(it.lease) ? 1 : 0);
  const chosen = [...inside].sort((a, b) => weight(b) - weight(a) || a.asked - b.asked).slice(0, LEASES_MAX);
  chosen.sort((a, b) => a.asked - b.asked);
  return [
    ...[...locks].slice(0, LOCKS_MAX).map(([lock, all]) => ({ label: lock, holds: all })),
    ...chosen.map((lease) => ({ label: lease.lease, lease })),
  ];
}

export function Holding({ view }: { view: View }) {
  const all = rows(view);
  return (
    <div class="stage">
      <Canvas
        id="holding"
        height={all.length * ROW + 20}
        role="img"
        aria-label={all.map(describe).join(". ") || "No lock was held and no lease lived in view"}
        draw={(brush) => draw(view, brush)}
        onPointerUp={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          view.go(view.model.trace.first(timeline(view, box.width).at(event.clientX - box.left)));
        }}
      />
    </div>
  );
}

function describe(row: Row): string {
  if (row.lease) {
    const { lease, process, from, ended, end } = row.lease;
    return `lease ${lease} of p${process} from ${seconds(from)} s${ended === null ? "" : `, ${end} at ${seconds(ended)} s`}`;
  }
  const holds = row.holds ?? [];
  return `lock ${row.label}: ${holds.map((it) => `p${it.process} from ${seconds(it.from)} s to ${seconds(it.to)} s`).join(", ")}`;
}

function draw(view: View, brush: Brush): void {
  const { context, width, height } = brush;
  const colors = theme.value;
  const line = timeline(view, width);
  context.fillStyle = colors.ground;
  context.fillRect(0, 0, width, height);
  context.font = "10px system-ui, sans-serif";
  context.fillStyle = colors.quiet;
  context.fillText("locks: who believed to hold them, red: two at once  ·  leases: from grant to end, ticks: kept alive, dashed: must live on", LEFT + 3, 12);
  context.save();
  context.beginPath();
  context.rect(LEFT, 0, width - LEFT, height);
  context.clip();
  const all = rows(view);
  all.forEach((row, place) => {
    const y = 18 + place * ROW;
    if (row.lease) life(row.lease, line.x, y, brush, colors);
    else lock(row.holds ?? [], line.x, y, brush, colors);
  });
  const cursor = view.model.trace.at[view.cursor.value];
  if (cursor !== undefined) {
    context.strokeStyle = colors.link;
    context.setLineDash([2, 2]);
    context.beginPath();
    context.moveTo(line.x(cursor), 16);
    context.lineTo(line.x(cursor), height);
    context.stroke();
    context.setLineDash([]);
  }
  context.restore();
  context.font = "10px ui-monospace, monospace";
  all.forEach((row, place) => {
    context.fillStyle = row.holds ? colors.ink : colors.quiet;
    fit(context, row.label, 4, 18 + place * ROW + 13, LEFT - 6);
  });
}

/** Beliefs; where two overlap they stand one above the other, and the overlap is red. */
function lock(holds: Hold[], x: (at: number) => number, y: number, { context, width }: Brush, colors: Theme): void {
  const sorted = [...holds].sort((a, b) => a.from - b.from);
  sorted.forEach((it, place) => {
    const others = sorted.filter((other) => other !== it && other.from < it.to && other.to > it.from);
    const [from, to] = [Math.max(x(it.from), LEFT), Math.min(x(it.to), width)];
    const wide = Math.max(2, to - from);
    const tall = others.length ? 11 : 16;
    const top = others.length && place % 2 === 1 ? y + 12 : y;
    context.fillStyle = colors.mark;
    context.fillRect(from, top, wide, tall);
    context.fillStyle = colors.fail;
    for (const other of others) {
      const [a, b] = [Math.max(x(Math.max(it.from, other.from)), LEFT), Math.min(x(Math.min(it.to, other.to)), width)];
      context.globalAlpha = 0.45;
      if (b > a) context.fillRect(a, top, Math.max(1, b - a), tall);
      context.globalAlpha = 1;
    }
    context.strokeStyle = others.length ? colors.fail : colors.link;
    context.lineWidth = 1;
    context.strokeRect(from + 0.5, top + 0.5, wide - 1, tall - 1);
    context.fillStyle = colors.ink;
    context.font = "10px ui-monospace, monospace";
    const name = `p${it.process} r${it.revision}`;
    const room = Math.min(context.measureText(name).width, wide - 4);
    // On its own ground, so that it can be read where two overlap.
    context.fillStyle = colors.ground;
    if (others.length && room > 8) context.fillRect(from + 1, top + 1, room + 4, tall - 2);
    context.fillStyle = colors.ink;
    fit(context, name, from + 3, top + (others.length ? 9 : 12), wide - 4);
  });
}

function life(it: Lease, x: (at: number) => number, y: number, { context, width }: Brush, colors: Theme): void {
  const middle = y + 10;
  const end = it.ended ?? it.promised;
  const line = (from: number, to: number, color: string, wide: number, dash: number[]) => {
    context.strokeStyle = color;
    context.lineWidth = wide;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(Math.max(x(from), LEFT - 5), middle);
    context.lineTo(Math.min(x(to), width + 5), middle);
    context.stroke();
    context.setLineDash([]);
  };
  line(it.from, end, colors.link, 3, []);
  // It must live as long as was promised; where it ended by itself before, that is drawn as what is missing.
  const early = it.end === "expired" && it.ended !== null && it.ended < it.promised;
  if (it.promised > end) line(end, it.promised, early ? colors.fail : colors.quiet, 1.5, [4, 3]);
  context.strokeStyle = colors.link;
  context.lineWidth = 1;
  context.beginPath();
  for (const at of [it.from, ...it.renewed]) {
    context.moveTo(x(at), middle - 5);
    context.lineTo(x(at), middle + 5);
  }
  context.stroke();
  if (it.ended !== null) {
    context.strokeStyle = early ? colors.fail : colors.ink;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x(it.ended) - 4, middle - 4);
    context.lineTo(x(it.ended) + 4, middle + 4);
    context.moveTo(x(it.ended) + 4, middle - 4);
    context.lineTo(x(it.ended) - 4, middle + 4);
    context.stroke();
  }
  context.fillStyle = early ? colors.fail : colors.quiet;
  context.font = "10px ui-monospace, monospace";
  const how = it.ended === null ? "" : early ? `, ${it.end} ${span(it.promised - it.ended)} too early?` : `, ${it.end}`;
  const text = `p${it.process}${it.keys.length ? `: ${it.keys.join(" ")}` : ""}${how}`;
  const left = Math.max(Math.min(x(end), width - 160) + 8, LEFT + 4);
  fit(context, text, left, middle - 5, width - left - 4);
}
