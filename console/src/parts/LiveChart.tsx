/** A line chart of the last two minutes. uPlot draws thousands of points in a millisecond and weighs 50 kB. */

import { useElementSize } from "@mantine/hooks";
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Line {
  label: string;
  /** One value for each time; null leaves a hole. */
  values: (number | null)[];
}

interface Props {
  /** Seconds since the Unix epoch. */
  times: number[];
  lines: Line[];
  format: (value: number) => string;
  label: string;
  /** Whether only whole numbers make sense. */
  whole?: boolean;
  /** What the time axis shows: minutes and seconds (the default), or the time of day. */
  clock?: "seconds" | "minutes";
}

const COLORS = ["#1988ed", "#f08c00", "#12b886", "#e64980", "#7950f2", "#82c91e", "#15aabf", "#fa5252"];
const HEIGHT_PX = 190;

export function LiveChart({ times, lines, format, label, whole = false, clock = "seconds" }: Props) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const room = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const dark = useComputedColorScheme("light") === "dark";
  const names = lines.map((line) => line.label).join("\n");

  const options = useMemo(() => optionsFor(names.split("\n"), dark, format, whole, clock), [names, dark, format, whole, clock]);

  useEffect(() => {
    if (!room.current || width === 0) return undefined;
    const made = new uPlot({ ...options, width, height: HEIGHT_PX }, [[]], room.current);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = undefined;
    };
  }, [options, width]);

  useEffect(() => {
    const made = plot.current;
    if (!made) return;
    made.setData([times, ...lines.map((line) => line.values)]);
    // Without a pointer on the chart the legend tells the newest values.
    if ((made.cursor.left ?? -1) < 0 && times.length > 0) made.setLegend({ idx: times.length - 1 }, false);
  }, [times, lines, options, width]);

  return (
    <div ref={ref} className="chart" role="img" aria-label={label}>
      <div ref={room} />
    </div>
  );
}

const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

function optionsFor(
  names: string[],
  dark: boolean,
  format: (value: number) => string,
  whole: boolean,
  clock: "seconds" | "minutes",
): Omit<uPlot.Options, "width" | "height"> {
  const ink = dark ? "#9fb0cc" : "#5b6b82";
  const grid = { stroke: dark ? "#24304a" : "#e4eaf2", width: 1 };
  return {
    cursor: { y: false, drag: { x: false, y: false } },
    legend: { live: true },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [
      { stroke: ink, grid, ticks: grid, values: [[1, clock === "minutes" ? "{HH}:{mm}" : ":{mm}:{ss}", null, null, null, null, null, null, 1]], space: 70 },
      { stroke: ink, grid, ticks: grid, size: 82, ...(whole ? { incrs: WHOLE_STEPS } : {}), values: (_plot, ticks) => ticks.map(format) },
    ],
    series: [
      { value: "{HH}:{mm}:{ss}" },
      ...names.map((label, index) => ({
        label,
        stroke: COLORS[index % COLORS.length] ?? "#1988ed",
        width: 2,
        points: clock === "minutes" ? { size: 4 } : { show: false },
        value: (_plot: uPlot, value: number | null) => (value === null ? "–" : format(value)),
      })),
    ],
  };
}
