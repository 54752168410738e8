package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/platform/store"
	"overskill/internal/testing/pgtest"
	"overskill/internal/testing/storetest"
)

// open returns a migrated store of the test's own.
func open(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Open(t)
}

func newUser(t *testing.T, s *store.Store, email string) model.User {
	t.Helper()
	u, err := s.CreateUser(t.Context(), model.User{Email: email, Name: email, PasswordHash: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newApp(t *testing.T, s *store.Store, u model.User, slug string) (model.App, model.Turn, model.Job) {
	t.Helper()
	team, err := s.PersonalTeam(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	app, turn, job, err := s.CreateApp(t.Context(), model.App{TeamID: team, CreatedBy: u.ID, Slug: slug, Name: slug, Prompt: "p"},
		store.NewTurn{UserID: u.ID, Content: "p", JobKind: "k"})
	if err != nil {
		t.Fatal(err)
	}
	return app, turn, job
}

func TestMigrateIsRepeatableAndConcurrent(t *testing.T) {
	url := pgtest.URL(t)
	var wg sync.WaitGroup
	applied := make([]int, 3)
	for i := range applied {
		wg.Go(func() {
			s, err := store.Open(t.Context(), store.Config{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			names, err := s.Migrate(t.Context())
			if err != nil {
				t.Error(err)
			}
			applied[i] = len(names)
		})
	}
	wg.Wait()
	slices.Sort(applied)
	if applied[1] != 0 || applied[2] == 0 {
		t.Errorf("three processes applied %v migrations; want one of them to apply all", applied)
	}
}

func TestFirstAccountIsTheOnlyAdministratorAlsoInARace(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	users := make([]model.User, 8)
	for i := range users {
		wg.Go(func() {
			var err error
			users[i], err = s.CreateUser(t.Context(), model.User{Email: fmt.Sprintf("u%d@example.com", i), Name: "u", PasswordHash: "x"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	admins := 0
	for _, u := range users {
		if u.Admin {
			admins++
		}
	}
	if admins != 1 {
		t.Errorf("%d administrators, want 1", admins)
	}
	if _, err := s.CreateUser(t.Context(), model.User{Email: "u1@example.com", Name: "again", PasswordHash: "x"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a taken e-mail: %v, want a conflict", err)
	}
}

func TestOtherPeoplesAppsAreNotFound(t *testing.T) {
	s := open(t)
	admin, ann, ben := newUser(t, s, "admin@example.com"), newUser(t, s, "ann@example.com"), newUser(t, s, "ben@example.com")
	newApp(t, s, ann, "annes")
	for _, c := range []struct {
		who  model.User
		slug string
		want fault.Kind
	}{{ann, "annes", ""}, {admin, "annes", ""}, {ben, "annes", fault.NotFound}, {ann, "nothing", fault.NotFound}} {
		if _, err := s.AppBySlug(t.Context(), c.who, c.slug); fault.KindOf(err) != c.want {
			t.Errorf("%s reads %s: %v, want %q", c.who.Email, c.slug, err, c.want)
		}
		if _, err := s.AppForEdit(t.Context(), c.who, c.slug); fault.KindOf(err) != c.want {
			t.Errorf("%s edits %s: %v, want %q", c.who.Email, c.slug, err, c.want)
		}
	}
	if cards, err := s.Apps(t.Context(), ben, model.AppQuery{}); err != nil || len(cards) != 0 {
		t.Errorf("ben's list: %v, %v; want none", cards, err)
	}
}

func TestOneTurnAtATime(t *testing.T) {
	s := open(t)
	u := newUser(t, s, "u@example.com")
	app, first, _ := newApp(t, s, u, "one")
	if _, _, err := s.StartTurn(t.Context(), app.ID, store.NewTurn{UserID: u.ID, Content: "again", JobKind: "k"}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("a second turn while the first runs: %v, want a conflict", err)
	}
	if err := s.EndTurn(t.Context(), first.Version, model.VersionFailed, "syntax", "It did not parse."); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	started := 0
	for range 5 {
		wg.Go(func() {
			_, _, err := s.StartTurn(t.Context(), app.ID, store.NewTurn{UserID: u.ID, Content: "go", JobKind: "k"})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				started++
			} else if !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if started != 1 {
		t.Errorf("%d of five simultaneous turns started, want 1", started)
	}
	versions, err := s.Versions(t.Context(), app.ID)
	if err != nil || len(versions) != 2 || versions[0].Number != "1.0.1" {
		t.Errorf("versions %v, %v; want 1.0.1 and 1.0.0", versions, err)
	}
}

func TestManifestsAreRelativeToTheParentAndRestoreBringsDeletedFilesBack(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	app, one, _ := newApp(t, s, u, "files")
	save := func(v model.Version, changes ...store.FileChange) {
		t.Helper()
		if err := s.SaveFiles(ctx, v.ID, changes); err != nil {
			t.Fatal(err)
		}
	}
	actions := func(v model.Version) map[string]string {
		lines, err := s.Manifest(ctx, v.ID)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, l := range lines {
			out[l.Path] = l.Action
		}
		return out
	}
	promote := func(v model.Version) {
		t.Helper()
		if err := s.SetBundle(ctx, v.ID, filetree.HashOf([]byte(v.Number)), 1); err != nil {
			t.Fatal(err)
		}
		if err := s.Promote(ctx, v, "http://x/"); err != nil {
			t.Fatal(err)
		}
	}
	next := func(restore int64) model.Version {
		t.Helper()
		turn, _, err := s.StartTurn(ctx, app.ID, store.NewTurn{UserID: u.ID, Content: "c", JobKind: "k", Restore: restore})
		if err != nil {
			t.Fatal(err)
		}
		return turn.Version
	}

	save(one.Version, store.FileChange{Path: "a", Content: []byte("1")}, store.FileChange{Path: "b", Content: []byte("2")}, store.FileChange{Path: "gone", Content: nil})
	save(one.Version, store.FileChange{Path: "gone", Deleted: true})
	if diff := cmp.Diff(map[string]string{"a": "create", "b": "create"}, actions(one.Version)); diff != "" {
		t.Errorf("version 1: %s", diff)
	}
	promote(one.Version)

	two := next(0)
	save(two, store.FileChange{Path: "a", Content: []byte("1, changed")}, store.FileChange{Path: "b", Deleted: true}, store.FileChange{Path: "c", Content: []byte("3")})
	if diff := cmp.Diff(map[string]string{"a": "update", "b": "delete", "c": "create"}, actions(two)); diff != "" {
		t.Errorf("version 2: %s", diff)
	}
	save(two, store.FileChange{Path: "a", Content: []byte("1")}) // back to what it was
	if got := actions(two)["a"]; got != "" {
		t.Errorf("a file that is as before has action %q", got)
	}
	promote(two)

	three := next(one.Version.ID)
	if diff := cmp.Diff(map[string]string{"a": "", "b": "restore", "c": "delete"}, actions(three)); diff != "" {
		t.Errorf("restored version: %s", diff)
	}
	tree, err := s.Tree(ctx, three.ID)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Tree(ctx, one.Version.ID)
	if err != nil || tree.Hash() != want.Hash() {
		t.Errorf("restored files %v, want %v (%v)", tree.Paths(), want.Paths(), err)
	}
}

func TestPromoteMovesHeadAndFailureLeavesIt(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	app, one, _ := newApp(t, s, u, "green")
	if _, err := s.CurrentRelease(ctx, "green", model.Preview); !fault.Is(err, fault.NotFound) {
		t.Errorf("a release before the first green version: %v", err)
	}
	if err := s.SetBundle(ctx, one.Version.ID, "h1", 10); err != nil {
		t.Fatal(err)
	}
	if r, err := s.CandidateRelease(ctx, "green", one.Version.ID); err != nil || r.ContentHash != "h1" {
		t.Errorf("candidate %+v, %v", r, err)
	}
	if err := s.Promote(ctx, one.Version, "http://preview-green.localhost/"); err != nil {
		t.Fatal(err)
	}
	two, _, err := s.StartTurn(ctx, app.ID, store.NewTurn{UserID: u.ID, Content: "c", JobKind: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetBundle(ctx, two.Version.ID, "h2", 10); err != nil {
		t.Fatal(err)
	}
	if err := s.EndTurn(ctx, two.Version, model.VersionFailed, "runtime", "Blank page."); err != nil {
		t.Fatal(err)
	}
	got, err := s.App(ctx, app.ID)
	if err != nil || got.HeadVersionID != one.Version.ID || got.Status != model.AppGenerated || got.DeploymentStatus != model.DeployDeployed {
		t.Errorf("app after a failed turn: %+v, %v; want version 1 live", got, err)
	}
	if r, err := s.CurrentRelease(ctx, "green", model.Preview); err != nil || r.ContentHash != "h1" {
		t.Errorf("release after a failed turn %+v, %v; want h1", r, err)
	}
	turn, err := s.Turn(ctx, app.ID, two.Version.ID)
	if err != nil || turn.Version.Status != model.VersionFailed || turn.Version.Error != "Blank page." || turn.Reply.Status != model.MessageFailed {
		t.Errorf("failed turn %+v, %v", turn, err)
	}
}

func TestJobsAreClaimedOnceAndTakenOverAfterTheLease(t *testing.T) {
	s, ctx := open(t), t.Context()
	_, _, job := newApp(t, s, newUser(t, s, "u@example.com"), "job")
	got, ok, err := s.ClaimJob(ctx, job.ID, time.Hour)
	if err != nil || !ok || got.Attempts != 1 {
		t.Fatalf("claim: %+v, %v, %v", got, ok, err)
	}
	if _, ok, err := s.ClaimJob(ctx, job.ID, time.Hour); ok || err != nil {
		t.Errorf("second claim of a running job: %v, %v", ok, err)
	}
	if _, held, err := s.RenewJob(ctx, got, -time.Second); err != nil || !held { // now it has run out
		t.Fatalf("renew: %v, %v", held, err)
	}
	open, err := s.OpenJobs(ctx, time.Hour)
	if err != nil || len(open) != 1 || open[0].ID != job.ID {
		t.Errorf("open jobs %v, %v; want the one whose lease ran out", open, err)
	}
	taken, ok, err := s.ClaimJob(ctx, job.ID, time.Hour)
	if err != nil || !ok || taken.Attempts != 2 {
		t.Fatalf("taking over: %+v, %v, %v", taken, ok, err)
	}
	if _, held, err := s.RenewJob(ctx, got, time.Hour); err != nil || held {
		t.Errorf("the first worker still holds the job: %v, %v", held, err)
	}
	if err := s.EndJob(ctx, got, model.JobFailed, "late"); err != nil {
		t.Fatal(err)
	}
	if now, err := s.JobOfVersion(ctx, job.VersionID); err != nil || now.Status != model.JobRunning {
		t.Errorf("the first worker ended the second one's job: %+v, %v", now, err)
	}
}

func TestStopBeforeAndDuringTheWork(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	app, turn, job := newApp(t, s, u, "stop")
	v, begun, err := s.AskStop(ctx, app.ID)
	if err != nil || begun || v.ID != turn.Version.ID {
		t.Fatalf("stop of a queued turn: %+v, %v, %v", v, begun, err)
	}
	if _, ok, err := s.ClaimJob(ctx, job.ID, time.Hour); ok || err != nil {
		t.Errorf("a cancelled job was claimed: %v, %v", ok, err)
	}
	if err := s.EndTurn(ctx, v, model.VersionStopped, "", ""); err != nil {
		t.Fatal(err)
	}
	if v, _, err := s.AskStop(ctx, app.ID); err != nil || v.ID != 0 {
		t.Errorf("stop of nothing: %+v, %v", v, err)
	}
	_, job, err = s.StartTurn(ctx, app.ID, store.NewTurn{UserID: u.ID, Content: "c", JobKind: "k"})
	if err != nil {
		t.Fatal(err)
	}
	running, _, err := s.ClaimJob(ctx, job.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, begun, err := s.AskStop(ctx, app.ID); err != nil || !begun {
		t.Errorf("stop of a running turn: begun %v, %v", begun, err)
	}
	if stop, held, err := s.RenewJob(ctx, running, time.Hour); err != nil || !stop || !held {
		t.Errorf("the runner learns of it: stop %v, held %v, %v", stop, held, err)
	}
}

func TestDeleteAppTakesEverythingWithIt(t *testing.T) {
	s, ctx := open(t), t.Context()
	u := newUser(t, s, "u@example.com")
	app, one, _ := newApp(t, s, u, "gone")
	if err := s.DeleteApp(ctx, app.ID); !fault.Is(err, fault.Conflict) {
		t.Fatalf("deleting an app that is being built: %v, want a conflict", err)
	}
	if err := s.SaveFiles(ctx, one.Version.ID, []store.FileChange{{Path: "a", Content: []byte("1")}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Promote(ctx, one.Version, "http://x/"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteApp(ctx, app.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppBySlug(ctx, u, "gone"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a deleted app: %v", err)
	}
	if _, err := s.Version(ctx, one.Version.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("a deleted app's version: %v", err)
	}
	if last, err := s.LastEventID(ctx, app.ID); err != nil || last != 0 {
		t.Errorf("a deleted app's events: %d, %v", last, err)
	}
	newApp(t, s, u, "gone") // the address is free again
}

// TestEventsAreSeenInOrderAndNoneIsMissed reads while many write: a reader that always asks for what is
// after the largest id it saw must see every event once.
func TestEventsAreSeenInOrderAndNoneIsMissed(t *testing.T) {
	s, ctx := open(t), t.Context()
	app, turn, _ := newApp(t, s, newUser(t, s, "u@example.com"), "events")
	after, err := s.LastEventID(ctx, app.ID)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 6, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				line := model.LogEvent{VersionID: turn.Version.ID, Text: fmt.Sprintf("%d/%d", w, i)}
				if err := s.AppendLog(ctx, app.ID, []model.LogEvent{line}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen := map[string]int{}
	read := func() {
		events, err := s.EventsAfter(ctx, app.ID, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			var line model.LogEvent
			if err := json.Unmarshal(e.Data, &line); err != nil {
				t.Fatal(err)
			}
			seen[line.Text]++
			after = e.ID
		}
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		read()
	}
	for range writers * each / 7 * 2 {
		read()
	}
	if len(seen) != writers*each {
		t.Errorf("%d distinct events seen, want %d", len(seen), writers*each)
	}
	for text, n := range seen {
		if n != 1 {
			t.Errorf("%s seen %d times", text, n)
		}
	}
}

func TestToolCallAndItsFilesAreOneTransaction(t *testing.T) {
	s, ctx := open(t), t.Context()
	app, turn, _ := newApp(t, s, newUser(t, s, "u@example.com"), "tools")
	call := model.ToolCall{VersionID: turn.Version.ID, Seq: 1, Name: "os-write", Path: "a", Input: json.RawMessage(`{}`), OK: true}
	if err := s.SaveToolCall(ctx, app.ID, call, []store.FileChange{{Path: "a", Content: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	// The same number again fails, and takes its file with it.
	if err := s.SaveToolCall(ctx, app.ID, call, []store.FileChange{{Path: "b", Content: []byte("y")}}); err == nil {
		t.Fatal("a second call with the same number was recorded")
	}
	tree, err := s.Tree(ctx, turn.Version.ID)
	if err != nil || tree.Has("b") || !tree.Has("a") {
		t.Errorf("files %v, %v; want a only", tree.Paths(), err)
	}
	calls, err := s.ToolCalls(ctx, turn.Version.ID)
	if err != nil || len(calls) != 1 {
		t.Errorf("calls %v, %v", calls, err)
	}
}
