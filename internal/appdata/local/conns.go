package local

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// connCache keeps connections that are signed in as the apps' login roles. An ordinary pool has one user; here
// many users share one limit, and the connection that rested longest makes room for another app's.
type connCache struct {
	base  *pgx.ConnConfig
	slots chan struct{} // a token per connection that may be in use

	mu   sync.Mutex
	idle []idleConn // the one used last at the end
	busy int
	down bool
}

type idleConn struct {
	role string
	conn *pgx.Conn
}

func newConnCache(base *pgx.ConnConfig, most int) *connCache {
	base = base.Copy()
	base.RuntimeParams["application_name"] = "overskill app"
	base.RuntimeParams["search_path"] = "public, extensions"
	base.RuntimeParams["timezone"] = "UTC"
	base.RuntimeParams["statement_timeout"] = fmt.Sprint(statementTimeout.Milliseconds())
	base.RuntimeParams["lock_timeout"] = "5s"
	base.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	if base.ConnectTimeout == 0 {
		base.ConnectTimeout = 5 * time.Second
	}
	return &connCache{base: base, slots: make(chan struct{}, most)}
}

// acquire returns a connection that is signed in as role. Give it back with release.
func (c *connCache) acquire(ctx context.Context, role, password string) (*pgx.Conn, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a connection: %w", ctx.Err())
	}
	conn, evicted := c.take(role)
	if evicted != nil {
		closeConn(evicted)
	}
	if conn != nil {
		return conn, nil
	}
	conn, err := c.connect(ctx, role, password)
	if err != nil {
		c.mu.Lock()
		c.busy--
		c.mu.Unlock()
		<-c.slots
		return nil, err
	}
	return conn, nil
}

// connect opens a connection beside the cache; the caller closes it.
func (c *connCache) connect(ctx context.Context, role, password string) (*pgx.Conn, error) {
	cfg := c.base.Copy()
	cfg.User, cfg.Password = role, password
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect as %s: %w", role, err)
	}
	return conn, nil
}

// take finds an idle connection of the role, or else says which other one must go to stay within the limit.
func (c *connCache) take(role string) (found, evicted *pgx.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	for i := len(c.idle) - 1; i >= 0; i-- {
		if c.idle[i].role == role {
			found = c.idle[i].conn
			c.idle = slices.Delete(c.idle, i, i+1)
			return found, nil
		}
	}
	if c.busy+len(c.idle) > cap(c.slots) && len(c.idle) > 0 {
		evicted = c.idle[0].conn
		c.idle = slices.Delete(c.idle, 0, 1)
	}
	return nil, evicted
}

// release keeps a connection for the next request, unless it is broken or in the middle of something.
func (c *connCache) release(role string, conn *pgx.Conn) {
	keep := !conn.IsClosed() && conn.PgConn().TxStatus() == 'I'
	c.mu.Lock()
	c.busy--
	if keep = keep && !c.down; keep {
		c.idle = append(c.idle, idleConn{role, conn})
	}
	c.mu.Unlock()
	if !keep {
		closeConn(conn)
	}
	<-c.slots
}

// drop closes the idle connections of the given roles.
func (c *connCache) drop(roles ...string) {
	var closing []*pgx.Conn
	c.mu.Lock()
	c.idle = slices.DeleteFunc(c.idle, func(i idleConn) bool {
		match := slices.Contains(roles, i.role)
		if match {
			closing = append(closing, i.conn)
		}
		return match
	})
	c.mu.Unlock()
	for _, conn := range closing {
		closeConn(conn)
	}
}

func (c *connCache) close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.down = nil, true
	c.mu.Unlock()
	for _, i := range idle {
		closeConn(i.conn)
	}
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is given up either way
}
