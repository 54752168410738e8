package model

import "time"

// CostQuery says which part of a team's costs is meant. Days are dates in the team's time zone, given as midnight UTC;
// both are part of the range.
type CostQuery struct {
	TeamID   int64
	From, To time.Time
	AppSlug  string  // "" is any, NoApp is none
	UserID   int64   // 0 is anybody, Nobody is nobody
	Model    string  // as answered; "" is any
	Purpose  Purpose // "" is any
	Only     CostKind
}

// CostRange is what a person asks to see: a month such as "2026-11", or the first and the last day such as "2026-11-05". All
// empty is the current month.
type CostRange struct{ Month, From, To string }

// What stands for "none" where the zero value is "any".
const (
	NoApp        = "-"
	Nobody int64 = -1
)

// CostKind narrows requests by who pays.
type CostKind string

const (
	AnyCost      CostKind = ""
	BilledCost   CostKind = "billed"
	AbsorbedCost CostKind = "absorbed" // ours to pay
	UnpricedCost CostKind = "unpriced" // whose price nobody knows
)

// UsageSum is what a number of settled requests used and cost. Money is in micro-USD.
type UsageSum struct {
	Requests         int64
	Unpriced         int64 // of them, those whose price is not known: they are in no sum of money
	Failed           int64 // of them, those to which nothing came
	InputTokens      int64 // neither read from nor written to a cache
	OutputTokens     int64
	CacheReadTokens  int64
	CacheWriteTokens int64
	BillableMicros   int64
	AbsorbedMicros   int64
	SavedMicros      int64 // by the cache
}

// Prompt is all that was read, from a cache or not.
func (u UsageSum) Prompt() int64 { return u.InputTokens + u.CacheReadTokens + u.CacheWriteTokens }

// BuildSum counts turns that ended.
type BuildSum struct {
	Builds    int64 // that were tried to their end: green or failed
	Green     int64
	Recovered int64 // green ones in which a model worked on an error
	Stopped   int64 // by a person
}

// DayCost is what was billed on one day, by app.
type DayCost struct {
	Day   time.Time
	Total int64
	Apps  map[string]int64 // by slug
}

// AppCost is what one app cost. Name is "" when the app is gone, or when it was for no app.
type AppCost struct {
	Slug, Name string
	Published  int64 // times that a version of it was published
	UsageSum
	BuildSum
}

// PersonCost is what one person's requests cost. The id is 0 for requests that nobody asked for.
type PersonCost struct {
	UserID      int64
	Name, Email string
	UsageSum
	BuildSum
}

// ModelCost is what the requests cost that one model answered.
type ModelCost struct {
	Model string
	UsageSum
}

// TurnCost is one turn with what it cost.
type TurnCost struct {
	AppSlug, AppName string
	Number           string
	Status           VersionStatus
	Prompt           string // the beginning of what was asked for
	Person           string
	At               time.Time
	Requests         int64
	Tokens           int64
	Micros           int64
}

// Forecast is what a month will cost, if the days that are left are like those before.
type Forecast struct {
	Micros    int64   // the whole month
	Low, High int64   // it is between these four times out of five
	Days      []int64 // of each day after today, in order
}

// Costs is what a team spent in a range of days, with the range before it for comparison.
type Costs struct {
	TimeZone             string
	From, To, Today      time.Time
	Month                bool // the range is a calendar month
	BeforeFrom, BeforeTo time.Time
	Total, Before        UsageSum
	Builds, BuildsBefore BuildSum
	Published            int64
	Days                 []DayCost // every day of the range, also those without costs
	Apps                 []AppCost // the dearest first, as people and models
	People               []PersonCost
	Models               []ModelCost
	Purposes             map[Purpose]UsageSum
	Turns                []TurnCost // the dearest
	AllTurns             int64
	Forecast             *Forecast // of a month that runs; nil when there is too little to tell
	Budget               BudgetMonth
	CanManage            bool // who asks may set the team's budget and time zone
}

// BudgetMonth is what a team may spend in a month, and has.
type BudgetMonth struct {
	Month          time.Time // its first day, as midnight UTC
	TimeZone       string    // in which it begins
	BudgetMicros   int64     // 0: no limit
	SpentMicros    int64
	ReservedMicros int64 // for requests that run
}

// Full reports whether more is spent and reserved than the budget allows.
func (m BudgetMonth) Full() bool {
	return m.BudgetMicros > 0 && m.SpentMicros+m.ReservedMicros > m.BudgetMicros
}

// Next is when the next month begins.
func (m BudgetMonth) Next() time.Time { return m.Month.AddDate(0, 1, 0) }

// LinePlace is a place among the lines of a ledger, the newest first.
type LinePlace struct {
	At time.Time
	ID int64
}

// CostPage is a page of lines, with the place of those that follow; the zero place is the end.
type CostPage struct {
	TimeZone string
	Lines    []CostLine
	Next     LinePlace
}

// CostLine is a settled request with the names of what it was for; they are "" where that is gone.
type CostLine struct {
	ModelRequest
	Person, Number, AppName string
}
