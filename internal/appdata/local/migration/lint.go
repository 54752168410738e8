package migration

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is something in a migration that an app may not do.
type Problem struct {
	Line    int // 1-based, in the file
	Message string
	Cure    string // what to write instead; "" when there is nothing better than removing it
}

func (p *Problem) Error() string {
	s := fmt.Sprintf("line %d: %s", p.Line, p.Message)
	if p.Cure != "" {
		s += " " + p.Cure
	}
	return s
}

// creatable are the kinds of things that an app may create, alter and drop.
var creatable = []string{
	"table", "view", "materialized view", "index", "sequence", "function", "procedure", "trigger", "policy", "type", "domain",
}

// modifiers stand between the verb and the kind, as in create or replace function.
var modifiers = []string{"or", "replace", "unique", "recursive", "constraint", "unlogged"}

// advice answers statements that models and people do write, but that have no place here.
var advice = map[string]string{
	"begin":     "Remove it: all pending migrations already run as one transaction.",
	"commit":    "Remove it: all pending migrations already run as one transaction.",
	"end":       "Remove it: all pending migrations already run as one transaction.",
	"start":     "Remove it: all pending migrations already run as one transaction.",
	"rollback":  "Remove it: when a statement fails, nothing of the migrations stays.",
	"set":       "Remove it; a function may carry its own settings, as in: set search_path = ''.",
	"reset":     "Remove it.",
	"vacuum":    "Remove it: the server vacuums by itself.",
	"extension": "Remove it: gen_random_uuid() and the other built-in functions need no extension.",
	"schema":    "Keep everything in schema public.",
	"role":      "Remove it: write policies for the roles anon and authenticated.",
	"user":      "Remove it: people sign up through the app, not as database users.",
	"temp":      "Use a with query or an ordinary table.",
	"temporary": "Use a with query or an ordinary table.",
	"rule":      "Use a trigger.",
}

// Lint returns the first thing in the statements that the app may not do, or nil.
// What depends on the database's state is not looked at.
func Lint(appID int64, statements []Statement) *Problem {
	prefix := fmt.Sprintf("app_%d_", appID)
	for _, s := range statements {
		if p := s.lint(prefix); p != nil {
			return p
		}
	}
	return nil
}

func (s Statement) lint(prefix string) *Problem {
	var p *Problem
	switch verb := s.Tokens[0].Text; {
	case s.Tokens[0].Kind != Word:
		p = s.problem(0, "A statement cannot begin with %s.", s.Tokens[0].Text)
	case verb == "create" || verb == "alter" || verb == "drop":
		p = s.lintDefinition(verb, prefix)
	case verb == "grant" || verb == "revoke":
		p = s.lintGrant()
	case verb == "notify":
		if len(s.Tokens) < 2 || s.Tokens[1].Text != "pgrst" {
			p = s.problem(0, "A migration may notify pgrst only.")
		}
	case slices.Contains([]string{"insert", "update", "delete", "select", "with", "do", "comment", "truncate", "values"}, verb):
	default:
		p = s.problem(0, "%s is not allowed in a migration.", strings.ToUpper(verb))
		p.Cure = advice[verb]
	}
	if p == nil {
		p = s.lintNames(prefix)
	}
	return p
}

func (s Statement) problem(token int, format string, args ...any) *Problem {
	return &Problem{Line: s.LineAt(s.Tokens[token].Offset), Message: fmt.Sprintf(format, args...)}
}

// kind returns what the statement creates, alters or drops, and the index of the token behind that word.
func (s Statement) kind() (string, int) {
	i := 1
	for i < len(s.Tokens) && s.Tokens[i].Kind == Word && slices.Contains(modifiers, s.Tokens[i].Text) {
		i++
	}
	if i >= len(s.Tokens) {
		return "", i
	}
	if s.Tokens[i].Is("materialized") || s.Tokens[i].Is("default") || s.Tokens[i].Is("event") {
		if i+1 < len(s.Tokens) {
			return s.Tokens[i].Text + " " + s.Tokens[i+1].Text, i + 2
		}
	}
	return s.Tokens[i].Text, i + 1
}

