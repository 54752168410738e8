package cloudflare

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"overskill/internal/deploy/plan"
	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/testing/cloudflaretest"
)

// stage is an account in which version 1.0.0 is live, and a new process's client for it.
type stage struct {
	*client
	first string // the live version
}

// newStage prepares a stage. A mode says where files go.
func newStage(t *testing.T, mode plan.Mode) *stage {
	t.Helper()
	a := cloudflaretest.New(t)
	c := open(t, a, nil)
	s := &stage{first: c.deploy(c.release(1, "1.0.0", mode)).ID}
	c.promote(s.first)
	s.client = open(t, a, nil) // which knows nothing of the account yet
	a.Reset()
	return s
}

// publish deploys and promotes version 2.0.0, and fails the test when visitors see anything but a whole version on the way.
func (s *stage) publish(ctx context.Context, mode plan.Mode) error {
	placed, err := s.Deploy(ctx, s.release(2, "2.0.0", mode), quiet)
	if live := s.account.Live("", worker); live == nil || live.ID != s.first {
		s.Errorf("after Deploy (%v), %v is live", err, live)
	}
	if err != nil {
		return err
	}
	_, err = s.Promote(ctx, production(), placed.ID)
	return err
}

// isLive returns the number of the version that all visitors get.
func (s *stage) isLive() string {
	if v := s.account.Live("", worker); v != nil {
		return v.Annotations["workers/tag"]
	}
	return "none"
}

// TestEveryCallMayFail lets each call of a publication suffer each fault, once.
func TestEveryCallMayFail(t *testing.T) {
	for _, mode := range []plan.Mode{plan.Embed, plan.Assets} {
		s := newStage(t, mode)
		if err := s.publish(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		calls := s.account.Calls()
		if len(calls) < 8 {
			t.Fatalf("a publication took %d calls only: %v", len(calls), calls)
		}
		for name, f := range cloudflaretest.Faults {
			t.Run(string(mode)+"/"+name, func(t *testing.T) {
				t.Parallel()
				for n := range calls {
					s := newStage(t, mode)
					s.account.At(n+1, f)
					err := s.publish(t.Context(), mode)
					if err != nil || s.isLive() != "2.0.0" {
						t.Errorf("call %d, %s: %s is live, %v\n%v", n+1, calls[n], s.isLive(), err, s.account.Calls())
					}
					s.clean(err)
				}
			})
		}
	}
}

// TestEveryCallMayBeTheLast lets a publication end at each of its calls: because Cloudflare goes down, and because the
// process is killed. The live version is never half; the next process finishes the job; what nobody wants is collected.
func TestEveryCallMayBeTheLast(t *testing.T) {
	s := newStage(t, plan.Embed)
	if err := s.publish(t.Context(), plan.Embed); err != nil {
		t.Fatal(err)
	}
	calls := s.account.Calls()
	for _, killed := range []bool{false, true} {
		name := "outage"
		if killed {
			name = "killed"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range calls {
				s := newStage(t, plan.Embed)
				ctx, kill := context.WithCancel(t.Context())
				if killed {
					s.account.Do(n+1, kill)
				} else {
					s.account.OutageFrom(n + 1)
				}
				err := s.publish(ctx, plan.Embed)
				kill()
				if err == nil && s.isLive() != "2.0.0" || !killed && err == nil {
					t.Errorf("call %d, %s: nothing is said", n+1, calls[n])
				}
				if !killed && !fault.Is(err, fault.Unavailable) {
					t.Errorf("call %d, %s: %v", n+1, calls[n], err)
				}
				s.clean(err)
				if live := s.isLive(); live != "1.0.0" && live != "2.0.0" {
					t.Errorf("call %d, %s: %s is live", n+1, calls[n], live)
				}
				s.account.Reset()
				s.collected(n)

				next := &stage{client: open(t, s.account, nil), first: s.account.Live("", worker).ID}
				if err := next.publish(t.Context(), plan.Embed); err != nil || next.isLive() != "2.0.0" {
					t.Errorf("after call %d, %s: the next process: %s is live, %v", n+1, calls[n], next.isLive(), err)
				}
				if err := next.Delete(t.Context(), production()); err != nil || next.account.Describe() != "" || len(next.account.Objects("team-apps")) != 0 {
					t.Errorf("after Delete: %v %s", err, next.account.Describe())
				}
			}
		})
	}
}

