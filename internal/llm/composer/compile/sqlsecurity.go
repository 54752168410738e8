package compile

import (
	"fmt"
	"regexp"
	"strings"

	"overskill/internal/llm/composer/spec"
)

// This file holds who may do what: policies and grants.

// secure writes the policies and grants of an entity's table.
func (e *entity) secure(t *table) {
	a := e.app
	name := public(e.Table)
	policy := func(what, verb, role, using, check string) {
		p := fmt.Sprintf("create policy %q on %s\n  for %s to %s", what, name, verb, role)
		if using != "" {
			p += "\n  using (" + using + ")"
		}
		if check != "" {
			p += "\n  with check (" + check + ")"
		}
		t.Policies = append(t.Policies, p+";")
	}
	mine := a.mine()
	switch a.Tenancy {
	case spec.Personal:
		policy("people manage their own rows", "all", "authenticated", mine, mine)
	case spec.Team:
		policy("members manage the workspace's rows", "all", "authenticated", mine, mine)
	case spec.Community:
		policy("everyone who signed up reads", "select", "authenticated", "true", "")
		policy("people add rows in their name", "insert", "authenticated", "", mine)
		policy("people change their own rows", "update", "authenticated", mine, mine)
		policy("people delete their own rows", "delete", "authenticated", mine, "")
	}
	cols := []string{}
	for _, f := range e.Fields {
		cols = append(cols, column(f.Col))
	}
	insert := append([]string{"id"}, cols...)
	if a.team() {
		insert = append([]string{"id", "workspace_id"}, cols...)
	}
	t.Grants = append(t.Grants,
		fmt.Sprintf("grant select, delete on %s to authenticated;", name),
		fmt.Sprintf("grant insert (%s) on %s to authenticated;", strings.Join(insert, ", "), name),
		fmt.Sprintf("grant update (%s) on %s to authenticated;", strings.Join(cols, ", "), name))
	e.securePublic(t, policy)
}

// securePublic adds what people without an account may do, and nothing more.
func (e *entity) securePublic(t *table, policy func(what, verb, role, using, check string)) {
	a := e.app
	name := public(e.Table)
	site := "true"
	if a.site() {
		site = a.tenant() + " = (select " + public("site_tenant") + "())"
	}
	if e.Public == spec.PublicSubmit {
		check := site
		if a.community() {
			check = "user_id is null"
		}
		role := "anon, authenticated" // a visitor may be signed in too
		if a.community() {
			role = "anon"
		}
		policy("everyone sends the public form", "insert", role, "", check)
		cols := []string{}
		for _, f := range e.publicFields() {
			cols = append(cols, column(f.Col))
		}
		t.Grants = append(t.Grants, fmt.Sprintf("grant insert (%s) on %s to anon;", strings.Join(cols, ", "), name))
	}
	if cols := e.publicColumns(); len(cols) > 0 {
		policy("everyone reads the public page", "select", "anon", site, "")
		t.Grants = append(t.Grants, fmt.Sprintf("grant select (%s) on %s to anon;", strings.Join(cols, ", "), name))
	}
}

// publicFields are what the public form asks for: no refs, since its visitors may not see other rows, and
// nothing that belongs to handling what was sent.
func (e *entity) publicFields() []*field {
	var out []*field
	for _, f := range e.Fields {
		if f.Target == nil && !f.handled() {
			out = append(out, f)
		}
	}
	return out
}

var handledName = regexp.MustCompile(`(^|_)(status|state|stage|phase|progress|approval|handled|processed|answered|approved|archived|read)$`)

// handled reports whether the field says how far those who work in the app are with a row. What a visitor answers,
// "Will you come?" with yes and no, is no such thing, even where one answer closes the matter.
func (f *field) handled() bool {
	switch f.Type {
	case spec.Boolean:
		return f.toggleOf() != nil || handledName.MatchString(f.Name)
	case spec.Select:
		return handledName.MatchString(f.Name)
	}
	return f.moved()
}

// publicColumns are the table's columns that people without an account read: all of a public entity, and of
// the rows that it names only what makes up their title.
func (e *entity) publicColumns() []string {
	cols := taken{}
	var out []string
	add := func(name string) {
		if name != "" && !cols[name] {
			cols[name] = true
			out = append(out, column(name))
		}
	}
	if e.Public == spec.PublicRead {
		add("id")
		add(e.app.tenant())
		for _, f := range e.Fields {
			add(f.Col)
		}
		add("created_at")
	}
	for _, other := range e.app.Entities {
		if other.Public != spec.PublicRead {
			continue
		}
		for _, f := range other.Fields {
			for target := f.Target; target != nil; {
				if target == e {
					add("id")
					add(e.app.tenant())
					add(e.TitleField.Col)
				}
				if next := target.TitleField.Target; next != target {
					target = next
				} else {
					target = nil
				}
			}
		}
	}
	return out
}

// mine is the condition for rows that the person may change.
func (a *app) mine() string {
	if a.team() {
		return "workspace_id in (select " + public("my_workspaces") + "())"
	}
	return "user_id = (select auth.uid())"
}
