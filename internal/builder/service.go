package builder

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"overskill/internal/builder/pipeline"
	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

// MaxMessage is how long a prompt or a message may be, in bytes.
const MaxMessage = 64 << 10

// Service implements the uses. It is safe for concurrent use.
type Service struct {
	store *store.Store
	queue Queue
	bus   Bus
	log   *slog.Logger
	// url is where an app's preview is: it moves with the address that this process listens on.
	url func(slug string) string
	// cleanup removes what an app leaves outside of the database when it is deleted.
	cleanup func(ctx context.Context, app model.App) error
}

// ServiceConfig is what a Service works with.
type ServiceConfig struct {
	Store      *store.Store
	Queue      Queue
	Bus        Bus
	Log        *slog.Logger
	PreviewURL func(slug string) string
	Cleanup    func(ctx context.Context, app model.App) error
}

// NewService returns a Service.
func NewService(c ServiceConfig) *Service {
	return &Service{store: c.Store, queue: c.Queue, bus: c.Bus, log: c.Log, url: c.PreviewURL, cleanup: c.Cleanup}
}

// CreateApp makes an app from a prompt, in the person's own team, and starts building it.
func (s *Service) CreateApp(ctx context.Context, u model.User, prompt string) (model.App, error) {
	prompt, err := cleanMessage(prompt, "prompt")
	if err != nil {
		return model.App{}, err
	}
	teamID, err := s.store.PersonalTeam(ctx, u.ID)
	if err != nil {
		return model.App{}, err
	}
	base := SlugOf(prompt)
	for n := 0; ; n++ {
		slug := slugVariant(base, n)
		app := model.App{TeamID: teamID, CreatedBy: u.ID, Slug: slug, Name: nameOf(base), Prompt: prompt}
		app, turn, job, err := s.store.CreateApp(ctx, app, store.NewTurn{UserID: u.ID, Content: prompt, JobKind: JobKind})
		if fault.Is(err, fault.Conflict) && n < 20 {
			continue // somebody has this address already
		}
		if err != nil {
			return model.App{}, err
		}
		s.started(ctx, turn, job)
		return app, nil
	}
}

// PostMessage asks for a change of an app. While another one is being built it is a Conflict.
func (s *Service) PostMessage(ctx context.Context, u model.User, slug, content string) (model.Turn, error) {
	content, err := cleanMessage(content, "message")
	if err != nil {
		return model.Turn{}, err
	}
	return s.startTurn(ctx, u, slug, store.NewTurn{UserID: u.ID, Content: content, JobKind: JobKind})
}

// Restore makes a new version with the files of an older one. Deleted files come back; what was added
// since goes. Nothing is lost: the versions in between stay.
func (s *Service) Restore(ctx context.Context, u model.User, slug, number string) (model.Turn, error) {
	app, err := s.store.AppForEdit(ctx, u, slug)
	if err != nil {
		return model.Turn{}, err
	}
	v, err := s.store.VersionByNumber(ctx, app.ID, number)
	if err != nil {
		return model.Turn{}, err
	}
	if v.Status != model.VersionGreen {
		return model.Turn{}, fault.New(fault.Conflict, "Version %s never worked, so it cannot be restored.", v.Number)
	}
	if v.ID == app.HeadVersionID {
		return model.Turn{}, fault.New(fault.Conflict, "Version %s is what the app is now.", v.Number)
	}
	return s.startTurn(ctx, u, slug, store.NewTurn{
		UserID: u.ID, Content: "Restore version " + v.Number, JobKind: JobKind,
		Metadata: map[string]any{"type": "restore", "number": v.Number},
		Restore:  v.ID, DoneStages: pipeline.WritingStages(),
	})
}

// Locks lists the files of an app that the author may not change.
func (s *Service) Locks(ctx context.Context, u model.User, slug string) ([]string, error) {
	app, err := s.store.AppBySlug(ctx, u, slug)
	if err != nil {
		return nil, err
	}
	locks, err := s.store.Locks(ctx, app.ID)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(locks))
	for i, l := range locks {
		paths[i] = l.Path
	}
	return paths, nil
}

// SetLock keeps the author from changing a file, or lets it again.
func (s *Service) SetLock(ctx context.Context, u model.User, slug, path string, on bool) error {
	app, err := s.store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	return s.store.SetLock(ctx, app.ID, path, u.ID, on)
}

func (s *Service) startTurn(ctx context.Context, u model.User, slug string, t store.NewTurn) (model.Turn, error) {
	app, err := s.store.AppForEdit(ctx, u, slug)
	if err != nil {
		return model.Turn{}, err
	}
	turn, job, err := s.store.StartTurn(ctx, app.ID, t)
	if err != nil {
		return model.Turn{}, err
	}
	turn.Author = u
	s.started(ctx, turn, job)
	return turn, nil
}

