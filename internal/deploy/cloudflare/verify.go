package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/user"
	"github.com/cloudflare/cloudflare-go/v7/workers"
	"github.com/cloudflare/cloudflare-go/v7/workers_for_platforms"

	"overskill/internal/fault"
)

// Permission is what an API token must be allowed to do, in the words of Cloudflare's form for tokens.
type Permission struct {
	Group string // Account or Zone
	Name  string // such as Workers Scripts
	Level string // Read or Edit
	Why   string
	When  string // where it is not always needed: "only with ..."
}

// String is the permission as Cloudflare's form shows it.
func (p Permission) String() string { return p.Group + " > " + p.Name + " > " + p.Level }

const withZone = "only with a domain of your own"

// Permissions lists what a token needs. The documentation and the settings page show the same list.
var Permissions = []Permission{
	{Group: "Account", Name: "Workers Scripts", Level: "Edit", Why: "to upload apps, publish, roll back and delete them"},
	{Group: "Account", Name: "Workers R2 Storage", Level: "Edit", Why: "to store the files that are too large for a Worker", When: "only with an R2 bucket"},
	{Group: "Account", Name: "Workers Tail", Level: "Read", Why: "to show what the server code of an app writes"},
	{Group: "Account", Name: "Account Settings", Level: "Read", Why: "to find out whether the token belongs to this account"},
	{Group: "Zone", Name: "Zone", Level: "Read", Why: "to find the domain", When: withZone},
	{Group: "Zone", Name: "Workers Routes", Level: "Edit", Why: "to lead the domain to apps", When: withZone},
	{Group: "Zone", Name: "DNS", Level: "Edit", Why: "because Cloudflare writes the DNS record of a custom domain on behalf of the token", When: withZone},
}

func permission(name string) Permission {
	for _, p := range Permissions {
		if p.Name == name {
			return p
		}
	}
	return Permission{Group: "Account", Name: name, Level: "Edit"}
}

// denied names the permission that a refused call needs.
func denied(req *http.Request) string {
	p := req.URL.Path
	name := "Account Settings"
	switch {
	case strings.Contains(p, "/r2/"):
		name = "Workers R2 Storage"
	case strings.Contains(p, "/tails"):
		name = "Workers Tail"
	case strings.Contains(p, "/workers/routes"), strings.Contains(p, "/workers/domains"):
		name = "Workers Routes"
	case strings.Contains(p, "/workers/"):
		name = "Workers Scripts"
	case strings.HasSuffix(p, "/zones"), strings.Contains(p, "/zones/"):
		name = "Zone"
	}
	return fmt.Sprintf("The Cloudflare API token lacks the permission %q. Add it to the token, or create a new token, and try again.", permission(name))
}

// Verify reports whether the token is valid, belongs to the account and has the permissions that reading can prove, and
// whether the account is set up: a workers.dev subdomain, the dispatch namespace, the domain. It changes nothing, and
// so cannot tell Edit from Read; a token that may only read fails with the same words at the first deployment.
func (t *Target) Verify(ctx context.Context) error {
	if _, err := t.tokenID(ctx); err != nil {
		return err
	}
	if _, err := t.call(ctx, http.MethodGet, t.account(""), nil, nil); err != nil {
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			return fault.Wrap(err, fault.NotFound, "The API token does not belong to the Cloudflare account %s. Check the account ID.", t.cfg.AccountID)
		}
		return fmt.Errorf("read the account: %w", err)
	}
	list := workers.ScriptListParams{}
	set(&list.AccountID.Value, &list.AccountID.Present, t.cfg.AccountID)
	if _, err := t.scripts.List(ctx, list); err != nil {
		return fmt.Errorf("list scripts: %w", err)
	}
	if err := t.verifyBucket(ctx); err != nil {
		return err
	}
	if t.cfg.Mode == ModeDispatch {
		if err := t.verifyNamespace(ctx); err != nil {
			return err
		}
	} else if _, err := t.workersDev(ctx); err != nil {
		return err
	}
	if t.cfg.Zone != "" {
		id, err := t.zone(ctx)
		if err != nil {
			return err
		}
		read := workers.RouteListParams{}
		set(&read.ZoneID.Value, &read.ZoneID.Present, id)
		if _, err := t.routes.List(ctx, read); err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
	}
	return nil
}

// verifyBucket asks for R2 only where it is used.
func (t *Target) verifyBucket(ctx context.Context) error {
	if t.cfg.Bucket == "" {
		return nil
	}
	_, err := t.call(ctx, http.MethodGet, t.account("/r2/buckets?per_page=1"), nil, nil)
	if has(err, codeNoR2) {
		return fault.Wrap(err, fault.Invalid, "R2 is not switched on in this Cloudflare account. Open R2 in the dashboard once and accept its terms (the free plan is enough), or publish without a bucket.")
	}
	if err != nil {
		return fmt.Errorf("list buckets: %w", err)
	}
	return nil
}

