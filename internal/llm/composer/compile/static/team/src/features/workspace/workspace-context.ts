import { createContext, useContext } from "react";
import type { Role, Workspace } from "@/types/database";

type WorkspaceState = {
  workspace: Workspace;
  role: Role;
  /** All workspaces that this person works in. */
  workspaces: Workspace[];
  switchTo: (workspaceId: string) => void;
};

export const WorkspaceContext = createContext<WorkspaceState | null>(null);

export function useWorkspace(): WorkspaceState {
  const state = useContext(WorkspaceContext);
  if (!state) throw new Error("useWorkspace needs <WorkspaceGate> above it");
  return state;
}
