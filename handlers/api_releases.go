package handlers

import (
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// releaseAPI is the part of the JSON API that publishes.
func (s *server) releaseAPI(api *echo.Group) {
	api.POST("/apps/:slug/publish", s.apiPublish)
	api.DELETE("/apps/:slug/publication", s.apiUnpublish)
	api.GET("/apps/:slug/deployments", s.apiDeployments)
	api.GET("/apps/:slug/deployments/:id", s.apiDeployment)
	api.POST("/apps/:slug/deployments/:id/rollback", s.apiRollback)
	api.GET("/apps/:slug/env", s.apiVars)
	api.GET("/apps/:slug/env/:key", s.apiVar)
	api.PUT("/apps/:slug/env/:key", s.apiSetVar)
	api.DELETE("/apps/:slug/env/:key", s.apiDeleteVar)
	api.POST("/apps/:slug/preview-link", s.apiPreviewLink)
	api.GET("/team/deploy", s.apiDeployTarget)
	api.PUT("/team/deploy", s.apiSetDeployTarget)
}

type apiDeploymentBody struct {
	ID           int64                  `json:"id"`
	Version      string                 `json:"version"`
	Environment  model.Environment      `json:"environment"`
	Kind         model.DeploymentKind   `json:"kind"`
	Status       model.DeploymentStatus `json:"status"`
	Stage        string                 `json:"stage"` // build, check, deploy, verify, promote, then live; "" before it began
	Ended        bool                   `json:"ended"`
	Target       model.TargetKind       `json:"target"`
	URL          string                 `json:"url"`
	CandidateURL string                 `json:"candidate_url"`
	By           string                 `json:"by"` // e-mail address; "" when nobody asked
	ContentHash  string                 `json:"content_hash"`
	SizeBytes    int64                  `json:"size_bytes"`
	WorkerBytes  int64                  `json:"worker_bytes"`
	SentBytes    int64                  `json:"sent_bytes"`
	Error        string                 `json:"error"`
	CreatedAt    time.Time              `json:"created_at"`
	StartedAt    *time.Time             `json:"started_at"`
	PromotedAt   *time.Time             `json:"promoted_at"`
	EndedAt      *time.Time             `json:"ended_at"`
	// Of one deployment only, not in lists.
	Findings []model.Finding    `json:"findings,omitempty"`
	Changes  *model.Changes     `json:"changes,omitempty"`
	Log      []model.DeployLine `json:"log,omitempty"`
}

func apiDeploymentOf(d model.Deployment) apiDeploymentBody {
	return apiDeploymentBody{
		ID: d.ID, Version: d.Number, Environment: d.Environment, Kind: d.Kind, Status: d.Status, Stage: d.Stage, Ended: d.Ended(), Target: d.Target,
		URL: d.URL, CandidateURL: d.CandidateURL, By: d.UserEmail, ContentHash: d.ContentHash, SizeBytes: d.SizeBytes, WorkerBytes: d.WorkerBytes,
		SentBytes: d.SentBytes, Error: d.Error, CreatedAt: d.CreatedAt, StartedAt: moment(d.StartedAt), PromotedAt: moment(d.PromotedAt), EndedAt: moment(d.EndedAt),
	}
}

// moment is null in JSON for a time that has not come.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// apiStarted answers with a deployment that was started, and says where to watch it.
func apiStarted(c echo.Context, d model.Deployment) error {
	c.Response().Header().Set(echo.HeaderLocation, fmt.Sprintf("/api/v1/apps/%s/deployments/%d", c.Param("slug"), d.ID))
	return c.JSON(http.StatusAccepted, apiDeploymentOf(d))
}

func (s *server) apiPublish(c echo.Context) error {
	var in struct {
		Version string `json:"version"`
	}
	if c.Request().ContentLength != 0 { // without a body it is the head
		if err := body(c, &in); err != nil {
			return err
		}
	}
	d, err := s.Releases.Publish(c.Request().Context(), me(c), c.Param("slug"), in.Version)
	if err != nil {
		return err
	}
	return apiStarted(c, d)
}

func (s *server) apiUnpublish(c echo.Context) error {
	if err := s.Releases.Unpublish(c.Request().Context(), me(c), c.Param("slug")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *server) apiDeployments(c echo.Context) error {
	p, err := s.Releases.Publication(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return err
	}
	list := make([]apiDeploymentBody, 0, len(p.History))
	for _, d := range p.History {
		list = append(list, apiDeploymentOf(d))
	}
	var live, running *int64
	if p.Live != nil {
		live = &p.Live.ID
	}
	if p.Running != nil {
		running = &p.Running.ID
	}
	return c.JSON(http.StatusOK, map[string]any{"url": p.URL, "live": live, "running": running, "deployments": list})
}

func (s *server) apiDeployment(c echo.Context) error {
	id, err := numberParam(c, "deployment")
	if err != nil {
		return err
	}
	d, err := s.Releases.Deployment(c.Request().Context(), me(c), c.Param("slug"), id)
	if err != nil {
		return err
	}
	out := apiDeploymentOf(d)
	out.Findings, out.Log = d.Findings, d.Log
	if d.Changes.Opened > 0 {
		out.Changes = &d.Changes
	}
	return c.JSON(http.StatusOK, out)
}

func (s *server) apiRollback(c echo.Context) error {
	id, err := numberParam(c, "deployment")
	if err != nil {
		return err
	}
	d, err := s.Releases.Rollback(c.Request().Context(), me(c), c.Param("slug"), id)
	if err != nil {
		return err
	}
	return apiStarted(c, d)
}

type apiVarBody struct {
	Key         string            `json:"key"`
	Environment model.Environment `json:"environment"`
	Hint        string            `json:"hint"`   // what may be shown of the value
	Public      bool              `json:"public"` // it is built into what visitors download
	UpdatedAt   time.Time         `json:"updated_at"`
}

// vars lists variables without values: of one environment, or of both when the address names none.
func (s *server) vars(c echo.Context) ([]apiVarBody, error) {
	var env model.Environment
	if name := c.QueryParam("environment"); name != "" {
		var err error
		if env, err = environmentOf(name); err != nil {
			return nil, err
		}
	}
	p, err := s.Releases.Publication(c.Request().Context(), me(c), c.Param("slug"))
	if err != nil {
		return nil, err
	}
	out := make([]apiVarBody, 0, len(p.Vars))
	for _, v := range p.Vars {
		if env == "" || v.Environment == env {
			out = append(out, apiVarBody{Key: v.Key, Environment: v.Environment, Hint: v.Hint, Public: v.Public(), UpdatedAt: v.UpdatedAt})
		}
	}
	return out, nil
}

func (s *server) apiVars(c echo.Context) error {
	vars, err := s.vars(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"variables": vars})
}

func (s *server) apiVar(c echo.Context) error {
	if _, err := environmentOf(c.QueryParam("environment")); err != nil {
		return err
	}
	vars, err := s.vars(c)
	if err != nil {
		return err
	}
	for _, v := range vars {
		if v.Key == c.Param("key") {
			return c.JSON(http.StatusOK, v)
		}
	}
	return fault.New(fault.NotFound, "There is no variable %s.", c.Param("key"))
}

func (s *server) apiSetVar(c echo.Context) error {
	var in struct {
		Value *string `json:"value"`
	}
	env, err := environmentOf(c.QueryParam("environment"))
	if err == nil {
		err = body(c, &in)
	}
	if err == nil && in.Value == nil {
		err = fault.New(fault.Invalid, `Send the value: {"value": "..."}.`)
	}
	if err == nil {
		err = s.Releases.SetVar(c.Request().Context(), me(c), c.Param("slug"), env, c.Param("key"), *in.Value)
	}
	if err != nil {
		return err
	}
	return s.apiVar(c)
}

func (s *server) apiDeleteVar(c echo.Context) error {
	env, err := environmentOf(c.QueryParam("environment"))
	if err == nil {
		err = s.Releases.DeleteVar(c.Request().Context(), me(c), c.Param("slug"), env, c.Param("key"))
	}
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// maxTTLSeconds keeps a number of seconds from overflowing a duration; the service names its own limit.
const maxTTLSeconds = 10 * 365 * 24 * 3600

func (s *server) apiPreviewLink(c echo.Context) error {
	in := struct {
		TTLSeconds  int64  `json:"ttl_seconds"`
		Environment string `json:"environment"`
	}{3600, string(model.Preview)}
	if c.Request().ContentLength != 0 {
		if err := body(c, &in); err != nil {
			return err
		}
	}
	env, err := environmentOf(in.Environment)
	if err != nil {
		return err
	}
	if in.TTLSeconds <= 0 || in.TTLSeconds > maxTTLSeconds {
		return fault.New(fault.Invalid, "A link is good for 1 hour to 30 days: ttl_seconds from 3600 to 2592000.")
	}
	ttl := time.Duration(in.TTLSeconds) * time.Second
	expires := now().Add(ttl)
	link, err := s.Releases.ShareLink(c.Request().Context(), me(c), c.Param("slug"), env, ttl)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"url": link, "environment": env, "expires_at": expires})
}

