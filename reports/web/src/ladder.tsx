// A short run from top to bottom: one column a node, one row an event. For runs that were made small.
import { useEffect, useRef } from "preact/hooks";
import type { View } from "./state";
import { seconds, tell } from "./tell";
import { stroke, term, theme } from "./theme";

/** Height of the names of the nodes, which stay on top. */
const NAMES = 22;
export const LADDER_MAX = 60;
const ROW = 22;
const COLUMN = 70;
const LEFT = 92;

export function Ladder({ view }: { view: View }) {
  const { model } = view;
  const { trace } = model;
  const box = useRef<HTMLDivElement>(null);
  const cursor = view.cursor.value;
  useEffect(() => {
    const it = box.current;
    const y = 30 + view.list.value.indexOf(cursor) * ROW;
    if (it && (y < it.scrollTop + ROW || y > it.scrollTop + it.clientHeight - 3 * ROW)) it.scrollTop = y - it.clientHeight * 0.6;
  }, [cursor]);
  const events = Array.from(view.list.value);
  if (events.length > LADDER_MAX || !model.nodes.length) return null;
  const colors = theme.value;
  const row = new Map(events.map((e, place) => [e, 30 + place * ROW]));
  const column = new Map(model.nodes.map((node, place) => [node, LEFT + place * COLUMN + COLUMN / 2]));
  const right = LEFT + model.nodes.length * COLUMN + 12;
  const height = 40 + events.length * ROW;
  const { bad, detected } = model.data.head;
  return (
    <div ref={box} class="scroll" style={{ maxHeight: "32rem" }}>
      <svg class="names" width="100%" height={NAMES} style={{ minWidth: `${right + 420}px` }} aria-hidden="true">
        {model.nodes.map((node) => (
          <text key={node} x={column.get(node)!} y={16} text-anchor="middle" fill={colors.ink} font-weight="bold" font-size="12">
            n{node}
          </text>
        ))}
      </svg>
      <svg width="100%" height={height} style={{ minWidth: `${right + 420}px`, marginTop: `-${NAMES}px`, display: "block" }} role="img" aria-label="The events from top to bottom">
        {model.nodes.map((node) => (
          <line key={node} x1={column.get(node)!} x2={column.get(node)!} y1={22} y2={height} stroke={colors.line} stroke-width={2} />
        ))}
        {events.map((e) => {
          if (!trace.is(e, "deliver") && !trace.is(e, "drop")) return null;
          const sent = model.sent[trace.field(e, 0)] ?? -1;
          if (sent < 0) return null;
          const style = stroke(trace.word(sent, 2), colors);
          const from = row.get(sent) ?? row.get(e)! - ROW / 2;
          const [x1, x2] = [column.get(trace.node[sent]!)!, column.get(trace.field(sent, 1))!];
          const lost = trace.is(e, "drop");
          return (
            <g key={`m${e}`} stroke={style.color} stroke-width={style.width} fill="none">
              <line x1={x1} y1={from} x2={lost ? (x1 + x2) / 2 : x2} y2={row.get(e)!} stroke-dasharray={style.dash.join(" ")} />
              {lost ? (
                <text x={(x1 + x2) / 2 - 4} y={row.get(e)! + 4} stroke="none" fill={colors.fail} font-size="12">
                  ×
                </text>
              ) : (
                <path d={`M${x2} ${row.get(e)} l${x2 > x1 ? -7 : 7} -4 l0 8 z`} fill={style.color} stroke="none" />
              )}
            </g>
          );
        })}
        {events.map((e) => {
          const y = row.get(e)!;
          const node = trace.node[e]!;
          const x = column.get(node);
          const state = x === undefined ? undefined : model.state(e).get(node);
          const mark = e === detected?.event ? colors.fail : e === bad?.event ? colors.bad : undefined;
          const here = e === cursor;
          return (
            <g key={e} onClick={() => view.go(e)} style={{ cursor: "pointer" }}>
              <rect x={0} y={y - ROW / 2} width="100%" height={ROW} fill={here ? colors.mark : "transparent"} opacity={here ? 0.7 : 1} />
              {mark && <rect x={0} y={y - ROW / 2} width={4} height={ROW} fill={mark} />}
              <text x={8} y={y + 4} fill={colors.quiet} font-size="11" font-family="ui-monospace, monospace">
                {seconds(trace.at[e]!)}
              </text>
              {x !== undefined && <circle cx={x} cy={y} r={5} fill={state ? term(state.term) : colors.quiet} stroke={colors.ground} stroke-width={1} />}
              {x !== undefined && state && state.role > 0 && (
                <text x={x + 8} y={y + 4} fill={colors.ink} font-size="10" font-weight="bold">
                  {["f", "p", "C", "L"][state.role]}
                  {state.term}
                </text>
              )}
              <text x={right} y={y + 4} fill={mark ?? colors.ink} font-size="12" font-weight={mark ? "bold" : "normal"}>
                {tell(model, e).slice(0, 140)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
