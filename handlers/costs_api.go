package handlers

import (
	"time"

	"overskill/internal/model"
)

// What the API says about costs. Amounts are in micro-USD.
type (
	apiCostsBody struct {
		TimeZone      string            `json:"time_zone"`
		From          string            `json:"from"`
		To            string            `json:"to"`
		Total         apiSum            `json:"total"`
		Before        apiSum            `json:"before"`
		Published     int64             `json:"published"`
		ForecastMicro *int64            `json:"forecast_micro_usd,omitempty"`
		Days          []apiDay          `json:"days"`
		Apps          []apiGroup        `json:"apps"`
		People        []apiGroup        `json:"people"`
		Models        []apiGroup        `json:"models"`
		Purposes      map[string]apiSum `json:"purposes"`
	}
	apiSum struct {
		Requests   int64 `json:"requests"`
		Unpriced   int64 `json:"unpriced"`
		Failed     int64 `json:"failed"`
		Input      int64 `json:"input_tokens"`
		CacheRead  int64 `json:"cache_read_tokens"`
		CacheWrite int64 `json:"cache_write_tokens"`
		Output     int64 `json:"output_tokens"`
		Billed     int64 `json:"billed_micro_usd"`
		Absorbed   int64 `json:"absorbed_micro_usd"`
		Saved      int64 `json:"saved_micro_usd"`
		Builds     int64 `json:"builds"`
		Green      int64 `json:"green"`
	}
	apiDay struct {
		Day    string           `json:"day"`
		Billed int64            `json:"billed_micro_usd"`
		Apps   map[string]int64 `json:"apps,omitempty"`
	}
	apiGroup struct {
		ID   string `json:"id"` // a slug, a person's e-mail or a model
		Name string `json:"name,omitempty"`
		apiSum
	}
	apiLines struct {
		Requests []apiLine `json:"requests"`
		Next     string    `json:"next,omitempty"` // address of those that follow
	}
	apiLine struct {
		At         time.Time           `json:"started_at"`
		ID         string              `json:"request_id"`
		App        string              `json:"app,omitempty"`
		Version    string              `json:"version,omitempty"`
		Person     string              `json:"person,omitempty"`
		Purpose    model.Purpose       `json:"purpose"`
		Status     model.RequestStatus `json:"status"`
		Model      string              `json:"model"`
		Price      string              `json:"price,omitempty"`
		Input      int64               `json:"input_tokens"`
		CacheRead  int64               `json:"cache_read_tokens"`
		CacheWrite int64               `json:"cache_write_tokens"`
		Output     int64               `json:"output_tokens"`
		CostMicros *int64              `json:"cost_micro_usd"` // null: no price is known
		Billed     bool                `json:"billed"`
		Estimated  bool                `json:"estimated"`
	}
)

func newAPICosts(c model.Costs) apiCostsBody {
	out := apiCostsBody{
		TimeZone: c.TimeZone, From: c.From.Format(time.DateOnly), To: c.To.Format(time.DateOnly), Total: newAPISum(c.Total, c.Builds),
		Before: newAPISum(c.Before, c.BuildsBefore), Published: c.Published, Days: []apiDay{}, Apps: []apiGroup{}, People: []apiGroup{}, Models: []apiGroup{},
		Purposes: map[string]apiSum{},
	}
	if c.Forecast != nil {
		out.ForecastMicro = &c.Forecast.Micros
	}
	for _, d := range c.Days {
		out.Days = append(out.Days, apiDay{d.Day.Format(time.DateOnly), d.Total, d.Apps})
	}
	for _, a := range c.Apps {
		out.Apps = append(out.Apps, apiGroup{a.Slug, a.Name, newAPISum(a.UsageSum, a.BuildSum)})
	}
	for _, p := range c.People {
		out.People = append(out.People, apiGroup{p.Email, p.Name, newAPISum(p.UsageSum, p.BuildSum)})
	}
	for _, m := range c.Models {
		out.Models = append(out.Models, apiGroup{m.Model, "", newAPISum(m.UsageSum, model.BuildSum{})})
	}
	for p, u := range c.Purposes {
		out.Purposes[string(p)] = newAPISum(u, model.BuildSum{})
	}
	return out
}

func newAPISum(u model.UsageSum, b model.BuildSum) apiSum {
	return apiSum{
		Requests: u.Requests, Unpriced: u.Unpriced, Failed: u.Failed, Input: u.InputTokens, CacheRead: u.CacheReadTokens, CacheWrite: u.CacheWriteTokens,
		Output: u.OutputTokens, Billed: u.BillableMicros, Absorbed: u.AbsorbedMicros, Saved: u.SavedMicros, Builds: b.Builds, Green: b.Green,
	}
}
