package migration

import (
	"slices"
	"strings"
)

// Roles are the app's own roles that stand for the names which Supabase's users know.
type Roles struct{ Anon, Authenticated, Service string }

// lintGrant refuses grants of roles and grants to anyone but the three roles.
func (s Statement) lintGrant() *Problem {
	if !s.has("on") {
		p := s.problem(0, "Roles may not be granted or revoked.")
		p.Cure = "Grant privileges on the app's own tables and functions to anon or authenticated."
		return p
	}
	if s.has("with", "grant", "option") {
		return s.problem(0, "WITH GRANT OPTION is not allowed.")
	}
	grantees := s.grantees()
	if len(grantees) == 0 {
		return s.problem(0, "The statement names nobody.")
	}
	for _, i := range grantees {
		t := s.Tokens[i]
		allowed := []string{"anon", "authenticated", "service_role", "public"}
		if !slices.Contains(allowed, t.Text) {
			p := s.problem(i, "%s is not a role of this app.", t.Text)
			p.Cure = "Use anon, authenticated or service_role."
			return p
		}
	}
	return nil
}

// grantees returns the indexes of the tokens that name who gets or loses the privileges.
func (s Statement) grantees() []int {
	word := "to"
	if s.Tokens[0].Is("revoke") {
		word = "from"
	}
	at := -1
	for i, t := range s.Tokens {
		if t.Is(word) {
			at = i
		}
	}
	var out []int
	if at < 0 {
		return nil
	}
	for i := at + 1; i < len(s.Tokens) && s.Tokens[i].Name(); i += 2 {
		if s.Tokens[i].Is("group") {
			i++
			if i >= len(s.Tokens) {
				break
			}
		}
		out = append(out, i)
		if i+1 >= len(s.Tokens) || s.Tokens[i+1].Text != "," {
			break
		}
	}
	return out
}

// Localize returns the statement's SQL with the shared role names in a grant or revoke replaced by the app's own.
// Granting to public means all three; revoking from public stays. Other statements stay as they are: a policy
// for authenticated applies to the app's own role, which is a member of it. Lines are kept.
func (s Statement) Localize(r Roles) string {
	grant := s.Tokens[0].Is("grant")
	if !grant && !s.Tokens[0].Is("revoke") {
		return s.SQL
	}
	names := map[string]string{"anon": r.Anon, "authenticated": r.Authenticated, "service_role": r.Service}
	if grant {
		names["public"] = r.Anon + ", " + r.Authenticated + ", " + r.Service
	}
	var b strings.Builder
	last := 0
	for _, i := range s.grantees() {
		t := s.Tokens[i]
		if own, ok := names[t.Text]; ok {
			b.WriteString(s.SQL[last:t.Offset])
			b.WriteString(own)
			last = t.Offset + t.Len
		}
	}
	b.WriteString(s.SQL[last:])
	return b.String()
}
