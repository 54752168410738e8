// Package costs tells a team what it spends on models, and on what.
//
// Every figure is a sum of lines of the ledger, and whoever sees the figure can see the lines. Sums come from rows by day
// that the store keeps in step with the ledger; a month is the team's, in its own time zone.
package costs

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/internal/platform/store"
)

// Store is where the sums and the lines are.
type Store interface {
	RoleIn(ctx context.Context, teamID, userID int64) (model.Role, error)
	Team(ctx context.Context, id int64) (model.Team, error)
	SetTimeZone(ctx context.Context, teamID int64, zone string) error
	BudgetMonth(ctx context.Context, teamID int64, at time.Time) (model.BudgetMonth, error)
	SetBudget(ctx context.Context, teamID, micros int64) error
	Sums
	Lines(ctx context.Context, q model.CostQuery, before model.LinePlace, limit int64) ([]model.CostLine, error)
}

// Sums is what a report is made of.
type Sums interface {
	Usage(ctx context.Context, q model.CostQuery) (store.Usage, error)
	UsageTotal(ctx context.Context, q model.CostQuery) (model.UsageSum, error)
	BilledByDay(ctx context.Context, q model.CostQuery) ([]model.DayCost, error)
	Builds(ctx context.Context, q model.CostQuery) (byApp map[string]model.BuildSum, byPerson map[int64]model.BuildSum, all model.BuildSum, err error)
	Published(ctx context.Context, q model.CostQuery) (map[string]int64, error)
	DearestTurns(ctx context.Context, q model.CostQuery, limit int64) ([]model.TurnCost, error)
	CostNames(ctx context.Context, teamID int64, ids []int64) (apps map[string]string, people map[int64]model.User, err error)
}

// Limits.
const (
	MaxDays  = 800 // of a range
	MaxLines = 500 // of one page of lines
	topTurns = 10
)

// Service is safe for concurrent use.
type Service struct {
	store Store
	now   func() time.Time
}

// New returns a Service on a store.
func New(s Store, now func() time.Time) *Service { return &Service{store: s, now: now} }

// Report returns what a team spent. Whoever is not in the team gets NotFound, a range that cannot be read Invalid.
func (s *Service) Report(ctx context.Context, u model.User, teamID int64, r model.CostRange, q model.CostQuery) (model.Costs, error) {
	role, err := s.store.RoleIn(ctx, teamID, u.ID)
	if err != nil {
		return model.Costs{}, err
	}
	span, err := s.span(ctx, teamID, r)
	if err != nil {
		return model.Costs{}, err
	}
	out := model.Costs{
		TimeZone: span.zone, From: span.from, To: span.to, Today: span.today, Month: span.month, CanManage: role == model.Owner || role == model.Admin,
	}
	out.BeforeFrom, out.BeforeTo = span.before()
	if out.Budget, err = s.store.BudgetMonth(ctx, teamID, s.now()); err != nil {
		return model.Costs{}, err
	}
	q.TeamID, q.From, q.To = teamID, out.From, out.To
	if err := s.sums(ctx, q, &out); err != nil {
		return model.Costs{}, err
	}
	if span.month && span.runs() {
		if out.Forecast, err = s.forecast(ctx, q, out); err != nil {
			return model.Costs{}, err
		}
	}
	return out, nil
}

