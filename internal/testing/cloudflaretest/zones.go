package cloudflaretest

import (
	"net/http"
	"strings"
)

type zone struct {
	ID, Name, Status string
	routes           []workerRoute
}

type workerRoute struct {
	ID      string `json:"id"`
	Pattern string `json:"pattern"`
	Script  string `json:"script"`
}

// domain is a custom domain.
type domain struct {
	ID          string `json:"id"`
	Hostname    string `json:"hostname"`
	Service     string `json:"service"`
	Environment string `json:"environment"`
	ZoneID      string `json:"zone_id"`
	ZoneName    string `json:"zone_name"`
	CertID      string `json:"cert_id"`
}

// AddZone gives the account a domain and returns its id. Its status is active, or pending while the name servers are
// still another's.
func (a *Account) AddZone(name, status string) string {
	z := &zone{ID: randomHex(16), Name: name, Status: status}
	a.locked(func() { a.zones = append(a.zones, z) })
	return z.ID
}

// AddRoute leads a pattern to a script, as somebody may have done in the dashboard.
func (a *Account) AddRoute(zoneName, pattern, script string) {
	a.locked(func() {
		for _, z := range a.zones {
			if z.Name == zoneName {
				z.routes = append(z.routes, workerRoute{randomHex(16), pattern, script})
			}
		}
	})
}

// Domains returns the custom domains and what they lead to.
func (a *Account) Domains() map[string]string {
	out := map[string]string{}
	a.locked(func() {
		for _, d := range a.domains {
			out[d.Hostname] = d.Service
		}
	})
	return out
}

func (a *Account) listZones(r *http.Request) (reply, error) {
	q := r.URL.Query()
	if id := q.Get("account.id"); id != "" && id != a.ID {
		return reply{Result: []any{}}, nil
	}
	found := []any{}
	for _, z := range a.zones {
		if q.Get("name") == "" || q.Get("name") == z.Name {
			found = append(found, map[string]any{"id": z.ID, "name": z.Name, "status": z.Status, "account": map[string]any{"id": a.ID}})
		}
	}
	return reply{Result: found}, nil
}

func (a *Account) zone(id string) (*zone, error) {
	for _, z := range a.zones {
		if z.ID == id {
			return z, nil
		}
	}
	return nil, refuse(http.StatusNotFound, 7003, "Could not route to the zone %q, perhaps your object identifier is invalid?", id)
}

func (a *Account) listRoutes(r *http.Request) (reply, error) {
	z, err := a.zone(r.PathValue("zone"))
	if err != nil {
		return reply{}, err
	}
	return reply{Result: append([]workerRoute{}, z.routes...)}, nil
}

func (a *Account) newRoute(r *http.Request) (reply, error) {
	z, err := a.zone(r.PathValue("zone"))
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Pattern string `json:"pattern"`
		Script  string `json:"script"`
	}
	if err := body(r, &in, "application/json"); err != nil {
		return reply{}, err
	}
	host, _, _ := strings.Cut(in.Pattern, "/")
	if host != z.Name && !strings.HasSuffix(host, "."+z.Name) {
		return reply{}, refuse(http.StatusBadRequest, 10022, "the pattern %q is not in the zone %s", in.Pattern, z.Name)
	}
	if a.scripts[in.Script] == nil {
		return reply{}, refuse(http.StatusNotFound, codeNoScript, "there is no script %q", in.Script)
	}
	for _, old := range z.routes {
		if old.Pattern == in.Pattern {
			return reply{}, refuse(http.StatusConflict, 10020, "A route with the same pattern already exists.")
		}
	}
	route := workerRoute{randomHex(16), in.Pattern, in.Script}
	z.routes = append(z.routes, route)
	return reply{Result: route}, nil
}

func (a *Account) listDomains(r *http.Request) (reply, error) {
	q := r.URL.Query()
	found := []domain{}
	for _, d := range a.domains {
		if host := q.Get("hostname"); host != "" && host != d.Hostname {
			continue
		}
		if service := q.Get("service"); service != "" && service != d.Service {
			continue
		}
		found = append(found, d)
	}
	return reply{Result: found}, nil
}

func (a *Account) putDomain(r *http.Request) (reply, error) {
	var in struct {
		Hostname    string `json:"hostname"`
		Service     string `json:"service"`
		Environment string `json:"environment"`
		ZoneID      string `json:"zone_id"`
		ZoneName    string `json:"zone_name"`
	}
	if err := body(r, &in, "application/json"); err != nil {
		return reply{}, err
	}
	z, err := a.zone(in.ZoneID)
	if err != nil {
		return reply{}, err
	}
	switch {
	case in.Hostname != z.Name && !strings.HasSuffix(in.Hostname, "."+z.Name):
		return reply{}, refuse(http.StatusBadRequest, 100116, "the host %q is not in the zone %s", in.Hostname, z.Name)
	case z.Status != "active":
		return reply{}, refuse(http.StatusBadRequest, 100114, "the zone %s is not active", z.Name)
	case a.scripts[in.Service] == nil:
		return reply{}, refuse(http.StatusNotFound, codeNoService, "there is no Worker %q", in.Service)
	}
	for i, d := range a.domains {
		if d.Hostname == in.Hostname { // Cloudflare moves it without a question
			a.domains[i].Service = in.Service
			return reply{Result: a.domains[i]}, nil
		}
	}
	d := domain{randomHex(16), in.Hostname, in.Service, "production", z.ID, z.Name, newUUID()}
	a.domains = append(a.domains, d)
	return reply{Result: d}, nil
}

func (a *Account) deleteDomain(r *http.Request) (reply, error) {
	for i, d := range a.domains {
		if d.ID == r.PathValue("domain") {
			a.domains = append(a.domains[:i:i], a.domains[i+1:]...)
			return reply{}, nil
		}
	}
	return reply{}, refuse(http.StatusNotFound, 100124, "there is no such domain")
}
