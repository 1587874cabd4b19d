// Colours for the canvas: those of the style, and for terms those that the colour-blind tell apart (Okabe and Ito). A term
// always stands beside its colour as a number.
import { signal } from "@preact/signals";

export interface Theme {
  ground: string;
  raised: string;
  line: string;
  ink: string;
  quiet: string;
  fail: string;
  bad: string;
  link: string;
  mark: string;
  clock: string;
}

const TERMS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];

export function term(number: number): string {
  return TERMS[number % TERMS.length]!;
}

/** What is readable on the colour of a term. */
export function onTerm(number: number): string {
  return ["#0072b2", "#009e73", "#d55e00"].includes(term(number)) ? "#fff" : "#111";
}

function read(): Theme {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ground: value("ground"),
    raised: value("raised"),
    line: value("line"),
    ink: value("ink"),
    quiet: value("quiet"),
    fail: value("fail"),
    bad: value("bad"),
    link: value("link"),
    mark: value("mark"),
    clock: value("clock"),
  };
}

export const theme = signal(read());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (theme.value = read()));

/** How messages are drawn: a colour, and a dash, so that colour is never alone. */
export function stroke(message: string, colors: Theme): { color: string; dash: number[]; width: number; family: string } {
  if (message.includes("vote") || message === "timeout-now") return { color: "#d55e00", dash: [], width: 1.6, family: "vote" };
  if (message.startsWith("snapshot")) return { color: "#cc79a7", dash: [], width: 2.4, family: "snapshot" };
  if (message.startsWith("append")) return { color: "#0072b2", dash: message === "append" ? [] : [4, 3], width: 1.2, family: "append" };
  if (message.startsWith("read")) return { color: "#009e73", dash: [6, 2, 1, 2], width: 1.2, family: "read" };
  return { color: colors.quiet, dash: [1, 3], width: 1, family: "heartbeat" };
}
