// Package cloudflaretest is a Cloudflare account on loopback, for tests: the HTTP API of Workers, R2 and zones as far as
// publishing needs it, R2's S3 API, and a public side that serves what was uploaded.
//
// It is strict. A request that Cloudflare would not take, or that it would take and misunderstand, is refused, with
// Cloudflare's own number where one is documented: a module without a type, a binding to a bucket that is not there, an
// asset of another length than its manifest says, shares that are not 100 percent, a signature that does not fit. The
// project's client and Cloudflare's own wrangler are run against the same account, so that each checks what the other
// makes of it; what one of them needs and the other does not send is a mistake here or there.
//
// It breaks on demand. Calls are counted across both APIs, and At lets the n-th of them suffer a Fault: refused, cut off
// before or after it took effect, or never answered. That is how a test proves that a deployment survives each of its
// calls going wrong.
//
// What it does not do: limits of a plan, propagation times, certificates.
package cloudflaretest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Permissions of a token, by the names in Cloudflare's form.
const (
	PermScripts  = "Workers Scripts"
	PermR2       = "Workers R2 Storage"
	PermTail     = "Workers Tail"
	PermSettings = "Account Settings"
	PermZone     = "Zone"
	PermRoutes   = "Workers Routes"
)

// Account is one account and one token for it. Its exported fields are set once; everything else is asked by method.
type Account struct {
	ID        string
	Token     string
	TokenID   string
	Subdomain string // of workers.dev
	URL       string // of the API, for CLOUDFLARE_API_BASE_URL
	S3        string // of R2's S3 API

	t testing.TB

	mu         sync.Mutex
	calls      []Call
	faults     map[int]Fault
	hooks      map[int]func()
	outage     int // calls from this number on fail; 0: none
	denied     map[string]bool
	revoked    bool
	noR2       bool
	scripts    map[string]*script            // by name
	namespaces map[string]map[string]*script // of Workers for Platforms
	sessions   map[string]*session           // of asset uploads, by token
	blobs      map[string]blob               // assets by hash
	zones      []*zone
	domains    []domain
	bucket     *buckets
	tails      map[string]*tail
	clock      time.Time
}

// Call is one request that the account has seen.
type Call struct {
	Method, Path string
	Status       int // 0 when it was cut off
}

func (c Call) String() string { return fmt.Sprintf("%s %s: %d", c.Method, c.Path, c.Status) }

// New opens an account that ends with the test. Its token has all permissions.
func New(t testing.TB) *Account {
	t.Helper()
	a := &Account{
		t: t, ID: randomHex(16), TokenID: randomHex(16), Token: "cfut_" + randomHex(20), Subdomain: "acme-" + randomHex(3),
		faults: map[int]Fault{}, hooks: map[int]func(){}, denied: map[string]bool{}, scripts: map[string]*script{}, namespaces: map[string]map[string]*script{},
		sessions: map[string]*session{}, blobs: map[string]blob{}, tails: map[string]*tail{}, clock: time.Now().UTC().Truncate(time.Second),
	}
	a.bucket = newBuckets(a)
	api := httptest.NewServer(a.handler())
	t.Cleanup(func() { a.closeTails(); api.CloseClientConnections(); api.Close() })
	s3 := httptest.NewServer(a.counted(http.HandlerFunc(a.bucket.serveS3)))
	t.Cleanup(func() { s3.CloseClientConnections(); s3.Close() })
	a.URL, a.S3 = api.URL+"/client/v4", s3.URL
	return a
}

// Deny takes a permission from the token.
func (a *Account) Deny(permission string) { a.locked(func() { a.denied[permission] = true }) }

// Revoke makes the token one that Cloudflare does not know.
func (a *Account) Revoke() { a.locked(func() { a.revoked = true }) }

// WithoutR2 makes the account one that has never accepted R2's terms.
func (a *Account) WithoutR2() { a.locked(func() { a.noR2 = true }) }

