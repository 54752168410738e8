package compile

import (
	"fmt"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// view is a read-only relation: one row is one line on screen. It obeys the policies of the tables under it.
type view struct {
	Name, Body string
	Anon       bool // people without an account read it
}

func (v view) create() string {
	return fmt.Sprintf("create view %s with (security_invoker = true) as\n%s;", public(v.Name), v.Body)
}

// joins collects the tables that titles come from.
type joins struct {
	clauses []string
	n       int
}

// title writes what names a row of e. It follows a title that is a ref, at most four steps.
func (j *joins) title(e *entity, alias string, depth int) string {
	f := e.TitleField
	col := alias + "." + column(f.Col)
	switch {
	case f.Target != nil && depth < 4:
		return j.title(f.Target, j.add(f, alias), depth+1)
	case f.Type == spec.Money:
		return "to_char(" + col + " / 100.0, 'FM999999990.00')"
	case f.Type == spec.Select:
		return "initcap(replace(" + col + ", '_', ' '))"
	case f.isText():
		return col
	}
	return col + "::text"
}

// add joins the table that a ref names and returns its alias.
func (j *joins) add(f *field, alias string) string {
	j.n++
	r := fmt.Sprintf("r%d", j.n)
	j.clauses = append(j.clauses, fmt.Sprintf("    left join %s %s on %[2]s.id = %s.%s", public(f.Target.Table), r, alias, column(f.Col)))
	return r
}

// listView is the view that pages read.
func (e *entity) listView() view {
	j := &joins{}
	a := e.app
	cols := []string{"t.id"}
	switch a.Tenancy {
	case spec.Personal:
		cols = append(cols, "t.user_id")
	case spec.Team:
		cols = append(cols, "t.workspace_id")
	case spec.Community:
		cols = append(cols, "t.user_id", "t.author", "coalesce(t.user_id = (select auth.uid()), false) as mine")
	}
	search := []string{}
	title := ""
	for _, f := range e.Fields {
		col := "t." + column(f.Col)
		cols = append(cols, col)
		switch {
		case f.Target != nil:
			refTitle := j.title(f.Target, j.add(f, "t"), 0)
			cols = append(cols, refTitle+" as "+column(f.TitleCol))
			search = append(search, refTitle)
			if f == e.TitleField {
				title = refTitle
			}
		case f.Type == spec.Phone:
			search = append(search, col, "regexp_replace("+col+", '\\D', '', 'g')")
		case f.Type == spec.Select:
			search = append(search, "replace("+col+", '_', ' ')")
		case f.isText():
			search = append(search, col)
		}
	}
	if title == "" {
		title = j.title(e, "t", 0)
	}
	if !e.TitleField.isText() && e.TitleField.Target == nil {
		search = append(search, title)
	}
	cols = append(cols, "coalesce(nullif("+title+", ''), 'Untitled') as row_title",
		"concat_ws(' ', "+strings.Join(search, ", ")+") as search_text", "t.created_at", "t.updated_at")
	cols = append(cols, e.derived()...)
	body := "  select " + strings.Join(cols, ",\n         ") + "\n    from " + public(e.Table) + " t"
	if len(j.clauses) > 0 {
		body += "\n" + strings.Join(j.clauses, "\n")
	}
	return view{Name: e.View, Body: body}
}

// derived are the columns that are computed from the row and its marks.
func (e *entity) derived() []string {
	var cols []string
	if e.HasOpen() {
		var open []string
		for _, f := range e.doneFields() {
			if f.Type == spec.Boolean {
				open = append(open, "not t."+column(f.Col))
				continue
			}
			var done []string
			for _, o := range f.Options {
				if o.Done {
					done = append(done, quote(o.Value))
				}
			}
			open = append(open, fmt.Sprintf("t.%s not in (%s)", column(f.Col), strings.Join(done, ", ")))
		}
		cols = append(cols, "("+strings.Join(open, " and ")+") as is_open")
	}
	if low := e.action(spec.LowStock); low != nil {
		cols = append(cols, fmt.Sprintf("coalesce(t.%s < t.%s, false) as below_minimum", column(e.field(low.Field).Col), column(e.field(low.Entity).Col)))
	}
	if e.VoteTable != "" {
		votes := public(e.VoteTable)
		cols = append(cols, "(select count(*) from "+votes+" v where v.row_id = t.id)::int as vote_count",
			"exists (select 1 from "+votes+" v where v.row_id = t.id and v.user_id = (select auth.uid())) as voted")
	}
	if e.CheckTable != "" {
		cols = append(cols, "array(select c.day from "+public(e.CheckTable)+" c\n"+
			"               where c.row_id = t.id and c.user_id = (select auth.uid())\n"+
			"               order by c.day desc limit 400) as check_in_days")
	}
	return cols
}

// publicView is what people without an account read of the entity.
func (e *entity) publicView() view {
	j := &joins{}
	cols := []string{"t.id"}
	title := ""
	for _, f := range e.Fields {
		cols = append(cols, "t."+column(f.Col))
		if f.Target != nil {
			refTitle := j.title(f.Target, j.add(f, "t"), 0)
			cols = append(cols, refTitle+" as "+column(f.TitleCol))
			if f == e.TitleField {
				title = refTitle
			}
		}
	}
	if title == "" {
		title = j.title(e, "t", 0)
	}
	cols = append(cols, "coalesce(nullif("+title+", ''), 'Untitled') as row_title", "t.created_at")
	body := "  select " + strings.Join(cols, ",\n         ") + "\n    from " + public(e.Table) + " t"
	if len(j.clauses) > 0 {
		body += "\n" + strings.Join(j.clauses, "\n")
	}
	if e.app.site() {
		body += "\n   where t." + e.app.tenant() + " = (select " + public("site_tenant") + "())"
	}
	return view{Name: e.PublicView, Body: body, Anon: true}
}

// chartView groups rows by the chart's bucket.
func (c *chart) view() view {
	bucket := "to_char(t.created_at, 'YYYY-MM')"
	if c.By != nil {
		col := "t." + column(c.By.SortCol())
		switch {
		case c.By.isDate():
			bucket = "to_char(" + col + ", 'YYYY-MM')"
		case c.By.Type == spec.Ref:
			bucket = "coalesce(" + col + ", 'None')"
		case c.By.Type == spec.Boolean:
			bucket = "case when " + col + " then 'Yes' else 'No' end"
		default:
			bucket = col
		}
	}
	value := "count(*)::int"
	if c.Field != nil {
		value = "coalesce(sum(t." + column(c.Field.Col) + "), 0)::float8"
	}
	group := "t." + c.Entity.app.tenant() + ", "
	if c.Entity.app.tenant() == "" {
		group = ""
	}
	body := fmt.Sprintf("  select %s%s as bucket, %s as value\n    from %s t", group, bucket, value, public(c.Entity.View))
	conditions := []string{}
	if c.By != nil && c.By.isDate() {
		conditions = append(conditions, "t."+column(c.By.Col)+" is not null")
	}
	if where, _ := c.Entity.where("t", c.Widget); where != "" { // resolveWidgets has checked it
		conditions = append(conditions, strings.ReplaceAll(where, "$1", "current_date"))
	}
	if len(conditions) > 0 {
		body += "\n   where " + strings.Join(conditions, " and ")
	}
	n := 1
	if group != "" {
		n = 2
	}
	return view{Name: c.View, Body: body + fmt.Sprintf("\n   group by %s%d", map[bool]string{true: "1, "}[n == 2], n)}
}

// views of the app, those that others read from first.
func (a *app) views() []view {
	var out []view
	for _, e := range a.Entities {
		out = append(out, e.listView())
		if e.PublicView != "" {
			out = append(out, e.publicView())
		}
	}
	for _, c := range a.Charts {
		out = append(out, c.view())
	}
	return out
}

// statsSignature names dashboard_stats with its argument types.
func (a *app) statsSignature() string {
	if a.team() {
		return public("dashboard_stats") + "(date, uuid)"
	}
	return public("dashboard_stats") + "(date)"
}

// statsFunction computes all figures of the dashboard in one call. The caller's rights decide what it counts.
func (a *app) statsFunction() string {
	args, tenant := "day date", ""
	if a.team() {
		args, tenant = "day date, workspace uuid", "t.workspace_id = $2"
	}
	returns, values := []string{"total bigint"}, []string{}
	count := func(expr string, e *entity, where ...string) string {
		q := "(select " + expr + " from " + public(e.View) + " t"
		if conditions := joinAnd(append([]string{tenant}, where...)); conditions != "" {
			q += " where " + conditions
		}
		return q + ")"
	}
	var totals []string
	for _, e := range a.Entities {
		totals = append(totals, count("count(*)", e))
	}
	values = append(values, strings.Join(totals, "\n         + "))
	for _, s := range a.Stats {
		where, _ := s.Entity.where("t", s.Widget)
		switch s.Kind {
		case spec.Sum:
			values = append(values, count("coalesce(sum(t."+column(s.Field.Col)+"), 0)::float8", s.Entity, where))
			returns = append(returns, s.Col+" float8")
		case spec.Average:
			values = append(values, count("avg(t."+column(s.Field.Col)+")::float8", s.Entity, where))
			returns = append(returns, s.Col+" float8")
		default:
			values = append(values, count("count(*)", s.Entity, where))
			returns = append(returns, s.Col+" bigint")
		}
	}
	return fmt.Sprintf("create function %s(%s)\nreturns table (%s)\nlanguage sql stable set search_path = '' as $$\n  select %s\n$$;",
		public("dashboard_stats"), args, strings.Join(returns, ", "), strings.Join(values, ",\n         "))
}

func joinAnd(conditions []string) string {
	var out []string
	for _, c := range conditions {
		if c != "" {
			out = append(out, c)
		}
	}
	return strings.Join(out, " and ")
}
