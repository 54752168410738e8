import { startTransition, useOptimistic } from "react";
import { useToast } from "@/components/ui/toast";
import { invalidate } from "@/hooks/useQuery";
import { describeError } from "@/lib/rls-helpers";

/**
 * A row that shows a change at once. If the write fails, the saved state comes back
 * and a message says why. `topics` are the queries to fetch again.
 */
export function useOptimisticRow<Row extends object>(saved: Row, topics: readonly string[]) {
  const [row, patchRow] = useOptimistic(saved, (current: Row, patch: Partial<Row>) => ({
    ...current,
    ...patch,
  }));
  const toast = useToast();

  function change(patch: Partial<Row>, write: () => Promise<unknown>) {
    startTransition(async () => {
      patchRow(patch);
      try {
        await write();
        await invalidate(...topics); // before the optimistic value is let go
      } catch (error) {
        toast.error(describeError(error));
      }
    });
  }

  return [row, change] as const;
}
