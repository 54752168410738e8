package redistest

import (
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestServersAnswerAndExpireKeys(t *testing.T) {
	for name, url := range Servers(t) {
		t.Run(name, func(t *testing.T) {
			options, err := redis.ParseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			client := redis.NewClient(options)
			defer client.Close()
			ctx := t.Context()
			if err := client.Set(ctx, "lease", "mine", 600*time.Millisecond).Err(); err != nil {
				t.Fatal(err)
			}
			if got, err := client.Get(ctx, "lease").Result(); err != nil || got != "mine" {
				t.Fatalf("before it expires: %q, %v", got, err)
			}
			deadline := time.Now().Add(5 * time.Second)
			for {
				_, err := client.Get(ctx, "lease").Result()
				if errors.Is(err, redis.Nil) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("the key did not expire (%v)", err)
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}

func TestServerIsStoppedAndStartedOnItsPort(t *testing.T) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		Servers(t) // fails in CI
		return
	}
	first := Start(t, path, 0)
	first.Stop()
	first.Stop()
	second := Start(t, path, first.Port)
	if second.URL() != first.URL() {
		t.Errorf("restarted at %s, not %s", second.URL(), first.URL())
	}
}
