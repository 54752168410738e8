package release

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
)

var (
	accountShape   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	bucketShape    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	namespaceShape = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
)

// verifyTimeout bounds what a person waits for.
const verifyTimeout = 30 * time.Second

// mayManage keeps a team's target to those who look after the team.
func (s *Service) mayManage(ctx context.Context, u model.User, team int64) error {
	role, err := s.Store.RoleIn(ctx, team, u.ID)
	if err != nil && !u.Admin {
		return err
	}
	if !manages(u, role) {
		return fault.New(fault.Forbidden, "Only owners and admins of the team can say where it publishes.")
	}
	return nil
}

func manages(u model.User, role model.Role) bool {
	return u.Admin || role == model.Owner || role == model.Admin
}

// DeployTarget returns where a team publishes, without the token, and which permissions a token for Cloudflare needs.
func (s *Service) DeployTarget(ctx context.Context, u model.User, team int64) (model.DeployTarget, []string, error) {
	role, err := s.Store.RoleIn(ctx, team, u.ID)
	if err != nil && !u.Admin {
		return model.DeployTarget{}, nil, err
	}
	row, err := s.Store.DeployTarget(ctx, team)
	row.Token, row.CanManage = nil, manages(u, role)
	return row, s.Places.Permissions, err
}

// SetDeployTarget sets where a team publishes. What is live stays where it is until it is published again.
func (s *Service) SetDeployTarget(ctx context.Context, u model.User, team int64, n model.NewDeployTarget) error {
	if err := s.mayManage(ctx, u, team); err != nil {
		return err
	}
	row, err := s.Store.DeployTarget(ctx, team)
	if err != nil {
		return err
	}
	trim := strings.TrimSpace
	row.Kind, row.AccountID, row.Mode, row.Namespace = n.Kind, strings.ToLower(trim(n.AccountID)), trim(n.Mode), trim(n.Namespace)
	row.Bucket, row.Zone, row.Gate = trim(n.Bucket), strings.ToLower(trim(n.Zone)), model.GatePolicy(trim(n.Gate))
	if row.Mode == "" {
		row.Mode = "script"
	}
	if row.Gate == "" {
		row.Gate = model.GateBlock
	}
	if token := trim(n.Token); token != "" {
		row.Token, row.TokenHint = s.Key.Seal([]byte(token), tokenPlace(team)), masked(token)
	}
	if err := checkTarget(row); err != nil {
		return err
	}
	return s.Store.SetDeployTarget(ctx, row, model.AuditEntry{
		TeamID: team, UserID: u.ID, Action: "team.deploy_target.set", Detail: map[string]any{"kind": row.Kind, "gate": row.Gate},
	})
}

func checkTarget(row model.DeployTarget) error {
	switch {
	case row.Kind != model.TargetLocal && row.Kind != model.TargetWorkerd && row.Kind != model.TargetCloudflare:
		return fault.New(fault.Invalid, "Choose where to publish: on this server, in workerd on this server, or to Cloudflare.")
	case row.Gate != model.GateBlock && row.Gate != model.GateWarn:
		return fault.New(fault.Invalid, "Choose whether serious findings block a publication or only warn.")
	case row.Kind != model.TargetCloudflare:
		return nil
	case !accountShape.MatchString(row.AccountID):
		return fault.New(fault.Invalid, "The account id has 32 hexadecimal digits. It stands in the address of Cloudflare's dashboard.")
	case len(row.Token) == 0:
		return fault.New(fault.Invalid, "Enter an API token of the account.")
	case row.Mode != "script" && row.Mode != "dispatch":
		return fault.New(fault.Invalid, "Choose how apps are uploaded: as Workers of the account, or into a dispatch namespace.")
	case row.Mode == "dispatch" && !namespaceShape.MatchString(row.Namespace):
		return fault.New(fault.Invalid, "Enter the name of the dispatch namespace.")
	case row.Bucket != "" && !bucketShape.MatchString(row.Bucket):
		return fault.New(fault.Invalid, "The name of an R2 bucket has 3 to 63 lower-case letters, digits and hyphens.")
	case row.Zone != "" && !hostShape.MatchString(row.Zone):
		return fault.New(fault.Invalid, "%q is not the name of a domain, such as apps.example.org.", row.Zone)
	}
	return nil
}

// TestDeployTarget tries the target and says in a sentence what was found.
func (s *Service) TestDeployTarget(ctx context.Context, u model.User, team int64) (string, error) {
	if err := s.mayManage(ctx, u, team); err != nil {
		return "", err
	}
	t, row, err := s.place(ctx, team)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	if err := t.Verify(ctx); err != nil {
		return "", err
	}
	switch row.Kind {
	case model.TargetCloudflare:
		return fmt.Sprintf("The token is valid for the account %s... and has the permissions that are needed.", row.AccountID[:6]), nil
	case model.TargetWorkerd:
		return "Cloudflare's runtime runs on this server.", nil
	}
	return "Apps are published on this server.", nil
}
