import { one, rows, changed } from "@/lib/rls-helpers";
import { db } from "@/lib/supabase";
import type { Role, Workspace } from "@/types/database";

export type Membership = { workspace: Workspace; role: Role };

/** The workspaces that a person belongs to, the one joined last first. */
export async function fetchWorkspaces(userId: string): Promise<Membership[]> {
  const [memberships, workspaces] = await Promise.all([
    rows(db.from("workspace_members").select("*").eq("user_id", userId).order("created_at", { ascending: false })),
    rows(db.from("workspaces").select("*")),
  ]);
  return memberships.flatMap(({ workspace_id, role }) => {
    const workspace = workspaces.find(({ id }) => id === workspace_id);
    return workspace ? [{ workspace, role }] : [];
  });
}

export const createWorkspace = (name: string) => one(db.rpc("create_workspace", { workspace_name: name }));

export const joinWorkspace = (invite: string) => one(db.rpc("join_workspace", { invite }));

export const fetchWorkspaceMembers = (workspaceId: string) =>
  rows(db.from("workspace_members").select("*").eq("workspace_id", workspaceId).order("created_at"));

export const removeWorkspaceMember = (workspaceId: string, userId: string) =>
  changed(
    db
      .from("workspace_members")
      .delete()
      .eq("workspace_id", workspaceId)
      .eq("user_id", userId)
      .select("user_id"),
  );

export const fetchInvites = (workspaceId: string) =>
  rows(
    db
      .from("workspace_invites")
      .select("*")
      .eq("workspace_id", workspaceId)
      .gt("expires_at", new Date().toISOString())
      .order("created_at"),
  );

export const createInvite = (workspaceId: string) =>
  one(db.from("workspace_invites").insert({ workspace_id: workspaceId }).select("*").single());

export const revokeInvite = (id: string) => changed(db.from("workspace_invites").delete().eq("id", id).select("id"));
