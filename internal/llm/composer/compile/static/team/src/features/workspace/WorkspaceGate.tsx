import { useState, type ReactNode } from "react";
import { LoadingScreen } from "@/components/layout/RouteError";
import { ErrorState } from "@/components/ui/empty-state";
import { WorkspaceContext } from "@/features/workspace/workspace-context";
import { fetchWorkspaces } from "@/features/workspace/workspace-data";
import { WorkspaceSetup } from "@/features/workspace/WorkspaceSetup";
import { useUser } from "@/hooks/useAuth";
import { useQuery } from "@/hooks/useQuery";
import { storage } from "@/lib/storage";

const STORAGE_KEY = "workspace";

/** Finds the workspace that the person works in; without one, helps them to start one. */
export function WorkspaceGate({ children }: { children: ReactNode }) {
  const user = useUser();
  const [chosen, setChosen] = useState(() => storage.getItem(STORAGE_KEY));
  const { data, error, reload } = useQuery(["workspaces", user.id], () => fetchWorkspaces(user.id));

  if (!data) return error ? <ErrorState error={error} onRetry={reload} /> : <LoadingScreen />;

  const membership = data.find(({ workspace }) => workspace.id === chosen) ?? data[0];
  if (!membership) return <WorkspaceSetup />;

  function switchTo(workspaceId: string) {
    storage.setItem(STORAGE_KEY, workspaceId);
    setChosen(workspaceId);
  }

  return (
    <WorkspaceContext value={{ ...membership, workspaces: data.map(({ workspace }) => workspace), switchTo }}>
      {children}
    </WorkspaceContext>
  );
}
