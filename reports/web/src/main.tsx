// The viewer of a failure. Everything above it on the page is readable without it.
//
//   #data  --block--> Data  --+
//   #trace --block--> Trace --+--> Model --> View (signals) --> canvases and panes
//
// Keys and values are hostile: text is only ever set as text.
import { signal } from "@preact/signals";
import { render } from "preact";
import { wireCopy } from "./copy";
import { Proof, WatchLadder } from "./evidence";
import { Holding, hasHolding } from "./holding";
import { Ladder, LADDER_MAX } from "./ladder";
import { Model } from "./model";
import { Overview } from "./overview";
import { Cluster, Tabs } from "./panes";
import { Space } from "./space";
import { View } from "./state";
import { Trace } from "./trace";
import { block, type Data } from "./unpack";

const asLadder = signal(false);
const showsHolding = signal(false);

function Legend() {
  return (
    <p class="legend" aria-label="Legend">
      <span>bar: role by height (f follower, C candidate, L leader), term by number and colour</span>
      <span>blue solid append, dashed its answer</span>
      <span>orange vote</span>
      <span>pink wide snapshot</span>
      <span>dotted heartbeat</span>
      <span>× lost, ring duplicate</span>
      <span>line under a lane: a batch on its way to the disk, tick: it is there</span>
    </p>
  );
}

function Bar({ view }: { view: View }) {
  const { bad, detected } = view.model.data.head;
  const narrowed = view.query.value !== "" || view.follow.value !== "";
  return (
    <div class="bar" role="toolbar" aria-label="What is shown">
      <button type="button" aria-pressed={view.story.value && !narrowed} disabled={narrowed} onClick={() => (view.story.value = !view.story.value)}>
        Story only
      </button>
      <input
        id="search"
        class="grow"
        type="search"
        aria-label="Events that"
        placeholder="kind=append node=2 term>=3, or words ( / )"
        value={view.query.value}
        onInput={(event) => (view.query.value = event.currentTarget.value)}
      />
      <input
        id="follow"
        type="search"
        size={16}
        aria-label="Follow an operation, index, key or term"
        placeholder="follow p1#3, 41, k0, t3"
        value={view.follow.value}
        onChange={(event) => (view.follow.value = event.currentTarget.value)}
      />
      <button type="button" onClick={() => view.zoom(0.5, (view.from.value + view.to.value) / 2)} aria-label="Zoom in">
        +
      </button>
      <button type="button" onClick={() => view.zoom(2, (view.from.value + view.to.value) / 2)} aria-label="Zoom out">
        −
      </button>
      <button type="button" onClick={() => view.window(0, view.model.end)}>
        All
      </button>
      <button type="button" onClick={() => view.focus()}>
        Failure
      </button>
      {bad && (
        <button type="button" onClick={() => view.go(bad.event)}>
          First bad
        </button>
      )}
      {detected && (
        <button type="button" onClick={() => view.go(detected.event)}>
          Detected
        </button>
      )}
      {view.list.value.length <= LADDER_MAX && (
        <button type="button" aria-pressed={asLadder.value} onClick={() => (asLadder.value = !asLadder.value)}>
          Ladder
        </button>
      )}
      {hasHolding(view) && (
        <button type="button" aria-pressed={showsHolding.value} onClick={() => (showsHolding.value = !showsHolding.value)}>
          Locks and leases
        </button>
      )}
    </div>
  );
}

function App({ view }: { view: View }) {
  const { model } = view;
  const ladder = asLadder.value && view.list.value.length <= LADDER_MAX;
  return (
    <div>
      {model.trace.length > 0 && (
        <>
          <Bar view={view} />
          <Overview view={view} />
          {ladder ? <Ladder view={view} /> : <Space view={view} />}
          {!ladder && showsHolding.value && <Holding view={view} />}
          <Legend />
        </>
      )}
      <div class="panes">
        <div class="pane">
          <Proof view={view} />
          <WatchLadder view={view} />
          {model.trace.length > 0 && <Tabs view={view} />}
        </div>
        <Cluster view={view} />
      </div>
    </div>
  );
}

/** Keys work wherever nothing is typed. */
function keys(view: View): void {
  const { bad, detected } = view.model.data.head;
  const actions: Record<string, () => void> = {
    ArrowLeft: () => view.step(-1),
    ArrowRight: () => view.step(1),
    "+": () => view.zoom(0.5, (view.from.value + view.to.value) / 2),
    "=": () => view.zoom(0.5, (view.from.value + view.to.value) / 2),
    "-": () => view.zoom(2, (view.from.value + view.to.value) / 2),
    "0": () => view.window(0, view.model.end),
    b: () => bad && view.go(bad.event),
    d: () => detected && view.go(detected.event),
    "/": () => document.getElementById("search")?.focus(),
    f: () => document.getElementById("follow")?.focus(),
    s: () => (view.story.value = !view.story.value),
  };
  addEventListener("keydown", (key) => {
    const target = key.target as HTMLElement;
    if (key.key === "Escape") return target.blur();
    if (key.ctrlKey || key.metaKey || key.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
    const action = actions[key.key];
    if (!action || target.getAttribute("role") === "tab") return;
    action();
    key.preventDefault();
  });
  addEventListener("click", (click) => {
    const link = (click.target as HTMLElement).closest<HTMLElement>("[data-event]");
    if (!link) return;
    click.preventDefault();
    view.go(Number(link.dataset["event"]));
  });
}

async function open(): Promise<void> {
  const home = document.getElementById("viewer");
  if (!home) return;
  const [packed, events] = await Promise.all([block("data"), block("trace")]);
  if (!packed) return;
  performance.mark("unpacked");
  const data = JSON.parse(new TextDecoder().decode(packed)) as Data;
  const trace = new Trace(events ?? new TextEncoder().encode("whitewater-trace 2\n[]\n\0"), data.kinds);
  performance.mark("events");
  const model = new Model(trace, data);
  performance.mark("model");
  const view = new View(model);
  asLadder.value = trace.length <= LADDER_MAX;
  if (asLadder.value) view.story.value = false;
  showsHolding.value = data.head.class === "lease" && hasHolding(view);
  home.textContent = "";
  render(<App view={view} />, home);
  keys(view);
  document.documentElement.dataset["ready"] = "yes";
  performance.mark("interactive");
}

performance.mark("began");
wireCopy();
open().catch((error: unknown) => {
  const home = document.getElementById("viewer");
  if (home) home.textContent = `The pictures cannot be drawn: ${String(error)}`;
  throw error;
});