// apiTarget is where a team publishes. The token is only ever taken, and kept when none is sent.
type apiTarget struct {
	Kind      model.TargetKind `json:"kind"`
	AccountID string           `json:"account_id"`
	Token     string           `json:"token,omitempty"`
	TokenHint string           `json:"token_hint"`
	Mode      string           `json:"mode"`
	Namespace string           `json:"namespace"`
	Bucket    string           `json:"bucket"`
	Zone      string           `json:"zone"`
	Gate      string           `json:"gate"`
}

func (s *server) apiDeployTarget(c echo.Context) error {
	team, err := s.Models.MyTeam(c.Request().Context(), me(c))
	if err != nil {
		return err
	}
	t, permissions, err := s.Releases.DeployTarget(c.Request().Context(), me(c), team)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"permissions": permissions, "target": apiTarget{
		Kind: t.Kind, AccountID: t.AccountID, TokenHint: t.TokenHint, Mode: t.Mode, Namespace: t.Namespace, Bucket: t.Bucket, Zone: t.Zone, Gate: string(t.Gate),
	}})
}

func (s *server) apiSetDeployTarget(c echo.Context) error {
	var in apiTarget
	if err := body(c, &in); err != nil {
		return err
	}
	team, err := s.Models.MyTeam(c.Request().Context(), me(c))
	if err != nil {
		return err
	}
	if err := s.Releases.SetDeployTarget(c.Request().Context(), me(c), team, model.NewDeployTarget{
		Kind: in.Kind, AccountID: in.AccountID, Token: in.Token, Mode: in.Mode, Namespace: in.Namespace, Bucket: in.Bucket, Zone: in.Zone, Gate: in.Gate,
	}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
