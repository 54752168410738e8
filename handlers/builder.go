package handlers

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/page"
	"overskill/views/vm"
)

// turnsShown is how many turns of the chat a page prints; a link asks for more, up to turnsMost.
const (
	turnsShown = 30
	turnsMost  = 2000
)

// open gathers what every tab of the builder page shows. The id of the last event is read first: what
// happens while the rest is read is then sent again by the stream, and a turn drawn twice looks the same.
func (s *server) open(c echo.Context, tab string) (vm.Builder, []model.Version, error) {
	ctx, u, slug := c.Request().Context(), me(c), c.Param("slug")
	app, err := s.Builder.App(ctx, u, slug)
	if err != nil {
		return vm.Builder{}, nil, err
	}
	after, err := s.Builder.LastEventID(ctx, u, slug)
	if err != nil {
		return vm.Builder{}, nil, err
	}
	versions, err := s.Builder.Versions(ctx, u, slug)
	if err != nil {
		return vm.Builder{}, nil, err
	}
	s.allowFrames(c, app)
	at := now()
	b := vm.Builder{
		Shell: s.shell(c, app.Name), App: app, Tab: tab, View: view(c, tab), After: after, Now: at.UnixMilli(), Part: isFragment(c), Pinned: c.QueryParam("v") != "",
	}
	limit := turnsShown
	if n, err := strconv.Atoi(c.QueryParam("turns")); err == nil {
		limit = min(max(n, turnsShown), turnsMost)
	}
	turns, err := s.Builder.Turns(ctx, u, slug, limit+1)
	if err != nil {
		return vm.Builder{}, nil, err
	}
	if b.More = len(turns) > limit; b.More {
		turns = turns[1:]
	}
	chosen := c.QueryParam("turn")
	for i, t := range turns {
		open := i == len(turns)-1 || strconv.FormatInt(t.Version.ID, 10) == chosen
		b.Turns = append(b.Turns, vm.NewTurn(slug, t, vm.LiveBefore(versions, t.Version.ID), open, at))
	}
	var newest vm.Turn
	if n := len(b.Turns); n > 0 {
		b.Turns[n-1].Newest = true
		newest = b.Turns[n-1]
	}
	if b.Picker, err = s.picker(c, slug); err != nil {
		return vm.Builder{}, nil, err
	}
	b.Bar = vm.NewVersionBar(app, versions, newest)
	return b, versions, nil
}

// view says which half a phone shows.
func view(c echo.Context, tab string) string {
	if v := c.QueryParam("view"); v == "chat" || v == "work" {
		return v
	}
	if tab == "preview" && c.QueryParam("route") == "" {
		return "chat"
	}
	return "work"
}

// show prints the whole page, or for htmx only the tab.
func (s *server) show(c echo.Context, status int, b vm.Builder) error {
	if b.Part {
		return render(c, status, page.Work(b))
	}
	return render(c, status, page.Builder(b))
}

func (s *server) previewTab(c echo.Context) error {
	b, _, err := s.open(c, "preview")
	if err != nil {
		return err
	}
	b.Preview = s.preview(c, b.App, c.QueryParam("route"))
	return s.show(c, http.StatusOK, b)
}

func (s *server) codeTab(c echo.Context) error {
	b, versions, err := s.open(c, "code")
	if err != nil {
		return err
	}
	files, err := s.Builder.Files(c.Request().Context(), me(c), b.App.Slug, c.QueryParam("v"))
	if fault.Is(err, fault.NotFound) && c.QueryParam("v") == "" {
		files, err = nil, nil // no version has files yet
	}
	if err != nil {
		return err
	}
	number := numberOf(versions, files, c.QueryParam("v"))
	b.Code.Versions = vm.NewVersionItems(b.App, versions, number, "code", now())
	vm.MarkQuestions(b.Code.Versions, b.Turns)
	b.Code.Shown = shownItem(b.Code.Versions)
	b.Code.Path = orElse(c.QueryParam("path"), vm.FirstFile(files))
	locked, err := s.Builder.Locks(c.Request().Context(), me(c), b.App.Slug)
	if err != nil {
		return err
	}
	b.Code.Lock.On = slices.Contains(locked, b.Code.Path)
	b.Code.Tree, b.Code.Changed = vm.NewTree(b.App.Slug, number, b.Code.Path, files, locked)
	if len(files) > 0 && b.Code.Path != "" {
		if err := s.openFile(c, &b.Code, b.App.Slug, number, files); err != nil {
			return err
		}
	}
	return s.show(c, http.StatusOK, b)
}

// openFile fills in the file that the code tab shows.
func (s *server) openFile(c echo.Context, code *vm.Code, slug, number string, files []model.VersionFile) error {
	i := slices.IndexFunc(files, func(f model.VersionFile) bool { return f.Path == code.Path })
	if i < 0 {
		return fault.New(fault.NotFound, "There is no file %s in version %s.", code.Path, number)
	}
	if code.Gone = files[i].Action == "delete"; code.Gone {
		return nil
	}
	code.Lock.Able = true
	content, err := s.Builder.File(c.Request().Context(), me(c), slug, number, code.Path)
	if err != nil {
		return err
	}
	code.Size, code.Language = vm.Bytes(int64(len(content))), vm.Language(code.Path)
	if code.Binary = vm.Binary(content); code.Binary {
		return nil
	}
	var changed map[int]bool
	if files[i].Action == "update" {
		diffs, err := s.Builder.Diff(c.Request().Context(), me(c), slug, number)
		if err != nil {
			return err
		}
		for _, d := range diffs {
			if d.Path == code.Path {
				changed = vm.ChangedLines(d.Unified)
			}
		}
	}
	code.Lines = vm.Highlight(code.Path, content, changed)
	return nil
}

