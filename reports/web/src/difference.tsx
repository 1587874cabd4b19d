// Another run beside this one: the first event that is not the same in both, and then what people look for.
import type { View } from "./state";
import type { Pair } from "./unpack";

export function Differences({ view }: { view: View }) {
  const it = view.model.data.difference;
  if (!it) return null;
  const { first } = it;
  return (
    <div class="scroll">
      <p>
        Beside this run: <bdi>{it.other}</bdi>, {it.events[1].toLocaleString("en")} events.
      </p>
      {first ? (
        <table class="mono wrap">
          <tbody>
            {first.before.map((text, place) => (
              <tr key={place}>
                <th>both</th>
                <td>
                  <bdi>{text}</bdi>
                </td>
              </tr>
            ))}
            <tr style={{ background: "var(--mark)" }}>
              <th>
                <a href={`#event-${first.event}`} data-event={first.event}>
                  this run
                </a>
              </th>
              <td>
                <bdi>{first.sides[0] ?? "has ended"}</bdi>
              </td>
            </tr>
            <tr style={{ background: "var(--mark)" }}>
              <th>the other</th>
              <td>
                <bdi>{first.sides[1] ?? "has ended"}</bdi>
              </td>
            </tr>
          </tbody>
        </table>
      ) : (
        <p>No event differs.</p>
      )}
      <Table what="Faults" pairs={it.faults} />
      <Table what="Leaders by term" pairs={it.terms} />
      <Table what="Ends of operations" pairs={it.operations} />
      <Table what="Entries by index" pairs={it.entries} />
    </div>
  );
}

function Table({ what, pairs }: { what: string; pairs: Pair[] }) {
  if (!pairs.length) return <p class="quiet">{what}: the same.</p>;
  return (
    <table class="mono">
      <thead>
        <tr>
          <th>{what}</th>
          <th>this run</th>
          <th>the other</th>
        </tr>
      </thead>
      <tbody>
        {pairs.map((pair) => (
          <tr key={pair.what}>
            <th>{pair.what}</th>
            <td>{pair.sides[0] ?? "\u2014"}</td>
            <td>{pair.sides[1] ?? "\u2014"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
