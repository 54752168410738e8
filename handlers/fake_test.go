package handlers_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// services is an in-memory implementation of the four interfaces that the web face asks: real enough to use
// the whole interface on, and with the same answers to bad input.
type services struct {
	mu       sync.Mutex
	users    []model.User
	sessions map[string]int64
	prompts  map[string]string
	apps     []*app
	nextID   int64
	changed  chan struct{} // closed and replaced when an event is added
	models   *connected
	releases *released
	ready    error
	broken   error // what every call about apps fails with, when set
}

type app struct {
	model.App
	turns  []model.Turn // oldest first
	files  map[int64]map[string]string
	locks  []string
	logs   []model.LogEvent
	events []model.Event
}

const promptLimit = 20_000 // characters

func newServices() *services {
	return &services{sessions: map[string]int64{}, prompts: map[string]string{}, changed: make(chan struct{}), nextID: 1, models: newConnected(), releases: newReleased()}
}

func (s *services) id() int64 { s.nextID++; return s.nextID }

func checkPrompt(prompt string) error {
	if strings.TrimSpace(prompt) == "" {
		return fault.New(fault.Invalid, "Write what the app should do.")
	}
	if n := len([]rune(prompt)); n > promptLimit {
		return fault.New(fault.TooLarge, "This is %d characters long; the limit is %d.", n, promptLimit)
	}
	return nil
}

// find returns u's app; other people's apps are not there.
func (s *services) find(u model.User, slug string) (*app, error) {
	if s.broken != nil {
		return nil, s.broken
	}
	for _, a := range s.apps {
		if a.Slug == slug && a.CreatedBy == u.ID {
			return a, nil
		}
	}
	return nil, fault.New(fault.NotFound, "There is no app %q in your teams.", slug)
}

func (s *services) CreateApp(_ context.Context, u model.User, prompt string) (model.App, error) {
	if err := checkPrompt(prompt); err != nil {
		return model.App{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return model.App{}, s.broken
	}
	a := &app{App: model.App{
		ID: s.id(), CreatedBy: u.ID, Name: strings.Join(strings.Fields(prompt), " "), Prompt: prompt, Status: model.AppGenerating,
		CreatedAt: time.Now(), UpdatedAt: time.Now(),
	}, files: map[int64]map[string]string{}}
	a.Slug = fmt.Sprintf("app-%d", a.ID)
	s.apps = append(s.apps, a)
	s.addTurn(a, u, prompt)
	return a.App, nil
}

func (s *services) addTurn(a *app, u model.User, content string) model.Turn {
	at := time.Now()
	t := model.Turn{
		Request: model.Message{ID: s.id(), AppID: a.ID, Role: model.RoleUser, Content: content, CreatedAt: at},
		Author:  u,
		Version: model.Version{ID: s.id(), AppID: a.ID, Number: fmt.Sprintf("1.0.%d", len(a.turns)), Status: model.VersionBuilding, CreatedAt: at},
	}
	a.turns = append(a.turns, t)
	s.emit(a, t.Version.ID, model.EventTurn, model.TurnEvent{VersionID: t.Version.ID, Number: t.Version.Number, Status: t.Version.Status})
	return t
}

// emit adds an event; s.mu is held.
func (s *services) emit(a *app, version int64, kind string, data any) {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	a.events = append(a.events, model.Event{ID: s.id(), AppID: a.ID, VersionID: version, Kind: kind, Data: raw, CreatedAt: time.Now()})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *services) App(_ context.Context, u model.User, slug string) (model.App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return model.App{}, err
	}
	return a.App, nil
}

func (s *services) Apps(_ context.Context, u model.User, q model.AppQuery) ([]model.AppCard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, s.broken
	}
	var cards []model.AppCard
	for _, a := range s.apps {
		if a.CreatedBy != u.ID || (q.Status != "" && string(a.Status) != q.Status) || !strings.Contains(strings.ToLower(a.Name), strings.ToLower(q.Search)) {
			continue
		}
		card := model.AppCard{App: a.App, Author: u}
		for _, t := range a.turns {
			if t.Version.ID == a.HeadVersionID {
				card.Head, card.HasScreenshot = t.Version, t.Version.ScreenshotHash != ""
			}
		}
		cards = append(cards, card)
	}
	slices.SortFunc(cards, func(x, y model.AppCard) int {
		if q.Sort == "name" {
			return strings.Compare(x.App.Name, y.App.Name)
		}
		return y.App.UpdatedAt.Compare(x.App.UpdatedAt)
	})
	return cards, nil
}

func (s *services) PostMessage(_ context.Context, u model.User, slug, content string) (model.Turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return model.Turn{}, err
	}
	if err := checkPrompt(content); err != nil {
		return model.Turn{}, err
	}
	if n := len(a.turns); n > 0 && !a.turns[n-1].Version.Status.Ended() {
		return model.Turn{}, fault.New(fault.Conflict, "A change is being built. Wait for it, or stop it.")
	}
	return s.addTurn(a, u, content), nil
}

func (s *services) Stop(_ context.Context, u model.User, slug string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return err
	}
	t := &a.turns[len(a.turns)-1]
	if t.Version.Status.Ended() {
		return fault.New(fault.Conflict, "Nothing is being built.")
	}
	t.Version.Status, t.Version.EndedAt = model.VersionStopped, time.Now()
	s.emit(a, t.Version.ID, model.EventTurn, model.TurnEvent{VersionID: t.Version.ID, Status: model.VersionStopped})
	return nil
}

