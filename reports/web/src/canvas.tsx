// A canvas that is drawn anew whenever something that its picture looked at has changed.
//
// A frame costs by the points of its canvas, whatever is drawn on them. So a picture that is taller than the window has a canvas
// that is little taller than the window and follows it, and what is not on it need not be drawn.
import { signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { JSX } from "preact";

/** So much above and below the window is drawn too, so that scrolling shows no gap; the canvas follows in steps of as much. */
const MARGIN = 120;

/** Goes up when the window changes its size, and when it moves over the page. */
const resized = signal(0);
const scrolled = signal(0);
addEventListener("resize", () => resized.value++);
addEventListener("scroll", () => scrolled.value++, { passive: true });

export interface Brush {
  context: CanvasRenderingContext2D;
  width: number;
  /** Of the whole picture. */
  height: number;
  /** The part of the height that is drawn. */
  top: number;
  bottom: number;
  /** Points of the screen to one of the page. */
  ratio: number;
}

type Props = Omit<JSX.IntrinsicElements["div"], "ref"> & {
  height: number;
  draw: (brush: Brush) => void;
};

export function Canvas({ height, draw, ...rest }: Props) {
  const ref = useRef<HTMLCanvasElement>(null);
  const whole = useSignal(height);
  whole.value = height;
  const tall = useComputed(() => {
    void resized.value;
    return Math.min(whole.value, innerHeight + 3 * MARGIN);
  });
  const top = useComputed(() => {
    void scrolled.value;
    const most = whole.value - tall.value;
    const picture = ref.current?.parentElement;
    if (!picture || most === 0) return 0;
    const above = -picture.getBoundingClientRect().top - MARGIN;
    return Math.min(Math.max(Math.floor(above / MARGIN) * MARGIN, 0), most);
  });
  useSignalEffect(() => {
    void resized.value;
    const canvas = ref.current;
    // A window that is not laid out yet has no width; it says so once it has one.
    if (!canvas?.clientWidth) return;
    const ratio = Math.min(devicePixelRatio || 1, 4);
    const width = canvas.clientWidth;
    const [w, h] = [Math.round(width * ratio), Math.round(tall.value * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    canvas.style.height = `${tall.value}px`;
    canvas.style.marginTop = `${top.value}px`;
    const context = canvas.getContext("2d")!;
    context.setTransform(ratio, 0, 0, ratio, 0, -top.value * ratio);
    draw({ context, width, height: whole.value, top: top.value, bottom: top.value + tall.value, ratio });
  });
  return (
    <div class="picture" style={{ height: `${height}px` }} {...rest}>
      <canvas ref={ref} />
    </div>
  );
}
