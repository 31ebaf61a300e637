/** Which of a channel's inputs is shown: by itself, or held by hand. Shows nothing for a channel with one input. */

import { useCallback } from "react";
import { request } from "../api/client";
import { useChannelEvent } from "../api/live";
import { useSession } from "../app/session";
import { useText } from "../i18n";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";

const CHOICES = ["auto", "main", "backup"] as const;
type Choice = (typeof CHOICES)[number];

export function InputSwitch({ channelId, small = false }: { channelId: string; small?: boolean }) {
  const t = useText();
  const { may } = useSession();
  const event = useChannelEvent(channelId);
  const choose = useCallback(
    async (select: Choice) => {
      await request(`/v1/channels/${channelId}/input`, { method: "POST", body: { select } });
    },
    [channelId],
  );
  const choice = useAction(choose);
  const inputs = event?.inputs ?? [];
  const now = event?.input_select;
  if (now === undefined || (inputs.length < 2 && now === "auto")) return null;
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
