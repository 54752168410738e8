package embedded_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"overskill/internal/platform/embedded"
)

func TestRedis(t *testing.T) {
	r, err := embedded.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	options, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	ctx := t.Context()
	for key, ttl := range map[string]time.Duration{"short": 400 * time.Millisecond, "long": time.Hour, "ever": 0} {
		if err := client.Set(ctx, key, "v", ttl).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if err := client.Get(ctx, "short").Err(); errors.Is(err, redis.Nil) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a key with a time to live stays")
		}
	}
	if n, err := client.Exists(ctx, "long", "ever").Result(); err != nil || n != 2 {
		t.Errorf("%d of the other 2 keys are there, %v", n, err)
	}
	if ttl, err := client.TTL(ctx, "long").Result(); err != nil || ttl > time.Hour || ttl < time.Hour-time.Minute {
		t.Errorf("an hour has become %v, %v", ttl, err)
	}
	r.Close()
	r.Close()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a closed server answers")
	}
}