func (s Statement) lintDefinition(verb, prefix string) *Problem {
	kind, at := s.kind()
	if !slices.Contains(creatable, kind) {
		p := s.problem(0, "%s %s is not allowed in a migration.", strings.ToUpper(verb), strings.ToUpper(kind))
		p.Cure = advice[kind]
		return p
	}
	for i, t := range s.Tokens {
		if t.Is("owner") && i+1 < len(s.Tokens) && s.Tokens[i+1].Is("to") && verb == "alter" {
			return s.problem(i, "A migration may not change an owner.")
		}
	}
	if verb == "alter" && kind == "table" && s.has("disable", "row", "level", "security") {
		p := s.problem(0, "Row level security may not be switched off.")
		p.Cure = "Write a policy that allows what the app needs."
		return p
	}
	if verb != "create" || kind == "trigger" || kind == "policy" {
		return nil
	}
	return s.lintNewName(kind, at, prefix)
}

// lintNewName checks the name of what is created.
func (s Statement) lintNewName(kind string, at int, prefix string) *Problem {
	for at < len(s.Tokens) && s.Tokens[at].Kind == Word && slices.Contains([]string{"if", "not", "exists", "concurrently"}, s.Tokens[at].Text) {
		at++
	}
	if at >= len(s.Tokens) || s.Tokens[at].Is("on") { // an index may leave its name to Postgres
		return nil
	}
	if at+2 < len(s.Tokens) && s.Tokens[at+1].Text == "." {
		if s.Tokens[at].Text != "public" {
			p := s.problem(at, "The %s must be in schema public, not in %s.", kind, s.Tokens[at].Text)
			p.Cure = fmt.Sprintf("Name it public.%s%s.", prefix, strings.TrimPrefix(s.Tokens[at+2].Text, prefix))
			return p
		}
		at += 2
	}
	if name := s.Tokens[at].Text; s.Tokens[at].Name() && !strings.HasPrefix(name, prefix) {
		p := s.problem(at, "The name of the %s %s does not begin with %s.", kind, name, prefix)
		p.Cure = fmt.Sprintf("Name it %s%s.", prefix, name)
		return p
	}
	return nil
}

// has reports whether the words stand next to each other in the statement.
func (s Statement) has(words ...string) bool {
	for i := 0; i+len(words) <= len(s.Tokens); i++ {
		if slices.EqualFunc(s.Tokens[i:i+len(words)], words, func(t Token, w string) bool { return t.Is(w) }) {
			return true
		}
	}
	return false
}

// lintNames looks for other apps' objects and for schemas that are not the app's, outside of strings.
func (s Statement) lintNames(prefix string) *Problem {
	for i, t := range s.Tokens {
		if !t.Name() {
			continue
		}
		if id, ok := foreign(t.Text, prefix); ok {
			p := s.problem(i, "%s belongs to another app (%s).", t.Text, id)
			p.Cure = fmt.Sprintf("This app's names begin with %s.", prefix)
			return p
		}
		if t.Text != "auth" || i+2 >= len(s.Tokens) || s.Tokens[i+1].Text != "." {
			continue
		}
		if member := s.Tokens[i+2].Text; !slices.Contains([]string{"uid", "jwt", "role", "email"}, member) {
			p := s.problem(i, "An app cannot reach auth.%s.", member)
			p.Cure = "Of schema auth there are auth.uid(), auth.jwt(), auth.role() and auth.email()."
			if member == "users" {
				p.Cure = "Keep the person's id without a foreign key: user_id uuid not null default auth.uid()."
			}
			return p
		}
	}
	return nil
}

// foreign reports whether name carries another app's prefix, and which.
func foreign(name, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "app_")
	if !ok || strings.HasPrefix(name, prefix) {
		return "", false
	}
	id, _, ok := strings.Cut(rest, "_")
	if !ok || id == "" || strings.Trim(id, "0123456789") != "" {
		return "", false
	}
	return "app " + id, true
}
