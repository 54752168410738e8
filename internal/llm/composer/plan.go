package composer

import (
	"fmt"
	"strings"

	"overskill/internal/llm/composer/compile"
	"overskill/internal/llm/composer/spec"
	"overskill/internal/llm/composer/understand"
)

// plan reads the app's spec if there is an app, then says what it is going to do.
func plan(t turn) (reply, error) {
	if t.planned {
		return reply{text: "The plan stands."}, nil
	}
	if r, waiting := needSpec(t); waiting {
		return r, nil
	}
	if t.old != nil {
		return planChange(t), nil
	}
	if foreign(t) {
		return reply{calls: []call{{toolPlan, planInput{
			AppName: "App", VersionName: "No change", Understood: []string{}, Assumed: []string{}, Changes: []string{},
			Cannot: []string{"This app was not written by the Composer, which can only change apps that it wrote itself. Choose a language model for it in the settings."},
		}}}}, nil
	}
	s := understand.Prompt(t.request)
	changes := make([]string, 0, len(s.Entities)+2)
	for _, e := range s.Entities {
		changes = append(changes, e.LabelPlural+": a list with search, filters and sorting, a form, and a page for each entry.")
	}
	changes = append(changes, "A dashboard with "+dashboardWords(s)+".", "A database in which people reach only what is theirs.")
	return reply{calls: []call{{toolPlan, planInput{
		AppName: oneLine(s.Name, 60), Tagline: oneLine(s.Tagline, 160), VersionName: versionName(s),
		Understood: lines(s.Understood), Assumed: lines(s.Assumed), Cannot: lines(s.Cannot), Changes: lines(changes),
	}}}}, nil
}

// needSpec asks for the app's spec, part by part if it is long, until it was seen or turned out not to be there.
func needSpec(t turn) (reply, bool) {
	if t.old != nil || !strings.Contains(t.system, spec.Path) && !t.history {
		return reply{}, false
	}
	asked, failed := t.asked(spec.Path, 0, len(t.done))
	if !asked {
		return reply{calls: []call{{toolView, viewInput{Path: spec.Path}}}}, true
	}
	if lines, next := t.shown(spec.Path, len(t.done)); !failed && next > len(lines) {
		return reply{calls: []call{{toolView, viewInput{Path: spec.Path, FirstLine: next}}}}, true
	}
	return reply{}, false
}

// foreign reports whether there is an app that somebody else wrote: it has features or a database, but no spec.
func foreign(t turn) bool {
	return strings.Contains(t.system, "src/features/") || strings.Contains(t.system, "supabase/migrations/")
}

func planChange(t turn) reply {
	next, out := change(t)
	p := planInput{
		AppName: oneLine(next.Name, 60), Tagline: oneLine(next.Tagline, 160), VersionName: oneLine(out.VersionName, 80),
		Understood: lines(out.Understood), Assumed: []string{}, Cannot: lines(out.Cannot), Changes: []string{},
	}
	if out.Changed {
		p.Changes = lines(out.Understood)
	} else {
		p.VersionName = "No change"
	}
	return reply{calls: []call{{toolPlan, p}}}
}

// change applies the request to the old spec. A change that the database refuses is no change.
func change(t turn) (spec.Spec, understand.Outcome) {
	next, out := understand.FollowUp(*t.old, t.request)
	if !out.Changed {
		return *t.old, out
	}
	if _, _, err := compile.Migration(t.old, next); err != nil {
		return *t.old, understand.Outcome{Cannot: []string{"This change does not fit the data that is there: " + err.Error() + "."}}
	}
	return next, out
}

func dashboardWords(s spec.Spec) string {
	if len(s.Dashboard) == 0 {
		return "an overview"
	}
	var w []string
	for i, d := range s.Dashboard {
		if i == 5 {
			w = append(w, fmt.Sprintf("%d more", len(s.Dashboard)-5))
			break
		}
		w = append(w, strings.ToLower(d.Label[:1])+d.Label[1:])
	}
	if len(w) == 1 {
		return w[0]
	}
	return strings.Join(w[:len(w)-1], ", ") + " and " + w[len(w)-1]
}

// oneLine makes a text fit for a plan: one line of at most max characters.
func oneLine(s string, max int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > max {
		s = string(r[:max-1]) + "…"
	}
	return s
}

// lines bounds a list of a plan: 40 lines of 500 characters.
func lines(list []string) []string {
	out := []string{}
	for _, l := range list {
		if l = oneLine(l, 500); l != "" && len(out) < 40 {
			out = append(out, l)
		}
	}
	return out
}
