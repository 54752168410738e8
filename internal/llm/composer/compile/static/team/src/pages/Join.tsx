import { MailX, Users } from "lucide-react";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { Button, ButtonLink } from "@/components/ui/button";
import { EmptyState } from "@/components/ui/empty-state";
import { joinWorkspace } from "@/features/workspace/workspace-data";
import { useUser } from "@/hooks/useAuth";
import { usePageTitle } from "@/hooks/usePageTitle";
import { invalidate } from "@/hooks/useQuery";
import { describeError } from "@/lib/rls-helpers";
import { storage } from "@/lib/storage";

/** Where an invitation link leads. Joining takes a press, so that a mere look changes nothing. */
export default function Join() {
  usePageTitle("Join a workspace");
  const { invite = "" } = useParams();
  const user = useUser();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string>();

  async function join() {
    setBusy(true);
    try {
      storage.setItem("workspace", await joinWorkspace(invite));
      await invalidate("workspaces");
      await navigate("/", { replace: true });
    } catch (error) {
      setFailure(describeError(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <main className="grid min-h-dvh place-items-center">
      {failure ? (
        <div role="alert">
          <EmptyState
            icon={MailX}
            title="You could not join"
            text={`${failure} Ask the owner for a new link.`}
          >
            <ButtonLink to="/" variant="secondary">
              Go to the start
            </ButtonLink>
          </EmptyState>
        </div>
      ) : (
        <EmptyState
          icon={Users}
          title="You are invited to join a workspace"
          text={`You will work with its members, signed in as ${user.email}.`}
        >
          <Button busy={busy} onClick={() => void join()}>
            Join the workspace
          </Button>
          <ButtonLink to="/" variant="secondary">
            Not now
          </ButtonLink>
        </EmptyState>
      )}
    </main>
  );
}
