package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a plan: it is read by people, in a chat.
const (
	maxName     = 60  // characters
	maxTagline  = 160 // characters
	maxPoint    = 500 // characters of one line
	maxPoints   = 40  // lines of one list
	versionName = 80  // characters
)

const planAccepted = "The plan is noted and the person reads it now. Carry it out: files may be changed from here on. " +
	"Write what the plan says, no more and no less, then say in a few sentences what you did."

func planTool() tool {
	return tool{
		name: planName,
		description: "Tells the person what you understood and what you will do. Call it once, before anything is changed. " +
			"Be plain and short: whole sentences, no markup. Say in cannot what was asked for and will not be there.",
		schema: `{"type":"object","additionalProperties":false,"required":["app_name","version_name","understood","assumed","cannot","changes"],"properties":{
			"app_name":{"type":"string","maxLength":60,"description":"the app's name; keep it unless it should change"},
			"tagline":{"type":"string","maxLength":160,"description":"what the app is for, in one line"},
			"version_name":{"type":"string","maxLength":80,"description":"this version in a few words, such as: Due dates for todos"},
			"understood":{"type":"array","items":{"type":"string"},"description":"what the person wants"},
			"assumed":{"type":"array","items":{"type":"string"},"description":"what they did not say and you decided"},
			"cannot":{"type":"array","items":{"type":"string"},"description":"what they asked for and will not get, and why"},
			"changes":{"type":"array","items":{"type":"string"},"description":"what you will add, change or remove; empty if nothing"}}}`,
		look: true,
		run: func(_ context.Context, s *session, raw json.RawMessage) outcome {
			if !s.planning {
				return failed("", "The plan stands; the person has read it. Carry it out, and say at the end what came out differently.")
			}
			p, out := readPlan(raw)
			if !out.failed {
				s.plan = p
			}
			return out
		},
	}
}

// readPlan decodes and checks a plan. Blank lines of lists are dropped, everything else must fit.
func readPlan(raw json.RawMessage) (*Plan, outcome) {
	var p Plan
	if problem := decode(raw, &p); problem != "" {
		return nil, failed("", "%s", problem)
	}
	p.AppName, p.Tagline, p.VersionName = oneLine(p.AppName), oneLine(p.Tagline), oneLine(p.VersionName)
	for _, f := range []struct {
		member, value string
		limit         int
		required      bool
	}{
		{"app_name", p.AppName, maxName, true},
		{"tagline", p.Tagline, maxTagline, false},
		{"version_name", p.VersionName, versionName, true},
	} {
		switch n := utf8.RuneCountInString(f.value); {
		case n == 0 && f.required:
			return nil, failed("", "%s is missing.", f.member)
		case n > f.limit:
			return nil, failed("", "%s has %d characters; %d are allowed.", f.member, n, f.limit)
		}
	}
	for member, list := range map[string]*[]string{
		"understood": &p.Understood, "assumed": &p.Assumed, "cannot": &p.Cannot, "changes": &p.Changes,
	} {
		if problem := tidy(list); problem != "" {
			return nil, failed("", "%s %s", member, problem)
		}
	}
	return &p, outcome{text: planAccepted}
}

func tidy(list *[]string) (problem string) {
	out := []string{}
	for _, line := range *list {
		if line = oneLine(line); line == "" {
			continue
		}
		if n := utf8.RuneCountInString(line); n > maxPoint {
			return fmt.Sprintf("holds a line of %d characters; %d are allowed.", n, maxPoint)
		}
		out = append(out, line)
	}
	if len(out) > maxPoints {
		return fmt.Sprintf("has %d lines; %d are allowed.", len(out), maxPoints)
	}
	*list = out
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
