package relevance

import (
	"slices"
	"strings"
	"testing"

	"overskill/internal/filetree"
	"overskill/internal/llm/composer/compile"
	"overskill/internal/llm/composer/understand"
	"overskill/templates"
)

// prompts are the apps that the evaluation runs on, written by the Composer.
var prompts = []string{
	"An app for a dog walking business: clients with name, phone and address; dogs with a name, breed, notes and an owner; walks with a date, " +
		"duration in minutes, a price and a status (booked, done, cancelled). A dashboard with income this month.",
	"Recipe box: recipes with title, photo, ingredients, steps, cooking time and a rating. Tag them by cuisine. I want a shopping list where I tick things off.",
	"Help desk for our company: tickets with subject, description, priority (low, normal, urgent), status and an assignee; comments on tickets. " +
		"My colleagues log in. Show open tickets by priority in a chart.",
	"Wine cellar: bottles with producer, vintage year, region, purchase price and how many are left. Tasting notes with a rating and a date.",
}

// judgement is a request and the files that whoever carries it out has to change. Written before the ranking was
// tried on it, by reading the apps; new files do not count.
type judgement struct {
	app     int
	request string
	files   string // below src/
}

var judgements = []judgement{
	{0, "Please add an e-mail address to each client", "features/clients/ClientDialog.tsx features/clients/client-data.ts types/database.ts"},
	{0, "In the list of walks I want to see how long each one took", "features/walks/WalkTable.tsx"},
	{0, "The button \"Add walk\" should say \"Book a walk\"", "pages/Walks.tsx"},
	{0, "When I open a dog, show its next walk on top", "pages/DogDetail.tsx"},
	{0, "Let me mark a walk as paid", "features/walks/WalkDialog.tsx features/walks/walk-data.ts types/database.ts"},
	{0, "walks need a fourth status, no-show", "features/walks/walk-choices.ts types/database.ts"},
	{0, "The price in the walk form should start at 15 euros", "features/walks/WalkDialog.tsx"},
	{0, "make everything green instead of the current colour", "tokens.css"},
	{0, "rename the app to Happy Paws", "app.config.ts"},
	{0, "put Walks first in the menu", "routes/route-config.ts"},
	{0, "I don't want the clients page in the navigation any more", "routes/route-config.ts"},
	{0, "Add a tile to the dashboard with the number of walks booked for tomorrow", "pages/Dashboard.tsx features/dashboard/dashboard-data.ts"},
	{0, "Clicking the phone number of a client should call it", "features/clients/ClientTable.tsx pages/ClientDetail.tsx"},
	{0, "Dogs should be sorted by breed by default", "pages/Dogs.tsx"},
	{0, "The dog's notes get cut off on its page; show all of it with line breaks", "pages/DogDetail.tsx"},
	{0, "after cancelling a walk ask for the reason", "features/walks/useWalkActions.ts features/walks/walk-data.ts"},
	{0, "the sample data should have five dogs", "features/sample-data.ts"},
	{1, "Sort recipes by rating, best ones on top", "pages/Recipes.tsx"},
	{1, "I want to filter the recipes by cuisine", "pages/Recipes.tsx"},
	{1, "Show the photo bigger when I look at a recipe", "pages/RecipeDetail.tsx"},
	{1, "ingredients should be optional when I enter a recipe", "features/recipes/RecipeDialog.tsx"},
	{1, "A quantity for things on the shopping list", "features/shopping-items/ShoppingItemDialog.tsx features/shopping-items/ShoppingItemTable.tsx types/database.ts"},
	{1, "Things that are ticked off should go to the bottom", "pages/ShoppingItems.tsx features/shopping-items/shopping-item-data.ts"},
	{1, "Add a button on the shopping list that removes everything that is ticked", "pages/ShoppingItems.tsx features/shopping-items/shopping-item-data.ts"},
	{1, "use a warm orange and a cream background", "tokens.css"},
	{1, "show cooking times as hours and minutes", "features/recipes/RecipeTable.tsx pages/RecipeDetail.tsx"},
	{1, "The icon of the shopping list in the sidebar should be a cart", "routes/route-config.ts"},
	{1, "On the recipe's page put a button that adds its ingredients to the shopping list", "pages/RecipeDetail.tsx"},
	{1, "the start page should greet me", "pages/Dashboard.tsx"},
	{2, "Tickets that are urgent should have a red badge", "features/tickets/ticket-choices.ts"},
	{2, "I'd like a due date on tickets, and overdue ones in red in the table", "features/tickets/TicketDialog.tsx features/tickets/TicketTable.tsx types/database.ts"},
	{2, "Comments should show who wrote them and when", "features/comments/CommentList.tsx"},
	{2, "Only show tickets assigned to me when I open the ticket page", "pages/Tickets.tsx"},
	{2, "Let people close a ticket with one click from the list", "features/tickets/TicketTable.tsx features/tickets/useTicketActions.ts"},
	{2, "Invitations should be copied to the clipboard with a message that it worked", "features/workspace/Invites.tsx"},
	{2, "Change the words on the screen where a new workspace is made: we call it department", "features/workspace/WorkspaceSetup.tsx"},
	{2, "the chart on the overview should count tickets by assignee", "pages/Dashboard.tsx features/dashboard/dashboard-data.ts"},
	{2, "People should be able to edit a comment in place, without the dialog", "features/comments/CommentList.tsx"},
	{2, "the description field is too small, make it ten lines high", "features/tickets/TicketDialog.tsx"},
	{2, "Fix: the team page does not show the role", "pages/Team.tsx"},
	{2, "add a priority called critical", "features/tickets/ticket-choices.ts types/database.ts"},
	{3, "Bottles need a grape variety", "features/bottles/BottleDialog.tsx features/bottles/bottle-data.ts types/database.ts"},
	{3, "Add a plus and a minus next to how many are left", "features/bottles/BottleTable.tsx"},
	{3, "the total value of the cellar belongs on the home screen", "pages/Dashboard.tsx features/dashboard/dashboard-data.ts"},
	{3, "search should also find the region", "features/bottles/bottle-data.ts"},
	{3, "dark burgundy theme", "tokens.css"},
	{3, "Wrong word: it says Purchase price, I want Cost", "features/bottles/BottleDialog.tsx pages/BottleDetail.tsx"},
	{3, "In src/pages/BottleDetail.tsx the heading should show the vintage as well", "pages/BottleDetail.tsx"},
	{3, "sign up should ask for the first name", "components/auth/AuthForm.tsx"},
	{3, "the login page needs a picture of a vineyard", "pages/auth/Login.tsx"},
}

