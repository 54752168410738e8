package release

import (
	"context"
	"crypto/rand"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// Resolver asks the DNS. *net.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupCNAME(ctx context.Context, host string) (string, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// DomainTarget is a target that looks after the DNS and the certificate of a domain itself.
type DomainTarget interface {
	// Attach makes a site answer at a host name, and returns a sentence about how far that is.
	Attach(ctx context.Context, s target.Site, host string) (string, error)
	Detach(ctx context.Context, s target.Site, host string) error
}

const (
	dnsTimeout = 10 * time.Second
	proofLabel = "_overskill." // below which the TXT record that proves a domain lies
	maxDomains = 10
)

var hostShape = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$`)

// domains lists an app's domains with what their DNS must say.
func (s *Service) domains(ctx context.Context, app model.App) ([]model.Domain, error) {
	list, err := s.Store.Domains(ctx, app.ID)
	if err != nil || len(list) == 0 {
		return list, err
	}
	row, err := s.Store.DeployTarget(ctx, app.TeamID)
	for i := range list {
		list[i].Records = s.records(app, list[i], row.Kind)
	}
	return list, err
}

// records are what a domain's DNS must say: whose it is, and where it leads unless the target sees to that.
func (s *Service) records(app model.App, d model.Domain, kind model.TargetKind) []model.DNSRecord {
	out := []model.DNSRecord{{Type: "TXT", Name: proofLabel + d.Name, Value: d.Token}}
	if kind != model.TargetCloudflare {
		out = append(out, model.DNSRecord{Type: "CNAME", Name: d.Name, Value: s.Addresses.Host(app.Slug)})
	}
	return out
}

// AddDomain adds a domain to an app. It shows the app when its DNS says so.
func (s *Service) AddDomain(ctx context.Context, u model.User, slug, name string) (model.Domain, error) {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return model.Domain{}, err
	}
	name, err = s.domainName(name)
	if err != nil {
		return model.Domain{}, err
	}
	have, err := s.Store.Domains(ctx, app.ID)
	switch {
	case err != nil:
		return model.Domain{}, err
	case slices.ContainsFunc(have, func(d model.Domain) bool { return d.Name == name }):
		return model.Domain{}, fault.New(fault.Conflict, "%s belongs to this app already.", name)
	case len(have) >= maxDomains:
		return model.Domain{}, fault.New(fault.Invalid, "An app can have %d domains.", maxDomains)
	}
	d := model.Domain{AppID: app.ID, Name: name, Token: "overskill-" + strings.ToLower(rand.Text()), Status: "pending", Detail: "Enter what is shown here at your DNS provider, then check."}
	row, err := s.Store.DeployTarget(ctx, app.TeamID)
	if err != nil {
		return d, err
	}
	d, err = s.Store.AddDomain(ctx, d, audit(app, u, "app.domain.add", map[string]any{"name": name}))
	d.Records = s.records(app, d, row.Kind)
	return d, err
}

// domainName reads what a person typed: a host name, perhaps with a scheme around it.
func (s *Service) domainName(typed string) (string, error) {
	name := strings.ToLower(strings.TrimSpace(typed))
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://")
	name, _, _ = strings.Cut(name, "/")
	name = strings.TrimSuffix(name, ".")
	ascii, err := idna.Lookup.ToASCII(name)
	switch {
	case err != nil || len(ascii) > 253 || !hostShape.MatchString(ascii) || net.ParseIP(ascii) != nil:
		return "", fault.New(fault.Invalid, "%q is not the name of a domain, such as www.example.org.", typed)
	case strings.HasSuffix("."+s.Addresses.Host("x"), "."+ascii) || strings.HasSuffix(ascii, strings.TrimPrefix(s.Addresses.Host("x"), "x")):
		return "", fault.New(fault.Invalid, "%s is a name of this server itself.", ascii)
	}
	return ascii, nil
}

// CheckDomain asks the DNS how far a domain is. It becomes active when it proves to be the person's and leads to the app.
func (s *Service) CheckDomain(ctx context.Context, u model.User, slug string, id int64) (model.Domain, error) {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return model.Domain{}, err
	}
	d, err := s.Store.Domain(ctx, app.ID, id)
	if err != nil {
		return d, err
	}
	t, row, err := s.livePlace(ctx, app)
	if err != nil {
		return d, err
	}
	d.Records = s.records(app, d, row.Kind)
	lookup, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	d.CheckedAt = time.Now().UTC()
	s.lookUpProof(lookup, &d.Records[0])
	switch proof := d.Records[0]; {
	case !proof.OK && proof.Found == "":
		d.Status, d.Detail = "pending", "The TXT record is not there yet. New records take from a minute to a day to show."
	case !proof.OK:
		d.Status, d.Detail = "failed", "The TXT record holds something else. Replace it by the value shown here."
	default:
		s.checkRoute(lookup, t, app, &d)
	}
	return d, s.Store.SaveDomain(ctx, d)
}

// checkRoute sets the status of a domain that is the person's: does it lead to the app?
func (s *Service) checkRoute(ctx context.Context, t target.Target, app model.App, d *model.Domain) {
	if dt, ok := t.(DomainTarget); ok {
		detail, err := dt.Attach(ctx, site(app, model.Production), d.Name)
		if d.Status, d.Detail = "active", detail; err != nil {
			d.Status, d.Detail = "failed", fault.Text(err)
		}
		return
	}
	route := &d.Records[1]
	s.lookUpRoute(ctx, d.Name, route)
	switch {
	case route.OK:
		d.Status, d.Detail = "active", "The domain shows the published app."
	case route.Found == "":
		d.Status, d.Detail = "pending", "The domain is yours, but it leads nowhere yet: enter the CNAME record (or ALIAS, at the top of a zone)."
	default:
		d.Status, d.Detail = "failed", "The domain leads elsewhere. Replace its CNAME record by the value shown here."
	}
}

// lookUpProof fills in what the DNS says about whose a domain is.
func (s *Service) lookUpProof(ctx context.Context, proof *model.DNSRecord) {
	texts, _ := s.Resolver.LookupTXT(ctx, proof.Name) // what is not there is an error
	if len(texts) > 0 {
		proof.Found = texts[0]
	}
	if slices.Contains(texts, proof.Value) {
		proof.Found, proof.OK = proof.Value, true
	}
}

// lookUpRoute fills in where the DNS says that a domain leads.
func (s *Service) lookUpRoute(ctx context.Context, domain string, route *model.DNSRecord) {
	name, _ := s.Resolver.LookupCNAME(ctx, domain)
	if name = strings.TrimSuffix(strings.ToLower(name), "."); name != "" && name != domain {
		route.Found, route.OK = name, name == route.Value
	}
	if route.OK {
		return
	}
	// At the top of a zone there is no CNAME: there the addresses must be the same.
	theirs, _ := s.Resolver.LookupHost(ctx, domain)
	ours, _ := s.Resolver.LookupHost(ctx, route.Value)
	if len(theirs) > 0 && route.Found == "" {
		route.Found = strings.Join(theirs, ", ")
	}
	route.OK = len(theirs) > 0 && !slices.ContainsFunc(theirs, func(ip string) bool { return !slices.Contains(ours, ip) })
}

// RemoveDomain takes a domain from an app.
func (s *Service) RemoveDomain(ctx context.Context, u model.User, slug string, id int64) error {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	d, err := s.Store.Domain(ctx, app.ID, id)
	if err != nil {
		return err
	}
	t, _, err := s.livePlace(ctx, app)
	if err != nil {
		return err
	}
	if dt, ok := t.(DomainTarget); ok && d.Status == "active" {
		if err := dt.Detach(ctx, site(app, model.Production), d.Name); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return s.Store.DeleteDomain(ctx, app.ID, id, audit(app, u, "app.domain.remove", map[string]any{"name": d.Name}))
}
