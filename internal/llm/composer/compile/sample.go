package compile

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// SampleCount is how many rows of the entity the sample data has: children have more than parents, and no more
// than there are values for what must be unique.
func (e *entity) SampleCount() int {
	count := 5
	if e.isChild() {
		count = 8
	}
	for _, f := range e.Fields {
		if f.Unique {
			count = min(count, f.distinct())
		}
	}
	return count
}

// distinct is how many different sample values the field has.
func (f *field) distinct() int {
	switch f.Type {
	case spec.Boolean:
		return 2
	case spec.Select:
		return len(f.Options)
	case spec.Lines, spec.LongText:
		return 3
	case spec.Rating, spec.Time, spec.Color:
		return 5
	case spec.Image:
		return 1
	case spec.Integer, spec.Decimal, spec.Money, spec.Percent:
		if f.Min != nil && f.Max != nil {
			return max(1, int(*f.Max-*f.Min)+1)
		}
	case spec.Ref:
		if f.Target != f.Entity {
			return f.Target.SampleCount()
		}
	}
	return 8
}

// SampleRefd reports whether something names the sample rows.
func (e *entity) SampleRefd() bool { return len(e.Children) > 0 || e.CheckTable != "" }

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

// CheckIn is a day on which a sample row was done.
type CheckIn struct{ Row, Day int }

// SampleCheckIns are streaks of several lengths, some with a gap; today is left to the person.
func (e *entity) SampleCheckIns() []CheckIn {
	var out []CheckIn
	for row := range e.SampleCount() {
		for day := 1; day <= 7-row; day++ {
			if row%2 == 0 || day != 3 {
				out = append(out, CheckIn{row, -day})
			}
		}
	}
	return out
}

// SampleDays and SampleMoments report which helpers the sample data needs.
func (a *app) SampleDays() bool {
	return a.hasField(spec.Date) || slices.ContainsFunc(a.Entities, func(e *entity) bool { return e.CheckTable != "" })
}
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
	if f.Unique {
		n = 0 // the row alone decides, so that values differ
	}
	pick := func(values ...string) string { return values[(i+n)%len(values)] }
	switch f.Type {
	case spec.Integer, spec.Percent:
		return strconv.Itoa(int(f.sampleNumber(i, n)))
	case spec.Decimal:
		return strconv.FormatFloat(float64(int(f.sampleNumber(i, n)*10))/10, 'f', -1, 64)
	case spec.Money:
		cents := f.sampleNumber(i, n) * 100
		if round := math.Floor(cents/100) * 100; f.Min == nil || round >= *f.Min*100 {
			cents = round
		}
		if whole := cents + []float64{0, 50, 90, 0, 25}[i%5]; f.Max == nil || whole <= *f.Max*100 {
			cents = whole
		}
		return strconv.Itoa(int(cents))
	case spec.Rating:
		if f.Unique {
			return strconv.Itoa(1 + i%5)
		}
		return pick("5", "4", "3", "5", "4")
	case spec.Date:
		return fmt.Sprintf("inDays(%d)", f.sampleDay(i))
	case spec.DateTime:
		return fmt.Sprintf("momentInDays(%d, %d)", f.sampleDay(i), 9+(i*2)%9)
	case spec.Time:
		if endName.MatchString(f.Name) {
			return quoteTS([]string{"10:00", "12:00", "14:30", "17:00", "19:30"}[i%5])
		}
		return quoteTS([]string{"09:00", "10:30", "13:00", "15:30", "18:00"}[i%5])
	case spec.Boolean:
		if f.Unique {
			return strconv.FormatBool(i == 0)
		}
		return strconv.FormatBool((i+n)%3 == 0)
	case spec.Select:
		return str(f.sampleOption(i, n).Value)
	case spec.Color:
		return quoteTS(pick("#2563eb", "#16a34a", "#d97706", "#db2777", "#7c3aed"))
	case spec.Ref:
		if f.Target == f.Entity {
			return "null" // a row of the same insert may not be there yet
		}
		if f.Unique {
			return fmt.Sprintf("%s[%d]!", f.Target.IDs(), i)
		}
		return fmt.Sprintf("%s[%d]!", f.Target.IDs(), (i*3+n)%f.Target.SampleCount())
	case spec.Email:
		return quoteTS(strings.ToLower(strings.ReplaceAll(people[i%len(people)], " ", ".")) + "@example.com")
	case spec.Phone:
		return quoteTS(fmt.Sprintf("555-01%02d", (i+n*7)%100))
	case spec.URL:
		return quoteTS("https://example.com/" + strconv.Itoa(i+1))
	case spec.Image:
		return f.nothing()
	case spec.Lines:
		return str(f.sampleLines()[(i+n)%3])
	case spec.LongText:
		if aboutName.MatchString(f.Name) {
			return str(descriptions[(i+n)%len(descriptions)])
		}
		return str(remarks[(i+n)%len(remarks)])
	}
	return f.sampleText(i)
}

// sampleOption spreads rows over the options. What lies in the past is finished, and what is still to come is not.
func (f *field) sampleOption(i, n int) spec.Option {
	options := f.Options
	for _, day := range f.Entity.Fields {
		if !day.isDate() || !startName.MatchString(day.Name) && !happening.MatchString(f.Entity.Name) || f.Unique {
			continue
		}
		over := day.sampleDay(i) < 0
		var fitting []spec.Option
		for _, o := range f.Options {
			if o.Done == over {
				fitting = append(fitting, o)
			}
		}
		if len(fitting) > 0 && len(fitting) < len(f.Options) {
			options = fitting
		}
		break
	}
	return options[(i+n)%len(options)]
}

