package handlers

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/page"
	"overskill/views/vm"
)

// starters are prompts to begin with: each names people, things and rules, as a good prompt does.
var starters = []vm.Starter{
	{Title: "Book a time", Hint: "Slots, reminders, a calendar", Prompt: "A booking page for a physiotherapy practice with three treatment rooms. Patients pick a free 30-minute slot and leave name and phone number. Staff see today's list, move or cancel a booking, and mark who came."},
	{Title: "Track what is where", Hint: "Stock, loans, serial numbers", Prompt: "Track the tools of a workshop: name, serial number, shelf and condition. Members borrow a tool with a return date; overdue loans stand at the top. Search by name and filter by shelf."},
	{Title: "Collect and approve", Hint: "Requests, forms, a decision", Prompt: "Employees ask for travel money: where, why, dates and an estimated amount. A manager approves or rejects with a comment. Everyone sees their own requests with status, managers see all of them."},
	{Title: "Run a small club", Hint: "Members, fees, events", Prompt: "A rowing club with about eighty members. Keep name, e-mail, joined date and whether the yearly fee is paid. List events with date and place, and let members say whether they come."},
	{Title: "Watch the numbers", Hint: "Charts from your tables", Prompt: "A bakery writes down each day's sales by product. Show this week against last week, the best sellers, and the waste of each day, with a form to enter today's numbers."},
	{Title: "Plan shifts", Hint: "Who works when, swaps", Prompt: "Plan shifts for a café: a week with early, late and weekend shifts. Staff say when they are free, the manager assigns people, and two people may swap a shift when the manager agrees."},
}

// recentApps is how many of a person's apps the prompt page shows.
const recentApps = 4

func (s *server) landing(c echo.Context) error {
	form := vm.Form{}
	if i, err := strconv.Atoi(c.QueryParam("start")); err == nil && i >= 0 && i < len(starters) {
		form.Text = starters[i].Prompt
	} else if token := s.cookie(c, promptCookie); token != "" {
		if prompt, err := s.Accounts.KeptPrompt(c.Request().Context(), token); err == nil {
			form.Text = prompt
		}
	}
	return s.renderLanding(c, http.StatusOK, form)
}

func (s *server) renderLanding(c echo.Context, status int, form vm.Form) error {
	l := vm.Landing{Shell: s.shell(c, "Describe an app"), Form: form, Starters: starters}
	if u, ok := user(c); ok {
		cards, err := s.Builder.Apps(c.Request().Context(), u, model.AppQuery{Sort: "updated"})
		if err != nil {
			return err
		}
		l.Recent = newCards(cards[:min(len(cards), recentApps)])
	}
	return render(c, status, page.Landing(l))
}

// landingAgain brings the form back with what was written and what was wrong with it.
func (s *server) landingAgain(c echo.Context, prompt string, err error) error {
	return s.renderLanding(c, fault.HTTPStatus(fault.KindOf(err)), vm.Form{Text: prompt, Error: fault.Text(err)})
}

// describe builds the app that was described, or keeps the prompt until there is an account to build it for.
func (s *server) describe(c echo.Context) error {
	ctx := c.Request().Context()
	prompt, err := text(c, "prompt")
	if err != nil {
		return s.landingAgain(c, prompt, err)
	}
	u, ok := user(c)
	if !ok {
		return s.keep(c, prompt)
	}
	app, err := s.Builder.CreateApp(ctx, u, prompt)
	if rejected(err) {
		return s.landingAgain(c, prompt, err)
	}
	if err != nil {
		return err
	}
	if token := s.cookie(c, promptCookie); token != "" {
		if err := s.Accounts.DropPrompt(ctx, token); err != nil {
			s.Log.WarnContext(ctx, "prompt not dropped", "request_id", requestID(c), "error", err)
		}
		s.setCookie(c, promptCookie, "", now())
	}
	return c.Redirect(http.StatusSeeOther, "/apps/"+app.Slug)
}

func (s *server) keep(c echo.Context, prompt string) error {
	token, err := s.Accounts.KeepPrompt(c.Request().Context(), prompt)
	if rejected(err) {
		return s.landingAgain(c, prompt, err)
	}
	if err != nil {
		return err
	}
	s.setCookie(c, promptCookie, token, now().Add(promptLife))
	return c.Redirect(http.StatusSeeOther, "/signup")
}

func (s *server) apps(c echo.Context) error {
	q := model.AppQuery{Search: c.QueryParam("q"), Status: c.QueryParam("status"), Sort: c.QueryParam("sort")}
	cards, err := s.Builder.Apps(c.Request().Context(), me(c), q)
	if err != nil {
		return err
	}
	a := vm.Apps{Shell: s.shell(c, "Apps"), Query: q, Cards: newCards(cards)}
	a.Active = "apps"
	return render(c, http.StatusOK, page.Apps(a))
}

func newCards(cards []model.AppCard) []vm.Card {
	at := now()
	out := make([]vm.Card, 0, len(cards))
	for _, card := range cards {
		out = append(out, vm.NewCard(card, at))
	}
	return out
}

func (s *server) healthz(c echo.Context) error {
	if err := s.Ready(c.Request().Context()); err != nil {
		s.Log.WarnContext(c.Request().Context(), "not ready", "request_id", requestID(c), "error", err)
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// robots keeps crawlers out of everything but the prompt page.
func (s *server) robots(c echo.Context) error {
	return c.String(http.StatusOK, "User-agent: *\nAllow: /$\nDisallow: /\n")
}
