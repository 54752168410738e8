package handlers_test

import (
	"encoding/csv"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"overskill/internal/model"
	"overskill/internal/platform/store"
	"overskill/internal/team/costs"
	"overskill/internal/testing/storetest"
)

// newCostSite is a site whose costs are real: the ledger of the teams 1 and 2, on Postgres. The people 1 and 2 own them.
func newCostSite(t *testing.T, now time.Time) (*site, *store.Store) {
	t.Helper()
	s := storetest.Open(t)
	for _, email := range []string{"one@x.example", "two@x.example"} {
		if _, err := s.CreateUser(t.Context(), model.User{Email: email, Name: email[:3], PasswordHash: "-"}); err != nil {
			t.Fatal(err)
		}
	}
	return newSiteWith(t, costs.New(s, func() time.Time { return now })).in(), s
}

// spend adds a settled request of a person's own team.
func spend(t *testing.T, s *store.Store, id string, team int64, at time.Time, edit func(*model.ModelRequest)) {
	t.Helper()
	cost := int64(0)
	r := model.ModelRequest{
		RequestID: id, TeamID: team, UserID: team, AppSlug: "harbour", Purpose: model.PurposeBuild, Status: model.RequestDone, ModelAsked: "m", Model: "claude-sonnet-5-5",
		InputTokens: 1000, CacheReadTokens: 3000, OutputTokens: 500, CostMicros: &cost, PriceVersion: "p@1", Billable: true, StartedAt: at, EndedAt: at.Add(time.Second),
	}
	edit(&r)
	if err := s.OpenRequest(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.SettleRequest(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func priced(micros int64) func(*model.ModelRequest) {
	return func(r *model.ModelRequest) { *r.CostMicros = micros }
}

// TestEveryCentLeadsToARequest: the page, the file and the API say the same, and nothing of another team.
func TestEveryCentLeadsToARequest(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	st, s := newCostSite(t, now)
	spend(t, s, "a", 1, now.AddDate(0, 0, -3), priced(1_230_000))
	spend(t, s, "b", 1, now.AddDate(0, 0, -2), priced(4_500))
	spend(t, s, "fix", 1, now.AddDate(0, 0, -2), func(r *model.ModelRequest) {
		*r.CostMicros, r.Purpose, r.Billable = 770_000, model.PurposeRecovery, false
	})
	spend(t, s, "formula", 1, now.AddDate(0, 0, -1), func(r *model.ModelRequest) {
		r.CostMicros, r.PriceVersion, r.Model = nil, "", "=cmd()"
	})
	spend(t, s, "october", 1, now.AddDate(0, -1, 0), priced(230_000))
	spend(t, s, "theirs", 2, now.AddDate(0, 0, -1), priced(9_000_000))

	a := st.get("/team/costs").want(200)
	a.has("a.val", "$1.23").has(".tile", "$1.00 more than 1 to 24 Oct 2026").has(".tile", "$0.77").has(".banner.warn", "1 request without a price").
		has("tbody", "claude-sonnet-5-5").has("tfoot", "$1.23").has(".pill.warn", "unpriced").has(".keys", "harbour (deleted)")
	if strings.Contains(a.body, "$9.00") || strings.Contains(a.body, "$10") {
		t.Error("the page counts another team's requests")
	}
	for _, path := range []string{"", "?only=absorbed", "?only=unpriced", "?month=2026-10", "?app=harbour&user=1", "?user=2", "?app=-"} {
		st.get("/team/costs/requests" + path).want(200)
	}
	st.get("/team/costs/requests?only=absorbed").has("tbody", "$0.77").has("tbody", "recovery")
	st.get("/team/costs/requests?user=2").has("main", "There are none.")
	st.get("/team/costs?month=2026-10").has("a.val", "$0.23")
	st.get("/team/costs?from=2026-10-01&to=2026-11-24").has("a.val", "$1.46")

	rows, err := csv.NewReader(strings.NewReader(st.get("/team/costs.csv?month=2026-11").want(200).body)).ReadAll()
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	sum, cost, billed, name := int64(0), column(t, rows[0], "cost_micro_usd"), column(t, rows[0], "billed"), column(t, rows[0], "model")
	for _, row := range rows[1:] {
		if row[billed] == "true" && row[cost] != "" {
			n, err := strconv.ParseInt(row[cost], 10, 64)
			if err != nil {
				t.Error(err)
			}
			sum += n
		}
	}
	if sum != 1_234_500 || rows[1][name] != "'=cmd()" {
		t.Errorf("the file sums up to %d; first row %q", sum, rows[1])
	}

	var body struct {
		Total struct {
			Billed   int64 `json:"billed_micro_usd"`
			Absorbed int64 `json:"absorbed_micro_usd"`
			Unpriced int64 `json:"unpriced"`
		} `json:"total"`
		Days []struct {
			Billed int64 `json:"billed_micro_usd"`
		} `json:"days"`
	}
	bearer := header("Authorization", "Bearer token-"+st.s.users[0].Email)
	if err := json.Unmarshal([]byte(st.get("/api/v1/costs", bearer).want(200).body), &body); err != nil {
		t.Fatal(err)
	}
	days := int64(0)
	for _, d := range body.Days {
		days += d.Billed
	}
	if body.Total.Billed != sum || days != sum || body.Total.Absorbed != 770_000 || body.Total.Unpriced != 1 || len(body.Days) != 30 {
		t.Errorf("%+v, days %d", body.Total, days)
	}
	st.get("/api/v1/costs/requests", bearer).want(200)
}

func column(t *testing.T, head []string, name string) int {
	t.Helper()
	for i, h := range head {
		if h == name {
			return i
		}
	}
	t.Fatalf("no column %s in %q", name, head)
	return 0
}

// TestLinesGoOn: a long list comes in pages without a gap, and as one file.
func TestLinesGoOn(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	st, s := newCostSite(t, now)
	const lines = 1_103 // more than two pages of the file
	for i := range lines {
		spend(t, s, "r"+strconv.Itoa(i), 1, now.Add(-time.Duration(i/3)*time.Minute), priced(1)) // three at the same moment
	}
	seen, pages := 0, 0
	for next := "/team/costs/requests"; next != ""; pages++ {
		a := st.get(next).want(200)
		seen += a.doc().Find("tbody tr").Length()
		next, _ = a.doc().Find("footer a.btn").Attr("href")
	}
	if seen != lines || pages != lines/50+1 {
		t.Errorf("%d lines on %d pages", seen, pages)
	}
	rows, err := csv.NewReader(strings.NewReader(st.get("/team/costs.csv").want(200).body)).ReadAll()
	ids := map[string]bool{}
	for _, row := range rows {
		ids[row[1]] = true
	}
	if err != nil || len(rows) != lines+1 || len(ids) != lines+1 {
		t.Errorf("%d rows, %d ids, %v", len(rows), len(ids), err)
	}
}

func TestCostsOfBadInput(t *testing.T) {
	st, _ := newCostSite(t, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	st.get("/team/costs").want(200).has("main", "No model was asked")
	for _, query := range []string{
		"month=2026-13", "month=x", "from=2026-11-01", "from=2026-11-05&to=2026-11-01", "from=2001-01-01&to=2026-11-01", "only=all", "user=me", "user=99999999999999999999",
		"at=x&before=1", "at=2026-11-01T00:00:00Z",
	} {
		for _, path := range []string{"/team/costs/requests?", "/team/costs.csv?"} {
			if path == "/team/costs.csv?" && strings.HasPrefix(query, "at=") {
				continue // a file has no pages
			}
			if a := st.get(path + query).want(400); !strings.Contains(a.body, ".") {
				t.Errorf("%s%s: no sentence", path, query)
			}
		}
	}
	st.post("/team/costs/zone", url.Values{"zone": {"Mars/Olympus"}}).want(400).has("main", "is not the name of a time zone")
	st.post("/team/costs/zone", url.Values{"zone": {"Europe/Berlin"}}).leads("/team/costs")
	if zone := st.get("/team/costs").doc().Find("input[name=zone]").AttrOr("value", ""); zone != "Europe/Berlin" {
		t.Errorf("the zone is %q", zone)
	}
	for _, bad := range []string{"-5", "0", "1e9", "much", "1000001"} {
		st.post("/team/costs/budget", url.Values{"budget": {bad}}).want(400).has("[role=alert]", ".")
	}
	st.post("/team/costs/budget", url.Values{"budget": {"400"}}).leads("/team/costs")
	st.get("/team/costs").has("a.val", "of $400.00, stops at the limit")
	st.client = newClient(t)
	for _, path := range []string{"/team/costs", "/team/costs.csv", "/team/costs/requests"} {
		st.get(path).want(303)
	}
	st.post("/team/costs/zone", url.Values{"zone": {"UTC"}}).want(401)
	st.get("/api/v1/costs").want(401)
}
