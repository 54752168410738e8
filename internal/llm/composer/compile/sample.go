package compile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// sampleRows is how many rows of each entity the sample data has; children have more than parents.
func (e *entity) SampleCount() int {
	if e.isChild() {
		return 8
	}
	return 5
}

// SampleRefd reports whether sample rows of others name these.
func (e *entity) SampleRefd() bool { return len(e.Children) > 0 }

// SampleRows writes the properties of each sample row. All rows have the same keys: in one insert, a missing
// key would become null instead of the default.
func (e *entity) SampleRows() []string {
	var out []string
	for i := range e.SampleCount() {
		var props []string
		for n, f := range e.Fields {
			props = append(props, f.Col+": "+f.sample(i, n))
		}
		out = append(out, strings.Join(props, ", "))
	}
	return out
}

// SampleDays and SampleMoments report which helpers the sample data needs.
func (a *app) SampleDays() bool    { return a.hasField(spec.Date) }
func (a *app) SampleMoments() bool { return a.hasField(spec.DateTime) }

func (a *app) hasField(t spec.FieldType) bool {
	for _, e := range a.Entities {
		for _, f := range e.Fields {
			if f.Type == t {
				return true
			}
		}
	}
	return false
}

// sample is the value of the n-th field in the i-th sample row, as TypeScript.
func (f *field) sample(i, n int) string {
	pick := func(values ...string) string { return values[(i+n)%len(values)] }
	between := func(low, high float64) float64 {
		if f.Min != nil {
			low = *f.Min
			high = max(high, low)
		}
		if f.Max != nil {
			high = min(high, *f.Max)
			low = min(low, high)
		}
		step := float64((i*37+n*11)%10) / 9
		return low + (high-low)*step
	}
	switch f.Type {
	case spec.Integer:
		low, high := integerRange(f.Name)
		return strconv.Itoa(int(between(low, high)))
	case spec.Decimal:
		low, high := integerRange(f.Name)
		return strconv.FormatFloat(float64(int(between(low, high)*10))/10, 'f', -1, 64)
	case spec.Percent:
		return strconv.Itoa(int(between(5, 95)))
	case spec.Money:
		return strconv.Itoa(int(between(4, 180))*100 + []int{0, 50, 90, 0, 25}[i%5])
	case spec.Rating:
		return pick("5", "4", "3", "5", "4")
	case spec.Date:
		return fmt.Sprintf("inDays(%d)", f.sampleDay(i))
	case spec.DateTime:
		return fmt.Sprintf("momentInDays(%d, %d)", f.sampleDay(i), 9+(i*2)%9)
	case spec.Time:
		return quoteTS(pick("09:00", "10:30", "13:00", "15:30", "18:00"))
	case spec.Boolean:
		return strconv.FormatBool((i+n)%3 == 0)
	case spec.Select:
		return str(f.Options[(i+n)%len(f.Options)].Value)
	case spec.Color:
		return quoteTS(pick("#2563eb", "#16a34a", "#d97706", "#db2777", "#7c3aed"))
	case spec.Ref:
		if f.Target == f.Entity {
			return "null" // a row of the same insert may not be there yet
		}
		return fmt.Sprintf("%s[%d]!", f.Target.CM(), (i*3+n)%f.Target.SampleCount())
	case spec.Email:
		return quoteTS(strings.ToLower(strings.ReplaceAll(people[i%len(people)], " ", ".")) + "@example.com")
	case spec.Phone:
		return quoteTS(fmt.Sprintf("555-01%02d", (i+n*7)%100))
	case spec.URL:
		return quoteTS("https://example.com/" + strconv.Itoa(i+1))
	case spec.Image:
		return f.nothing()
	case spec.Lines:
		return str(pick("First thing\nSecond thing\nThird thing", "One\nTwo\nThree", "Start here\nThen this\nFinish"))
	case spec.LongText:
		return str(pick("Agreed by phone; check again next week.", "Nothing unusual so far.", "Worth another look before it is closed.", "Ask for details when there is time.", "All as planned."))
	}
	return str(f.sampleText(i))
}

func quoteTS(s string) string { return `"` + s + `"` }

// nothing is the value of a text that is not there.
func (f *field) nothing() string {
	if f.notNull() {
		return quoteTS("https://example.com/picture.jpg")
	}
	return "null"
}

// sampleDay spreads days: what is due lies around today, what happened lies behind.
func (f *field) sampleDay(i int) int {
	if f == f.Entity.DueField() || strings.Contains(f.Name, "event") || strings.Contains(f.Name, "start") {
		return []int{-2, 0, 1, 4, 9, 14, 20, 30}[i%8]
	}
	return []int{-1, -6, -12, -25, -38, -52, -67, -80}[i%8]
}

func integerRange(name string) (low, high float64) {
	switch {
	case strings.Contains(name, "year"):
		return 1965, 2024
	case strings.Contains(name, "rep"), strings.Contains(name, "guest"), strings.Contains(name, "serving"), strings.Contains(name, "people"):
		return 1, 12
	case strings.Contains(name, "minute"), strings.Contains(name, "time"), strings.Contains(name, "weight"), strings.Contains(name, "duration"):
		return 10, 90
	case strings.Contains(name, "hour"), strings.Contains(name, "set"):
		return 1, 8
	}
	return 2, 40
}

var people = []string{"Maya Okafor", "Jonas Lindqvist", "Priya Raman", "Tom Whitaker", "Elena Petrova", "Sam Castellanos", "Grace Nakamura", "Ibrahim Haddad"}