// sums fills in what was spent in the range, and in the one before it. The store is asked for all of it at once.
func (s *Service) sums(ctx context.Context, q model.CostQuery, out *model.Costs) error {
	var (
		usage     store.Usage
		byApp     map[string]model.BuildSum
		byPerson  map[int64]model.BuildSum
		published map[string]int64
	)
	before := q
	before.From, before.To = out.BeforeFrom, out.BeforeTo
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { usage, err = s.store.Usage(gctx, q); return err })
	g.Go(func() (err error) { byApp, byPerson, out.Builds, err = s.store.Builds(gctx, q); return err })
	g.Go(func() (err error) { published, err = s.store.Published(gctx, q); return err })
	g.Go(func() (err error) { out.Turns, err = s.store.DearestTurns(gctx, q, topTurns); return err })
	g.Go(func() (err error) { out.Before, err = s.store.UsageTotal(gctx, before); return err })
	g.Go(func() (err error) { _, _, out.BuildsBefore, err = s.store.Builds(gctx, before); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	ids := sortedKeys(byPerson)
	for _, p := range usage.People {
		ids = append(ids, p.UserID)
	}
	apps, people, err := s.store.CostNames(ctx, q.TeamID, ids)
	if err != nil {
		return err
	}
	out.Total, out.Models, out.Purposes = usage.Total, usage.Models, usage.Purposes
	out.AllTurns = out.Builds.Builds + out.Builds.Stopped
	out.Days = everyDay(usage.Days, out.From, out.To)
	out.Apps = joinApps(usage.Apps, byApp, published, apps)
	out.People = joinPeople(usage.People, byPerson, people)
	for _, n := range published {
		out.Published += n
	}
	return nil
}

// joinApps adds builds and names to what apps cost; an app that was built without cost comes last.
func joinApps(costs []model.AppCost, builds map[string]model.BuildSum, published map[string]int64, names map[string]string) []model.AppCost {
	there := map[string]bool{}
	for i := range costs {
		c := &costs[i]
		c.Name, c.BuildSum, c.Published = names[c.Slug], builds[c.Slug], published[c.Slug]
		there[c.Slug] = true
	}
	for _, slug := range sortedKeys(builds) {
		if !there[slug] {
			costs = append(costs, model.AppCost{Slug: slug, Name: names[slug], BuildSum: builds[slug], Published: published[slug]})
		}
	}
	return costs
}

func joinPeople(costs []model.PersonCost, builds map[int64]model.BuildSum, people map[int64]model.User) []model.PersonCost {
	there := map[int64]bool{}
	for i := range costs {
		c := &costs[i]
		c.Name, c.Email, c.BuildSum = people[c.UserID].Name, people[c.UserID].Email, builds[c.UserID]
		there[c.UserID] = true
	}
	for _, id := range sortedKeys(builds) {
		if !there[id] {
			costs = append(costs, model.PersonCost{UserID: id, Name: people[id].Name, Email: people[id].Email, BuildSum: builds[id]})
		}
	}
	return costs
}

// everyDay adds the days without costs.
func everyDay(days []model.DayCost, from, to time.Time) []model.DayCost {
	var out []model.DayCost
	for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
		if len(days) > 0 && days[0].Day.Equal(day) {
			out, days = append(out, days[0]), days[1:]
			continue
		}
		out = append(out, model.DayCost{Day: day})
	}
	return out
}

// forecast looks back on the days before today, also those of the month before.
func (s *Service) forecast(ctx context.Context, q model.CostQuery, c model.Costs) (*model.Forecast, error) {
	q.From, q.To = c.Today.AddDate(0, 0, -maxHistory), c.Today.AddDate(0, 0, -1)
	past, err := s.store.BilledByDay(ctx, q)
	if err != nil {
		return nil, err
	}
	var spent []int64
	for _, d := range everyDay(past, q.From, q.To) {
		spent = append(spent, d.Total)
	}
	today := c.Days[int(c.Today.Sub(c.From).Hours()/24)].Total
	return forecast(spent, c.Total.BillableMicros, today, c.Today, c.To), nil
}

// Lines returns settled requests of a range, the newest first, at most MaxLines of them.
func (s *Service) Lines(ctx context.Context, u model.User, teamID int64, r model.CostRange, q model.CostQuery, before model.LinePlace, limit int64) (model.CostPage, error) {
	if _, err := s.store.RoleIn(ctx, teamID, u.ID); err != nil {
		return model.CostPage{}, err
	}
	span, err := s.span(ctx, teamID, r)
	if err != nil {
		return model.CostPage{}, err
	}
	q.TeamID, q.From, q.To = teamID, span.from, span.to
	limit = min(max(limit, 1), MaxLines)
	out := model.CostPage{TimeZone: span.zone}
	out.Lines, err = s.store.Lines(ctx, q, before, limit+1)
	if err == nil && int64(len(out.Lines)) > limit {
		out.Lines = out.Lines[:limit]
		last := out.Lines[limit-1]
		out.Next = model.LinePlace{At: last.StartedAt, ID: last.ID}
	}
	return out, err
}

// mayManage refuses everybody but owners and admins of a team.
func (s *Service) mayManage(ctx context.Context, u model.User, teamID int64) error {
	role, err := s.store.RoleIn(ctx, teamID, u.ID)
	if err == nil && role != model.Owner && role != model.Admin {
		return fault.New(fault.Forbidden, "Owners and admins of the team set its budget and its time zone.")
	}
	return err
}

// MaxBudget is the largest budget of a month, in micro-USD: a million dollars.
const MaxBudget = 1_000_000 * 1_000_000

