package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// workshop is the whole product in this process for a while, on a data directory that goes away with it: what it
// builds, it builds exactly as a server does.
type workshop struct {
	*program
	person model.User
	cancel context.CancelCauseFunc
	undo   closers
}

// openWorkshop starts one. Packages are kept with those of the servers on c's data directory, or, where there is none,
// among the person's caches.
func openWorkshop(ctx context.Context, c config, stderr io.Writer) (*workshop, context.Context, error) {
	w := &workshop{}
	dir, err := os.MkdirTemp("", "overskill-")
	if err != nil {
		return nil, nil, err
	}
	w.undo.add(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres may have to run as another user
		w.close()
		return nil, nil, err
	}
	_, err = os.Stat(c.dataDir)
	if c.cacheDir == "" && os.IsNotExist(err) {
		caches, err := os.UserCacheDir()
		if err != nil {
			caches = os.TempDir()
		}
		c.cacheDir = filepath.Join(caches, "overskill", "toolchain")
	}
	c.cacheDir = c.toolchainDir()
	c.dataDir, c.addr, c.baseDomain, c.publicURL = dir, "127.0.0.1:0", "localhost", ""
	c.databaseURL, c.appsDatabaseURL, c.redisURL = "", "", ""
	c.web, c.worker = true, true
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.program, _, err = launch(ctx, c, log, stderr, w.cancel, &w.undo)
	if err == nil {
		w.person, err = w.accounts.CreateUser(ctx, "you@localhost.invalid", "not used: nobody signs in", true)
	}
	if err != nil {
		w.close()
		return nil, nil, err
	}
	return w, ctx, nil
}

func (w *workshop) close() {
	if w.cancel != nil {
		w.cancel(nil)
	}
	w.undo.close()
}

// follow calls show with every event of the app's newest turn and returns the turn when it has ended.
func (w *workshop) follow(ctx context.Context, slug string, show func(model.Event)) (model.Turn, error) {
	turns, err := w.service.Turns(ctx, w.person, slug, 1)
	if err != nil {
		return model.Turn{}, err
	}
	id := turns[0].Version.ID
	over := fmt.Errorf("the turn is over")
	err = w.service.Events(ctx, w.person, slug, 0, func(e model.Event) error {
		if e.VersionID != id {
			return nil
		}
		show(e)
		var turn model.TurnEvent
		if e.Kind == model.EventTurn && json.Unmarshal(e.Data, &turn) == nil && turn.Status.Ended() {
			return over
		}
		return nil
	})
	if err != over {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return model.Turn{}, err
	}
	return w.service.Turn(ctx, w.person, slug, id)
}

// promptFirst lets a command take its one argument before its flags, as people write it.
func promptFirst(args []string) (first string, rest []string) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return args[0], args[1:]
	}
	return "", args
}

// generate builds one app from a prompt and writes its source.
func generate(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	prompt, rest := promptFirst(args)
	fs, c := common("generate", getenv)
	fs.StringVar(&c.models.Model, "model", c.models.Model, "")
	out := fs.String("out", "", "")
	if err := parse(fs, c, rest); err != nil {
		return err
	}
	if strings.TrimSpace(prompt) == "" {
		return usageError(`generate needs a prompt: overskill generate "A todo app with due dates" --out todo`)
	}
	if err := emptyFolder(*out); err != nil {
		return err
	}
	w, ctx, err := openWorkshop(ctx, *c, stderr)
	if err != nil {
		return err
	}
	defer w.close()
	app, err := w.service.CreateApp(ctx, w.person, prompt)
	if err != nil {
		return err
	}
	turn, err := w.follow(ctx, app.Slug, func(e model.Event) { tell(stdout, e) })
	if err != nil {
		return err
	}
	if text := strings.TrimSpace(turn.Reply.Content); text != "" {
		fmt.Fprintf(stdout, "\n%s\n", text)
	}
	var q model.Question
	if json.Unmarshal(turn.Reply.Metadata, &q) == nil && q.Type == model.AskedQuestion {
		fmt.Fprintf(stdout, "\n%s\n  - %s\n", q.Text, strings.Join(q.Choices, "\n  - "))
		return fault.New(fault.Invalid, "The author asks. Answer by adding it to the prompt.")
	}
	v := turn.Version
	fmt.Fprintf(stdout, "\nModel %s, %d tokens in, %d out, %s", v.AIModelUsed, v.AITokensInput, v.AITokensOutput, money(v))
	fmt.Fprintf(stdout, ", %.1f s\n", v.EndedAt.Sub(v.CreatedAt).Seconds())
	if *out != "" { // also of one that failed: it stays to be looked at
		if err := w.export(ctx, app.Slug, *out); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "The source is in %s.\n", *out)
	}
	if v.Status != model.VersionGreen {
		return fault.New(fault.Invalid, "It did not become green: %s", v.Error)
	}
	return nil
}

// tell prints what happens, a line each.
func tell(stdout io.Writer, e model.Event) {
	switch e.Kind {
	case model.EventStage:
		var st model.StageEvent
		if json.Unmarshal(e.Data, &st) == nil && st.Status != model.StageRunning {
			fmt.Fprintf(stdout, "%-11s %s  %d ms %s\n", st.Stage, st.Status, st.Millis, st.Error)
		}
	case model.EventTool:
		var tool model.ToolEvent
		if json.Unmarshal(e.Data, &tool) == nil {
			refused := ""
			if !tool.OK {
				refused = "refused"
			}
			fmt.Fprintf(stdout, "  %-20s %s  +%d -%d %s\n", tool.Name, tool.Path, tool.Added, tool.Removed, refused)
		}
	case model.EventFix:
		var fix model.FixEvent
		if json.Unmarshal(e.Data, &fix) == nil {
			fmt.Fprintf(stdout, "  fixed for $0: %s: %s\n", fix.File, fix.Text)
		}
	case model.EventRecovery:
		var r model.RecoveryEvent
		if json.Unmarshal(e.Data, &r) == nil {
			fmt.Fprintf(stdout, "  attempt %d to fix it, not billed: %s\n", r.Attempt, r.Text)
		}
	}
}

// money is what a version has cost, as people read it.
func money(v model.Version) string {
	text := fmt.Sprintf("$%.4f", float64(v.AICostMicros)/1e6)
	if v.AIUnpriced > 0 {
		text = "unpriced"
	}
	if v.AIAbsorbedMicros > 0 {
		text += fmt.Sprintf(" (and $%.4f for repairs, not billed)", float64(v.AIAbsorbedMicros)/1e6)
	}
	return text
}

// emptyFolder refuses a folder that holds something: nobody's files are written over.
func emptyFolder(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return fault.New(fault.Conflict, "%s is not empty. Choose another --out.", dir)
	}
	if err != nil && !os.IsNotExist(err) {
		return fault.Wrap(err, fault.Invalid, "%s cannot be written to.", dir)
	}
	return nil
}

// export writes the source of an app's newest version with files.
func (w *workshop) export(ctx context.Context, slug, dir string) error {
	var buf bytes.Buffer
	if err := w.service.Export(ctx, w.person, slug, "", &buf); err != nil {
		return err
	}
	z, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(err, fault.Invalid, "%s cannot be written to.", dir)
	}
	root, err := os.OpenRoot(dir) // no path of an app leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range z.File {
		if err := extract(root, f); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	return nil
}

func extract(root *os.Root, f *zip.File) error {
	_, name, _ := strings.Cut(f.Name, "/") // all of an export is in one folder
	if name == "" || strings.HasSuffix(name, "/") {
		return nil
	}
	name = filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return root.WriteFile(name, b, 0o644)
}
