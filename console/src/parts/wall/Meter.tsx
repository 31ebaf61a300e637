/** Sound levels as bars, from -60 dBFS to 0. */

import { memo } from "react";
import "../signals.css";

const FLOOR_DBFS = -60;

const share = (dbfs: number): number => Math.min(1, Math.max(0, 1 - dbfs / FLOOR_DBFS));

export const Meter = memo(function Meter({ levels, label }: { levels: readonly number[]; label: string }) {
  return (
    <div className="meter" role="img" aria-label={`${label}: ${levels.map((level) => `${level.toFixed(0)} dBFS`).join(", ")}`}>
      {levels.map((level, index) => (
        <span key={index} className="meter-bar">
          <span style={{ clipPath: `inset(0 ${(100 - 100 * share(level)).toFixed(1)}% 0 0)` }} />
        </span>
      ))}
    </div>
  );
});
