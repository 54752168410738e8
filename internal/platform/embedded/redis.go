package embedded

import (
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// tick is how often the in-process Redis ages its keys.
const tick = 200 * time.Millisecond

// Redis is an in-process server that speaks the Redis protocol on a loopback port. It keeps
// nothing on disk. Differences to a real one that a caller can notice: keys expire up to 200 ms
// early or late, and INFO server, CONFIG GET and cmsgpack in scripts are missing.
type Redis struct {
	server *miniredis.Miniredis
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
}

// StartRedis starts a server on a free port of 127.0.0.1.
func StartRedis() (*Redis, error) {
	r := &Redis{server: miniredis.NewMiniRedis(), stop: make(chan struct{}), done: make(chan struct{})}
	if err := r.server.Start(); err != nil {
		return nil, fmt.Errorf("start in-process redis: %w", err)
	}
	go r.age()
	return r, nil
}

// age lets time pass for keys with a time to live. The library can also do this by itself, before
// each command, but each time it visits every key: with ten thousand queued tasks that would slow
// every command, while five times a second nobody notices.
func (r *Redis) age() {
	defer close(r.done)
	t := time.NewTicker(tick)
	defer t.Stop()
	for last := time.Now(); ; {
		select {
		case <-r.stop:
			return
		case <-t.C:
			now := time.Now() // a tick may come late, or be dropped
			r.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

// URL returns the address as a Redis client wants it, such as redis://127.0.0.1:41234/0.
func (r *Redis) URL() string { return "redis://" + r.server.Addr() + "/0" }

// Close ends the server and forgets everything. It may be called again.
func (r *Redis) Close() {
	r.once.Do(func() {
		close(r.stop)
		<-r.done
		r.server.Close()
	})
}
