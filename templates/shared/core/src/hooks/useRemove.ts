import { useConfirm } from "@/components/ui/confirm";
import { useToast } from "@/components/ui/toast";
import { invalidate } from "@/hooks/useQuery";
import { describeError } from "@/lib/rls-helpers";

type Removal = {
  /** What is deleted, as people call it. */
  title: string;
  /** What else happens, in a sentence. */
  consequence?: string;
  remove: () => Promise<unknown>;
  topics: readonly string[];
  /** Runs before the lists load again, for example to leave the page of what is gone. */
  leave?: () => void | Promise<void>;
};

/** Deletes after a question, and says how it went. */
export function useRemove(): (removal: Removal) => Promise<void> {
  const confirm = useConfirm();
  const toast = useToast();
  return async ({ title, consequence, remove, topics, leave }) => {
    const sure = await confirm({
      title: `Delete “${title}”?`,
      description: [consequence, "This cannot be undone."].filter(Boolean).join(" "),
      action: "Delete",
      danger: true,
    });
    if (!sure) return;
    try {
      await remove();
      await leave?.();
      await invalidate(...topics);
      toast.success(`“${title}” was deleted.`);
    } catch (error) {
      toast.error(describeError(error));
    }
  };
}
