package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestReleasesAPI(t *testing.T) {
	st := newSite(t)
	p := publishHarbour(st.s, time.Now())
	auth := header("Authorization", "Bearer token-mareike@harbour.example")
	call := func(method, path, body string, status int) map[string]any {
		t.Helper()
		a := st.do(method, "/api/v1/apps/harbour"+path, body, auth).want(status)
		out := map[string]any{}
		if status != 204 {
			if err := json.Unmarshal([]byte(a.body), &out); err != nil {
				t.Fatalf("%s: %v", a.body, err)
			}
		}
		return out
	}
	if got := call("POST", "/publish", "", 202); got["version"] != "1.0.0" || got["status"] != "pending" || got["ended"] != false || got["started_at"] != nil {
		t.Errorf("%v", got)
	}
	first := p.Running.ID
	if got := st.do("POST", "/api/v1/apps/harbour/publish", `{"version":"1.0.0"}`, auth).want(202).Header.Get("Location"); got != fmt.Sprintf("/api/v1/apps/harbour/deployments/%d", p.Running.ID) || p.Running.ID == first {
		t.Error(got)
	}
	call("POST", "/publish", `{"version":"9.9.9"}`, 400)
	call("POST", "/publish", `{"version":7}`, 400)
	list := call("GET", "/deployments", "", 200)
	if all := list["deployments"].([]any); len(all) != 5 || list["live"] != 41.0 || list["running"] != float64(p.Running.ID) || all[0].(map[string]any)["log"] != nil {
		t.Errorf("%v", list)
	}
	one := call("GET", "/deployments/41", "", 200)
	if one["changes"].(map[string]any)["opened"] != 5.0 || len(one["log"].([]any)) != 3 || len(one["findings"].([]any)) != 1 || one["by"] != "mareike@harbour.example" {
		t.Errorf("%v", one)
	}
	if got := call("POST", "/deployments/40/rollback", "", 202); got["kind"] != "rollback" {
		t.Errorf("%v", got)
	}
	call("POST", "/deployments/42/rollback", "", 409)
	for _, id := range []string{"x", "0", "77"} {
		call("GET", "/deployments/"+id, "", 404)
		call("POST", "/deployments/"+id+"/rollback", "", 404)
	}

	if got := call("PUT", "/env/NEW?environment=preview", `{"value":"s3cret"}`, 200); got["key"] != "NEW" || got["hint"] == "s3cret" || got["value"] != nil {
		t.Errorf("%v", got)
	}
	for path, body := range map[string]string{"/env/NEW": `{"value":"a"}`, "/env/NEW?environment=x": `{"value":"a"}`, "/env/NEW?environment=preview": `{}`, "/env/a-b?environment=preview": `{"value":"a"}`} {
		call("PUT", path, body, 400)
	}
	if got := len(call("GET", "/env?environment=production", "", 200)["variables"].([]any)); got != 2 {
		t.Errorf("%d variables", got)
	}
	if got := len(call("GET", "/env", "", 200)["variables"].([]any)); got != 4 {
		t.Errorf("%d variables", got)
	}
	call("GET", "/env?environment=x", "", 400)
	call("GET", "/env/NEW?environment=preview", "", 200)
	call("GET", "/env/NEW?environment=production", "", 404)
	call("GET", "/env/NEW", "", 400)
	call("DELETE", "/env/NEW?environment=preview", "", 204)
	call("DELETE", "/env/NEW?environment=preview", "", 404)
	call("DELETE", "/env/NEW", "", 400)

	if got := call("POST", "/preview-link", `{"ttl_seconds":86400,"environment":"production"}`, 200); !strings.Contains(got["url"].(string), "_access=production.24") {
		t.Errorf("%v", got)
	}
	if got := call("POST", "/preview-link", "", 200); !strings.Contains(got["url"].(string), "_access=preview.1") {
		t.Errorf("%v", got)
	}
	for _, body := range []string{`{"ttl_seconds":60}`, `{"ttl_seconds":-1}`, `{"ttl_seconds":9223372036854775807}`, `{"environment":"x"}`, `{"ttl_seconds":"1h"}`} {
		call("POST", "/preview-link", body, 400)
	}
	call("DELETE", "/publication", "", 204)
	call("DELETE", "/publication", "", 409)

	for _, r := range []struct{ method, path string }{
		{"POST", "publish"},
		{"DELETE", "publication"},
		{"GET", "deployments"},
		{"GET", "deployments/41"},
		{"POST", "deployments/41/rollback"},
		{"GET", "env"},
		{"GET", "env/A?environment=preview"},
		{"DELETE", "env/A?environment=preview"},
		{"POST", "preview-link"},
	} {
		st.do(r.method, "/api/v1/apps/nowhere/"+r.path, "", auth).want(404)
		st.do(r.method, "/api/v1/apps/harbour/"+r.path, "").want(401)
	}
	st.do("PUT", "/api/v1/apps/nowhere/env/A?environment=preview", `{"value":"a"}`, auth).want(404)
}
