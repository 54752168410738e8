package gate

import (
	"fmt"
	"slices"
	"strings"

	"overskill/internal/model"
)

func (p *policy) findings() (out []model.Finding) {
	if slices.ContainsFunc(append(slices.Clone(p.using), p.check...), userMetadata) {
		out = append(out, model.Finding{
			Rule: "policy_on_user_metadata", Severity: model.SeverityBlock, File: p.file, Line: p.line,
			Title:  fmt.Sprintf("The policy %q on %s believes what people say about themselves.", p.name, p.table),
			Why:    "Everybody can change their own user_metadata, and so give themselves the role that this policy asks for.",
			Cure:   "Keep roles in a table that people cannot write to, or in app_metadata.",
			Prompt: fmt.Sprintf("The policy %q on the table %s reads user_metadata, which everybody can change. Write a migration that replaces it by one that looks the role up in a table of members that people cannot write to.", p.name, p.table),
		})
	}
	if severity, who := p.open(); severity != "" {
		out = append(out, model.Finding{
			Rule: "constant_policy", Severity: severity, File: p.file, Line: p.line,
			Title:  fmt.Sprintf("The policy %q lets %s %s in %s.", p.name, who, p.verb(), p.table),
			Why:    "Its condition is always true, so row level security does not distinguish between people.",
			Cure:   "Compare the row's owner with auth.uid() in it.",
			Prompt: fmt.Sprintf("The policy %q on the table %s has a condition that is always true. Write a migration that replaces it by policies that let people write only rows of their own, by comparing the owner's column with (select auth.uid()).", p.name, p.table),
		})
	}
	return out
}

func (p *policy) verb() string {
	if p.adds() {
		return "add rows"
	}
	switch p.command {
	case "update":
		return "change any row"
	case "delete":
		return "delete any row"
	}
	return "change and delete any row"
}

// open returns how serious it is that a policy allows writing without asking who does, and who may; "" when it asks.
// That anybody may add rows is what a contact form needs, and so it keeps nothing back.
func (p *policy) open() (severity model.Severity, who string) {
	if !p.permissive || p.command == "select" || !p.lets() {
		return "", ""
	}
	for _, role := range p.roles {
		switch {
		case role == "authenticated" && who == "":
			severity, who = model.SeverityWarn, "everybody who has signed up"
		case role == "anon" || role == "public":
			severity, who = model.SeverityBlock, "anybody"
		}
	}
	if len(p.roles) == 0 {
		severity, who = model.SeverityBlock, "anybody"
	}
	if severity == model.SeverityBlock && p.adds() {
		severity = model.SeverityWarn
	}
	return severity, who
}

// lets reports whether the policy's conditions are always true, as far as they are about writing. Using chooses the rows
// that one may change and delete; with check says what may be written, and without it using does.
func (p *policy) lets() bool {
	switch p.command {
	case "insert":
		return alwaysTrue(p.check)
	case "all":
		return alwaysTrue(p.using) || alwaysTrue(p.check)
	}
	return alwaysTrue(p.using)
}

// adds reports whether what the policy lets everybody do is to add rows, and no more: a policy without using reaches no
// row that is there.
func (p *policy) adds() bool { return p.command == "insert" || !alwaysTrue(p.using) }

// maxTrue is how many tokens an expression has at most that is taken to be true: looking into nested ones takes the
// square of their length.
const maxTrue = 200

// alwaysTrue reports whether an expression is one of the usual ways to write true.
func alwaysTrue(e []token) bool {
	if len(e) > maxTrue {
		return false
	}
	for len(e) >= 2 && e[0].kind == sign && e[0].text == "(" && e[len(e)-1].kind == sign && e[len(e)-1].text == ")" {
		c := cursor{tokens: e}
		inside := c.parens()
		if c.at != len(e) {
			break
		}
		e = inside
	}
	if len(e) > 1 && e[0].is("select") {
		return alwaysTrue(e[1:])
	}
	depth := 0
	for i, t := range e {
		if t.kind == sign && t.text == "(" {
			depth++
		} else if t.kind == sign && t.text == ")" {
			depth--
		}
		if depth == 0 && t.is("or") {
			return alwaysTrue(e[:i]) || alwaysTrue(e[i+1:])
		}
	}
	switch len(e) {
	case 1:
		return e[0].is("true")
	case 3:
		return e[1].kind == sign && e[1].text == "=" && e[0] == (token{e[0].kind, e[2].text, e[0].line}) && e[0].kind == e[2].kind && (e[0].kind == text || strings.Trim(e[0].text, "0123456789") == "")
	}
	return false
}

// userMetadata reports whether a token reads what people can write about themselves.
func userMetadata(t token) bool {
	return t.kind != sign && (t.text == "user_metadata" || t.text == "raw_user_meta_data")
}
