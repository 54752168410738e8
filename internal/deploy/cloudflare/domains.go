package cloudflare

import (
	"context"
	"fmt"

	"github.com/cloudflare/cloudflare-go/v7/workers"

	"overskill/internal/deploy/target"
	"overskill/internal/fault"
)

// DomainState is how far a custom domain is.
type DomainState string

const (
	DomainActive  DomainState = "active"  // Cloudflare leads it to the site
	DomainMissing DomainState = "missing" // it is not attached
	DomainForeign DomainState = "foreign" // it leads to another Worker of the account
)

// Domain is a custom domain as Cloudflare has it.
type Domain struct {
	ID     string // Cloudflare's
	Host   string
	State  DomainState
	Detail string // a sentence for a person
}

// AttachDomain leads a host to a site. The host's zone must be in the same Cloudflare account: Cloudflare then writes the
// DNS record and the certificate by itself. Repeating it changes nothing. In mode dispatch the host is led to the
// dispatcher, and answers once the site is promoted.
func (t *Target) AttachDomain(ctx context.Context, s target.Site, host string) (Domain, error) {
	name, err := t.domainScript(s, host)
	if err != nil {
		return Domain{}, err
	}
	zone, err := t.zoneOf(ctx, host)
	if err != nil {
		return Domain{}, err
	}
	if zone == "" {
		return Domain{}, fault.New(fault.Invalid, "%s is in no domain of this Cloudflare account. Add the domain to the account and enter Cloudflare's name servers where it was bought.", host)
	}
	if t.cfg.Mode == ModeDispatch {
		if err := t.copyRoute(ctx, t.host(s), host); err != nil {
			return Domain{}, err
		}
	}
	if _, err := t.attach(ctx, host, zone, name); err != nil {
		return Domain{}, err
	}
	return t.DomainStatus(ctx, s, host)
}

// DetachDomain undoes AttachDomain. A host that is not attached to the site is left alone.
func (t *Target) DetachDomain(ctx context.Context, s target.Site, host string) error {
	name, err := t.domainScript(s, host)
	if err != nil {
		return err
	}
	if t.cfg.Mode == ModeDispatch {
		if err := t.deleteObjects(ctx, []string{routeKey(host)}); err != nil {
			return err
		}
	}
	all, err := t.attached(ctx, name)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Hostname == host {
			return t.detach(ctx, d.ID)
		}
	}
	return nil
}

// DomainStatus says where Cloudflare leads a host.
func (t *Target) DomainStatus(ctx context.Context, s target.Site, host string) (Domain, error) {
	name, err := t.domainScript(s, host)
	if err != nil {
		return Domain{}, err
	}
	p := workers.DomainListParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	set(&p.Hostname.Value, &p.Hostname.Present, host)
	page, err := t.domains.List(ctx, p)
	if err != nil {
		return Domain{}, fmt.Errorf("read the domain %s: %w", host, err)
	}
	for _, d := range page.Result {
		switch {
		case d.Hostname != host:
		case d.Service != name:
			return Domain{ID: d.ID, Host: host, State: DomainForeign, Detail: fmt.Sprintf("%s leads to another Worker of the account, %s.", host, d.Service)}, nil
		default:
			return Domain{ID: d.ID, Host: host, State: DomainActive, Detail: fmt.Sprintf("Cloudflare leads %s to the app. A new certificate may take a few minutes.", host)}, nil
		}
	}
	return Domain{Host: host, State: DomainMissing, Detail: fmt.Sprintf("%s is not attached to the app.", host)}, nil
}

// domainScript returns the Worker that a custom domain of a site leads to.
func (t *Target) domainScript(s target.Site, host string) (string, error) {
	name, err := script(s)
	if err != nil {
		return "", err
	}
	if !hostnames.MatchString(host) || len(host) > 253 {
		return "", fault.New(fault.Invalid, "%q is no host name.", host)
	}
	if t.cfg.Mode == ModeDispatch {
		name = t.dispatcher()
	}
	return name, nil
}

// attach leads a host of a zone to a script, unless it is led elsewhere. created is false when it was so already.
func (t *Target) attach(ctx context.Context, host, zone, name string) (created bool, err error) {
	p := workers.DomainListParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	set(&p.Hostname.Value, &p.Hostname.Present, host)
	page, err := t.domains.List(ctx, p)
	if err != nil {
		return false, fmt.Errorf("read the domain %s: %w", host, err)
	}
	for _, d := range page.Result {
		if d.Hostname == host && d.Service == name {
			return false, nil
		}
		if d.Hostname == host {
			return false, fault.New(fault.Conflict, "%s already leads to another Worker of the account, %s. Remove it there first.", host, d.Service)
		}
	}
	put := workers.DomainUpdateParams{}
	set(&put.AccountID.Value, &put.AccountID.Present, t.cfg.AccountID)
	set(&put.Hostname.Value, &put.Hostname.Present, host)
	set(&put.Service.Value, &put.Service.Present, name)
	set(&put.Environment.Value, &put.Environment.Present, "production")
	set(&put.ZoneID.Value, &put.ZoneID.Present, zone)
	if _, err := t.domains.Update(ctx, put); err != nil {
		return false, fmt.Errorf("attach the domain %s: %w", host, err)
	}
	return true, nil
}

// attached returns the domains that lead to a script.
func (t *Target) attached(ctx context.Context, name string) ([]workers.DomainListResponse, error) {
	p := workers.DomainListParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	set(&p.Service.Value, &p.Service.Present, name)
	page, err := t.domains.List(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("read the domains of %s: %w", name, err)
	}
	return page.Result, nil
}

func (t *Target) detach(ctx context.Context, id string) error {
	if !names.MatchString(id) {
		return fmt.Errorf("domain %q has an id that cannot stand in a path", id)
	}
	return t.remove(ctx, t.account("/workers/domains/%s", id))
}