// started wakes up the workers and the listeners. Failing to is not the request's failure: the turn is
// recorded, and the sweeper finds it.
func (s *Service) started(ctx context.Context, turn model.Turn, job model.Job) {
	if err := s.queue.Enqueue(ctx, job.Kind, job.ID, job.Attempts); err != nil {
		s.log.WarnContext(ctx, "enqueue failed, the sweeper will retry", "job_id", job.ID, "error", err)
	}
	s.publish(ctx, turn.Version.AppID)
}

func (s *Service) publish(ctx context.Context, appID int64) {
	if err := s.bus.Publish(ctx, appID); err != nil {
		s.log.WarnContext(ctx, "publish failed, listeners will look by themselves", "app_id", appID, "error", err)
	}
}

// Stop ends the running turn of an app; nothing running is fine. What was live stays live.
func (s *Service) Stop(ctx context.Context, u model.User, slug string) error {
	app, err := s.store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	v, begun, err := s.store.AskStop(ctx, app.ID)
	if err != nil || v.ID == 0 {
		return err
	}
	if begun {
		return s.bus.PublishStop(ctx, v.ID) // the runner also sees it when it renews its lease
	}
	err = s.store.EndTurn(ctx, v, model.VersionStopped, string(fault.Canceled), fault.Text(pipeline.ErrStopped))
	s.publish(ctx, app.ID)
	return err
}

// App returns an app that the person may see; anything else is NotFound.
func (s *Service) App(ctx context.Context, u model.User, slug string) (model.App, error) {
	app, err := s.store.AppBySlug(ctx, u, slug)
	return s.withURL(app), err
}

// Apps lists the person's apps.
func (s *Service) Apps(ctx context.Context, u model.User, q model.AppQuery) ([]model.AppCard, error) {
	cards, err := s.store.Apps(ctx, u, q)
	for i := range cards {
		cards[i].App = s.withURL(cards[i].App)
	}
	return cards, err
}

// withURL puts in the address that the preview has now; the stored one is that of its deployment.
func (s *Service) withURL(app model.App) model.App {
	if app.PreviewURL != "" {
		app.PreviewURL = s.url(app.Slug)
	}
	return app
}

// Turns returns the newest turns of an app, oldest first.
func (s *Service) Turns(ctx context.Context, u model.User, slug string, limit int) ([]model.Turn, error) {
	app, err := s.store.AppBySlug(ctx, u, slug)
	if err != nil {
		return nil, err
	}
	return s.store.Turns(ctx, app.ID, limit)
}

// Turn returns one turn.
func (s *Service) Turn(ctx context.Context, u model.User, slug string, versionID int64) (model.Turn, error) {
	app, err := s.store.AppBySlug(ctx, u, slug)
	if err != nil {
		return model.Turn{}, err
	}
	return s.store.Turn(ctx, app.ID, versionID)
}

// Versions lists an app's versions, newest first.
func (s *Service) Versions(ctx context.Context, u model.User, slug string) ([]model.Version, error) {
	app, err := s.store.AppBySlug(ctx, u, slug)
	if err != nil {
		return nil, err
	}
	return s.store.Versions(ctx, app.ID)
}

// version finds a version by its number, "" for the newest that has files, if the person may see the app.
func (s *Service) version(ctx context.Context, u model.User, slug, number string) (model.Version, error) {
	app, err := s.store.AppBySlug(ctx, u, slug)
	if err != nil {
		return model.Version{}, err
	}
	return s.store.VersionByNumber(ctx, app.ID, number)
}

// Files returns a version's manifest in path order, deleted files included.
func (s *Service) Files(ctx context.Context, u model.User, slug, number string) ([]model.VersionFile, error) {
	v, err := s.version(ctx, u, slug, number)
	if err != nil {
		return nil, err
	}
	return s.store.Manifest(ctx, v.ID)
}

// File returns the content of one file of a version.
func (s *Service) File(ctx context.Context, u model.User, slug, number, path string) ([]byte, error) {
	v, err := s.version(ctx, u, slug, number)
	if err != nil {
		return nil, err
	}
	return s.store.FileOf(ctx, v.ID, path)
}

// maxDiff bounds one file's diff, in bytes.
const maxDiff = 64 << 10

// Diff returns what a version changed against its parent, in path order.
func (s *Service) Diff(ctx context.Context, u model.User, slug, number string) ([]model.FileDiff, error) {
	v, err := s.version(ctx, u, slug, number)
	if err != nil {
		return nil, err
	}
	lines, err := s.store.Manifest(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	before, err := s.store.Tree(ctx, v.ParentID)
	if err != nil {
		return nil, err
	}
	after, err := s.store.Tree(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	var out []model.FileDiff
	for _, l := range lines {
		if l.Action != "" {
			out = append(out, fileDiff(l, before, after))
		}
	}
	return out, nil
}

func fileDiff(l model.VersionFile, before, after filetree.Tree) model.FileDiff {
	d := model.FileDiff{Path: l.Path, Action: l.Action}
	old, _ := before.Get(l.Path)
	now, _ := after.Get(l.Path)
	if !filetree.IsText(old) || !filetree.IsText(now) {
		return d
	}
	text := udiff.Unified("a/"+l.Path, "b/"+l.Path, string(old), string(now))
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		case strings.HasPrefix(line, "+"):
			d.Added++
		case strings.HasPrefix(line, "-"):
			d.Removed++
		}
	}
	if len(text) > maxDiff {
		cut := strings.LastIndexByte(text[:maxDiff], '\n')
		text = text[:cut+1] + "... the rest is left out\n"
	}
	d.Unified = text
	return d
}

