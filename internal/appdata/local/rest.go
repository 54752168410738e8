package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"overskill/internal/appdata/local/query"
)

// restRequest is one request to /rest/v1/ on its way.
type restRequest struct {
	*http.Request
	app    *app
	caller *caller
	schema *query.Schema
	params *query.Params
	prefer preferences
	opts   query.Options
	body   []byte
}

// plan is what a request comes to: a statement, and how its answer is to be told.
type plan struct {
	stmt     *query.Statement
	readOnly bool
	status   int             // when all is well and nothing says otherwise
	fn       *query.Function // for a call
	minimal  bool            // no body
	empty    bool            // nothing to run: answer with no rows
}

func (s *Server) serveREST(w http.ResponseWriter, r *http.Request, a *app) {
	who, err := s.identify(r, a)
	if err != nil {
		code, message := tokenProblem(err)
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeJSON(w, http.StatusUnauthorized, &query.Error{Code: code, Message: message})
		return
	}
	if err = s.rest(w, r, a, who); err == nil {
		return
	}
	refusal := asRefusal(err)
	if refusal.Code == "42501" && who.role == "anon" { // signing in may help
		w.Header().Set("WWW-Authenticate", "Bearer")
		refusal.Status = http.StatusUnauthorized
	}
	if refusal.Status >= 500 && r.Context().Err() == nil { // a visitor who leaves is no failure
		s.cfg.Log.Warn("data request failed", "app_id", a.id, "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeJSON(w, refusal.Status, refusal)
}

func (s *Server) rest(w http.ResponseWriter, r *http.Request, a *app, who *caller) error {
	req := &restRequest{Request: r, app: a, caller: who, prefer: parsePrefer(r.Header.Values("Prefer"))}
	req.opts = req.prefer.options()
	var err error
	if req.schema, err = s.catalog(r.Context(), a); err != nil {
		return err
	}
	if req.body, err = io.ReadAll(r.Body); err != nil {
		return err
	}
	p, err := req.plan()
	if err != nil {
		return err
	}
	if p.empty {
		return req.reply(w, p, result{body: "[]"})
	}
	res, err := s.run(req, p)
	if err != nil {
		return err
	}
	return req.reply(w, p, res)
}

// plan decides what the request asks for.
func (req *restRequest) plan() (*plan, error) {
	name := strings.TrimPrefix(req.URL.Path, "/rest/v1/")
	values, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return nil, &query.Error{Status: 400, Code: "PGRST100", Message: "The query string is not valid"}
	}
	if profile := req.Header.Get("Accept-Profile") + req.Header.Get("Content-Profile"); profile != "" && profile != "public" {
		return nil, &query.Error{Status: 406, Code: "PGRST106", Message: "The schema must be one of the following: public"}
	}
	if fn, ok := strings.CutPrefix(name, "rpc/"); ok {
		return req.planCall(fn, values)
	}
	rel := req.schema.Relations[name]
	if rel == nil {
		return req.planUnknown(name)
	}
	if req.params, err = query.ParseParams(values); err != nil {
		return nil, err
	}
	if err := req.rangeHeader(); err != nil {
		return nil, err
	}
	return req.planRelation(rel)
}

// planUnknown answers for what is not the app's. Of other apps' names it does not tell whether they exist: a read
// answers as if row level security hid every row, a write is refused.
func (req *restRequest) planUnknown(name string) (*plan, error) {
	if otherApp(name, req.app.id) {
		if req.Method == http.MethodGet || req.Method == http.MethodHead {
			req.params = &query.Params{}
			return &plan{empty: true, readOnly: true, status: http.StatusOK}, nil
		}
		return nil, &query.Error{Status: http.StatusForbidden, Code: "42501", Message: "permission denied for table " + name}
	}
	return nil, &query.Error{
		Status: http.StatusNotFound, Code: "PGRST205",
		Message: fmt.Sprintf("Could not find the table 'public.%s' in the schema cache", name),
	}
}

// otherApp reports whether name begins with app_<n>_ for another n.
func otherApp(name string, appID int64) bool {
	rest, ok := strings.CutPrefix(name, "app_")
	id, _, more := strings.Cut(rest, "_")
	return ok && more && id != "" && strings.Trim(id, "0123456789") == "" && id != fmt.Sprint(appID)
}

func (req *restRequest) planRelation(rel *query.Relation) (*plan, error) {
	p := &plan{minimal: !req.opts.Return}
	var err error
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		p.readOnly, p.minimal, p.status = true, false, http.StatusOK
		p.stmt, err = query.Read(req.schema, rel, req.params, req.opts)
	case http.MethodPost:
		p.status = http.StatusCreated
		err = req.planInsert(rel, p)
	case http.MethodPatch:
		p.status = http.StatusOK
		var keys []string
		if keys, err = objectKeys(req.body); err == nil {
			p.stmt, err = query.Update(req.schema, rel, req.params, keys, string(req.body), req.opts)
		}
	case http.MethodDelete:
		p.status = http.StatusOK
		p.stmt, err = query.Delete(req.schema, rel, req.params, req.opts)
	default:
		err = &query.Error{Status: http.StatusMethodNotAllowed, Code: "PGRST117", Message: "Unsupported HTTP method: " + req.Method}
	}
	return p, err
}

