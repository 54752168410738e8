package vm

import (
	"fmt"
	"net/url"
	"strings"

	"overskill/internal/model"
)

// CostLines is the page of the requests behind a figure.
type CostLines struct {
	Shell

	About string
	Back  string
	CSV   string
	Older string // address of those that follow; "" when there are none
	Lines []CostLine
}

// CostLine is one request.
type CostLine struct {
	ID, When, For, Href, Purpose, Person, Model, Price, Status, Error, In, Cached, Out, Cost string

	Bad  bool // it did not come to its end
	Free bool // nobody is billed for it
}

// NewCostLines says how lines of the ledger appear; query is the page's own, without the place in it.
func NewCostLines(shell Shell, lines []model.CostLine, query url.Values, zone string) CostLines {
	back := url.Values{}
	for _, k := range []string{"month", "from", "to"} {
		if v := query.Get(k); v != "" {
			back.Set(k, v)
		}
	}
	out := CostLines{Shell: shell, About: aboutLines(query), Back: "/team/costs?" + back.Encode(), CSV: "/team/costs.csv?" + query.Encode()}
	for _, l := range lines {
		out.Lines = append(out.Lines, newCostLine(l, zone))
	}
	return out
}

func newCostLine(l model.CostLine, zone string) CostLine {
	out := CostLine{
		ID: l.RequestID, When: dayTime(l.StartedAt, zone), For: orElse(l.AppName, l.AppSlug), Purpose: purposeWords[l.Purpose], Person: orElse(l.Person, "–"),
		Model: l.Model, Price: orElse(l.PriceVersion, "No price is known"), Status: statusWords[l.Status], Error: l.Error, Bad: l.Status != model.RequestDone,
		In: grouped(l.InputTokens + l.CacheReadTokens + l.CacheWriteTokens), Cached: grouped(l.CacheReadTokens), Out: grouped(l.OutputTokens),
		Cost: "unpriced", Free: !l.Billable,
	}
	if out.For == "" {
		out.For = "No app"
	} else if l.AppName != "" && l.Number != "" {
		out.For += " " + l.Number
		out.Href = "/apps/" + l.AppSlug + "/changes?v=" + url.QueryEscape(l.Number)
	}
	if l.Estimated {
		out.Status += ", estimated"
	}
	switch {
	case l.CostMicros != nil:
		out.Cost = exactMoney(*l.CostMicros)
	case l.Status == model.RequestFailed:
		out.Cost = "$0"
	}
	return out
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

var purposeWords = map[model.Purpose]string{
	model.PurposePlan: "plan", model.PurposeBuild: "build", model.PurposeRecovery: "recovery", model.PurposeSelfTest: "test of a model",
}

var statusWords = map[model.RequestStatus]string{
	model.RequestDone: "done", model.RequestBroken: "broke off", model.RequestFailed: "failed", model.RequestOpen: "running",
}

// exactMoney prints all digits that a single request has: micro-USD, without zeros at the end.
func exactMoney(micros int64) string {
	s := fmt.Sprintf("$%d.%06d", micros/1_000_000, micros%1_000_000)
	whole, part, _ := strings.Cut(s, ".")
	part = strings.TrimRight(part, "0")
	for len(part) < 2 {
		part += "0"
	}
	return whole + "." + part
}

// aboutLines says which requests a page lists.
func aboutLines(q url.Values) string {
	var parts []string
	switch only := model.CostKind(q.Get("only")); only {
	case model.AbsorbedCost:
		parts = append(parts, "that nobody was billed for")
	case model.UnpricedCost:
		parts = append(parts, "whose price is not known")
	case model.BilledCost:
		parts = append(parts, "that were billed")
	}
	if m := q.Get("model"); m != "" {
		parts = append(parts, "answered by "+m)
	}
	switch a := q.Get("app"); a {
	case "":
	case model.NoApp:
		parts = append(parts, "for no app")
	default:
		parts = append(parts, "for "+a)
	}
	if q.Get("user") != "" {
		parts = append(parts, "of one person")
	}
	when := q.Get("month")
	if when == "" && q.Get("from") != "" {
		when = q.Get("from") + " to " + q.Get("to")
	}
	if when != "" {
		parts = append(parts, "in "+when)
	}
	if len(parts) == 0 {
		return "All requests of this month, the newest first."
	}
	return "Requests " + strings.Join(parts, ", ") + ", the newest first."
}
