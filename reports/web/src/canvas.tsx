// A canvas that is drawn anew whenever something that its picture looked at has changed.
import { signal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { JSX } from "preact";

/** Goes up when the window changes its size. */
export const resized = signal(0);
addEventListener("resize", () => resized.value++);

export interface Brush {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  /** Points of the screen to one of the page. */
  ratio: number;
}

type Props = Omit<JSX.IntrinsicElements["canvas"], "height" | "ref"> & {
  height: number;
  draw: (brush: Brush) => void;
};

export function Canvas({ height, draw, ...rest }: Props) {
  const ref = useRef<HTMLCanvasElement>(null);
  useSignalEffect(() => {
    void resized.value;
    const canvas = ref.current;
    if (!canvas) return;
    const ratio = Math.min(devicePixelRatio || 1, 4);
    const width = canvas.clientWidth;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext("2d")!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw({ context, width, height, ratio });
  });
  return <canvas ref={ref} style={{ height: `${height}px` }} {...rest} />;
}
