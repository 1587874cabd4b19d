/** Copies the line that plays the run again, on a click on it or on its button. */
export function wireCopy(): void {
  const line = document.getElementById("repro");
  const button = document.getElementById("copy");
  if (!line || !button) return;
  button.hidden = false;
  const copy = async () => {
    const done = await write(line.textContent ?? "");
    button.textContent = done ? "Copied" : "Press Ctrl-C";
    if (!done) getSelection()?.selectAllChildren(line);
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };
  button.addEventListener("click", () => void copy());
  line.addEventListener("click", () => void copy());
  line.addEventListener("keydown", (key) => {
    if (key.key === "Enter") void copy();
  });
}

/** Pages from disk may have no clipboard of their own; then the old way is left. */
async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
