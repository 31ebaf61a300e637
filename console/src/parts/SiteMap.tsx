/** Sites by place, the lines that carry pictures between them, and what each does now. */

import { useElementSize } from "@mantine/hooks";
import type { SiteLine } from "../api/types";
import { formatBps } from "../format";
import { useText } from "../i18n";
import { CARD, layOut, type Room, type Spot } from "./site-layout";

const STATE_COLORS: Record<string, string> = {
  alive: "var(--mantine-color-teal-6)",
  suspect: "var(--mantine-color-yellow-6)",
  draining: "var(--mantine-color-orange-6)",
  dead: "var(--mantine-color-red-6)",
  unknown: "var(--mantine-color-gray-5)",
};

export function SiteMap({ sites }: { sites: readonly SiteLine[] }) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const t = useText();
  const { spots, room, onMap } = layOut(sites, Math.max(width, 320));
  const at = new Map(spots.map((spot) => [spot.id, spot]));
  const core = sites.find((site) => site.role === "core");
  const from = core ? at.get(core.id) : undefined;
  return (
    <div ref={ref}>
      {width > 0 && (
        <svg
          className="map"
          viewBox={`0 0 ${room.width} ${room.height}`}
          width={room.width}
          height={room.height}
          role="img"
          aria-label={t("sites_now")}
        >
          {onMap && <Graticule room={room} />}
          {from &&
            sites
              .filter((site) => site !== core)
              .map((site) => <Link key={site.id} from={from} to={at.get(site.id)} flowing={egress(site) > 0} />)}
          {sites.map((site) => {
            const spot = at.get(site.id);
            return spot && <SiteCard key={site.id} site={site} spot={spot} />;
          })}
        </svg>
      )}
    </div>
  );
}

const egress = (site: SiteLine): number => site.nodes.reduce((sum, node) => sum + node.egress_bps, 0);
const viewers = (site: SiteLine): number => site.nodes.reduce((sum, node) => sum + node.viewers, 0);

function Graticule({ room }: { room: Room }) {
  const columns = Array.from({ length: 9 }, (_, i) => ((i + 1) * room.width) / 10);
  const rows = Array.from({ length: 4 }, (_, i) => ((i + 1) * room.height) / 5);
  return (
    <g className="grid" aria-hidden="true">
      {columns.map((x) => (
        <path key={x} d={`M${x} 0 Q${x + (x - room.width / 2) * 0.06} ${room.height / 2} ${x} ${room.height}`} />
      ))}
      {rows.map((y) => (
        <path key={y} d={`M0 ${y} H${room.width}`} />
      ))}
    </g>
  );
}

function Link({ from, to, flowing }: { from: Spot; to: Spot | undefined; flowing: boolean }) {
  if (!to) return null;
  const bend = Math.abs(from.x - to.x) * 0.18;
  const middleY = Math.min(from.y, to.y) + Math.abs(from.y - to.y) / 2 - bend;
  const path = `M${from.x} ${from.y} Q${(from.x + to.x) / 2} ${middleY} ${to.x} ${to.y}`;
  return (
    <>
      <path className="link" d={path} />
      {flowing && <path className="link flowing" d={path} />}
    </>
  );
}

function SiteCard({ site, spot }: { site: SiteLine; spot: Spot }) {
  const t = useText();
  const left = spot.x - CARD.width / 2;
  const top = spot.y - CARD.height / 2;
  const name = site.name || site.slug;
  return (
    <g className={site.role}>
      <rect className="card" x={left} y={top} width={CARD.width} height={CARD.height} rx={10} />
      <text className="name" x={left + 12} y={top + 22}>
        {name.length > 17 ? `${name.slice(0, 16)}…` : name}
      </text>
      <text className="faint" x={left + 12} y={top + 40}>
        {[t(site.role), site.region].filter(Boolean).join(" · ")}
      </text>
      <text x={left + 12} y={top + 60}>
        {site.role === "core" && viewers(site) === 0
          ? `${site.nodes.reduce((sum, node) => sum + node.workloads.length, 0)} ${t("workloads").toLowerCase()}`
          : `${viewers(site)} ${t("viewers").toLowerCase()} · ${formatBps(egress(site))}`}
      </text>
      {site.nodes.slice(0, 6).map((node, index) => (
        <circle key={node.id} cx={left + CARD.width - 16 - index * 14} cy={top + 18} r={5} fill={STATE_COLORS[node.state] ?? ""}>
          <title>{`${node.name}: ${t(node.state)}`}</title>
        </circle>
      ))}
    </g>
  );
}