func (req *restRequest) planInsert(rel *query.Relation, p *plan) error {
	rows, err := insertRows(req.body, req.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if len(rows.keys) == 0 && rows.n == 0 {
		p.empty = true
		return nil
	}
	if req.params.Columns == nil && rows.ragged {
		return &query.Error{Status: 400, Code: "PGRST102", Message: "All object keys must match"}
	}
	p.stmt, err = query.Insert(req.schema, rel, req.params, rows.keys, rows.json, req.opts)
	return err
}

func (req *restRequest) planCall(name string, values url.Values) (*plan, error) {
	body := req.body
	var keys []string
	var err error
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		if keys, body, err = argsFromQuery(req.schema.Functions[name], values); err != nil {
			return nil, err
		}
	case http.MethodPost:
		if len(strings.TrimSpace(string(body))) == 0 {
			body = []byte("{}")
		}
		if keys, err = objectKeys(body); err != nil {
			return nil, err
		}
	default:
		return nil, &query.Error{Status: http.StatusMethodNotAllowed, Code: "PGRST101", Message: "Only GET, HEAD and POST verbs are allowed"}
	}
	fn, err := req.schema.Function(name, keys)
	if err != nil {
		return nil, err
	}
	if req.params, err = query.ParseParams(values); err != nil {
		return nil, err
	}
	p := &plan{fn: fn, status: http.StatusOK, readOnly: fn.ReadOnly || req.Method != http.MethodPost}
	if fn.Returns == query.ReturnsVoid {
		p.minimal = true
	}
	p.stmt, err = query.Call(req.schema, fn, req.params, keys, string(body), req.opts)
	return p, err
}

// argsFromQuery takes the arguments of a GET call out of values; what remains are filters.
func argsFromQuery(overloads []*query.Function, values url.Values) ([]string, []byte, error) {
	args := map[string]string{}
	var keys []string
	for _, fn := range overloads {
		for _, a := range fn.Args {
			if _, seen := args[a.Name]; !seen && values.Has(a.Name) {
				args[a.Name] = values.Get(a.Name)
				keys = append(keys, a.Name)
				values.Del(a.Name)
			}
		}
	}
	body, err := json.Marshal(args)
	return keys, body, err
}

// result is what a statement yielded.
type result struct {
	body  string // a JSON array
	rows  int64
	total *int64
}

// run executes the plan as the caller. A write whose answer cannot be given as asked is undone.
func (s *Server) run(req *restRequest, p *plan) (result, error) {
	res, err := s.runOnce(req, p)
	if stalePlan(err) { // the schema changed since this connection prepared the statement
		res, err = s.runOnce(req, p)
	}
	return res, err
}

func (s *Server) runOnce(req *restRequest, p *plan) (result, error) {
	var res result
	args := make([]any, len(p.stmt.Args))
	for i, a := range p.stmt.Args {
		args[i] = a
	}
	work := func(b *pgx.Batch) {
		b.Queue(p.stmt.SQL, args...).QueryRow(func(row pgx.Row) error {
			return row.Scan(&res.body, &res.rows, &res.total)
		})
	}
	then := func(*pgx.Conn) error { return req.acceptable(p, res) }
	err := s.asCaller(req.Context(), req.app, req.caller, p.readOnly, req.Method, req.URL.Path, work, then)
	return res, err
}

// acceptable checks the answer against what the headers demand, before anything is committed.
func (req *restRequest) acceptable(p *plan, res result) error {
	if most := req.prefer.maxAffected; most != nil && !p.readOnly && p.fn == nil && res.rows > *most {
		return query.Error{
			Status: 400, Code: "PGRST124", Message: "Query result exceeds max-affected preference constraint",
		}.WithDetails("The query affects %d rows", res.rows)
	}
	single := req.wantsSingle() && !p.minimal && (p.fn == nil || p.fn.Returns == query.ReturnsRows)
	if single && res.rows != 1 {
		return query.Error{
			Status: http.StatusNotAcceptable, Code: "PGRST116", Message: "Cannot coerce the result to a single JSON object",
		}.WithDetails("The result contains %d rows", res.rows)
	}
	if p.readOnly && res.total != nil && p.fn == nil {
		if offset := req.params.Scope("").Offset; offset > *res.total {
			return query.Error{
				Status: http.StatusRequestedRangeNotSatisfiable, Code: "PGRST103", Message: "Requested range not satisfiable",
			}.WithDetails("An offset of %d was requested, but there are only %d rows.", offset, *res.total)
		}
	}
	return nil
}

func (req *restRequest) wantsSingle() bool {
	return strings.Contains(req.Header.Get("Accept"), "application/vnd.pgrst.object")
}

var errNotObject = &query.Error{Status: 400, Code: "PGRST102", Message: "Empty or invalid json"}

// stalePlan reports whether err says that a prepared statement no longer fits the schema.
func stalePlan(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return pg.Code == "26000" || pg.Code == "0A000" && strings.Contains(pg.Message, "cached plan")
}
