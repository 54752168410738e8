import { Logo } from "@/components/layout/Logo";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Field, FormError } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { createWorkspace } from "@/features/workspace/workspace-data";
import { useAuth } from "@/hooks/useAuth";
import { useForm } from "@/hooks/useForm";
import { usePageTitle } from "@/hooks/usePageTitle";
import { invalidate } from "@/hooks/useQuery";
import { all, maxLength, required } from "@/lib/validation";

/** The first screen after sign-up: a person without a workspace. */
export function WorkspaceSetup() {
  usePageTitle("Set up your workspace");
  const { user, signOut } = useAuth();
  const form = useForm({
    initial: { name: "" },
    rules: { name: all(required("the name of your workspace"), maxLength(80)) },
    onSubmit: async ({ name }) => {
      await createWorkspace(name);
      await invalidate("workspaces");
    },
  });

  return (
    <main className="mx-auto flex min-h-dvh max-w-md flex-col justify-center gap-6 px-4 pb-16">
      <div className="text-lg">
        <Logo />
      </div>
      <Card className="p-5 sm:p-6">
        <h1 className="text-lg font-semibold">Set up your workspace</h1>
        <p className="mt-1 mb-5 text-muted">You become its owner and can invite people afterwards.</p>
        <form noValidate onSubmit={form.submit} className="space-y-4">
          <FormError message={form.failure} />
          <Field label="Workspace name" required error={form.error("name")}>
            <Input
              autoFocus
              autoComplete="organization"
              placeholder="Corner Street"
              {...form.bind("name")}
            />
          </Field>
          <Button type="submit" className="w-full" busy={form.submitting}>
            Create workspace
          </Button>
        </form>
      </Card>
      <p className="text-pretty text-muted">
        Joining an existing workspace? Ask its owner for an invitation link and open it while you are signed in as{" "}
        {user?.email}.{" "}
        <button
          type="button"
          className="font-medium text-primary-text hover:underline"
          onClick={() => void signOut()}
        >
          Sign out
        </button>
      </p>
    </main>
  );
}
