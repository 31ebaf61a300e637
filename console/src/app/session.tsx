/** Who is signed in, for the whole console. */

import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { request } from "../api/client";
import { earlyWho, whoAmI } from "../api/early";
import { live } from "../api/live";
import type { Me, Role } from "../api/types";

interface Session {
  /** undefined: not known yet; null: nobody. */
  me: Me | null | undefined;
  /** Why it is not known, when the API could not be asked. */
  error: string | undefined;
  signIn: (email: string, password: string, tenant?: string) => Promise<void>;
  signOut: () => Promise<void>;
  may: (role: Role) => boolean;
  reload: () => void;
}

const RANK: Record<Role, number> = { viewer: 0, member: 1, admin: 2, owner: 3 };
const Context = createContext<Session | undefined>(undefined);

export function SessionProvider({ children }: { children: ReactNode }) {
  const [me, setMe] = useState<Me | null>();
  const [error, setError] = useState<string>();

  const take = useCallback((asked: Promise<Me | null>) => {
    asked.then(
      (answer) => {
        setError(undefined);
        setMe(answer);
      },
      (reason: unknown) => setError(reason instanceof Error ? reason.message : String(reason)),
    );
  }, []);

  useEffect(() => take(earlyWho()), [take]);
  useEffect(() => {
    if (!me) return undefined;
    live.open();
    return () => live.close();
  }, [me]);

  const session = useMemo<Session>(
    () => ({
      me,
      error,
      signIn: async (email, password, tenant) => {
        const body = { email, password, ...(tenant ? { tenant } : {}) };
        await request("/v1/sessions", { method: "POST", body });
        setMe(await whoAmI());
      },
      signOut: async () => {
        await request("/v1/sessions/current", { method: "DELETE" });
        setMe(null);
      },
      may: (role) => !!me && RANK[me.role] >= RANK[role],
      reload: () => take(whoAmI()),
    }),
    [me, error, take],
  );
  return <Context.Provider value={session}>{children}</Context.Provider>;
}

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("useSession needs a SessionProvider above");
  return session;
}