func (a *Account) locked(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// now is a time that grows with each question, so that what happened later has a later time.
func (a *Account) now() time.Time {
	a.clock = a.clock.Add(time.Millisecond)
	return a.clock
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func newUUID() string {
	h := randomHex(16)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// problem is a refusal.
type problem struct {
	status, code int
	text         string
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s", p.code, p.text) }

func refuse(status, code int, format string, args ...any) *problem {
	return &problem{status, code, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *problem {
	return refuse(http.StatusBadRequest, 10021, format, args...)
}

// reply is what an endpoint answers: Result goes into the envelope, or Raw instead of one.
type reply struct {
	Status int // 0 is 200
	Result any
	Info   any
	Raw    []byte
	Type   string
}

// endpoint carries out a call. The account is locked meanwhile.
type endpoint func(r *http.Request) (reply, error)

// handler routes the API. Each line names the permission that the call needs; "" needs a valid token only.
func (a *Account) handler() http.Handler {
	mux := http.NewServeMux()
	route := func(permission, pattern string, do endpoint) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /client/v4"+path, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, permission, do) })
	}
	acc := "/accounts/{account}"
	route("", "GET /user/tokens/verify", a.verifyToken)
	route(PermSettings, "GET "+acc, a.getAccount)

	route(PermScripts, "GET "+acc+"/workers/subdomain", a.getSubdomain)
	route(PermScripts, "GET "+acc+"/workers/scripts", a.listScripts)
	one := acc + "/workers/scripts/{script}"
	route(PermScripts, "PUT "+one, a.putScript)
	route(PermScripts, "DELETE "+one, a.deleteScript)
	route(PermScripts, "GET "+one+"/subdomain", a.getScriptSubdomain)
	route(PermScripts, "POST "+one+"/subdomain", a.setScriptSubdomain)
	route(PermScripts, "GET "+one+"/versions", a.listVersions)
	route(PermScripts, "POST "+one+"/versions", a.newVersion)
	route(PermScripts, "GET "+one+"/versions/{version}", a.getVersion)
	route(PermScripts, "GET "+one+"/deployments", a.listDeployments)
	route(PermScripts, "POST "+one+"/deployments", a.newDeployment)
	route(PermScripts, "GET "+one+"/secrets", a.listSecrets)
	route(PermScripts, "PATCH "+one+"/secrets-bulk", a.patchSecrets)
	route(PermScripts, "POST "+one+"/assets-upload-session", a.newSession)
	route(PermTail, "POST "+one+"/tails", a.newTail)
	route(PermTail, "DELETE "+one+"/tails/{tail}", a.deleteTail)
	// Not the project's client but wrangler asks these.
	route(PermScripts, "GET "+acc+"/workers/services/{script}", a.getService)
	route(PermScripts, "DELETE "+acc+"/workers/services/{script}", a.deleteScript)
	route(PermScripts, "GET "+one+"/settings", a.getSettings)
	route(PermScripts, "GET "+one+"/script-settings", a.getSettings)
	route(PermScripts, "PATCH "+one+"/script-settings", a.getSettings)
	route(PermScripts, "GET "+acc+"/workers/domains/records", a.listDomains)

	spaces := acc + "/workers/dispatch/namespaces/{namespace}"
	route(PermScripts, "GET "+spaces, a.getNamespace)
	route(PermScripts, "GET "+spaces+"/scripts", a.listScripts)
	route(PermScripts, "GET "+spaces+"/scripts/{script}", a.getNamespaced)
	route(PermScripts, "PUT "+spaces+"/scripts/{script}", a.putScript)
	route(PermScripts, "DELETE "+spaces+"/scripts/{script}", a.deleteScript)
	route(PermScripts, "GET "+spaces+"/scripts/{script}/secrets", a.listSecrets)
	route(PermScripts, "PATCH "+spaces+"/scripts/{script}/secrets-bulk", a.patchSecrets)
	route(PermScripts, "POST "+spaces+"/scripts/{script}/assets-upload-session", a.newSession)

	route(PermR2, "GET "+acc+"/r2/buckets", a.listBuckets)
	route(PermR2, "POST "+acc+"/r2/buckets", a.newBucket)
	route(PermR2, "GET "+acc+"/r2/buckets/{bucket}", a.getBucket)
	route(PermR2, "GET "+acc+"/r2/buckets/{bucket}/objects", a.listObjects)
	route(PermR2, "GET "+acc+"/r2/buckets/{bucket}/objects/{key...}", a.getObject)
	route(PermR2, "PUT "+acc+"/r2/buckets/{bucket}/objects/{key...}", a.putObject)
	route(PermR2, "DELETE "+acc+"/r2/buckets/{bucket}/objects/{key...}", a.deleteObject)

	route(PermZone, "GET /zones", a.listZones)
	route(PermRoutes, "GET /zones/{zone}/workers/routes", a.listRoutes)
	route(PermRoutes, "POST /zones/{zone}/workers/routes", a.newRoute)
	route(PermRoutes, "GET "+acc+"/workers/domains", a.listDomains)
	route(PermRoutes, "PUT "+acc+"/workers/domains", a.putDomain)
	route(PermRoutes, "DELETE "+acc+"/workers/domains/{domain}", a.deleteDomain)

	mux.HandleFunc("POST /client/v4"+acc+"/workers/assets/upload", a.uploadAssets) // has a token of its own
	root := http.NewServeMux()
	root.Handle("/client/v4/", a.counted(mux))
	root.HandleFunc("GET /tail/{tail}", a.serveTail) // where a tail's address leads: no call of the API
	return root
}

// serve checks who calls, carries out the call and writes the envelope.
func (a *Account) serve(w http.ResponseWriter, r *http.Request, permission string, do endpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out, err := reply{}, error(a.authorize(r, permission))
	if err == (*problem)(nil) {
		out, err = do(r)
	}
	write(w, out, err)
}

func write(w http.ResponseWriter, out reply, err error) {
	env := map[string]any{"success": err == nil, "errors": []any{}, "messages": []any{}, "result": out.Result}
	if out.Info != nil {
		env["result_info"] = out.Info
	}
	status := max(out.Status, http.StatusOK)
	if err != nil {
		p, ok := err.(*problem)
		if !ok {
			p = refuse(http.StatusBadRequest, 10021, "%v", err)
		}
		status = p.status
		env["errors"], env["result"] = []any{map[string]any{"code": p.code, "message": p.text}}, nil
	} else if out.Raw != nil {
		w.Header().Set("Content-Type", out.Type)
		_, _ = w.Write(out.Raw)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(env) // a client that is gone is not our problem
}

// authorize answers as Cloudflare does: a header that is none, a token that nobody has, an account that is another's, a
// permission that is missing.
func (a *Account) authorize(r *http.Request, permission string) *problem {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok || token == "":
		return refuse(http.StatusBadRequest, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
	case token != a.Token || a.revoked:
		if permission == "" {
			return refuse(http.StatusUnauthorized, 1000, "Invalid API Token")
		}
		return refuse(http.StatusForbidden, 10000, "Authentication error")
	case r.PathValue("account") != "" && r.PathValue("account") != a.ID:
		if permission == PermSettings {
			return refuse(http.StatusNotFound, 7003, "Could not route to /client/v4/accounts/%s, perhaps your object identifier is invalid?", r.PathValue("account"))
		}
		return refuse(http.StatusForbidden, 10000, "Authentication error")
	case permission != "" && a.denied[permission]:
		return refuse(http.StatusForbidden, 10000, "Authentication error")
	case a.noR2 && permission == PermR2:
		return refuse(http.StatusForbidden, 10042, "Please enable R2 through the Cloudflare Dashboard.")
	}
	return nil
}

func (a *Account) verifyToken(*http.Request) (reply, error) {
	return reply{Result: map[string]any{"id": a.TokenID, "status": "active"}}, nil
}

func (a *Account) getAccount(*http.Request) (reply, error) {
	return reply{Result: map[string]any{"id": a.ID, "name": "Acme", "type": "standard"}}, nil
}

func (a *Account) getSubdomain(*http.Request) (reply, error) {
	return reply{Result: map[string]any{"subdomain": a.Subdomain}}, nil
}

// body reads a JSON body strictly: its type must be said, its fields known.
func body(r *http.Request, into any, contentType string) error {
	if got, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); got != contentType {
		return refuse(http.StatusUnsupportedMediaType, 10016, "the content type is %q, not %q", got, contentType)
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return strict(raw, into)
}

func strict(raw []byte, into any) error {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, 10021, "the JSON cannot be read: %v", err)
	}
	return nil
}

// Calls returns what was asked since the account was opened or Reset was called.
func (a *Account) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}
