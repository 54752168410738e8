package understand

import (
	"fmt"
	"slices"

	"overskill/internal/llm/composer/spec"
)

// sort handles "sort the list by due date, soonest first" and "order books by rating, highest first".
func (e *editor) sort(ts []token) bool {
	at := slices.IndexFunc(ts, func(t token) bool { return t.is("sort", "sorted", "order", "ordered", "sorting", "ordering") })
	by := slices.IndexFunc(ts, func(t token) bool { return t.is("by") })
	newest := find(ts, "newest first") >= 0 || find(ts, "latest first") >= 0 || find(ts, "most recent first") >= 0
	oldest := find(ts, "oldest first") >= 0
	if at < 0 && !newest && !oldest {
		return false
	}
	subject, what := ts, []token(nil)
	if by > 0 {
		subject, what = ts[:by], ts[by+1:]
	}
	x, _, _ := e.entityAt(subject)
	if by > 0 && (x == nil || at > by) {
		if y, from, _ := e.entityAt(what); y != nil && from > 0 && what[from-1].is("of", "in") && !slices.ContainsFunc(what[:from], func(t token) bool { return t.is("number") }) {
			x = y
		}
	}
	if what == nil {
		if x == nil {
			x = e.main()
		}
		x.Sort = spec.Sort{Field: "created_at", Desc: !oldest}
		e.did("%s are sorted by the time they were added, %s first.", x.LabelPlural, map[bool]string{true: "newest", false: "oldest"}[!oldest])
		e.version = "Sort " + lowerFirst(x.LabelPlural)
		return true
	}
	if slices.ContainsFunc(what, func(t token) bool { return t.is("vote", "votes", "upvotes", "likes") }) {
		return e.sortByVotes(x)
	}
	where, f := e.fieldIn(what, x)
	if f == nil && slices.ContainsFunc(what, func(t token) bool { return t.is("newest", "oldest", "created", "added", "creation") }) {
		if x == nil {
			x = e.main()
		}
		x.Sort = spec.Sort{Field: "created_at", Desc: find(what, "oldest") < 0}
		e.did("%s are sorted by the time they were added.", x.LabelPlural)
		return true
	}
	if f == nil {
		e.cannot = append(e.cannot, fmt.Sprintf("There is no field %q to sort by.", text(what)))
		return true
	}
	where.Sort = spec.Sort{Field: f.Name, Desc: descending(what, f)}
	direction := map[bool]string{false: "lowest first", true: "highest first"}
	switch f.Type {
	case spec.Date, spec.DateTime, spec.Time:
		direction = map[bool]string{false: "soonest first", true: "latest first"}
	case spec.Text, spec.LongText, spec.Lines, spec.URL, spec.Phone, spec.Email, spec.Select, spec.Ref:
		direction = map[bool]string{false: "from A to Z", true: "from Z to A"}
	}
	e.last = where
	e.did("%s are sorted by %s, %s.", where.LabelPlural, lowerFirst(f.Label), direction[where.Sort.Desc])
	e.version = fmt.Sprintf("Sort %s by %s", lowerFirst(where.LabelPlural), lowerFirst(f.Label))
	return true
}

func (e *editor) sortByVotes(x *spec.Entity) bool {
	for i := range e.s.Entities {
		y := &e.s.Entities[i]
		if (x == nil || y == x) && slices.ContainsFunc(y.Actions, func(a spec.Action) bool { return a.Kind == spec.Vote }) {
			e.cannot = append(e.cannot, y.LabelPlural+" are sorted by votes already, the most first.")
			return true
		}
	}
	e.cannot = append(e.cannot, "Nothing in this app has votes yet. Ask me to add votes first.")
	return true
}

// descending reads the direction; without one, dates of the past and quantities start with the highest.
func descending(ts []token, f *spec.Field) bool {
	for _, t := range ts {
		switch {
		case t.is("descending", "desc", "highest", "newest", "latest", "most", "biggest", "largest", "best", "reverse", "longest", "expensive"):
			return true
		case t.is("ascending", "asc", "lowest", "soonest", "earliest", "oldest", "alphabetically", "smallest", "cheapest", "first-to-last", "nearest", "next", "shortest", "a-z", "least"):
			return false
		}
	}
	switch f.Type {
	case spec.Rating, spec.Integer, spec.Decimal, spec.Percent, spec.Money:
		return true
	}
	return false
}

