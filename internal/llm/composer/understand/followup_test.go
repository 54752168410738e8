package understand

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const studio = "A CRM for our studio: clients with name, email, phone and notes; deals with a value, a stage (lead, proposal, won, lost), a due date and a client"

func TestFollowUp(t *testing.T) {
	for _, c := range []struct {
		prompt, request string
		wants           []string // as in testdata/prompts.txt, of the new spec
		version         string
	}{
		{studio, "Add a company field to clients", []string{"client.company:text"}, "Add company to clients"},
		{studio, "add website and birthday to clients", []string{"client.website:url", "client.birthday:date"}, ""},
		{studio, "Please also track how many hours we worked on each deal", nil, ""},
		{studio, "Add a priority (low, mid, high) to deals", []string{"deal.priority:select(low|mid|high)"}, "Add priority to deals"},
		{studio, "Add a source field with web, referral, ads to deals", []string{"deal.source:select(web|referral|ads)"}, ""},
		{studio, "add an invoiced yes/no field to deals", []string{"deal.invoiced:boolean"}, ""},
		{studio, "Rename deals to projects", []string{"project.value:money", "project.client:ref(client)"}, "Rename deals to projects"},
		{studio, "rename clients to customers", []string{"customer.name:text", "deal.customer:ref(customer)"}, "Rename clients to customers"},
		{studio, "rename value to budget", []string{"deal.budget:money"}, "Rename value to budget"},
		{studio, "Remove the phone field from clients", nil, "Remove phone from clients"},
		{studio, "Make the buttons teal and the background #fafafa", []string{"primary #0f766e", "background #fafafa"}, ""},
		{studio, "dark mode please", []string{"mode dark"}, ""},
		{studio, "call it North Star", []string{"name North Star"}, "Rename the app to North Star"},
		{studio, "Change the app name to \"Studio & Co\"", []string{"name Studio & Co"}, ""},
		{studio, "add blocked to the stage options", []string{"deal.stage:select(lead|proposal|won|lost|blocked)"}, ""},
		{studio, "Add meetings", []string{"meeting.date:date"}, "Add meetings"},
		{studio, "add a page called Projects", nil, "Add projects"},
		{studio, "add votes to deals", []string{"action deal.vote"}, ""},
		{studio, "Show deals as a board grouped by stage", nil, "Show deals as a board"},
		{studio, "Sort deals by value, highest first", nil, "Sort deals by value"},
		{studio, "Add a due date to the first list", []string{"client.due_date:date"}, "Add due date to clients"},
		{studio, "add a page for suppliers with name and phone", []string{"supplier.name:text", "supplier.phone:phone"}, "Add suppliers"},
		{studio, "we also need invoices with a number, an amount and a due date", []string{"invoice.amount:money", "invoice.due_date:date"}, ""},
		{studio, "I want to be able to add a photo to each deal", []string{"deal.photo:image"}, ""},
		{studio, "make email required", nil, "Make email required"},
		{studio, "show the average value of deals on the dashboard", []string{"widget average deal.value"}, ""},
		{studio, "add a chart of deals by due date", []string{"widget chart deal"}, ""},
		{studio, "Let people add clients without logging in", nil, "Open clients to everyone"},
		{"plant watering reminders", "Add the room each plant is in", []string{"plant.room:text"}, ""},
		{"workout log - exercises, sets, reps, weight", "Show weight in kg", nil, "Show weight in kg"},
		{"bike repair shop", "also track which mechanic is on it", []string{"repair.mechanic:text"}, ""},
		{"make me something cool", "a to-do list I guess", []string{"todo.title:text"}, ""},
		{"Quiero una app para mis recetas con título y foto", "Añade un campo de notas a las recetas", []string{"receta.notas:longtext"}, ""},
	} {
		t.Run(c.request, func(t *testing.T) {
			s := Prompt(c.prompt)
			before := string(s.Encode())
			next, out := FollowUp(s, c.request)
			if !out.Changed || len(out.Understood) == 0 {
				t.Fatalf("not understood: %+v\n%s", out, sketch(s))
			}
			if err := next.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, w := range c.wants {
				if problem := missing(&next, w); problem != "" {
					t.Errorf("%s: %s\n%s", w, problem, sketch(next))
				}
			}
			if c.version != "" && out.VersionName != c.version {
				t.Errorf("version %q, want %q", out.VersionName, c.version)
			}
			if d := cmp.Diff(before, string(s.Encode())); d != "" {
				t.Errorf("the old spec was modified: %s", d)
			}
		})
	}
}

func TestFollowUpSortsAndBoards(t *testing.T) {
	s := Prompt(studio)
	s, _ = FollowUp(s, "Sort deals by due date, soonest first")
	deal, _ := s.Entity("deal")
	if deal.Sort.Field != "due_date" || deal.Sort.Desc {
		t.Errorf("sort %+v", deal.Sort)
	}
	s, _ = FollowUp(s, "Show deals as a board grouped by stage")
	if deal, _ = s.Entity("deal"); deal.Board != "stage" {
		t.Errorf("board %q", deal.Board)
	}
	s, _ = FollowUp(s, "Remove the stage field from deals")
	if deal, _ = s.Entity("deal"); deal.Board != "" {
		t.Errorf("the board %q outlived its field", deal.Board)
	}
	for _, w := range s.Dashboard {
		if w.Where == "open" {
			t.Errorf("widget %q counts open deals although nothing says what is open", w.Label)
		}
	}
}

// The closed set works on whatever app a prompt made: the spec stays valid, and what is not done is said.
func TestFollowUpOnEveryApp(t *testing.T) {
	requests := []string{
		"make it blue", "dark mode", "call it Blue Heron", "remove the notes", "add a page for suppliers with name and phone", "add a priority (low, medium, high) to {main}",
		"make email required", "sort by name", "rename {main} to chores", "Add a due date to the first list", "I want to be able to add a photo to each entry", "delete {main}",
		"show the number of {main} on the dashboard", "add a chart of {main} by month", "make the font bigger", "why is the sky blue?",
	}
	for _, c := range readCases(t, "testdata/prompts.txt") {
		s := Prompt(c.prompt)
		before := string(s.Encode())
		main := strings.ToLower(s.Entities[0].LabelPlural)
		for _, r := range requests {
			r = strings.ReplaceAll(r, "{main}", main)
			next, out := FollowUp(s, r)
			if err := next.Validate(); err != nil {
				t.Fatalf("%q on %q: %v", r, s.Name, err)
			}
			if same := string(next.Encode()) == before; same == out.Changed {
				t.Errorf("%q on %q: changed is %v, but the spec says otherwise", r, s.Name, out.Changed)
			}
			if out.Changed && (len(out.Understood) == 0 || out.VersionName == "") || !out.Changed && len(out.Cannot) == 0 {
				t.Errorf("%q on %q: %+v", r, s.Name, out)
			}
		}
	}
}

func TestFollowUpRefuses(t *testing.T) {
	s := Prompt(studio)
	for _, request := range []string{
		"", "make it better", "add a CSV export", "why is the sky blue?", "Add a link to my podcast", "Remove the name field from clients",
		"Change the opening hours to 7am-3pm", "sort by flavour", "rename unicorns to horses", "hide won deals", "integrate with Slack",
	} {
		t.Run(request, func(t *testing.T) {
			next, out := FollowUp(s, request)
			if out.Changed || string(next.Encode()) != string(s.Encode()) {
				t.Fatalf("changed: %+v", out)
			}
			if !strings.Contains(strings.Join(out.Cannot, " "), "I can add") {
				t.Errorf("it does not say what it can do: %v", out.Cannot)
			}
		})
	}
}
