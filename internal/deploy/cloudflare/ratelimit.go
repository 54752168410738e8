package cloudflare

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Cloudflare allows 1,200 calls in five minutes for a token, which is 4 a second.
const (
	callsPerSecond = 4
	interval       = time.Second / callsPerSecond
	burst          = 8 // calls that may follow each other at once after a rest
)

// reserve is the generic cell rate algorithm: the key holds the time, in microseconds, at which all calls so far would
// have been made at an even pace.
//
// KEYS[1] the account's key; ARGV[1] the interval and ARGV[2] the tolerance, in microseconds; ARGV[3] the key's life in
// milliseconds. It returns how long to wait, in microseconds. The clock is the server's, so that all workers agree.
var reserve = redis.NewScript(`
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = tonumber(redis.call('GET', KEYS[1]) or '0')
if at < now then at = now end
redis.call('SET', KEYS[1], string.format('%.0f', at + interval), 'PX', ARGV[3])
local wait = at - tolerance - now
if wait < 0 then wait = 0 end
return wait
`)

// RedisLimiter shares the rate limit of an account between all processes that have the same Redis. While Redis does not
// answer, each process keeps the limit by itself: the account may then get more calls than it allows, and answers 429,
// which is waited for.
type RedisLimiter struct {
	rdb   redis.Scripter
	key   string
	log   *slog.Logger
	local *LocalLimiter

	mu    sync.Mutex
	until time.Time // Redis is not asked before this time
}

// Redis is asked for its answer no longer than redisTimeout, and after a failure is left alone for redisRest.
const (
	redisTimeout = 500 * time.Millisecond
	redisRest    = 5 * time.Second
)

// NewRedisLimiter returns the limiter of an account. rdb stays the caller's to close; log may be nil.
func NewRedisLimiter(rdb redis.Scripter, accountID string, log *slog.Logger) *RedisLimiter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &RedisLimiter{rdb: rdb, key: "overskill:cloudflare:" + accountID, log: log, local: NewLocalLimiter()}
}

// Wait returns when a call may be made, or the cause of ctx's end.
func (l *RedisLimiter) Wait(ctx context.Context) error {
	wait, ok := l.ask(ctx)
	if !ok {
		return l.local.Wait(ctx)
	}
	return sleep(ctx, wait)
}

func (l *RedisLimiter) ask(ctx context.Context) (time.Duration, bool) {
	l.mu.Lock()
	rests := time.Now().Before(l.until)
	l.mu.Unlock()
	if rests {
		return 0, false
	}
	asking, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	const life = 60_000
	micros, err := reserve.Run(asking, l.rdb, []string{l.key}, interval.Microseconds(), (burst * interval).Microseconds(), life).Int64()
	if err == nil {
		return time.Duration(micros) * time.Microsecond, true
	}
	if ctx.Err() == nil {
		l.log.WarnContext(ctx, "cloudflare rate limit is kept without redis", "error", err)
		l.mu.Lock()
		l.until = time.Now().Add(redisRest)
		l.mu.Unlock()
	}
	return 0, false
}

// LocalLimiter keeps the rate limit within one process.
type LocalLimiter struct {
	mu sync.Mutex
	at time.Time // see reserve
}

// NewLocalLimiter returns a limiter that has rested.
func NewLocalLimiter() *LocalLimiter { return &LocalLimiter{} }

// Wait returns when a call may be made, or the cause of ctx's end.
func (l *LocalLimiter) Wait(ctx context.Context) error {
	l.mu.Lock()
	now := time.Now()
	if l.at.Before(now) {
		l.at = now
	}
	wait := l.at.Add(-burst * interval).Sub(now)
	l.at = l.at.Add(interval)
	l.mu.Unlock()
	if wait <= 0 {
		return context.Cause(ctx)
	}
	return sleep(ctx, wait)
}
