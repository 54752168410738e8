import { createClient } from "@supabase/supabase-js";
import { AppScopedDatabase } from "@/lib/app-scoped-db";
import { storage } from "@/lib/storage";
import type { Database } from "@/types/database";

const { VITE_APP_ID: appId, VITE_SUPABASE_URL: url, VITE_SUPABASE_ANON_KEY: key } = import.meta.env;

/** False until the environment is filled in; App.tsx then explains what is missing. */
export const isConfigured = Boolean(appId && url && key);

// Resolved against the page's own address: "/" means that app and data come from one host,
// so the same bundle works under any name and port.
const address = new URL(url || "/", window.location.origin).href.replace(/\/$/, "");

// createClient throws on an empty key, which would leave a blank page:
// the fallback is never used for a request, it only keeps this module loadable.
export const supabase = createClient<Database>(address, key || "not-configured", {
  auth: { storageKey: `app-${appId}-auth`, storage },
});

/** The app's own tables, by their short names: `db.from("notes")`. */
export const db = new AppScopedDatabase(supabase, appId || "unconfigured");
