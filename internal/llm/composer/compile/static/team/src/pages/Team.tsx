import { PageHeader } from "@/components/layout/PageHeader";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { useConfirm } from "@/components/ui/confirm";
import { ErrorState } from "@/components/ui/empty-state";
import { SkeletonRows } from "@/components/ui/skeleton";
import { useToast } from "@/components/ui/toast";
import { Invites } from "@/features/workspace/Invites";
import { useWorkspace } from "@/features/workspace/workspace-context";
import { fetchWorkspaceMembers, removeWorkspaceMember } from "@/features/workspace/workspace-data";
import { useUser } from "@/hooks/useAuth";
import { invalidate, useQuery } from "@/hooks/useQuery";
import { describeError } from "@/lib/rls-helpers";
import type { Member } from "@/types/database";

export default function Team() {
  const { workspace, role } = useWorkspace();
  const user = useUser();
  const members = useQuery(["workspace_members", workspace.id], () => fetchWorkspaceMembers(workspace.id));
  const confirm = useConfirm();
  const toast = useToast();
  const owner = role === "owner";

  async function remove({ user_id, email }: Member) {
    const sure = await confirm({
      title: `Remove ${email}?`,
      description: `They can no longer see anything of ${workspace.name}. What they wrote down stays.`,
      action: "Remove",
      danger: true,
    });
    if (!sure) return;
    try {
      await removeWorkspaceMember(workspace.id, user_id);
      await invalidate("workspace_members");
      toast.success(`${email} was removed.`);
    } catch (error) {
      toast.error(describeError(error));
    }
  }

  return (
    <>
      <PageHeader title="Team" description={`Who works at ${workspace.name}.`} />
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-2">
        <Card>
          <CardHeader title="Members" />
          {members.loading && <SkeletonRows count={2} />}
          {members.error && !members.data ? (
            <ErrorState error={members.error} onRetry={members.reload} />
          ) : null}
          <ul className="divide-y divide-line">
            {members.data?.map((member) => (
              <li key={member.user_id} className="flex min-h-14 items-center gap-3 px-5 py-2">
                <span className="min-w-0 flex-1 truncate" title={member.email}>
                  {member.email}
                  {member.user_id === user.id && <span className="text-muted"> (you)</span>}
                </span>
                <Badge tone={member.role === "owner" ? "primary" : "neutral"}>
                  {member.role === "owner" ? "Owner" : "Member"}
                </Badge>
                {owner && member.role === "member" && (
                  <Button
                    variant="ghost"
                    size="sm"
                    aria-label={`Remove ${member.email}`}
                    onClick={() => void remove(member)}
                  >
                    Remove
                  </Button>
                )}
              </li>
            ))}
          </ul>
        </Card>
        {owner && <Invites workspaceId={workspace.id} />}
      </div>
    </>
  );
}