// board handles "show deals as a board grouped by stage" and "group by status".
func (e *editor) board(ts []token) bool {
	board := slices.ContainsFunc(ts, func(t token) bool { return t.is("board", "kanban") })
	group := slices.IndexFunc(ts, func(t token) bool { return t.is("group", "grouped", "grouping") })
	if find(ts, "as list") >= 0 || find(ts, "as a list") >= 0 || board && slices.ContainsFunc(ts, func(t token) bool { return t.is("remove", "no") }) {
		x, _, _ := e.entityAt(ts)
		if x == nil {
			x = e.main()
		}
		x.Board = ""
		e.did("%s are shown as a list only.", x.LabelPlural)
		e.version = "Show " + lowerFirst(x.LabelPlural) + " as a list"
		return true
	}
	if !board && group < 0 || slices.ContainsFunc(ts, func(t token) bool { return t.is("field", "column") }) {
		return false
	}
	subject, what := ts, []token(nil)
	if by := slices.IndexFunc(ts, func(t token) bool { return t.is("by") }); by >= 0 {
		subject, what = ts[:by], ts[by+1:]
	}
	x, _, _ := e.entityAt(subject)
	var f *spec.Field
	if len(what) > 0 {
		if y, g := e.fieldIn(what, x); g != nil {
			x, f = y, g
		}
	}
	if x == nil {
		x = e.main()
	}
	if f == nil && len(what) == 0 {
		for i := range x.Fields {
			if x.Fields[i].Type == spec.Select {
				f = &x.Fields[i]
				break
			}
		}
	}
	if f == nil || f.Type != spec.Select {
		e.cannot = append(e.cannot, "A board needs a field with fixed options, such as a status. "+x.LabelPlural+" have none by that name.")
		return true
	}
	x.Board = f.Name
	e.did("%s are shown as a board with a column for each %s.", x.LabelPlural, lowerFirst(f.Label))
	e.version = fmt.Sprintf("Show %s as a board", lowerFirst(x.LabelPlural))
	return true
}

// unit handles "show weight in kg".
func (e *editor) unit(ts []token) bool {
	if len(ts) < 4 || !ts[0].is("show", "display", "measure", "give", "track", "use") {
		return false
	}
	in := slices.IndexFunc(ts, func(t token) bool { return t.is("in") })
	if in < 1 || in+1 >= len(ts) {
		return false
	}
	u, ok := units[ts[in+1].lemma]
	x, f := e.fieldIn(ts[1:in], nil)
	if !ok || f == nil || u.unit == "" || f.Type != spec.Integer && f.Type != spec.Decimal {
		return false
	}
	f.Unit = u.unit
	e.did("%s of %s is shown in %s.", f.Label, lowerFirst(x.LabelPlural), u.unit)
	e.version = fmt.Sprintf("Show %s in %s", lowerFirst(f.Label), u.unit)
	return true
}

// public handles "let people answer without logging in" and "make the list of products public".
func (e *editor) public(ts []token) bool {
	without := find(ts, "without logging") >= 0 || find(ts, "without login") >= 0 || find(ts, "without signing") >= 0 || find(ts, "without account") >= 0 || find(ts, "without an account") >= 0 || find(ts, "without a login") >= 0
	if !without && !(find(ts, "public") >= 0 && ts[0].is("make", "show", "let", "open", "publish")) {
		return false
	}
	x, _, _ := e.entityAt(ts)
	if x == nil {
		for _, t := range ts { // "let people answer": the verb names the entity
			for i := range e.s.Entities {
				if t.lemma == lastWord(lemmaOf(e.s.Entities[i].Label)) {
					x = &e.s.Entities[i]
				}
			}
		}
	}
	if x == nil {
		x = e.main()
	}
	read := find(ts, "see") >= 0 || find(ts, "read") >= 0 || find(ts, "view") >= 0 || find(ts, "browse") >= 0 || !without
	if read {
		x.Public = spec.PublicRead
		e.did("%s can be read without signing in.", x.LabelPlural)
	} else {
		x.Public = spec.PublicSubmit
		e.did("Anyone can send %s without signing in; reading them still needs an account.", lowerFirst(x.LabelPlural))
	}
	e.version = "Open " + lowerFirst(x.LabelPlural) + " to everyone"
	return true
}

