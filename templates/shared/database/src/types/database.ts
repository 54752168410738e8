/**
 * The shape of supabase/migrations, under short names (no `app_<id>_` prefix).
 * These must be `type`, not `interface`: supabase-js wants an index signature.
 *
 * A table is { Row; Insert; Update; Relationships: [] }, a view { Row; Relationships: [] },
 * a function { Args; Returns }.
 */

export type Database = {
  public: {
    Tables: Record<never, never>;
    Views: Record<never, never>;
    Functions: Record<never, never>;
  };
};
