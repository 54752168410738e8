import { SparklesIcon } from "lucide-react";
import { PageHeader } from "@/components/layout/PageHeader";
import { Card } from "@/components/ui/card";
import { EmptyState } from "@/components/ui/empty-state";
import { useUser } from "@/hooks/useAuth";

/** The first page after signing in, until the app has pages of its own. */
export default function Dashboard() {
  const user = useUser();
  return (
    <>
      <PageHeader title="Dashboard" description={`Signed in as ${user.email}`} />
      <Card>
        <EmptyState
          icon={SparklesIcon}
          title="The app is ready for its first page"
          text="Say what it should keep track of. New pages are listed in src/routes/route-config.ts."
        />
      </Card>
    </>
  );
}