func (s *services) Turns(_ context.Context, u model.User, slug string, limit int) ([]model.Turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	return slices.Clone(a.turns[max(0, len(a.turns)-limit):]), nil
}

func (s *services) Turn(_ context.Context, u model.User, slug string, versionID int64) (model.Turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return model.Turn{}, err
	}
	for _, t := range a.turns {
		if t.Version.ID == versionID {
			return t, nil
		}
	}
	return model.Turn{}, fault.New(fault.NotFound, "There is no such turn.")
}

func (s *services) Versions(_ context.Context, u model.User, slug string) ([]model.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	var out []model.Version
	for _, t := range slices.Backward(a.turns) {
		out = append(out, t.Version)
	}
	return out, nil
}

// version finds a version by number; "" is the newest that has files.
func (a *app) version(number string) (model.Version, error) {
	for _, t := range slices.Backward(a.turns) {
		if t.Version.Number == number || (number == "" && a.files[t.Version.ID] != nil) {
			return t.Version, nil
		}
	}
	return model.Version{}, fault.New(fault.NotFound, "There is no version %s of this app.", number)
}

func (s *services) Files(_ context.Context, u model.User, slug, number string) ([]model.VersionFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	v, err := a.version(number)
	if err != nil {
		return nil, err
	}
	var out []model.VersionFile
	for path, content := range a.files[v.ID] {
		f := model.VersionFile{VersionID: v.ID, Path: path, Size: int64(len(content)), BlobHash: "00"}
		for _, d := range a.diff(v) {
			if d.Path == path {
				f.Action = d.Action
			}
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(x, y model.VersionFile) int { return strings.Compare(x.Path, y.Path) })
	return out, nil
}

func (s *services) File(_ context.Context, u model.User, slug, number, path string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	v, err := a.version(number)
	if err != nil {
		return nil, err
	}
	content, ok := a.files[v.ID][path]
	if !ok {
		return nil, fault.New(fault.NotFound, "There is no file %s.", path)
	}
	return []byte(content), nil
}

func (a *app) diff(v model.Version) []model.FileDiff {
	if v.Number == "1.0.0" {
		return nil
	}
	return []model.FileDiff{
		{Path: "src/pages/Booking.tsx", Action: "update", Added: 2, Removed: 1, Unified: bookingDiff},
		{Path: "src/lib/deliveryNotes.ts", Action: "create", Added: 1, Unified: "@@ -0,0 +1 @@\n+export const MAX_NOTE_BYTES = 10_000_000\n"},
	}
}

func (s *services) Diff(_ context.Context, u model.User, slug, number string) ([]model.FileDiff, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	v, err := a.version(number)
	if err != nil {
		return nil, err
	}
	return a.diff(v), nil
}

func (s *services) Restore(ctx context.Context, u model.User, slug, number string) (model.Turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return model.Turn{}, err
	}
	if _, err := a.version(number); err != nil {
		return model.Turn{}, err
	}
	return s.addTurn(a, u, "Restore "+number), nil
}

func (s *services) Logs(_ context.Context, u model.User, slug string, versionID int64) ([]model.LogEvent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	var out []model.LogEvent
	for _, line := range a.logs {
		if line.VersionID == versionID {
			out = append(out, line)
		}
	}
	return out, nil
}

func (s *services) Events(ctx context.Context, u model.User, slug string, after int64, emit func(model.Event) error) error {
	for {
		s.mu.Lock()
		a, err := s.find(u, slug)
		if err != nil {
			s.mu.Unlock()
			return err
		}
		var fresh []model.Event
		for _, e := range a.events {
			if e.ID > after {
				fresh = append(fresh, e)
			}
		}
		changed := s.changed
		s.mu.Unlock()
		for _, e := range fresh {
			if err := emit(e); err != nil {
				return err
			}
			after = e.ID
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (s *services) LastEventID(_ context.Context, u model.User, slug string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil || len(a.events) == 0 {
		return 0, err
	}
	return a.events[len(a.events)-1].ID, nil
}

func (s *services) Export(_ context.Context, u model.User, slug, number string, w io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return err
	}
	v, err := a.version(number)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for path, content := range a.files[v.ID] {
		f, err := z.Create(path)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, content); err != nil {
			return err
		}
	}
	return z.Close()
}

func (s *services) Screenshot(_ context.Context, u model.User, slug, number string, _ bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	v, err := a.version(number)
	if err != nil {
		return nil, err
	}
	if v.ScreenshotHash == "" {
		return nil, fault.New(fault.NotFound, "There is no picture of version %s.", number)
	}
	return picture(320, 200), nil
}

// picture is a PNG that looks like an app from afar.
func picture(width, height int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{0xf3, 0xef, 0xe8, 0xff}
			if y < 24 {
				c = color.RGBA{0x1f, 0x3a, 0x5f, 0xff}
			} else if x%80 > 12 && y > 50 && y%30 < 18 {
				c = color.RGBA{0xff, 0xff, 0xff, 0xff}
			}
			img.Set(x, y, c)
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func (s *services) Rename(_ context.Context, u model.User, slug, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(u, slug)
	if err != nil {
		return err
	}
	if strings.TrimSpace(name) == "" {
		return fault.New(fault.Invalid, "The app needs a name.")
	}
	a.Name = name
	return nil
}

func (s *services) Delete(_ context.Context, u model.User, slug string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(u, slug); err != nil {
		return err
	}
	s.apps = slices.DeleteFunc(s.apps, func(a *app) bool { return a.Slug == slug })
	return nil
}