// nouns are plausible titles by what a word in the entity's or the field's name says it is.
var nouns = []struct {
	words  string
	values []string
}{
	{"customer client guest student member employee patient contact person people author staff friend assignee owner mechanic dentist teacher tenant flatmate lead user candidate artist player", people},
	{"company supplier vendor organization employer brand manufacturer publisher agency", []string{"Northwind Supply", "Harbor & Sons", "Blue Finch Studio", "Cedar Works", "Atlas Partners"}},
	{"book", []string{"The Left Hand of Darkness", "Middlemarch", "Invisible Cities", "Kindred", "The Overstory"}},
	{"movie film show series", []string{"Spirited Away", "The Third Man", "Paterson", "Playtime", "Arrival"}},
	{"recipe meal dish", []string{"Lemon lentil soup", "Mushroom risotto", "Tomato galette", "Miso noodles", "Apple crumble"}},
	{"ingredient grocer", []string{"Flour", "Olive oil", "Red lentils", "Lemons", "Parmesan"}},
	{"product item stock part material good", []string{"Oak desk lamp", "Canvas tote", "Ceramic mug", "Wool blanket", "Steel bottle"}},
	{"coffee roast bean", []string{"Harbor Blend", "Lighthouse Espresso", "Ethiopia Guji", "Decaf Tide", "Breakwater Dark"}},
	{"plant flower tree", []string{"Monstera", "Snake plant", "Boston fern", "Rubber fig", "Calathea"}},
	{"habit", []string{"Read 20 minutes", "Morning run", "Drink water", "Practice guitar", "Early night"}},
	{"exercise workout", []string{"Back squat", "Bench press", "Deadlift", "Pull-up", "Overhead press"}},
	{"expense transaction payment purchase", []string{"Groceries", "Train ticket", "Coffee with Sam", "Electricity bill", "New headphones"}},
	{"category tag topic genre type", []string{"Essentials", "Travel", "Home", "Health", "Fun"}},
	{"room location place site", []string{"Living room", "Kitchen", "Office", "Bedroom", "Balcony"}},
	{"project campaign", []string{"Website relaunch", "Autumn catalog", "Mobile app", "Office move", "Annual report"}},
	{"chore housework", []string{"Take out the trash", "Clean the kitchen", "Vacuum", "Water the plants", "Buy supplies"}},
	{"task todo card ticket issue step milestone", []string{"Write the brief", "Book the venue", "Review the draft", "Send the invoices", "Fix the sign-in page", "Order supplies", "Call the printer", "Plan the next sprint"}},
	{"idea proposal suggestion feature request feedback", []string{"Dark mode", "Export to spreadsheet", "Keyboard shortcuts", "Weekly summary email", "Offline use"}},
	{"event appointment meeting booking reservation session class shift", []string{"Kickoff", "Check-up", "Workshop", "Review", "Evening class"}},
	{"job application position role", []string{"Product designer", "Data analyst", "Frontend developer", "Office manager", "Researcher"}},
	{"question quiz survey", []string{"How did you hear about us?", "What should we improve?", "Would you recommend us?", "Which day suits you?", "What did you like best?"}},
	{"post article page note journal entry", []string{"A slow Sunday", "What we learned this year", "Notes from the workshop", "Three small changes", "Looking ahead"}},
	{"pet dog cat animal", []string{"Luna", "Milo", "Biscuit", "Nala", "Oscar"}},
	{"bike vehicle car", []string{"Trek Domane", "Brompton C Line", "Surly Trucker", "Canyon Grail", "Gazelle Ultimate"}},
	{"trip destination city country", []string{"Lisbon", "Kyoto", "Edinburgh", "Oaxaca", "Ljubljana"}},
	{"song album track", []string{"Blue in Green", "Harvest Moon", "Clair de Lune", "Teardrop", "Pyramid Song"}},
	{"link bookmark", []string{"Portfolio", "Newsletter", "Shop", "Podcast", "Photo diary"}},
	{"department team group", []string{"Operations", "Design", "Finance", "Support", "Marketing"}},
	{"invoice order quote", []string{"2026-001", "2026-002", "2026-003", "2026-004", "2026-005"}},
	{"address street", []string{"12 Harbor Street", "48 Mill Lane", "7 Station Road", "103 Park Avenue", "5 Chapel Hill"}},
	{"sku code barcode serial number reference", []string{"AX-1001", "AX-1002", "BR-2040", "CT-3005", "DL-4410", "EM-5120", "FK-6001", "GT-7300"}},
	{"unit", []string{"kg", "pcs", "l", "box", "m"}},
	{"table", []string{"Window 1", "Window 2", "Corner", "Terrace", "Long table"}},
}

// sampleText finds a plausible value by the field's name, or, for names and titles, by what the entity is.
func (f *field) sampleText(i int) string {
	words := strings.Split(f.Name, "_")
	if f == f.Entity.TitleField {
		words = append(words, strings.Split(f.Entity.Name, "_")...)
	}
	for w := len(words) - 1; w >= 0; w-- {
		for _, noun := range nouns {
			for known := range strings.FieldsSeq(noun.words) {
				if words[w] == known || words[w] == known+"s" {
					return numbered(noun.values, i, f.Unique)
				}
			}
		}
	}
	if f == f.Entity.TitleField {
		return fmt.Sprintf("%s %d", f.Entity.Label, i+1)
	}
	if f.Unique {
		return fmt.Sprintf("%s %d", f.Label, i+1)
	}
	return numbered([]string{"North", "Classic", "Second floor", "Blue", "Standard"}, i, false)
}

// numbered picks the i-th value; past the end it begins again, with a number where values must differ.
func numbered(values []string, i int, unique bool) string {
	v := values[i%len(values)]
	if unique && i >= len(values) {
		v = fmt.Sprintf("%s %d", v, i/len(values)+1)
	}
	return v
}

// AnyRefd reports whether any sample row names another.
func (a *app) AnyRefd() bool {
	return slices.ContainsFunc(a.Entities, (*entity).SampleRefd)
}