func composed(t testing.TB) []filetree.Tree {
	t.Helper()
	var out []filetree.Tree
	for _, prompt := range prompts {
		files, err := templates.Foundation(templates.Values{AppName: "Evaluation", AppSlug: "evaluation", AppID: 7, TeamID: 1})
		if err != nil {
			t.Fatal(err)
		}
		s := understand.Prompt(prompt)
		written, err := compile.Files(s)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range written {
			files[name] = content
		}
		name, sql, err := compile.Migration(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		files["supabase/migrations/20261123090000_"+name+".sql"] = []byte(sql)
		tree, err := filetree.New(files)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tree)
	}
	return out
}

// recall returns the share of the files to change that were picked, over all judgements, and what was missed.
func recall(t testing.TB, trees []filetree.Tree, budget int64) (share float64, missed []string) {
	t.Helper()
	found, all := 0, 0
	var indexes []index
	for _, tree := range trees {
		indexes = append(indexes, newIndex(tree))
	}
	for _, j := range judgements {
		var picked []string
		for _, p := range indexes[j.app].rank(j.request, budget) {
			picked = append(picked, p.Path)
		}
		for _, f := range strings.Fields(j.files) {
			f = "src/" + f
			if !trees[j.app].Has(f) {
				t.Fatalf("%q: no such file: %s", j.request, f)
			}
			if all++; slices.Contains(picked, f) {
				found++
			} else {
				missed = append(missed, j.request+": "+f+", but "+strings.Join(picked[:min(6, len(picked))], " "))
			}
		}
	}
	return float64(found) / float64(all), missed
}

// The floors are below what is reached, so that a change of the Composer's files does not fail them, and high
// enough that a broken ranking does.
func TestRecall(t *testing.T) {
	trees := composed(t)
	for _, test := range []struct {
		budget int64
		floor  float64
	}{{6_000, 0.80}, {12_000, 0.90}} {
		got, missed := recall(t, trees, test.budget)
		t.Logf("recall at %d tokens: %.1f%% of %d requests", test.budget, 100*got, len(judgements))
		for _, m := range missed {
			t.Log("missed: " + m)
		}
		if got < test.floor {
			t.Errorf("recall at %d tokens is %.2f, and was %.2f", test.budget, got, test.floor)
		}
	}
}

// BenchmarkRank reports the recall as well as the time of one ranking in an app of about 100 files.
func BenchmarkRank(b *testing.B) {
	trees := composed(b)
	small, _ := recall(b, trees, 6_000)
	large, _ := recall(b, trees, 12_000)
	for b.Loop() {
		Rank(trees[0], judgements[0].request, 12_000)
	}
	b.ReportMetric(100*small, "%recall@6k")
	b.ReportMetric(100*large, "%recall@12k")
}
