package handlers

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/page"
	"overskill/views/vm"
)

// Costs tells a team what it spends. Whoever is not in the team gets fault.NotFound, a range that cannot be read is
// fault.Invalid.
type Costs interface {
	Report(ctx context.Context, u model.User, team int64, r model.CostRange, q model.CostQuery) (model.Costs, error)
	// Lines returns a page of settled requests, the newest first.
	Lines(ctx context.Context, u model.User, team int64, r model.CostRange, q model.CostQuery, before model.LinePlace, limit int64) (model.CostPage, error)
	// SetBudget says what the team may spend in a month, such as "400" or "399.50" dollars; "" is no limit.
	SetBudget(ctx context.Context, u model.User, team int64, dollars string) error
	// SetTimeZone says where the team's days begin: an IANA name.
	SetTimeZone(ctx context.Context, u model.User, team int64, zone string) error
}

func (s *server) costRoutes(team *echo.Group, api *echo.Group) {
	team.GET("", s.costsPage)
	team.GET(".csv", s.costsCSV)
	team.GET("/requests", s.costLines)
	team.POST("/zone", s.setting("zone", s.setZone))
	team.POST("/budget", s.setting("budget", s.setBudget))
	api.GET("/costs", s.apiCosts, s.ofMyTeam)
	api.GET("/costs/requests", s.apiCostLines, s.ofMyTeam)
}

// costQuery reads what a page of costs is asked to show.
func costQuery(c echo.Context) (r model.CostRange, q model.CostQuery, err error) {
	r = model.CostRange{Month: c.QueryParam("month"), From: c.QueryParam("from"), To: c.QueryParam("to")}
	q = model.CostQuery{AppSlug: c.QueryParam("app"), Model: c.QueryParam("model"), Purpose: model.Purpose(c.QueryParam("purpose")), Only: model.CostKind(c.QueryParam("only"))}
	if id := c.QueryParam("user"); id != "" {
		if q.UserID, err = strconv.ParseInt(id, 10, 64); err != nil {
			return r, q, fault.New(fault.Invalid, "%q is not the number of a person.", id)
		}
	}
	switch q.Only {
	case model.AnyCost, model.BilledCost, model.AbsorbedCost, model.UnpricedCost:
	default:
		return r, q, fault.New(fault.Invalid, "Only billed, absorbed or unpriced requests can be asked for.")
	}
	return r, q, nil
}

func (s *server) costsPage(c echo.Context) error {
	r, q, err := costQuery(c)
	if err != nil {
		return err
	}
	return s.showCosts(c, http.StatusOK, r, q, "")
}

func (s *server) showCosts(c echo.Context, status int, r model.CostRange, q model.CostQuery, wrong string) error {
	report, err := s.Costs.Report(c.Request().Context(), me(c), team(c), r, model.CostQuery{AppSlug: q.AppSlug})
	if err != nil {
		return err
	}
	shell := s.shell(c, "Costs")
	shell.Active = "costs"
	v := vm.NewCosts(shell, report, q)
	v.Error = wrong
	return render(c, status, page.Costs(v))
}

func (s *server) setZone(ctx context.Context, u model.User, team int64, value string) error {
	return s.Costs.SetTimeZone(ctx, u, team, value)
}

func (s *server) setBudget(ctx context.Context, u model.User, team int64, value string) error {
	return s.Costs.SetBudget(ctx, u, team, value)
}

// setting saves a field of the page of costs, and comes back with the page when it cannot be.
func (s *server) setting(field string, save func(ctx context.Context, u model.User, team int64, value string) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		value, err := text(c, field)
		if err == nil {
			err = save(c.Request().Context(), me(c), team(c), value)
		}
		switch {
		case err == nil:
			return c.Redirect(http.StatusSeeOther, "/team/costs")
		case rejected(err):
			return s.showCosts(c, fault.HTTPStatus(fault.KindOf(err)), model.CostRange{}, model.CostQuery{}, fault.Text(err))
		}
		return err
	}
}

const linesPage = 50

// place reads where a page of lines begins.
func place(c echo.Context) (model.LinePlace, error) {
	at, id := c.QueryParam("at"), c.QueryParam("before")
	if at == "" && id == "" {
		return model.LinePlace{}, nil
	}
	when, err := time.Parse(time.RFC3339Nano, at)
	n, numErr := strconv.ParseInt(id, 10, 64)
	if err != nil || numErr != nil {
		return model.LinePlace{}, fault.New(fault.Invalid, "This address of a page of requests is not complete. Begin at the first page.")
	}
	return model.LinePlace{At: when, ID: n}, nil
}