// sampleNumber stays within the field's limits. A stock has one row below its minimum, and movements stay small.
func (f *field) sampleNumber(i, n int) float64 {
	low, high := 4.0, 180.0
	if f.Type != spec.Money {
		low, high = integerRange(f.Name)
	}
	if f.Type == spec.Percent {
		low, high = 5, 95
	}
	v := low + (high-low)*float64((i*37+n*11)%10)/9
	if lowStock := f.Entity.action(spec.LowStock); lowStock != nil && f.Name == lowStock.Field {
		v = []float64{24, 7, 18, 40, 12}[i%5]
	} else if lowStock != nil && f.Name == lowStock.Entity {
		v = []float64{5, 8, 6, 10, 4}[i%5]
	} else if f.Name == "quantity" && f.Entity.field("direction") != nil {
		v = []float64{2, 1, 4, 3, 6, 2, 5, 1}[i%8]
	}
	if f.Unique {
		v = low + float64(i)
	}
	if f.Max != nil && v > *f.Max {
		v = *f.Max
		if f.Unique {
			v -= float64(i)
		}
	}
	if f.Min != nil && v < *f.Min {
		v = *f.Min
		if f.Unique {
			v += float64(i)
		}
	}
	return v
}

// sampleLines are three lists: of ingredients, of steps, or of anything.
func (f *field) sampleLines() [3]string {
	switch {
	case f.Ordered():
		return [3]string{
			"Get everything ready.\nDo the first half slowly.\nCheck it, then finish.",
			"Chop the onions and fry them gently.\nAdd the rest and simmer for 20 minutes.\nSeason and serve.",
			"Measure twice.\nMix well.\nLet it rest for an hour.",
		}
	case strings.Contains(f.Name, "ingredient"):
		return [3]string{
			"2 onions\n300 g red lentils\n1 lemon\n1 tbsp olive oil",
			"400 g mushrooms\n250 g risotto rice\n1 l stock\n50 g parmesan",
			"6 tomatoes\n1 sheet of pastry\n2 sprigs of thyme",
		}
	}
	return [3]string{"First thing\nSecond thing\nThird thing", "One\nTwo\nThree", "This\nThat\nAnd one more"}
}

var (
	endName   = regexp.MustCompile(`(^|_)(end|ends|ending|until|to|return|returned|checkout|check_out|finish|finished|completed|closing)($|_)`)
	startName = regexp.MustCompile(`(^|_)(start|starts|begin|begins|from|event|check_in|checkin|arrival|departure|scheduled|appointment)($|_)`)
	birthName = regexp.MustCompile(`birth|born|dob`)
	happening = regexp.MustCompile(`event|appointment|booking|reservation|session|class|shift|trip|meeting|lesson|visit|rehearsal|concert|match`)
)

// sampleDay spreads days: what is due or planned lies around today, what happened lies behind, and what ends does so
// after it began.
func (f *field) sampleDay(i int) int {
	ahead := []int{-2, 0, 1, 4, 9, 14, 20, 30}[i%8]
	behind := []int{-3, -6, -12, -25, -38, -52, -67, -80}[i%8]
	switch {
	case birthName.MatchString(f.Name):
		return -365*(24+i*5) + 17*i
	case f == f.Entity.DueField():
		return ahead
	case endName.MatchString(f.Name):
		for _, other := range f.Entity.Fields {
			if other != f && other.isDate() && !endName.MatchString(other.Name) && !birthName.MatchString(other.Name) {
				return other.sampleDay(i) + 2
			}
		}
		return ahead
	case startName.MatchString(f.Name), happening.MatchString(f.Entity.Name):
		return ahead
	}
	return behind
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

// sampleText finds a plausible value by the field's name, or, for names and titles, by what the entity is. It
// rather leaves a field empty than to write nonsense.
func (f *field) sampleText(i int) string {
	words := strings.Split(f.Name, "_")
	if f == f.Entity.TitleField {
		words = append(strings.Split(f.Entity.Name, "_"), words...) // the field's own words come first
	} else if slices.ContainsFunc(words, func(w string) bool {
		return strings.Contains("note notes comment comments remark remarks message reason", w)
	}) {
		return str(numbered(remarks, i, f.Unique))
	}
	for w := len(words) - 1; w >= 0; w-- {
		for _, noun := range nouns {
			for known := range strings.FieldsSeq(noun.words) {
				if words[w] == known || words[w] == known+"s" {
					return str(numbered(noun.values, i, f.Unique))
				}
			}
		}
	}
	switch {
	case f == f.Entity.TitleField:
		return str(sampleName(f.Entity.Label, i))
	case f.Unique || f.notNull():
		return str(sampleName(f.Label, i))
	}
	return "null"
}

// sampleName numbers a label, within the length of a text.
func sampleName(label string, i int) string {
	r := []rune(label)
	return strings.TrimSpace(fmt.Sprintf("%s %d", strings.TrimSpace(string(r[:min(len(r), 180)])), i+1))
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

func quoteTS(s string) string { return `"` + s + `"` }

// nothing is the value of a text that is not there.
func (f *field) nothing() string {
	if f.notNull() {
		return quoteTS("https://example.com/picture.jpg")
	}
	return "null"
}