// numberOf says which version a list of files is of.
func numberOf(versions []model.Version, files []model.VersionFile, asked string) string {
	for _, v := range versions {
		if asked == "" && len(files) > 0 && v.ID == files[0].VersionID {
			return v.Number
		}
	}
	return asked
}

func shownItem(items []vm.VersionItem) vm.VersionItem {
	for _, item := range items {
		if item.Current {
			return item
		}
	}
	return vm.VersionItem{}
}

// pick finds the version that the address asks for, or the newest one. ok is false when there is none yet.
func pick(c echo.Context, versions []model.Version) (v model.Version, ok bool, err error) {
	asked := c.QueryParam("v")
	for _, v := range versions {
		if asked == "" || v.Number == asked {
			return v, true, nil
		}
	}
	if asked != "" {
		return model.Version{}, false, fault.New(fault.NotFound, "There is no version %s of this app.", asked)
	}
	return model.Version{}, false, nil
}

func (s *server) changesTab(c echo.Context) error {
	b, versions, err := s.open(c, "changes")
	if err != nil {
		return err
	}
	v, ok, err := pick(c, versions)
	if err != nil {
		return err
	}
	if ok {
		diffs, err := s.Builder.Diff(c.Request().Context(), me(c), b.App.Slug, v.Number)
		if err != nil && !fault.Is(err, fault.NotFound) { // a version that just started has no files
			return err
		}
		b.Changes.Versions = vm.NewVersionItems(b.App, versions, v.Number, "changes", now())
		vm.MarkQuestions(b.Changes.Versions, b.Turns)
		b.Changes.Shown = shownItem(b.Changes.Versions)
		b.Changes.Error = v.Error
		b.Changes.Look = vm.NewLook(b.App.Slug, v)
		b.Changes.Files, b.Changes.Added, b.Changes.Removed = vm.NewFileChanges(diffs)
	}
	return s.show(c, http.StatusOK, b)
}

func (s *server) logsTab(c echo.Context) error {
	b, versions, err := s.open(c, "logs")
	if err != nil {
		return err
	}
	v, ok, err := pick(c, versions)
	if err != nil {
		return err
	}
	if ok {
		lines, err := s.Builder.Logs(c.Request().Context(), me(c), b.App.Slug, v.ID)
		if err != nil {
			return err
		}
		b.Logs.Versions = vm.NewVersionItems(b.App, versions, v.Number, "logs", now())
		vm.MarkQuestions(b.Logs.Versions, b.Turns)
		b.Logs.Shown, b.Logs.Follows, b.Logs.Lines = shownItem(b.Logs.Versions), !v.Status.Ended(), vm.NewLogLines(lines)
	}
	return s.show(c, http.StatusOK, b)
}

// logsText is the build log as a file.
func (s *server) logsText(c echo.Context) error {
	ctx, u, slug := c.Request().Context(), me(c), c.Param("slug")
	versions, err := s.Builder.Versions(ctx, u, slug)
	if err != nil {
		return err
	}
	v, ok, err := pick(c, versions)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "This app has no build log yet.")
	}
	if err != nil {
		return err
	}
	lines, err := s.Builder.Logs(ctx, u, slug, v.ID)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, line := range vm.NewLogLines(lines) {
		fmt.Fprintf(&out, "%s\t%s\t%s\t%s\n", line.ISO, line.Level, line.Stage, strings.ReplaceAll(line.Text, "\n", "\n\t"))
	}
	attachment(c, slug+"-"+v.Number+".log")
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", out.Bytes())
}

func (s *server) settingsTab(c echo.Context) error {
	return s.showSettings(c, http.StatusOK, vm.Form{}, vm.Form{})
}

// showSettings prints the tab; form and chosen are what came back of the name and of the choice of the model.
func (s *server) showSettings(c echo.Context, status int, form, chosen vm.Form) error {
	b, versions, err := s.open(c, "settings")
	if err != nil {
		return err
	}
	if form.Error == "" {
		form.Name = b.App.Name
	}
	b.Settings = vm.Settings{Form: form, Model: chosen, Host: s.previewHost(c, b.App), Number: b.Bar.Live}
	if b.Settings.Number == "" && len(versions) > 0 && versions[0].Status.Ended() {
		b.Settings.Number = versions[0].Number
	}
	return s.show(c, status, b)
}

func (s *server) rename(c echo.Context) error {
	slug := c.Param("slug")
	name, err := text(c, "name")
	if err == nil {
		err = s.Builder.Rename(c.Request().Context(), me(c), slug, name)
	}
	if rejected(err) {
		return s.showSettings(c, fault.HTTPStatus(fault.KindOf(err)), vm.Form{Name: name, Error: fault.Text(err)}, vm.Form{})
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/apps/"+slug+"/settings")
}

func (s *server) deleteApp(c echo.Context) error {
	slug := c.Param("slug")
	if typed := strings.TrimSpace(c.FormValue("slug")); typed != slug {
		if _, err := s.Builder.App(c.Request().Context(), me(c), slug); err != nil {
			return err
		}
		return fault.New(fault.Invalid, "To delete this app, type its address %s. Nothing was deleted.", slug)
	}
	if err := s.Builder.Delete(c.Request().Context(), me(c), slug); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/apps")
}
