package providers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"overskill/internal/llm"
	"overskill/internal/llm/composer"
	"overskill/internal/model"
	"overskill/internal/platform/secret"
	"overskill/internal/platform/store"
	"overskill/internal/team/ledger"
	"overskill/internal/testing/modelscript"
	"overskill/internal/testing/storetest"
)

// world is an instance with an administrator, and a team with people in each role.
type world struct {
	*testing.T

	url                                    string // of the database
	store                                  *store.Store
	providers                              *Providers
	admin, owner, editor, viewer, outsider model.User
	team                                   int64
	app                                    model.App
	now                                    time.Time
	keyFile                                string
	// hosts are where the internet's hosts are in this test; nothing else can be reached.
	hosts  map[string]string
	offers map[string]offer // of servers of this test, by host and port
	wire   *http.Transport
}

func newWorld(t *testing.T, env Environment) *world {
	t.Helper()
	w := &world{T: t, url: storetest.URL(t), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), hosts: map[string]string{}, offers: map[string]offer{}, wire: &http.Transport{}, keyFile: filepath.Join(t.TempDir(), "secret.key")}
	w.store = storetest.OpenAt(t, w.url)
	t.Cleanup(w.wire.CloseIdleConnections)
	var err error
	for name, u := range map[string]*model.User{"owner": &w.owner, "editor": &w.editor, "viewer": &w.viewer, "outsider": &w.outsider} {
		if w.admin.ID == 0 {
			w.admin = w.user("admin") // the first account is the administrator
		}
		*u = w.user(name)
	}
	if w.team, err = w.store.PersonalTeam(t.Context(), w.owner.ID); err != nil {
		t.Fatal(err)
	}
	w.sql("insert into memberships (team_id, user_id, role) values ($1, $2, 'editor'), ($1, $3, 'viewer')", w.team, w.editor.ID, w.viewer.ID)
	w.app, _, _, err = w.store.CreateApp(t.Context(), model.App{TeamID: w.team, CreatedBy: w.owner.ID, Slug: "app", Name: "App", Prompt: "p"},
		store.NewTurn{UserID: w.owner.ID, Content: "p", JobKind: "k"})
	if err != nil {
		t.Fatal(err)
	}
	w.providers = w.over(env, nil)
	return w
}

// over starts the instance with an environment.
func (w *world) over(env Environment, detect func(context.Context) []Local) *Providers {
	w.Helper()
	key, err := secret.LoadKey(w.keyFile)
	if err != nil {
		w.Fatal(err)
	}
	now := func() time.Time { return w.now }
	book := ledger.New(ledger.Config{Store: w.store, Now: now})
	p := New(Config{
		Store: w.store, Key: key, Environment: env, Composer: composer.New(), Now: now, Detect: detect,
		Meter: func(m llm.Model, teamID, userID int64) llm.Model {
			return book.Meter(m, ledger.About{TeamID: teamID, UserID: userID, Purpose: model.PurposeSelfTest})
		},
	})
	for _, client := range []*http.Client{p.clients.any, p.clients.public} {
		client.Transport = roads{w, client.Transport}
	}
	dial := p.clients.dial
	p.clients.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if to, ok := w.hosts[host]; ok {
			u, err := url.Parse(to)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, u.Host)
		}
		return dial(ctx, network, address)
	}
	return p
}

func (w *world) user(name string) model.User {
	w.Helper()
	u, err := w.store.CreateUser(w.Context(), model.User{Email: name + "@example.com", Name: name, PasswordHash: "x"})
	if err != nil {
		w.Fatal(err)
	}
	return u
}

func (w *world) sql(query string, args ...any) {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), w.url)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(w.Context()))
	if _, err := conn.Exec(w.Context(), query, args...); err != nil {
		w.Fatal(err)
	}
}

// roads leads requests for the internet's hosts to servers of the test. This machine is reached as always. A server
// that offers models is asked for them here, because the script has a list of its own.
type roads struct {
	w    *world
	next http.RoundTripper
}

func (r roads) RoundTrip(req *http.Request) (*http.Response, error) {
	if !onLoopback(req.URL.String()) {
		to, ok := r.w.hosts[req.URL.Hostname()]
		if !ok {
			return nil, errors.New("no road leads to " + req.URL.Host)
		}
		u, err := url.Parse(to)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.URL.Scheme, req.URL.Host = u.Scheme, u.Host
		if offer, ok := r.w.offers[u.Host]; ok && req.URL.Path == "/v1/models" {
			return offer.answer(req), nil
		}
		return r.w.wire.RoundTrip(req)
	}
	if offer, ok := r.w.offers[req.URL.Host]; ok && req.URL.Path == "/v1/models" {
		return offer.answer(req), nil
	}
	return r.next.RoundTrip(req)
}

// offer is the list of a server's models, for whoever has the key (if there is one).
type offer struct {
	key    string
	models []string
}

func (o offer) answer(req *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Type", "application/json")
	if o.key != "" && req.Header.Get("Authorization") != "Bearer "+o.key {
		rec.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(rec, `{"error":{"message":"Incorrect API key provided"}}`)
	} else {
		data := []map[string]string{}
		for _, m := range o.models {
			data = append(data, map[string]string{"id": m, "object": "model"})
		}
		_ = json.NewEncoder(rec).Encode(map[string]any{"object": "list", "data": data})
	}
	res := rec.Result()
	res.Request = req
	return res
}

// offering starts a server that plays a script and offers these models. It returns its address.
func (w *world) offering(key string, models []string, steps ...modelscript.Step) string {
	w.Helper()
	script := modelscript.OpenAI(w.T, steps...)
	u, err := url.Parse(script.URL)
	if err != nil {
		w.Fatal(err)
	}
	w.offers[u.Host] = offer{key, models}
	return script.URL
}

// passing are the replies of a model that can call tools.
func passing() []modelscript.Step {
	return []modelscript.Step{
		{Calls: []modelscript.Call{{Name: "self-test-order", Input: `{"customer":{"name":"Zoë \"Zed\" O'Neil","vip":true},` +
			`"note":"<b>First line</b>\nsecond line: C:\\temp","quantity":12,"tags":["new","urgent"]}`}}},
		{Text: "The receipt number is QX-4817."},
	}
}

// failing is the reply of one that cannot.
func failing() modelscript.Step { return modelscript.Step{Text: "Sure! Your order is saved."} }

// chosen is what writes the app.
func (w *world) chosen() (llm.Model, error) {
	w.Helper()
	app, err := w.store.App(w.Context(), w.app.ID)
	if err != nil {
		w.Fatal(err)
	}
	return w.providers.Model(w.Context(), app)
}

// want checks which model writes the app.
func (w *world) want(id string) {
	w.Helper()
	if m, err := w.chosen(); err != nil || m.ID() != id {
		w.Errorf("written by %v, %v; want %s", m, err, id)
	}
}

// row adds a connection as it is in the database.
func (w *world) row(team int64, name string, kind model.ConnectionKind, base, key string) model.Connection {
	w.Helper()
	c := model.Connection{TeamID: team, Name: name, Kind: kind, BaseURL: base, Local: team == 0 && onLoopback(base)}
	if key != "" {
		c.SealedKey, c.KeyHint = w.providers.cfg.Key.Seal([]byte(key), place(c)), hint(key)
	}
	c, err := w.store.AddConnection(w.Context(), c)
	if err != nil {
		w.Fatal(err)
	}
	return c
}