// collected fails when, after an abandoned publication, Collect leaves an object that no live version names, or takes
// one that a live version does.
func (s *stage) collected(n int) {
	s.Helper()
	kept := map[string]bool{}
	for _, version := range []string{"1.0.0", s.isLive()} {
		for _, a := range s.release(1, version, plan.Embed).Plan.Assets {
			if a.Place == plan.InBucket {
				kept[a.R2Key] = true
			}
		}
	}
	s.account.Put("team-apps", "apps/7/"+strings.Repeat("0", 64)+"/left.mp4", []byte("of a version that nobody published"))
	s.account.Put("team-apps", "somebody/else.txt", []byte("x"))
	got, err := s.Collect(s.Context(), Keep{
		Script: func(name string) bool { return name == worker }, Object: func(key string) bool { return kept[key] },
	})
	if err != nil || len(got.Scripts) != 0 || len(got.Objects) < 1 {
		s.Errorf("call %d: collected %+v, %v", n+1, got, err)
	}
	kept["somebody/else.txt"] = true
	left := s.account.Objects("team-apps")
	if !maps.EqualFunc(kept, left, func(bool, []byte) bool { return true }) {
		s.Errorf("call %d: left %v, want %v", n+1, slices.Collect(maps.Keys(left)), slices.Collect(maps.Keys(kept)))
	}
	s.account.Drop("team-apps", "somebody/else.txt")
}

func TestCollectTakesScriptsOfNoApp(t *testing.T) {
	a := cloudflaretest.New(t)
	a.AddZone("example.com", "active")
	c := open(t, a, func(cfg *Config) { cfg.Zone = "example.com" })
	c.promote(c.deploy(c.release(1, "1.0.0", plan.Embed)).ID)
	foreign := "somebodys-worker"
	a.AddScript(foreign)
	young := Keep{Script: func(string) bool { return true }, Object: func(string) bool { return false }, Grace: time.Hour}
	if got, err := c.Collect(t.Context(), young); err != nil || len(got.Objects) != 0 {
		t.Errorf("what is young was taken: %+v, %v", got, err)
	}
	older := "apps/7/" + strings.Repeat("0", 64) + "/old.mp4"
	others := "apps/70/" + strings.Repeat("0", 64) + "/old.mp4"
	for _, key := range []string{older, others} {
		a.Put("team-apps", key, []byte("x"))
	}
	keep := target.Kept{Objects: map[string]bool{}}
	for key := range a.Objects("team-apps") {
		keep.Objects[key] = key != older && key != others
	}
	if err := c.Tidy(t.Context(), production(), keep); err != nil || a.Objects("team-apps")[older] == nil {
		t.Errorf("what is young was tidied away: %v", err)
	}
	c.cfg.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if err := c.Tidy(t.Context(), production(), keep); err != nil {
		t.Error(err)
	}
	left := a.Objects("team-apps")
	if left[older] != nil || left[others] == nil || len(left) != len(keep.Objects)-1 || a.Live("", worker) == nil {
		t.Errorf("tidied, and left %v", slices.Collect(maps.Keys(left)))
	}
	a.Drop("team-apps", others)
	c.cfg.Now = time.Now
	none := Keep{Script: func(name string) bool {
		if id, ok := AppOf(name); !ok || id != 7 {
			t.Errorf("asked about %q", name)
		}
		return false
	}, Object: func(string) bool { return false }}
	got, err := c.Collect(t.Context(), none)
	if err != nil || !slices.Equal(got.Scripts, []string{worker}) || len(got.Objects) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if !slices.Equal(a.Scripts(""), []string{foreign}) || len(a.Domains()) != 0 || len(a.Objects("team-apps")) != 0 {
		t.Errorf("left: %s", a.Describe())
	}
}

// TestTwoProcessesDeployTwoApps at the same time, into a bucket that neither has seen.
func TestTwoProcessesDeployTwoApps(t *testing.T) {
	a := cloudflaretest.New(t)
	var wg sync.WaitGroup
	for i, slug := range []string{"todo", "shop", "notes", "crm"} {
		c := open(t, a, nil)
		r := c.release(int64(i+1), "1.0.0", plan.Embed)
		r.AppID, r.Slug = int64(i+1), slug
		wg.Go(func() {
			placed, err := c.Deploy(t.Context(), r, quiet)
			if err == nil {
				_, err = c.Promote(t.Context(), r.Site, placed.ID)
			}
			if err != nil {
				t.Errorf("%s: %v", slug, err)
			}
		})
	}
	wg.Wait()
	if got := a.Scripts(""); len(got) != 4 {
		t.Errorf("%v", got)
	}
}
