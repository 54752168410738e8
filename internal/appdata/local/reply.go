package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"overskill/internal/appdata/local/query"
	"overskill/internal/fault"
)

// reply writes the answer in the form that the Accept header names.
func (req *restRequest) reply(w http.ResponseWriter, p *plan, res result) error {
	h := w.Header()
	h.Set("Content-Range", contentRange(req.params.Scope("").Offset, p.minimal, res))
	if applied := req.prefer.applied(); applied != "" {
		h.Set("Preference-Applied", applied)
	}
	status := p.status
	if p.readOnly && res.total != nil && res.rows < *res.total && (p.fn == nil || p.fn.Returns == query.ReturnsRows && p.fn.Set) {
		status = http.StatusPartialContent
	}
	if p.minimal {
		if status != http.StatusCreated {
			status = http.StatusNoContent
		}
		w.WriteHeader(status)
		return nil
	}
	body, kind, err := req.render(p, res)
	if err != nil {
		return err
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if req.Method != http.MethodHead {
		_, _ = io.WriteString(w, body) // the client is gone if this fails
	}
	return nil
}

func contentRange(offset int64, minimal bool, res result) string {
	total := "*"
	if res.total != nil {
		total = strconv.FormatInt(*res.total, 10)
	}
	if res.rows == 0 || minimal {
		return "*/" + total
	}
	return fmt.Sprintf("%d-%d/%s", offset, offset+res.rows-1, total)
}

// render brings the JSON array into the shape that was asked for, and names its media type.
func (req *restRequest) render(p *plan, res result) (body, kind string, err error) {
	const jsonKind = "application/json; charset=utf-8"
	accept := req.Header.Get("Accept")
	if p.fn != nil && p.fn.Returns == query.ReturnsScalar {
		body, err = scalars(res.body, p.fn.Set)
		return body, jsonKind, err
	}
	body = res.body
	if strings.Contains(accept, "nulls=stripped") {
		if body, err = stripNulls(body); err != nil {
			return "", "", err
		}
	}
	if strings.Contains(accept, "text/csv") {
		body, err = jsonToCSV(body)
		return body, "text/csv; charset=utf-8", err
	}
	single := req.wantsSingle()
	if single || (p.fn != nil && !p.fn.Set) {
		body, err = first(body)
	}
	if single {
		return body, "application/vnd.pgrst.object+json; charset=utf-8", err
	}
	return body, jsonKind, err
}

func first(array string) (string, error) {
	var rows []json.RawMessage
	if err := json.Unmarshal([]byte(array), &rows); err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "null", nil
	}
	return string(rows[0]), nil
}

// scalars unwraps the {"v": ...} objects of query.Call.
func scalars(array string, set bool) (string, error) {
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(array), &rows); err != nil {
		return "", err
	}
	values := make([]json.RawMessage, len(rows))
	for i, row := range rows {
		for _, v := range row { // the only column; an OUT argument gives it another name
			values[i] = v
		}
	}
	if !set {
		if len(values) == 0 {
			return "null", nil
		}
		return string(values[0]), nil
	}
	out, err := json.Marshal(values)
	return string(out), err
}

func stripNulls(array string) (string, error) {
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(array), &rows); err != nil {
		return "", err
	}
	for _, row := range rows {
		for k, v := range row {
			if string(v) == "null" {
				delete(row, k)
			}
		}
	}
	out, err := json.Marshal(rows)
	return string(out), err
}

// asRefusal turns any error into an answer. What is ours to fix is not described to the client.
func asRefusal(err error) *query.Error {
	var refusal *query.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return &query.Error{Status: http.StatusServiceUnavailable, Code: "PGRST000", Message: "The database does not answer"}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return fromPostgres(pg)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &query.Error{Status: http.StatusRequestEntityTooLarge, Code: "PGRST102", Message: "The request body is over 10 MB"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &query.Error{Status: http.StatusGatewayTimeout, Code: "PGRST003", Message: "The request took too long"}
	case fault.Is(err, fault.NotFound):
		return &query.Error{Status: http.StatusNotFound, Code: "PGRST205", Message: fault.Text(err)}
	}
	return &query.Error{Status: http.StatusInternalServerError, Code: "PGRSTX00", Message: "Something went wrong on our side"}
}

func fromPostgres(pg *pgconn.PgError) *query.Error {
	e := &query.Error{Status: postgresStatus(pg.Code), Code: pg.Code, Message: pg.Message}
	if pg.Detail != "" {
		e.Details = &pg.Detail
	}
	if pg.Hint != "" {
		e.Hint = &pg.Hint
	}
	return e
}

// postgresStatus is PostgREST's table from SQLSTATE to status:
// https://docs.postgrest.org/en/v13/references/errors.html
func postgresStatus(code string) int {
	switch code {
	case "23503", "23505":
		return http.StatusConflict
	case "25006":
		return http.StatusMethodNotAllowed
	case "42883", "42P01":
		return http.StatusNotFound
	case "42501":
		return http.StatusForbidden
	case "42P17", "53400":
		return http.StatusInternalServerError
	case "57P01":
		return http.StatusServiceUnavailable
	case "P0001":
		return http.StatusBadRequest
	}
	if rest, ok := strings.CutPrefix(code, "PT"); ok { // raise ... using errcode = 'PT402'
		if n, err := strconv.Atoi(rest); err == nil && n >= 200 && n <= 599 {
			return n
		}
	}
	switch code[:min(2, len(code))] {
	case "08", "53":
		return http.StatusServiceUnavailable
	case "0L", "0P", "28":
		return http.StatusForbidden
	case "54":
		return http.StatusRequestEntityTooLarge
	case "09", "25", "2D", "38", "39", "3B", "40", "55", "57", "58", "F0", "HV", "P0", "XX":
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
