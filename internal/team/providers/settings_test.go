package providers

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/llm"
	"overskill/internal/model"
	"overskill/internal/testing/modelscript"
)

func TestWhoMayDoWhat(t *testing.T) {
	w := newWorld(t, Environment{OpenAIKey: "sk-0123456789"})
	p, ctx := w.providers, t.Context()
	people := []struct {
		name string
		u    model.User
	}{{"admin", w.admin}, {"owner", w.owner}, {"editor", w.editor}, {"viewer", w.viewer}, {"outsider", w.outsider}}
	const ok, no, none = fault.Kind(""), fault.Forbidden, fault.NotFound
	for _, c := range []struct {
		what string
		do   func(u model.User) error
		want [5]fault.Kind // of the people in their order
	}{
		{"see connections", func(u model.User) error { _, err := p.Connections(ctx, u, w.team); return err }, [5]fault.Kind{ok, ok, ok, ok, none}},
		{"see the instance's", func(u model.User) error { _, err := p.Connections(ctx, u, 0); return err }, [5]fault.Kind{ok, no, no, no, no}},
		{"see options", func(u model.User) error { _, err := p.Options(ctx, u, w.team); return err }, [5]fault.Kind{ok, ok, ok, ok, none}},
		{"see an app's options", func(u model.User) error { _, _, err := p.ModelOptions(ctx, u, "app"); return err }, [5]fault.Kind{ok, ok, ok, ok, none}},
		{"set the default", func(u model.User) error { return p.SetDefault(ctx, u, w.team, Composer) }, [5]fault.Kind{ok, ok, no, no, none}},
		{"set an app's model", func(u model.User) error { return p.SetAppModel(ctx, u, "app", Composer) }, [5]fault.Kind{ok, ok, ok, no, none}},
		{"test", func(u model.User) error { return p.Test(ctx, u, w.team, Composer) }, [5]fault.Kind{ok, ok, no, no, none}},
		{"connect", func(u model.User) error {
			_, err := p.Connect(ctx, u, w.team, NewConnection{Kind: "?"})
			return known(err)
		}, [5]fault.Kind{ok, ok, no, no, none}},
		{"connect the instance", func(u model.User) error {
			_, err := p.Connect(ctx, u, 0, NewConnection{Kind: "?"})
			return known(err)
		}, [5]fault.Kind{ok, no, no, no, no}},
		{"disconnect", func(u model.User) error {
			c := w.row(w.team, "c", model.OpenAI, "", "")
			defer w.sql("delete from model_connections where id = $1", c.ID)
			return p.Disconnect(ctx, u, w.team, c.ID)
		}, [5]fault.Kind{ok, ok, no, no, none}},
		{"disconnect the instance's", func(u model.User) error {
			c := w.row(0, "c", model.OpenAI, "", "")
			defer w.sql("delete from model_connections where id = $1", c.ID)
			if err := p.Disconnect(ctx, u, w.team, c.ID); err == nil {
				t.Error("a team removed the instance's")
			}
			return p.Disconnect(ctx, u, 0, c.ID)
		}, [5]fault.Kind{ok, no, no, no, no}},
		{"look for local servers", func(u model.User) error { _, err := p.LocalServers(ctx, u); return err }, [5]fault.Kind{ok, no, no, no, no}},
		{"approve one", func(u model.User) error {
			err := p.ApproveLocal(ctx, u, "http://127.0.0.1:1/v1")
			if fault.Is(err, fault.NotFound) {
				return nil
			}
			return err
		}, [5]fault.Kind{ok, no, no, no, no}},
	} {
		for i, who := range people {
			if err := c.do(who.u); fault.KindOf(err) != c.want[i] {
				t.Errorf("%s: %s: %v, want %q", who.name, c.what, err, c.want[i])
			}
		}
	}
	for i, want := range []bool{true, true, false, false} {
		if may, err := p.MayManage(ctx, people[i].u, w.team); err != nil || may != want {
			t.Errorf("%s may manage: %v, %v", people[i].name, may, err)
		}
	}
	if _, err := p.MayManage(ctx, w.outsider, w.team); !fault.Is(err, fault.NotFound) {
		t.Errorf("an outsider asks: %v", err)
	}
	if _, err := p.Connections(ctx, w.admin, 1<<40); !fault.Is(err, fault.NotFound) {
		t.Errorf("a team that does not exist: %v", err)
	}
}

