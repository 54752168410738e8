package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/views/vm"
)

// The JSON API. It takes bearer tokens only: a cookie is never enough, so no page of another site can use it.

type apiError struct {
	Error apiErrorBody `json:"error"`
}

type apiErrorBody struct {
	Code    string `json:"code"` // a fault.Kind
	Message string `json:"message"`
}

type apiAppBody struct {
	Slug             string                 `json:"slug"`
	Name             string                 `json:"name"`
	Status           model.AppStatus        `json:"status"`
	DeploymentStatus model.DeploymentStatus `json:"deployment_status"`
	PreviewURL       string                 `json:"preview_url"` // "" before the first green version
	Version          string                 `json:"version"`     // the live one; "" before the first
	Latest           *apiVersionBody        `json:"latest"`      // the newest, live or not
	Prompt           string                 `json:"prompt"`
	URL              string                 `json:"url"` // of the builder page
	CreatedAt        time.Time              `json:"created_at"`
	UpdatedAt        time.Time              `json:"updated_at"`
}

type apiVersionBody struct {
	ID           int64               `json:"id"`
	Number       string              `json:"number"`
	DisplayName  string              `json:"display_name"`
	Status       model.VersionStatus `json:"status"`
	Error        string              `json:"error"`
	ErrorClass   string              `json:"error_class"`
	ContentHash  string              `json:"content_hash"`
	BundleBytes  int64               `json:"bundle_bytes"`
	TokensInput  int64               `json:"ai_tokens_input"`
	TokensOutput int64               `json:"ai_tokens_output"`
	CostCents    int64               `json:"ai_cost_cents"`
	CostMicros   int64               `json:"ai_cost_micros"`
	Absorbed     int64               `json:"ai_absorbed_micros"`
	Unpriced     int                 `json:"ai_unpriced"`
	Model        string              `json:"ai_model_used"`
	CreatedAt    time.Time           `json:"created_at"`
	EndedAt      *time.Time          `json:"ended_at"`
}

type apiFileBody struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"` // "" when deleted
	Size   int64  `json:"size"`
	Action string `json:"action"`
}

// bearer finds the person of an API token.
func (s *server) bearer(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		scheme, token, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
		token = strings.TrimSpace(token)
		var err error
		if !strings.EqualFold(scheme, "bearer") || token == "" {
			err = fault.New(fault.Unauthorized, "Send an API token in the header Authorization: Bearer <token>.")
		} else {
			var u model.User
			if u, err = s.Accounts.TokenUser(c.Request().Context(), token); err == nil {
				c.Set(userKey, u)
				return next(c)
			}
		}
		if fault.Is(err, fault.Unauthorized) {
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, "Bearer")
		}
		return err
	}
}

// body reads a JSON request. encoding/json would turn bytes that are no UTF-8 into replacement characters;
// they are refused instead.
func body(c echo.Context, into any) error {
	raw, err := io.ReadAll(c.Request().Body)
	if err != nil {
		var he *echo.HTTPError
		if errors.As(err, &he) {
			return err
		}
		return fault.Wrap(err, fault.Invalid, "The request body could not be read.")
	}
	if !utf8.Valid(raw) {
		return fault.New(fault.Invalid, "The request body is not valid UTF-8.")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fault.Wrap(err, fault.Invalid, "The request body is not the JSON that this address takes.")
	}
	return nil
}

func (s *server) apiCreateApp(c echo.Context) error {
	var in struct {
		Prompt string `json:"prompt"`
	}
	if err := body(c, &in); err != nil {
		return err
	}
	app, err := s.Builder.CreateApp(c.Request().Context(), me(c), in.Prompt)
	if err != nil {
		return err
	}
	versions, err := s.Builder.Versions(c.Request().Context(), me(c), app.Slug)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/v1/apps/"+app.Slug)
	return c.JSON(http.StatusCreated, s.apiAppOf(c, app, versions))
}

