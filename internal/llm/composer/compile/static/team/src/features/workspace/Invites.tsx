import { useState } from "react";
import { Copy, Link2, X } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { ErrorState } from "@/components/ui/empty-state";
import { Input } from "@/components/ui/input";
import { useToast } from "@/components/ui/toast";
import { createInvite, fetchInvites, revokeInvite } from "@/features/workspace/workspace-data";
import { invalidate, useQuery } from "@/hooks/useQuery";
import { formatRelative } from "@/lib/format";
import { describeError } from "@/lib/rls-helpers";
import { paths } from "@/routes/paths";

/** Links that let people join. Whoever has a link can use it for a week, or until it is withdrawn. */
export function Invites({ workspaceId }: { workspaceId: string }) {
  const invites = useQuery(["workspace_invites", workspaceId], () => fetchInvites(workspaceId));
  const [busy, setBusy] = useState(false);
  const toast = useToast();

  async function run(work: () => Promise<unknown>, done: string) {
    setBusy(true);
    try {
      await work();
      await invalidate("workspace_invites");
      toast.success(done);
    } catch (error) {
      toast.error(describeError(error));
    } finally {
      setBusy(false);
    }
  }

  const linkOf = (id: string) => new URL(paths.join(id), window.location.origin).href;

  return (
    <Card>
      <CardHeader
        title="Invitations"
        action={
          <Button
            variant="secondary"
            size="sm"
            busy={busy}
            onClick={() => void run(() => createInvite(workspaceId), "The link is ready to send.")}
          >
            <Link2 aria-hidden />
            Create link
          </Button>
        }
      />
      {invites.error && !invites.data ? <ErrorState error={invites.error} onRetry={invites.reload} /> : null}
      {invites.data?.length === 0 && (
        <p className="p-5 text-muted">Create a link and send it to a colleague. It works for seven days.</p>
      )}
      <ul className="divide-y divide-line">
        {invites.data?.map(({ id, expires_at }) => (
          <li key={id} className="space-y-1.5 px-5 py-3">
            <div className="flex gap-1">
              <Input
                readOnly
                aria-label="Invitation link"
                value={linkOf(id)}
                onFocus={(event) => event.target.select()}
              />
              <Button
                variant="ghost"
                size="icon"
                aria-label="Copy link"
                title="Copy link"
                onClick={() =>
                  void run(() => navigator.clipboard.writeText(linkOf(id)), "The link was copied.")
                }
              >
                <Copy aria-hidden />
              </Button>
              <Button
                variant="ghost"
                size="icon"
                aria-label="Withdraw link"
                title="Withdraw link"
                onClick={() => void run(() => revokeInvite(id), "The link no longer works.")}
              >
                <X aria-hidden />
              </Button>
            </div>
            <p className="text-xs text-muted">Expires {formatRelative(expires_at)}</p>
          </li>
        ))}
      </ul>
    </Card>
  );
}