// known takes the refusal of an impossible kind for having been let in.
func known(err error) error {
	if fault.Is(err, fault.Invalid) {
		return nil
	}
	return err
}

func TestConnectRefusesWhatCannotWork(t *testing.T) {
	w := newWorld(t, Environment{})
	inside := &atomic.Int64{}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	defer srv.Close()
	port := srv.URL[strings.LastIndex(srv.URL, ":"):]
	w.row(w.team, "taken", model.OpenAI, "", "")
	w.hosts["models.example.com"] = w.offering("sk-right-0123456789", []string{"a"})
	w.hosts["api.anthropic.com"] = modelscript.Anthropic(t).URL
	key := "sk-right-0123456789"
	for name, c := range map[string]struct {
		n    NewConnection
		kind fault.Kind
		text string
	}{
		"no key":               {NewConnection{Kind: model.Anthropic}, fault.Invalid, "A key is needed"},
		"two lines":            {NewConnection{Kind: model.Anthropic, Key: "a\nb"}, fault.Invalid, "not a key"},
		"an endless key":       {NewConnection{Kind: model.Anthropic, Key: strings.Repeat("k", 501)}, fault.Invalid, "not a key"},
		"no kind":              {NewConnection{Key: key}, fault.Invalid, "Choose"},
		"a bad name":           {NewConnection{Name: "a/b", Kind: model.OpenAI, Key: key}, fault.Invalid, "name"},
		"the Composer's name":  {NewConnection{Name: "composer", Kind: model.OpenAI, Key: key}, fault.Invalid, "name"},
		"a taken name":         {NewConnection{Name: " Taken ", Kind: model.OpenAI, Key: key}, fault.Conflict, "already"},
		"http":                 {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "http://models.example.com/v1"}, fault.Invalid, "https://"},
		"another protocol":     {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "file:///etc/passwd"}, fault.Invalid, "must look like"},
		"no host":              {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https:///v1"}, fault.Invalid, "must look like"},
		"a password":           {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https://u:p@models.example.com"}, fault.Invalid, "no password"},
		"a query":              {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https://models.example.com/v1?x=y"}, fault.Invalid, "no ?"},
		"a private address":    {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https://10.0.0.1/v1"}, fault.Invalid, "public internet"},
		"the cloud's metadata": {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https://169.254.169.254"}, fault.Invalid, "public internet"},
		"loopback":             {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https://127.0.0.1" + port}, fault.Invalid, "public internet"},
		"loopback in IPv6":     {NewConnection{Kind: model.Anthropic, Key: key, BaseURL: "https://[::ffff:127.0.0.1]" + port}, fault.Invalid, "public internet"},
		"a name of loopback":   {NewConnection{Kind: model.Anthropic, Key: key, BaseURL: "https://localhost" + port}, fault.Invalid, "public internet"},
		"another spelling":     {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https://2130706433" + port}, fault.Invalid, ""},
		"no such host":         {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https://no-such-host.invalid/v1"}, fault.Invalid, "cannot be found"},
		"a wrong key":          {NewConnection{Kind: model.OpenAI, Key: "sk-wrong-0123456789", BaseURL: "https://models.example.com/v1"}, fault.Invalid, "key"},
		"a model not there":    {NewConnection{Kind: model.OpenAI, Key: key, BaseURL: "https://models.example.com/v1", Model: "b"}, fault.Invalid, `no model called "b"`},
		"a model that is none": {NewConnection{Kind: model.OpenAI, Key: key, Model: "composer/1"}, fault.Invalid, "model's name"},
	} {
		_, err := w.providers.Connect(t.Context(), w.owner, w.team, c.n)
		if !fault.Is(err, c.kind) || !strings.Contains(fault.Text(err), c.text) {
			t.Errorf("%s: %v, want %s with %q", name, err, c.kind, c.text)
		}
		if err != nil && c.n.Key != "" && len(c.n.Key) > 5 && strings.Contains(err.Error(), c.n.Key) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
	if n := inside.Load(); n != 0 {
		t.Errorf("%d requests came inside", n)
	}
	if conns, err := w.store.Connections(t.Context(), w.team); err != nil || len(conns) != 1 {
		t.Errorf("%d connections, %v; want the one that was there", len(conns), err)
	}
}

func TestConnect(t *testing.T) {
	w := newWorld(t, Environment{OpenAIKey: "sk-instance-0123"})
	p, ctx := w.providers, t.Context()
	w.hosts["models.example.com"] = w.offering("sk-right-0123456789", []string{"a", "b"}, passing()...)
	w.hosts["api.anthropic.com"] = modelscript.Anthropic(t).URL
	mine, err := p.Connect(ctx, w.owner, w.team, NewConnection{
		Name: "Reseller", Kind: model.OpenAI, BaseURL: " https://Models.example.com/v1/ ", Key: " sk-right-0123456789\n", Model: "b",
	})
	want := model.Connection{
		ID: mine.ID, CreatedAt: mine.CreatedAt, TeamID: w.team, Name: "reseller", Kind: model.OpenAI, BaseURL: "https://models.example.com/v1",
		KeyHint: "sk-r...6789", CreatedBy: w.owner.ID,
	}
	if diff := cmp.Diff(want, mine); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	w.want("b") // the model that was named became the default
	shared, err := p.Connect(ctx, w.admin, 0, NewConnection{Name: "house", Kind: model.Anthropic, BaseURL: "https://api.anthropic.com/", Key: "short"})
	if err != nil || shared.BaseURL != "" || shared.KeyHint != "" || shared.Local || shared.TeamID != 0 {
		t.Errorf("the instance's: %+v, %v", shared, err)
	}
	if _, err := p.Connect(ctx, w.admin, 0, NewConnection{Kind: model.OpenAI, Key: "k"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("the name of the environment's: %v, want a conflict", err)
	}
	rows, err := w.store.Connections(ctx, w.team)
	if err != nil || len(rows) != 2 || bytes.Contains(rows[0].SealedKey, []byte("right")) || len(rows[0].SealedKey) == 0 {
		t.Errorf("rows %+v, %v", rows, err)
	}

	seen := func(u model.User) (out []string) {
		t.Helper()
		conns, err := p.Connections(ctx, u, w.team)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range conns {
			if c.SealedKey != nil {
				t.Error("a sealed key was handed out")
			}
			out = append(out, strings.TrimSpace(c.Name+" "+c.BaseURL+" "+c.KeyHint))
		}
		return out
	}
	for name, c := range map[string]struct {
		u    model.User
		want []string
	}{
		"admin":  {w.admin, []string{"reseller https://models.example.com/v1 sk-r...6789", "openai  sk-i...0123", "house"}},
		"owner":  {w.owner, []string{"reseller https://models.example.com/v1 sk-r...6789", "openai", "house"}},
		"viewer": {w.viewer, []string{"reseller https://models.example.com/v1", "openai", "house"}},
	} {
		if diff := cmp.Diff(c.want, seen(c.u)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	if err := p.Disconnect(ctx, w.owner, w.team, mine.ID); err != nil {
		t.Fatal(err)
	}
	if m, err := w.chosen(); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "removed") {
		t.Errorf("after the connection was removed: %v, %v", m, err)
	}
	if err := p.SetDefault(ctx, w.owner, w.team, ""); err != nil {
		t.Fatal(err)
	}
	w.want(claude)
}

func TestTooManyConnections(t *testing.T) {
	w := newWorld(t, Environment{})
	for i := range 20 {
		w.row(w.team, "c"+string(rune('a'+i)), model.OpenAI, "", "")
	}
	if _, err := w.providers.Connect(t.Context(), w.owner, w.team, NewConnection{Kind: model.Anthropic, Key: "k"}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("%v, want too large", err)
	}
}

// TestATeamsRequestsStayOutside: whatever a row says, and wherever a name leads to by now, the rule is kept when the
// connection is made. Redirects are not followed, for anybody.
func TestATeamsRequestsStayOutside(t *testing.T) {
	inside := &atomic.Int64{}
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		inside.Add(1)
		http.Redirect(rw, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	srv := httptest.NewServer(handler)
	defer srv.Close()
	tls := httptest.NewTLSServer(handler)
	defer tls.Close()
	t.Run("team", func(t *testing.T) {
		for name, c := range map[string]struct {
			kind model.ConnectionKind
			base string
		}{
			"by address":  {model.OpenAI, srv.URL},
			"by name":     {model.Anthropic, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)},
			"over https":  {model.Anthropic, tls.URL},
			"with a path": {model.OpenAI, tls.URL + "/v1"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // the adapters try again, and wait in between
				w := newWorld(t, Environment{})
				w.row(w.team, "inside", c.kind, c.base, "sk-0123456789")
				if err := w.store.SetAppModel(t.Context(), w.app.ID, "inside/"+claude); err != nil {
					t.Fatal(err)
				}
				_, err := w.chosen()
				if e, ok := llm.AsError(err); !ok || e.Kind != llm.Unreachable {
					t.Errorf("%v, want unreachable", err)
				}
			})
		}
	})
	if n := inside.Load(); n != 0 {
		t.Errorf("%d requests came inside", n)
	}

	w := newWorld(t, Environment{})
	w.row(0, "here", model.OpenAI, srv.URL, "sk-0123456789") // an administrator's
	if err := w.store.SetAppModel(t.Context(), w.app.ID, "here/m"); err != nil {
		t.Fatal(err)
	}
	if m, err := w.chosen(); err == nil {
		t.Errorf("a redirect passed the test: %v", m)
	}
	if n := inside.Load(); n != 1 {
		t.Errorf("%d requests, want one: the redirect was followed", n)
	}
}

func TestSetDefaultAndAppModel(t *testing.T) {
	w := newWorld(t, Environment{AnthropicKey: "sk-ant-0123456789"})
	p, ctx := w.providers, t.Context()
	for ref, want := range map[string]fault.Kind{
		"": "", Composer: "", "anthropic/claude-opus-5-5": "", "anthropic/new-model": "",
		"openai/" + gpt: fault.Invalid, "nonsense": fault.Invalid, "anthropic/composer/1": fault.Invalid,
	} {
		if err := p.SetDefault(ctx, w.owner, w.team, ref); fault.KindOf(err) != want {
			t.Errorf("default %q: %v, want %q", ref, err, want)
		}
		if err := p.SetAppModel(ctx, w.editor, "app", ref); fault.KindOf(err) != want {
			t.Errorf("app %q: %v, want %q", ref, err, want)
		}
	}
	if err := p.SetAppModel(ctx, w.editor, "app", "anthropic/"+claude); err != nil {
		t.Fatal(err)
	}
	if current, options, err := p.ModelOptions(ctx, w.viewer, "app"); err != nil || current != "anthropic/"+claude || len(options) != 5 {
		t.Errorf("current %q, %d options, %v", current, len(options), err)
	}
	if err := p.SetDefault(ctx, w.admin, 0, Composer); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "OVERSKILL_MODEL") {
		t.Errorf("the instance's default: %v", err)
	}
}
