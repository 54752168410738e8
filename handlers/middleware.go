package handlers

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"overskill/internal/fault"
	"overskill/internal/model"
	"overskill/static"
)

// maxBody is the largest request body. A prompt of 100 KB of three-byte letters, percent-encoded, is 300 KB:
// it has to reach the service, which names its own limit in its answer.
const maxBody = "1M"

// middleware is one ordered chain. What stands before hostSwitch is also for generated apps.
func (s *server) middleware(e *echo.Echo) {
	// Only a proxy on this machine is believed about who its client is.
	e.IPExtractor = echo.ExtractIPFromXFFHeader(echo.TrustLoopback(true), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false))

	e.Pre(middleware.RequestID(), s.accessLog(), middleware.RecoverWithConfig(middleware.RecoverConfig{
		LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
			s.Log.ErrorContext(c.Request().Context(), "panic", "request_id", requestID(c), "error", err, "stack", string(stack))
			return err
		},
	}), s.hostSwitch)

	e.Use(s.securityHeaders,
		middleware.GzipWithConfig(middleware.GzipConfig{Skipper: uncompressed, MinLength: 1024}),
		middleware.BodyLimit(maxBody),
		s.csrf(),
		s.whoIsIt)
}

// hostSwitch hands requests for generated apps to their own handler.
func (s *server) hostSwitch(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if s.AppHost(c.Request().Host) {
			r := c.Request()
			r.RemoteAddr = net.JoinHostPort(ip(c), "0") // the visitor's, also behind a proxy: limits count by it
			s.Apps.ServeHTTP(c.Response(), r)
			return nil
		}
		return next(c)
	}
}

// accessLog writes one line a request, after its error became an answer.
func (s *server) accessLog() echo.MiddlewareFunc {
	return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		HandleError: true, LogStatus: true, LogMethod: true, LogURIPath: true, LogLatency: true, LogHost: true,
		LogRemoteIP: true, LogResponseSize: true, LogError: true,
		LogValuesFunc: func(c echo.Context, v middleware.RequestLoggerValues) error {
			level := slog.LevelInfo
			if s.AppHost(v.Host) && v.Status < http.StatusInternalServerError {
				level = slog.LevelDebug // every file of every generated app
			}
			attrs := []slog.Attr{
				slog.String("request_id", requestID(c)), slog.String("method", v.Method), slog.String("host", v.Host), slog.String("path", v.URIPath),
				slog.Int("status", v.Status), slog.Duration("took", v.Latency), slog.Int64("bytes", v.ResponseSize), slog.String("ip", v.RemoteIP),
			}
			if v.Error != nil {
				attrs = append(attrs, slog.String("error", v.Error.Error()), slog.String("kind", string(faultOf(v.Error).kind)))
				if faultOf(v.Error).kind == fault.Internal {
					level = slog.LevelError
				}
			}
			s.Log.LogAttrs(c.Request().Context(), level, "request", attrs...)
			return nil
		},
	})
}

// csrf refuses forms that other sites send. Browsers say where a request comes from (Sec-Fetch-Site); those
// that do not, or over plain HTTP, prove it with a token. Generated apps on subdomains are "same-site", not
// "same-origin", and are refused like any other site.
func (s *server) csrf() echo.MiddlewareFunc {
	config := middleware.CSRFConfig{
		TokenLookup:    "form:_csrf,header:" + echo.HeaderXCSRFToken,
		CookieName:     "csrf",
		CookiePath:     "/",
		CookieHTTPOnly: true,
		CookieSameSite: http.SameSiteLaxMode,
		ErrorHandler: func(err error, _ echo.Context) error {
			return fault.Wrap(err, fault.Forbidden, "This form was not sent from a page of this site, or the page is too old. Load it again and send it once more.")
		},
	}
	plain := middleware.CSRFWithConfig(config)
	config.CookieName, config.CookieSecure = "__Host-csrf", true
	secure := middleware.CSRFWithConfig(config)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		plainNext, secureNext := plain(next), secure(next)
		return func(c echo.Context) error {
			switch {
			case isAPI(c) || isAsset(c): // bearer tokens, and files: no cookie counts there
				return next(c)
			case s.https(c):
				return secureNext(c)
			}
			return plainNext(c)
		}
	}
}

// basePolicy allows what our pages need and nothing of another origin. Builder pages add their own frames.
const basePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (s *server) securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", basePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
		if s.https(c) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !isAsset(c) {
			h.Set("Cache-Control", "no-store") // pages hold private text; a handler may say otherwise
		}
		return next(c)
	}
}

// allowFrames lets a page of the builder show an app's own hosts in its preview.
func (s *server) allowFrames(c echo.Context, app model.App) {
	var origins []string
	if base, err := url.Parse(s.BaseURL(c.Request())); err == nil && base.Host != "" {
		origins = append(origins, base.Scheme+"://preview-"+app.Slug+"."+base.Host, base.Scheme+"://"+app.Slug+"."+base.Host)
	}
	if u, err := url.Parse(app.PreviewURL); err == nil && u.Host != "" && !strings.ContainsAny(u.Host, " ;,'\"") {
		if origin := u.Scheme + "://" + u.Host; len(origins) == 0 || origin != origins[0] {
			origins = append(origins, origin)
		}
	}
	if len(origins) > 0 {
		c.Response().Header().Set("Content-Security-Policy", basePolicy+"; frame-src "+strings.Join(origins, " "))
	}
}

// previewHost is the host under which an app's preview is reached.
func (s *server) previewHost(c echo.Context, app model.App) string {
	if u, err := url.Parse(app.PreviewURL); err == nil && u.Host != "" {
		return u.Host
	}
	base, err := url.Parse(s.BaseURL(c.Request()))
	if err != nil {
		return "preview-" + app.Slug
	}
	return "preview-" + app.Slug + "." + base.Host
}

// uncompressed skips what is compressed already, and streams, which a compressor would hold back.
func uncompressed(c echo.Context) bool {
	path := c.Request().URL.Path
	return strings.HasSuffix(path, "/events") || strings.HasSuffix(path, ".zip") || strings.HasSuffix(path, ".png")
}

func isAPI(c echo.Context) bool   { return strings.HasPrefix(c.Request().URL.Path, "/api/") }
func isAsset(c echo.Context) bool { return strings.HasPrefix(c.Request().URL.Path, static.Prefix) }

// isFragment reports whether our own script asks, and wants only the part that changes.
func isFragment(c echo.Context) bool { return c.Request().Header.Get("HX-Request") == "true" }

func requestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// https reports whether people reach the builder over TLS, here or at a proxy.
func (s *server) https(c echo.Context) bool {
	return strings.HasPrefix(s.BaseURL(c.Request()), "https://")
}

// ip is the client's address without a port.
func ip(c echo.Context) string {
	if host, _, err := net.SplitHostPort(c.RealIP()); err == nil {
		return host
	}
	return c.RealIP()
}

// now is the time of a request: every age on a page is reckoned from the same moment.
func now() time.Time { return time.Now().UTC() }
