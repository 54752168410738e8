import type { ReactNode } from "react";
import { LockIcon } from "lucide-react";
import { LoadingScreen } from "@/components/layout/RouteError";
import { Button, ButtonLink } from "@/components/ui/button";
import { EmptyState, ErrorState } from "@/components/ui/empty-state";
import { useAuth, useUser } from "@/hooks/useAuth";
import { useQuery } from "@/hooks/useQuery";
import { one } from "@/lib/rls-helpers";
import { db } from "@/lib/supabase";
import { paths } from "@/routes/paths";

/**
 * The public pages show one person's site. The first account that signs in becomes
 * its owner; others can visit the public pages but have nothing to manage here.
 */
export function SiteGate({ children }: { children: ReactNode }) {
  const user = useUser();
  const { signOut } = useAuth();
  const owner = useQuery(["site", user.id], () => one(db.rpc("claim_site", {})));

  if (owner.data === true) return children;
  if (owner.loading) return <LoadingScreen />;
  return (
    <main className="grid min-h-dvh place-items-center">
      {owner.data === undefined ? (
        <ErrorState error={owner.error} onRetry={owner.reload} />
      ) : (
        <EmptyState
          icon={LockIcon}
          title="Only the owner works here"
          text={`This site is managed from another account than ${user.email}.`}
        >
          <ButtonLink to={paths.landing}>Go to the public page</ButtonLink>
          <Button variant="secondary" onClick={() => void signOut()}>
            Sign out
          </Button>
        </EmptyState>
      )}
    </main>
  );
}