func (s *server) apiApps(c echo.Context) error {
	q := model.AppQuery{Search: c.QueryParam("q"), Status: c.QueryParam("status"), Sort: c.QueryParam("sort")}
	cards, err := s.Builder.Apps(c.Request().Context(), me(c), q)
	if err != nil {
		return err
	}
	apps := make([]apiAppBody, 0, len(cards))
	for _, card := range cards {
		app := s.apiAppOf(c, card.App, nil)
		app.Version = card.Head.Number
		apps = append(apps, app)
	}
	return c.JSON(http.StatusOK, map[string]any{"apps": apps})
}

func (s *server) apiApp(c echo.Context) error {
	app, err := s.Builder.App(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return err
	}
	versions, err := s.Builder.Versions(c.Request().Context(), me(c), app.Slug)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, s.apiAppOf(c, app, versions))
}

func (s *server) apiAppOf(c echo.Context, app model.App, versions []model.Version) apiAppBody {
	out := apiAppBody{
		Slug: app.Slug, Name: app.Name, Status: app.Status, DeploymentStatus: app.DeploymentStatus, PreviewURL: app.PreviewURL,
		Version: vm.LiveNumber(app, versions), Prompt: app.Prompt, URL: s.BaseURL(c.Request()) + "/apps/" + app.Slug,
		CreatedAt: app.CreatedAt, UpdatedAt: app.UpdatedAt,
	}
	if len(versions) > 0 {
		latest := apiVersionOf(versions[0])
		out.Latest = &latest
	}
	return out
}

func apiVersionOf(v model.Version) apiVersionBody {
	out := apiVersionBody{
		ID: v.ID, Number: v.Number, DisplayName: v.DisplayName, Status: v.Status, Error: v.Error, ErrorClass: v.ErrorClass,
		ContentHash: v.ContentHash, BundleBytes: v.BundleBytes, TokensInput: v.AITokensInput, TokensOutput: v.AITokensOutput,
		CostCents: v.AICostCents, CostMicros: v.AICostMicros, Absorbed: v.AIAbsorbedMicros, Unpriced: v.AIUnpriced, Model: v.AIModelUsed, CreatedAt: v.CreatedAt,
	}
	if !v.EndedAt.IsZero() {
		out.EndedAt = &v.EndedAt
	}
	return out
}

func (s *server) apiPostMessage(c echo.Context) error {
	var in struct {
		Content string `json:"content"`
	}
	if err := body(c, &in); err != nil {
		return err
	}
	turn, err := s.Builder.PostMessage(c.Request().Context(), me(c), c.Param("slug"), in.Content)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, map[string]any{"version": apiVersionOf(turn.Version)})
}

func (s *server) apiStop(c echo.Context) error {
	if err := s.Builder.Stop(c.Request().Context(), me(c), c.Param("slug")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *server) apiVersions(c echo.Context) error {
	versions, err := s.Builder.Versions(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return err
	}
	out := make([]apiVersionBody, 0, len(versions))
	for _, v := range versions {
		out = append(out, apiVersionOf(v))
	}
	return c.JSON(http.StatusOK, map[string]any{"versions": out})
}

func (s *server) apiFiles(c echo.Context) error {
	files, err := s.Builder.Files(c.Request().Context(), me(c), c.Param("slug"), c.QueryParam("version"))
	if err != nil {
		return err
	}
	out := make([]apiFileBody, 0, len(files))
	for _, f := range files {
		out = append(out, apiFileBody{Path: f.Path, SHA256: f.BlobHash, Size: f.Size, Action: f.Action})
	}
	return c.JSON(http.StatusOK, map[string]any{"files": out})
}

// apiFile is one file as it is. It is never a document of our origin: it is a download, in a sandbox.
func (s *server) apiFile(c echo.Context) error {
	slug := c.Param("slug")
	path := strings.TrimPrefix(c.Request().URL.Path, "/api/v1/apps/"+slug+"/files/")
	content, err := s.Builder.File(c.Request().Context(), me(c), slug, c.QueryParam("version"), path)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	attachment(c, path[strings.LastIndexByte(path, '/')+1:])
	kind := "application/octet-stream"
	if !vm.Binary(content) {
		kind = "text/plain; charset=utf-8"
	}
	h.Set(echo.HeaderContentLength, fmt.Sprint(len(content)))
	return c.Blob(http.StatusOK, kind, content)
}