// SetBudget says what the team may spend in a month, in dollars with at most two decimals; "" is no limit. Owners and admins
// may. One that is used up already holds from the next request on.
func (s *Service) SetBudget(ctx context.Context, u model.User, teamID int64, dollars string) error {
	if err := s.mayManage(ctx, u, teamID); err != nil {
		return err
	}
	micros, err := parseDollars(dollars)
	if err != nil {
		return err
	}
	return s.store.SetBudget(ctx, teamID, micros)
}

func parseDollars(text string) (micros int64, err error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "$")
	if text == "" {
		return 0, nil
	}
	whole, part, dot := strings.Cut(strings.ReplaceAll(text, ",", ""), ".")
	cents, err := strconv.ParseUint(whole+(part + "00")[:2], 10, 53)
	if err != nil || whole == "" || len(part) > 2 || dot && part == "" {
		return 0, fault.New(fault.Invalid, "%q is no amount of dollars. It looks like 400 or 399.50; leave it empty for no limit.", text)
	}
	const perCent = 10_000
	if cents == 0 || cents > MaxBudget/perCent {
		return 0, fault.New(fault.Invalid, "A budget is between $0.01 and $1,000,000 a month. Leave it empty for no limit.")
	}
	return int64(cents) * perCent, nil
}

// SetTimeZone says where the team's days and months begin. Owners and admins may.
func (s *Service) SetTimeZone(ctx context.Context, u model.User, teamID int64, zone string) error {
	if err := s.mayManage(ctx, u, teamID); err != nil {
		return err
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return fault.New(fault.Invalid, "%q is not the name of a time zone, such as Europe/Berlin.", zone)
	}
	return s.store.SetTimeZone(ctx, teamID, zone)
}

// span is a range of days that was understood.
type span struct {
	zone            string
	from, to, today time.Time
	month           bool
}

// runs reports whether the range has begun and is not over.
func (s span) runs() bool { return !s.today.Before(s.from) && !s.today.After(s.to) }

// before returns the range to compare with: the calendar month before, or as many days. A month that runs is compared with
// as much of the one before.
func (s span) before() (from, to time.Time) {
	if s.month {
		from, to = s.from.AddDate(0, -1, 0), s.from.AddDate(0, 0, -1)
		if sofar := from.AddDate(0, 0, s.today.Day()-1); s.runs() && sofar.Before(to) {
			to = sofar
		}
		return from, to
	}
	days := int(s.to.Sub(s.from).Hours()/24) + 1
	return s.from.AddDate(0, 0, -days), s.from.AddDate(0, 0, -1)
}

func (s *Service) span(ctx context.Context, teamID int64, r model.CostRange) (span, error) {
	t, err := s.store.Team(ctx, teamID)
	if err != nil {
		return span{}, err
	}
	loc, err := time.LoadLocation(t.TimeZone)
	if err != nil {
		return span{}, fmt.Errorf("time zone of team %d: %w", teamID, err)
	}
	y, m, d := s.now().In(loc).Date()
	out := span{zone: t.TimeZone, today: time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
	out.from, out.to, out.month, err = days(r, out.today)
	return out, err
}

func days(r model.CostRange, today time.Time) (from, to time.Time, month bool, err error) {
	if r.From == "" && r.To == "" {
		from = today.AddDate(0, 0, 1-today.Day())
		if r.Month != "" {
			if from, err = time.Parse("2006-01", r.Month); err != nil || from.Year() < 2000 || from.Year() > today.Year()+1 {
				return from, to, false, fault.New(fault.Invalid, "%q is not a month. It looks like 2026-11.", r.Month)
			}
		}
		return from, from.AddDate(0, 1, -1), true, nil
	}
	from, err = time.Parse(time.DateOnly, r.From)
	if err == nil {
		to, err = time.Parse(time.DateOnly, r.To)
	}
	switch {
	case err != nil:
		return from, to, false, fault.New(fault.Invalid, "A range has a first and a last day. They look like 2026-11-05.")
	case to.Before(from):
		return from, to, false, fault.New(fault.Invalid, "The range ends before it begins.")
	case to.Sub(from) >= MaxDays*24*time.Hour:
		return from, to, false, fault.New(fault.Invalid, "A range has at most %d days.", MaxDays)
	case from.Year() < 2000 || to.Year() > today.Year()+1:
		return from, to, false, fault.New(fault.Invalid, "Nothing was spent then.")
	}
	return from, to, from.Day() == 1 && to.Equal(from.AddDate(0, 1, -1)), nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
