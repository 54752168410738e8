// Package handlers is the web face: it turns requests into calls of four services and their answers into
// pages, fragments, event streams and JSON.
//
// routes.go is the whole map. A handler reads its input, calls a service, and returns an error or a view;
// one error handler (errors.go) turns every error into a page, a fragment or JSON by its fault kind, so no
// handler knows about status codes of failures, and none logs.
//
// Every page works without script. With it, htmx asks for the same addresses with the header HX-Request and
// gets only the part that changes, and builder.ts follows /apps/{slug}/events.
package handlers

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"overskill/static"
)

// Deps is what the web face needs. All fields but Dev are required.
type Deps struct {
	Accounts Accounts
	Builder  Builder
	Models   Models
	Releases Releases
	Costs    Costs
	Apps     http.Handler                    // serves generated apps on their own hosts
	AppHost  func(host string) bool          // reports whether a Host header, port included, is a generated app's
	BaseURL  func(r *http.Request) string    // where people reach the builder, such as https://example.org, without a final slash
	Log      *slog.Logger                    // one line a request
	Dev      bool                            // shows causes on error pages; never on a server that others reach
	Ready    func(ctx context.Context) error // nil when the instance can serve; asked by /healthz
}

// server holds what handlers share. It has no state of its own.
type server struct{ Deps }

// New returns the router with its middleware. Requests whose Host belongs to a generated app never reach
// the builder's routes: they have no access to its cookies, and the builder has none of their paths.
func New(d Deps) *echo.Echo {
	s := &server{Deps: d}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.handleError
	s.middleware(e)

	e.GET("/healthz", s.healthz)
	e.GET(static.Prefix+"*", echo.WrapHandler(static.Handler()))
	e.HEAD(static.Prefix+"*", echo.WrapHandler(static.Handler()))
	e.GET("/robots.txt", s.robots)

	e.GET("/", s.landing)
	e.POST("/", s.describe)
	e.GET("/signup", s.signUpPage)
	e.POST("/signup", s.signUp)
	e.GET("/signin", s.signInPage)
	e.POST("/signin", s.signIn)
	e.POST("/signout", s.signOut)

	apps := e.Group("/apps", s.signedIn)
	apps.GET("", s.apps)
	apps.GET("/:slug", s.previewTab)
	apps.GET("/:slug/code", s.codeTab)
	apps.GET("/:slug/changes", s.changesTab)
	apps.GET("/:slug/logs", s.logsTab)
	apps.GET("/:slug/logs.txt", s.logsText)
	apps.GET("/:slug/settings", s.settingsTab)
	apps.POST("/:slug/settings", s.rename)
	apps.POST("/:slug/model", s.setAppModel)
	apps.POST("/:slug/locks", s.setLock)
	apps.POST("/:slug/messages", s.postMessage)
	apps.POST("/:slug/stop", s.stop)
	apps.POST("/:slug/delete", s.deleteApp)
	apps.GET("/:slug/turns/:version", s.turn)
	apps.GET("/:slug/turns/:version/tools/:seq", s.tool)
	apps.GET("/:slug/versions/:number/shot.png", s.screenshot)
	apps.POST("/:slug/versions/:number/restore", s.restore)
	apps.GET("/:slug/export.zip", s.export)
	apps.GET("/:slug/events", s.events)
	s.releaseRoutes(apps)

	team := e.Group("/team/settings", s.signedIn, s.ofMyTeam)
	s.modelRoutes(team)
	team.POST("/default", s.setDefaultModel)
	deploy := e.Group(targetPath, s.signedIn, s.ofMyTeam)
	deploy.GET("", s.targetPage)
	deploy.POST("", s.setTarget)
	deploy.POST("/test", s.testTarget)
	admin := e.Group("/admin/models", s.signedIn, s.administrators)
	s.modelRoutes(admin)
	admin.POST("/local", s.approveLocal)

	api := e.Group("/api/v1", s.bearer)
	api.POST("/apps", s.apiCreateApp)
	api.GET("/apps", s.apiApps)
	api.GET("/apps/:slug", s.apiApp)
	api.POST("/apps/:slug/messages", s.apiPostMessage)
	api.POST("/apps/:slug/stop", s.apiStop)
	api.GET("/apps/:slug/model", s.apiAppModel)
	api.PUT("/apps/:slug/model", s.apiSetAppModel)
	api.GET("/apps/:slug/versions", s.apiVersions)
	api.GET("/apps/:slug/files", s.apiFiles)
	api.GET("/apps/:slug/files/*", s.apiFile)
	api.GET("/apps/:slug/events", s.events)
	api.GET("/apps/:slug/export.zip", s.export)
	api.GET("/models", s.apiModels)
	s.releaseAPI(api)
	s.costRoutes(e.Group("/team/costs", s.signedIn, s.ofMyTeam), api)
	return e
}

// modelRoutes are the same for a team and for the instance; the group says whose they are (teamKey).
func (s *server) modelRoutes(g *echo.Group) {
	g.GET("", s.modelsPage)
	g.POST("", s.connect)
	g.POST("/test", s.testModel)
	g.POST("/connections/:id/delete", s.disconnect)
}