func (t *Target) verifyNamespace(ctx context.Context) error {
	p := workers_for_platforms.DispatchNamespaceGetParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	if _, err := t.dispatchers.Get(ctx, t.cfg.Namespace, p); fault.Is(err, fault.NotFound) {
		return fault.Wrap(err, fault.NotFound, "The account has no dispatch namespace %q. Create it under Workers for Platforms, or change the mode to script.", t.cfg.Namespace)
	} else if err != nil {
		return fmt.Errorf("read the dispatch namespace: %w", err)
	}
	return nil
}

// tokenID returns the token's own id, which is also the access key of R2's S3 API. Tokens of a user and of an account
// are asked about at different addresses.
func (t *Target) tokenID(ctx context.Context) (string, error) {
	res, err := t.tokens.Verify(ctx)
	if err != nil && fault.Is(err, fault.Forbidden) {
		res = &user.TokenVerifyResponse{}
		_, err = t.call(ctx, http.MethodGet, t.account("/tokens/verify"), nil, res)
	}
	switch {
	case err != nil:
		var api *apiError
		if errors.As(err, &api) && api.Status < 500 && api.Status != http.StatusTooManyRequests {
			return "", fault.Wrap(err, fault.Forbidden, "Cloudflare does not accept the API token. It may have been rolled, deleted or copied in part; enter a new one.")
		}
		return "", fmt.Errorf("verify the token: %w", err)
	case res.Status != user.TokenVerifyResponseStatusActive:
		return "", fault.New(fault.Forbidden, "The Cloudflare API token is %s. Create a new one.", res.Status)
	case !res.ExpiresOn.IsZero() && res.ExpiresOn.Before(t.cfg.Now()):
		return "", fault.New(fault.Forbidden, "The Cloudflare API token expired on %s. Create a new one.", res.ExpiresOn.Format(time.DateOnly))
	}
	return res.ID, nil
}

// workersDev returns the account's subdomain of workers.dev, without ".workers.dev".
func (t *Target) workersDev(ctx context.Context) (string, error) {
	t.mu.Lock()
	known := t.domain
	t.mu.Unlock()
	if known != "" {
		return known, nil
	}
	p := workers.SubdomainGetParams{}
	set(&p.AccountID.Value, &p.AccountID.Present, t.cfg.AccountID)
	res, err := t.subdomain.Get(ctx, p)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", fmt.Errorf("read the workers.dev subdomain: %w", err)
	}
	if err != nil || res.Subdomain == "" {
		return "", fault.New(fault.Invalid, "The Cloudflare account has no workers.dev subdomain yet. Open Workers & Pages in the dashboard once and choose one.")
	}
	t.mu.Lock()
	t.domain = res.Subdomain
	t.mu.Unlock()
	return res.Subdomain, nil
}

// zone returns the id of the configured domain's zone.
func (t *Target) zone(ctx context.Context) (string, error) {
	t.mu.Lock()
	known := t.zoneID
	t.mu.Unlock()
	if known != "" {
		return known, nil
	}
	id, err := t.zoneOf(ctx, t.cfg.Zone)
	if err != nil {
		return "", err
	}
	if id == "" {
		return "", fault.New(fault.NotFound, "The Cloudflare account has no domain %q, or the token may not see it. Add the domain to the account, and give the token %q for it.", t.cfg.Zone, permission("Zone"))
	}
	t.mu.Lock()
	t.zoneID = id
	t.mu.Unlock()
	return id, nil
}

// zoneOf returns the id of the active zone that a host is in, or "" when the account has none.
func (t *Target) zoneOf(ctx context.Context, host string) (string, error) {
	for name := host; strings.Contains(name, "."); _, name, _ = strings.Cut(name, ".") {
		var zones []struct {
			ID     string `json:"id"`
			Name   string `json:"name"`
			Status string `json:"status"`
		}
		q := url.Values{"name": {name}, "account.id": {t.cfg.AccountID}}
		if _, err := t.call(ctx, http.MethodGet, "/zones?"+q.Encode(), nil, &zones); err != nil {
			return "", fmt.Errorf("find the zone of %s: %w", host, err)
		}
		for _, z := range zones {
			if z.Name != name {
				continue
			}
			if z.Status != "active" {
				return "", fault.New(fault.Invalid, "Cloudflare does not serve %s yet (its state is %s). Enter Cloudflare's name servers where the domain was bought.", name, z.Status)
			}
			return z.ID, nil
		}
	}
	return "", nil
}
