/** Which of a channel's inputs is shown: by itself, or held by hand. Shows nothing for a channel with one input. */

import { useCallback, useState } from "react";
import { request } from "../api/client";
import { useChannelEvent } from "../api/live";
import type { Channel } from "../api/types";
import { useSession } from "../app/session";
import { useText } from "../i18n";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";
import "./signals.css";

const CHOICES = ["auto", "main", "backup"] as const;
type Choice = (typeof CHOICES)[number];

export function InputSwitch({ channel, small = false }: { channel: Channel; small?: boolean }) {
  const t = useText();
  const { may } = useSession();
  const event = useChannelEvent(channel.id);
  /** What this page chose last; the list of channels tells it only now and then. */
  const [chosen, setChosen] = useState<string>();
  const choose = useCallback(
    async (select: Choice) => {
      const changed = await request<Channel>(`/v1/channels/${channel.id}/input`, { method: "POST", body: { select } });
      setChosen(changed.input_select);
    },
    [channel.id],
  );
  const choice = useAction(choose);
  const inputs = event?.inputs ?? channel.inputs ?? [];
  const now = chosen ?? channel.input_select ?? "auto";
  if (inputs.length < 2 && now === "auto") return null;
  const active = inputs.find((input) => input.active)?.name;
  return (
    <div className={small ? "input-switch small" : "input-switch"} role="group" aria-label={t("input_choice")}>
      {CHOICES.map((each) => (
        <button
          key={each}
          type="button"
          aria-pressed={now === each}
          className={each === active ? "on-show" : undefined}
          disabled={choice.busy || !may("member") || (each !== "auto" && !inputs.some((input) => input.name === each))}
          onClick={() => choice.run(each)}
        >
          {t(`input_${each}`)}
        </button>
      ))}
      {choice.error !== undefined && !small && <Trouble error={choice.error} />}
    </div>
  );
}
