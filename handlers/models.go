package handlers

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/page"
	"overskill/views/part"
	"overskill/views/vm"
)

// teamKey is where a group's middleware keeps whose models a page is about: a team's id, or 0 for the instance.
const teamKey = "team"

// ofMyTeam makes the models of a group those of the person's own team.
func (s *server) ofMyTeam(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		team, err := s.Models.MyTeam(c.Request().Context(), me(c))
		if err != nil {
			return err
		}
		c.Set(teamKey, team)
		return next(c)
	}
}

// administrators keeps everybody else out of a group, and makes its models those of the instance.
func (s *server) administrators(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !me(c).Admin {
			return fault.New(fault.Forbidden, "This page is for administrators of the instance.")
		}
		c.Set(teamKey, int64(0))
		return next(c)
	}
}

func team(c echo.Context) int64 {
	id, _ := c.Get(teamKey).(int64)
	return id
}

// modelsPath is the page of a group.
func modelsPath(c echo.Context) string {
	if team(c) == 0 {
		return "/admin/models"
	}
	return "/team/settings"
}

func (s *server) modelsPage(c echo.Context) error {
	return s.showModels(c, http.StatusOK, func(m *vm.Models) { m.Done = vm.DoneSentence(c.QueryParam("done")) })
}

// showModels prints the page; edit puts in what came back of a form.
func (s *server) showModels(c echo.Context, status int, edit func(*vm.Models)) error {
	models, err := s.Models.Connections(c.Request().Context(), me(c), team(c))
	if err != nil {
		return err
	}
	title, active := "Settings", "settings"
	if team(c) == 0 {
		title, active = "Models of this instance", "admin"
	}
	shell := s.shell(c, title)
	shell.Active = active
	v := vm.NewModels(shell, modelsPath(c), models)
	v.Instance = team(c) == 0
	edit(&v)
	return render(c, status, page.Models(v))
}

// modelsDone leads back to the page, which says what was done; or prints it with what went wrong. A provider that
// does not answer is no reason to lose the page.
func (s *server) modelsDone(c echo.Context, word string, err error, edit func(*vm.Models, string)) error {
	if err == nil {
		return c.Redirect(http.StatusSeeOther, modelsPath(c)+"?done="+word)
	}
	if !rejected(err) && !fault.Is(err, fault.Unavailable) {
		return err
	}
	return s.showModels(c, fault.HTTPStatus(fault.KindOf(err)), func(m *vm.Models) { edit(m, fault.Text(err)) })
}

func wrong(m *vm.Models, sentence string) { m.Error = sentence }

// connect keeps a new connection. The form comes back without the key: what was typed as a secret is not printed.
func (s *server) connect(c echo.Context) error {
	name, err := text(c, "name")
	baseURL, urlErr := text(c, "base_url")
	if err == nil {
		err = urlErr
	}
	n := model.NewConnection{Name: name, Kind: model.ConnectionKind(c.FormValue("kind")), BaseURL: baseURL, Key: c.FormValue("key")}
	if err == nil {
		_, err = s.Models.Connect(c.Request().Context(), me(c), team(c), n)
	}
	return s.modelsDone(c, "connected", err, func(m *vm.Models, sentence string) {
		m.Connect = vm.ConnectForm{Error: sentence, Name: n.Name, Kind: string(n.Kind), BaseURL: n.BaseURL}
	})
}

func (s *server) disconnect(c echo.Context) error {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return fault.New(fault.NotFound, "There is no such connection.")
	}
	return s.modelsDone(c, "removed", s.Models.Disconnect(c.Request().Context(), me(c), team(c), id), wrong)
}

func (s *server) setDefaultModel(c echo.Context) error {
	reference, err := text(c, "model")
	if err == nil {
		err = s.Models.SetDefaultModel(c.Request().Context(), me(c), team(c), reference)
	}
	return s.modelsDone(c, "default", err, wrong)
}

func (s *server) testModel(c echo.Context) error {
	reference, err := text(c, "model")
	if err == nil {
		err = s.Models.TestModel(c.Request().Context(), me(c), team(c), reference)
	}
	return s.modelsDone(c, "tested", err, wrong)
}

func (s *server) approveLocal(c echo.Context) error {
	baseURL, err := text(c, "base_url")
	if err == nil {
		err = s.Models.ApproveLocal(c.Request().Context(), me(c), baseURL)
	}
	return s.modelsDone(c, "local", err, wrong)
}

// picker is the choice of the model for one app.
func (s *server) picker(c echo.Context, slug string) (vm.ModelPicker, error) {
	current, options, err := s.Models.ModelOptions(c.Request().Context(), me(c), slug)
	if err != nil {
		return vm.ModelPicker{}, err
	}
	return vm.NewModelPicker(slug, s.shell(c, "").CSRF, current, options), nil
}

// setAppModel chooses who writes an app, from the composer or from the settings.
func (s *server) setAppModel(c echo.Context) error {
	slug := c.Param("slug")
	reference, err := text(c, "model")
	if err == nil {
		err = s.Models.SetAppModel(c.Request().Context(), me(c), slug, reference)
	}
	fromSettings := c.FormValue("from") == "settings"
	switch {
	case err != nil && !rejected(err) && !fault.Is(err, fault.Unavailable):
		return err
	case isFragment(c):
		p, pickErr := s.picker(c, slug)
		if pickErr != nil {
			return pickErr
		}
		p.Error = fault.Text(err)
		return render(c, fault.HTTPStatus(fault.KindOf(err)), part.ModelPicker(p))
	case err == nil && fromSettings:
		return c.Redirect(http.StatusSeeOther, "/apps/"+slug+"/settings")
	case err == nil:
		return c.Redirect(http.StatusSeeOther, "/apps/"+slug+"?view=chat")
	}
	return s.showSettings(c, fault.HTTPStatus(fault.KindOf(err)), vm.Form{}, vm.Form{Error: fault.Text(err)})
}

type apiModelBody struct {
	Reference  string `json:"reference"`
	Name       string `json:"name"`
	Connection string `json:"connection"`
	Price      string `json:"price"`
	Tested     bool   `json:"tested"`
	Reason     string `json:"reason"` // why it cannot be used; "" when it can
	Usual      bool   `json:"usual"`  // it writes where nothing is chosen
}

func apiModelsOf(options []model.ModelOption) []apiModelBody {
	out := make([]apiModelBody, 0, len(options))
	for _, o := range options {
		out = append(out, apiModelBody(o))
	}
	return out
}

func (s *server) apiAppModel(c echo.Context) error {
	current, options, err := s.Models.ModelOptions(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"model": current, "models": apiModelsOf(options)})
}

func (s *server) apiSetAppModel(c echo.Context) error {
	var in struct {
		Model *string `json:"model"`
	}
	if err := body(c, &in); err != nil {
		return err
	}
	if in.Model == nil {
		return fault.New(fault.Invalid, `Name the model: {"model": "composer"}. An empty one leaves the choice to the team.`)
	}
	if err := s.Models.SetAppModel(c.Request().Context(), me(c), c.Param("slug"), *in.Model); err != nil {
		return err
	}
	return s.apiAppModel(c)
}

func (s *server) apiModels(c echo.Context) error {
	ctx, u := c.Request().Context(), me(c)
	mine, err := s.Models.MyTeam(ctx, u)
	if err != nil {
		return err
	}
	models, err := s.Models.Connections(ctx, u, mine)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"default": models.Default, "models": apiModelsOf(models.Options)})
}
