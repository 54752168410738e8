package static_test

import (
	"net/http/httptest"
	"testing"

	"overskill/static"
)

func TestHandler(t *testing.T) {
	for path, status := range map[string]int{static.AppCSS: 200, static.AppJS: 200, static.ThemeJS: 200, static.FaviconSVG: 200, static.Prefix: 404, static.Prefix + "names.go": 404, static.Prefix + "../static.go": 404} {
		w := httptest.NewRecorder()
		static.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
}