// Logs returns the build log of one version.
func (s *Service) Logs(ctx context.Context, u model.User, slug string, versionID int64) ([]model.LogEvent, error) {
	turn, err := s.Turn(ctx, u, slug, versionID)
	if err != nil {
		return nil, err
	}
	return s.store.Logs(ctx, turn.Version.ID)
}

// LastEventID returns the id of the newest event, for a page that is rendered now and listens from there.
func (s *Service) LastEventID(ctx context.Context, u model.User, slug string) (int64, error) {
	app, err := s.store.AppBySlug(ctx, u, slug)
	if err != nil {
		return 0, err
	}
	return s.store.LastEventID(ctx, app.ID)
}

// eventPoll is how long a listener waits for a wake-up before it looks by itself.
const eventPoll = 5 * time.Second

// Events gives all events of an app with an id above after to emit, in order and without gaps, and goes on
// with new ones until ctx ends or emit fails. The person's access is checked again as it goes.
func (s *Service) Events(ctx context.Context, u model.User, slug string, after int64, emit func(model.Event) error) error {
	app, err := s.store.AppBySlug(ctx, u, slug)
	if err != nil {
		return err
	}
	wake, cancel := s.bus.Subscribe(ctx, app.ID) // before the first read, so that nothing falls between
	defer cancel()
	for {
		const batch = 500
		events, err := s.store.EventsAfter(ctx, app.ID, after, batch)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := emit(e); err != nil {
				return err
			}
			after = e.ID
		}
		if len(events) == batch {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		case <-time.After(eventPoll):
			if _, err := s.store.AppBySlug(ctx, u, slug); err != nil {
				return err
			}
		}
	}
}

// Export writes a version as a ZIP of an ordinary Vite project.
func (s *Service) Export(ctx context.Context, u model.User, slug, number string, w io.Writer) error {
	v, err := s.version(ctx, u, slug, number)
	if err != nil {
		return err
	}
	tree, err := s.store.Tree(ctx, v.ID)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for _, p := range tree.Paths() {
		content, _ := tree.Get(p)
		f, err := z.CreateHeader(&zip.FileHeader{Name: path.Join(slug, p), Method: zip.Deflate, Modified: v.CreatedAt})
		if err != nil {
			return fmt.Errorf("export %s: %w", p, err)
		}
		if _, err := f.Write(content); err != nil {
			return fmt.Errorf("export %s: %w", p, err)
		}
	}
	return z.Close()
}

// Screenshot returns the picture that verification took of a version, a PNG; narrow is the one of a phone's width.
func (s *Service) Screenshot(ctx context.Context, u model.User, slug, number string, narrow bool) ([]byte, error) {
	v, err := s.version(ctx, u, slug, number)
	if err != nil {
		return nil, err
	}
	hash := v.ScreenshotHash
	if narrow {
		hash = v.ScreenshotNarrowHash
	}
	if hash == "" {
		return nil, fault.New(fault.NotFound, "There is no picture of version %s.", v.Number)
	}
	return s.store.Blob(ctx, hash)
}

// Rename changes the name that people see.
func (s *Service) Rename(ctx context.Context, u model.User, slug, name string) error {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 60 || !utf8.ValidString(name) || slices.ContainsFunc([]rune(name), func(r rune) bool { return r < ' ' }) {
		return fault.New(fault.Invalid, "A name has 1 to 60 characters on one line.")
	}
	app, err := s.store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	err = s.store.RenameApp(ctx, app.ID, name)
	s.publish(ctx, app.ID)
	return err
}

// Delete removes an app with its versions, its addresses and its data, for good.
func (s *Service) Delete(ctx context.Context, u model.User, slug string) error {
	app, err := s.store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	if err := s.store.DeleteApp(ctx, app.ID); err != nil {
		return err
	}
	return s.cleanup(ctx, app)
}

func cleanMessage(text, what string) (string, error) {
	switch {
	case len(text) > MaxMessage:
		return "", fault.New(fault.TooLarge, "The %s has %d bytes; %d are possible. Shorten it, or send it in parts.", what, len(text), MaxMessage)
	case !utf8.ValidString(text):
		return "", fault.New(fault.Invalid, "The %s is not valid text (UTF-8).", what)
	case strings.ContainsRune(text, 0):
		return "", fault.New(fault.Invalid, "The %s holds a NUL character, which text cannot have.", what)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return "", fault.New(fault.Invalid, "The %s is empty. Describe in a sentence what you want.", what)
	}
	return text, nil
}
