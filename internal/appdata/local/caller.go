package local

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// asCaller runs work in a transaction with the caller's role and claims, and then whatever follows on the same
// connection; it commits when neither fails. Opening the transaction, taking the role and the work travel to
// Postgres together, which saves two round trips. Either may be nil.
func (s *Server) asCaller(
	ctx context.Context, a *app, who *caller, readOnly bool, method, path string,
	work func(*pgx.Batch), then func(*pgx.Conn) error,
) (err error) {
	login, role := s.role(a.id, "login"), ""
	if who.role == "service_role" {
		login = s.role(a.id, "service")
		role = login
	} else {
		role = s.role(a.id, who.role)
	}
	claims, err := json.Marshal(who.claims)
	if err != nil {
		return err
	}
	select { // one app leaves connections for the others
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return fmt.Errorf("wait for a connection: %w", ctx.Err())
	}
	conn, err := s.connectAs(ctx, a, login, s.conns.acquire)
	if err != nil {
		return err
	}
	defer s.conns.release(login, conn)
	defer func() {
		if err != nil && !conn.IsClosed() {
			_, _ = conn.Exec(context.WithoutCancel(ctx), "rollback") // else release closes the connection
		}
	}()

	batch := &pgx.Batch{}
	if readOnly {
		batch.Queue("begin read only")
	} else {
		batch.Queue("begin")
	}
	// All of it local to the transaction, and each time all of it: an app's function may have changed the session's.
	batch.Queue(`select set_config('request.jwt.claims', $1, true), set_config('request.method', $2, true),
		set_config('request.path', $3, true), set_config('search_path', 'public, extensions', true),
		set_config('statement_timeout', $4, true), set_config('role', $5, true)`,
		string(claims), method, path, fmt.Sprint(statementTimeout.Milliseconds()), role)
	if work != nil {
		work(batch)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	if then != nil {
		if err := then(conn); err != nil {
			return err
		}
	}
	tag, err := conn.Exec(ctx, "commit")
	if err == nil && tag.String() != "COMMIT" {
		return fmt.Errorf("commit ended in %s", tag)
	}
	return err
}