func (s *server) costLines(c echo.Context) error {
	ctx := c.Request().Context()
	r, q, err := costQuery(c)
	if err != nil {
		return err
	}
	before, err := place(c)
	if err != nil {
		return err
	}
	lines, err := s.Costs.Lines(ctx, me(c), team(c), r, q, before, linesPage)
	if err != nil {
		return err
	}
	query := withoutPlace(c.QueryParams())
	shell := s.shell(c, "Requests")
	shell.Active = "costs"
	v := vm.NewCostLines(shell, lines.Lines, query, lines.TimeZone)
	if lines.Next.ID != 0 {
		v.Older = "/team/costs/requests?" + withPlace(query, lines.Next).Encode()
	}
	return render(c, http.StatusOK, page.CostLines(v))
}

func withoutPlace(q url.Values) url.Values {
	out := url.Values{}
	for k, v := range q {
		if k != "at" && k != "before" {
			out[k] = v
		}
	}
	return out
}

func withPlace(q url.Values, p model.LinePlace) url.Values {
	out := withoutPlace(q)
	out.Set("at", p.At.UTC().Format(time.RFC3339Nano))
	out.Set("before", strconv.FormatInt(p.ID, 10))
	return out
}

// csvPage is how many lines are read at a time while a file is written.
const csvPage = 500

// costsCSV writes the lines of the ledger, as many as there are, a page at a time. Amounts are in micro-USD, as they are
// billed: a cent has 10,000.
func (s *server) costsCSV(c echo.Context) error {
	ctx := c.Request().Context()
	r, q, err := costQuery(c)
	if err != nil {
		return err
	}
	lines, err := s.Costs.Lines(ctx, me(c), team(c), r, q, model.LinePlace{}, csvPage)
	if err != nil {
		return err
	}
	attachment(c, "costs.csv")
	c.Response().Header().Set(echo.HeaderContentType, "text/csv; charset=utf-8")
	c.Response().WriteHeader(http.StatusOK)
	w := csv.NewWriter(c.Response())
	_ = w.Write([]string{
		"started_at", "request_id", "provider_request_id", "app", "version", "person", "purpose", "status", "model", "price",
		"input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "cost_micro_usd", "billed", "estimated",
	})
	for {
		for _, l := range lines.Lines {
			_ = w.Write(csvLine(l))
		}
		w.Flush()
		if err := w.Error(); err != nil || lines.Next.ID == 0 {
			return err
		}
		if lines, err = s.Costs.Lines(ctx, me(c), team(c), r, q, lines.Next, csvPage); err != nil {
			panic(http.ErrAbortHandler) // a file that ends too early must not look whole
		}
	}
}

func csvLine(l model.CostLine) []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	cost := ""
	if l.CostMicros != nil {
		cost = n(*l.CostMicros)
	}
	return []string{
		l.StartedAt.UTC().Format(time.RFC3339), l.RequestID, cell(l.ProviderRequestID), l.AppSlug, l.Number, cell(l.Person), string(l.Purpose), string(l.Status),
		cell(l.Model), l.PriceVersion, n(l.InputTokens), n(l.CacheReadTokens), n(l.CacheWriteTokens), n(l.OutputTokens), cost,
		strconv.FormatBool(l.Billable), strconv.FormatBool(l.Estimated),
	}
}

// cell keeps a spreadsheet from reading what others wrote as a formula.
func cell(text string) string {
	if text != "" {
		switch text[0] {
		case '=', '+', '-', '@', '\t', '\r':
			return "'" + text
		}
	}
	return text
}

func (s *server) apiCosts(c echo.Context) error {
	r, q, err := costQuery(c)
	if err != nil {
		return err
	}
	report, err := s.Costs.Report(c.Request().Context(), me(c), team(c), r, model.CostQuery{AppSlug: q.AppSlug})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, newAPICosts(report))
}

func (s *server) apiCostLines(c echo.Context) error {
	r, q, err := costQuery(c)
	if err != nil {
		return err
	}
	before, err := place(c)
	if err != nil {
		return err
	}
	lines, err := s.Costs.Lines(c.Request().Context(), me(c), team(c), r, q, before, linesPage)
	if err != nil {
		return err
	}
	out := apiLines{Requests: make([]apiLine, 0, len(lines.Lines))}
	for _, l := range lines.Lines {
		out.Requests = append(out.Requests, apiLine{
			At: l.StartedAt.UTC(), ID: l.RequestID, App: l.AppSlug, Version: l.Number, Person: l.Person, Purpose: l.Purpose, Status: l.Status, Model: l.Model,
			Price: l.PriceVersion, Input: l.InputTokens, CacheRead: l.CacheReadTokens, CacheWrite: l.CacheWriteTokens, Output: l.OutputTokens,
			CostMicros: l.CostMicros, Billed: l.Billable, Estimated: l.Estimated,
		})
	}
	if lines.Next.ID != 0 {
		out.Next = "/api/v1/costs/requests?" + withPlace(c.QueryParams(), lines.Next).Encode()
	}
	return c.JSON(http.StatusOK, out)
}