// require handles "make email required" and "phone is optional".
func (e *editor) require(ts []token) bool {
	on := slices.ContainsFunc(ts, func(t token) bool { return t.is("required", "mandatory") })
	off := slices.ContainsFunc(ts, func(t token) bool { return t.is("optional") })
	if !on && !off || ts[0].is("add") {
		return false
	}
	x, f := e.fieldIn(ts[:len(ts)-1], nil)
	if f == nil {
		what := (&reader{lex: vocabulary()}).nounPhrase(slices.DeleteFunc(slices.Clone(ts), func(t token) bool { return t.is("make", "required", "mandatory", "optional", "set") }))
		if len(what) > 0 {
			e.cannot = append(e.cannot, fmt.Sprintf("There is no field %q in this app.", text(what)))
		}
		return true
	}
	if f.Name == x.Title && off {
		e.cannot = append(e.cannot, fmt.Sprintf("%s names each %s, so it cannot be left empty.", f.Label, lowerFirst(x.Label)))
		return true
	}
	f.Required = on && !off
	e.did("%s %s be saved without %s.", x.LabelPlural, map[bool]string{true: "cannot", false: "can"}[f.Required], lowerFirst(f.Label))
	e.version = fmt.Sprintf("Make %s %s", lowerFirst(f.Label), map[bool]string{true: "required", false: "optional"}[f.Required])
	return true
}

// filter handles "filter recipes by tag"; a text cannot be filtered by, but it can be searched.
func (e *editor) filter(ts []token) bool {
	if !ts[0].is("filter") && find(ts, "filter by") < 0 && !ts[0].is("hide") {
		return false
	}
	if ts[0].is("hide") {
		x, _, _ := e.entityAt(ts)
		if x == nil {
			x = e.main()
		}
		e.cannot = append(e.cannot, "Hiding rows by default is not possible; the filter above the list of "+lowerFirst(x.LabelPlural)+" does it with one press.")
		return true
	}
	x, _, _ := e.entityAt(ts)
	by := slices.IndexFunc(ts, func(t token) bool { return t.is("by") })
	if by < 0 {
		return false
	}
	y, f := e.fieldIn(ts[by+1:], nil)
	if x != nil {
		if _, g := e.fieldIn(ts[by+1:], x); g != nil {
			y, f = x, g
		}
	}
	switch {
	case f == nil:
		e.cannot = append(e.cannot, fmt.Sprintf("There is no field %q to filter by.", text(ts[by+1:])))
	case f.Type == spec.Select || f.Type == spec.Ref || f.Type == spec.Boolean:
		f.Filter = true
		e.did("%s can be filtered by %s.", y.LabelPlural, lowerFirst(f.Label))
	default:
		e.cannot = append(e.cannot, fmt.Sprintf("Filters need fixed options. %s is free text: the search above the list finds %s by it.", f.Label, lowerFirst(y.LabelPlural)))
	}
	return true
}

// limits answers wishes that no app of the Composer can have.
func (e *editor) limits(ts []token) bool {
	hit := false
	for _, c := range vocabulary().cannot {
		for _, w := range c.words {
			if find(ts, w) >= 0 {
				if x, _, _ := e.entityAt(ts); x != nil && meets([]string{w}, names(x.Name, x.Label)) {
					continue
				}
				e.cannot = append(e.cannot, c.sentence+".")
				hit = true
				break
			}
		}
	}
	return hit
}

// overdue handles "mark overdue ones".
func (e *editor) overdue(ts []token) bool {
	if find(ts, "overdue") < 0 && find(ts, "late one") < 0 {
		return false
	}
	x, _, _ := e.entityAt(ts)
	if x == nil {
		x = e.main()
	}
	ent := &entity{Entity: *x}
	due := dueField(ent)
	if due == nil || doneField(ent) == nil {
		e.cannot = append(e.cannot, "Something is overdue if it has a due date and a status or a done field; "+lowerFirst(x.LabelPlural)+" lack one of them.")
		return true
	}
	e.widget(spec.Widget{Kind: spec.Count, Label: "Overdue " + lowerFirst(x.LabelPlural), Entity: x.Name, Field: due.Name, Where: "overdue"})
	e.did("Overdue %s are marked in the list and counted on the dashboard.", lowerFirst(x.LabelPlural))
	return true
}

// widget puts a widget on the dashboard unless it is there; a full dashboard gives up its last chart.
func (e *editor) widget(w spec.Widget) {
	for _, have := range e.s.Dashboard {
		if have.Kind == w.Kind && have.Entity == w.Entity && have.Field == w.Field && have.Where == w.Where && have.By == w.By {
			return
		}
	}
	if len(e.s.Dashboard) >= maxWidgets+2 {
		return
	}
	at := 0
	for i, have := range e.s.Dashboard {
		if have.Kind == w.Kind || have.Kind == spec.Count || have.Kind == spec.Sum || have.Kind == spec.Average {
			at = i + 1
		}
	}
	e.s.Dashboard = slices.Insert(e.s.Dashboard, at, w)
}
