package handlers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// released is what the fake knows of publishing: the publication of each app, and the target of team 1.
type released struct {
	of          map[string]*model.Publication // by slug
	values      map[string]string             // of variables, by slug, environment and name
	findings    []model.Finding
	target      model.DeployTarget
	token       string
	logs        []model.DeployLine
	viewer      bool  // everybody only looks
	refused     error // what every change answers, when set
	unreachable error // what the target answers, when it is asked
}

func newReleased() *released {
	return &released{of: map[string]*model.Publication{}, values: map[string]string{}, target: model.DeployTarget{TeamID: 1, Kind: model.TargetLocal, Mode: "script", Gate: model.GateBlock}}
}

// publication finds what u may see; s.mu is held.
func (s *services) publication(u model.User, slug string) (*model.Publication, error) {
	a, err := s.find(u, slug)
	if err != nil {
		return nil, err
	}
	p := s.releases.of[slug]
	if p == nil {
		p = &model.Publication{URL: "http://" + slug + ".localhost:8080/", Access: model.AppAccess{Mode: "public"}, Preview: model.AppAccess{Mode: "public"}}
		s.releases.of[slug] = p
	}
	p.App, p.Target, p.CanEdit = a.App, s.releases.target, !s.releases.viewer
	for _, t := range a.turns {
		if t.Version.ID == a.HeadVersionID {
			p.Head = t.Version
		}
	}
	return p, nil
}

// changing is publication for what changes something; s.mu is held.
func (s *services) changing(u model.User, slug string) (*model.Publication, error) {
	p, err := s.publication(u, slug)
	if err == nil {
		err = s.releases.refused
	}
	return p, err
}

func (s *services) Publication(_ context.Context, u model.User, slug string) (model.Publication, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.publication(u, slug)
	if err != nil {
		return model.Publication{}, err
	}
	out := *p
	out.History, out.Vars, out.Domains = slices.Clone(p.History), slices.Clone(p.Vars), slices.Clone(p.Domains)
	return out, nil
}

func (s *services) CheckRelease(_ context.Context, u model.User, slug string) ([]model.Finding, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.publication(u, slug); err != nil {
		return nil, err
	}
	return s.releases.findings, s.releases.unreachable
}

// start makes a deployment that runs; s.mu is held.
func (s *services) start(u model.User, p *model.Publication, kind model.DeploymentKind, v string) model.Deployment {
	d := model.Deployment{
		ID: s.id(), AppID: p.App.ID, Environment: model.Production, Status: model.DeployPending, Kind: kind, Target: s.releases.target.Kind, URL: p.URL,
		Number: v, UserEmail: u.Email, CreatedAt: time.Now(),
	}
	if p.Running != nil {
		p.Running.Status, p.Running.EndedAt = model.DeploySuperseded, time.Now()
	}
	p.Running = &d
	p.History = append([]model.Deployment{d}, p.History...)
	return d
}

// moves changes the running deployment of an app, as a worker does; it ends when its status says so.
func (s *services) moves(slug string, change func(*model.Deployment)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.releases.of[slug]
	d := *p.Running
	change(&d)
	p.Running = &d
	if d.Ended() {
		p.Running = nil
	}
	for i := range p.History {
		if p.History[i].ID == d.ID {
			p.History[i] = d
		}
	}
	if d.Status == model.DeployDeployed {
		p.Live = &d
	}
}

func (s *services) Publish(_ context.Context, u model.User, slug, number string) (model.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err != nil {
		return model.Deployment{}, err
	}
	if number == "" {
		number = p.Head.Number
	}
	for _, t := range s.apps[0].turns {
		if t.Version.Number == number && t.Version.Status == model.VersionGreen {
			return s.start(u, p, model.KindPublish, number), nil
		}
	}
	return model.Deployment{}, fault.New(fault.Invalid, "There is no green version %q to publish.", number)
}

func (s *services) Deployment(_ context.Context, u model.User, slug string, id int64) (model.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.publication(u, slug)
	if err != nil {
		return model.Deployment{}, err
	}
	return deploymentOf(p, id)
}

func deploymentOf(p *model.Publication, id int64) (model.Deployment, error) {
	for _, d := range p.History {
		if d.ID == id {
			return d, nil
		}
	}
	return model.Deployment{}, fault.New(fault.NotFound, "There is no such deployment of this app.")
}

func (s *services) Rollback(_ context.Context, u model.User, slug string, id int64) (model.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err != nil {
		return model.Deployment{}, err
	}
	d, err := deploymentOf(p, id)
	if err != nil {
		return model.Deployment{}, err
	}
	if d.PromotedAt.IsZero() {
		return model.Deployment{}, fault.New(fault.Conflict, "%s was never live.", d.Number)
	}
	return s.start(u, p, model.KindRollback, d.Number), nil
}

func (s *services) Unpublish(_ context.Context, u model.User, slug string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err == nil && p.Live == nil {
		err = fault.New(fault.Conflict, "The app is not published.")
	}
	if err == nil {
		p.Live = nil
	}
	return err
}

func (s *services) CancelDeployment(_ context.Context, u model.User, slug string, id int64) error {
	s.mu.Lock()
	p, err := s.changing(u, slug)
	if err == nil && (p.Running == nil || p.Running.ID != id) {
		err = fault.New(fault.Conflict, "This deployment does not run any more.")
	}
	s.mu.Unlock()
	if err == nil {
		s.moves(slug, func(d *model.Deployment) { d.Status, d.EndedAt = model.DeploySuperseded, time.Now() })
	}
	return err
}

func (s *services) DeploymentShot(ctx context.Context, u model.User, slug string, id int64, narrow bool) ([]byte, error) {
	d, err := s.Deployment(ctx, u, slug, id)
	if err != nil {
		return nil, err
	}
	if d.ScreenshotHash == "" || narrow && d.ScreenshotNarrowHash == "" {
		return nil, fault.New(fault.NotFound, "There is no picture of this deployment.")
	}
	if narrow {
		return picture(195, 400), nil
	}
	return picture(320, 200), nil
}

func (s *services) ServerLogs(_ context.Context, u model.User, slug string) ([]model.DeployLine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.publication(u, slug); err != nil {
		return nil, err
	}
	return s.releases.logs, s.releases.unreachable
}

func (s *services) SetVar(_ context.Context, u model.User, slug string, env model.Environment, key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err != nil {
		return err
	}
	if key == "" || strings.ContainsAny(key, " -=") {
		return fault.New(fault.Invalid, "A name has letters, digits and _.")
	}
	s.releases.values[slug+" "+string(env)+" "+key] = value
	p.Vars = slices.DeleteFunc(slices.Clone(p.Vars), func(v model.EnvVar) bool { return v.Environment == env && v.Key == key })
	p.Vars = append(p.Vars, model.EnvVar{ID: s.id(), AppID: p.App.ID, Environment: env, Key: key, Hint: "••••", UpdatedAt: time.Now()})
	return nil
}

func (s *services) DeleteVar(_ context.Context, u model.User, slug string, env model.Environment, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(p.Vars), func(v model.EnvVar) bool { return v.Environment == env && v.Key == key })
	if len(kept) == len(p.Vars) {
		return fault.New(fault.NotFound, "There is no variable %s.", key)
	}
	p.Vars = kept
	return nil
}

// accessOf is the access of an environment.
func accessOf(p *model.Publication, env model.Environment) *model.AppAccess {
	if env == model.Preview {
		return &p.Preview
	}
	return &p.Access
}

func (s *services) SetAccess(_ context.Context, u model.User, slug string, env model.Environment, mode, password string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err != nil {
		return err
	}
	a := accessOf(p, env)
	switch {
	case mode != "public" && mode != "password" && mode != "private":
		return fault.New(fault.Invalid, "Choose who may open it.")
	case mode == "password" && password == "" && a.PasswordHash == "":
		return fault.New(fault.Invalid, "A password has at least 8 characters.")
	}
	a.Mode = mode
	if password != "" {
		a.PasswordHash = "hash"
	}
	return nil
}

func (s *services) ShareLink(_ context.Context, u model.User, slug string, env model.Environment, ttl time.Duration) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err != nil {
		return "", err
	}
	if ttl < time.Hour || ttl > 30*24*time.Hour {
		return "", fault.New(fault.Invalid, "A link is good for 1 hour to 30 days.")
	}
	return fmt.Sprintf("%s?_access=%s.%d.%d", p.URL, env, int(ttl.Hours()), accessOf(p, env).Epoch), nil
}

func (s *services) RevokeLinks(_ context.Context, u model.User, slug string, env model.Environment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err == nil {
		accessOf(p, env).Epoch++
	}
	return err
}

func (s *services) PreviewLink(_ context.Context, u model.User, slug string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.publication(u, slug)
	if err != nil || p.Preview.Mode != "private" {
		return p.App.PreviewURL, err
	}
	return p.App.PreviewURL + "?_access=short", s.releases.unreachable
}

func (s *services) AddDomain(_ context.Context, u model.User, slug, name string) (model.Domain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err != nil {
		return model.Domain{}, err
	}
	if !strings.Contains(name, ".") || strings.ContainsAny(name, " /") {
		return model.Domain{}, fault.New(fault.Invalid, "%q is not a domain, such as www.example.org.", name)
	}
	d := model.Domain{ID: s.id(), AppID: p.App.ID, Name: name, Status: "pending", Detail: "Its DNS says nothing yet.", Records: []model.DNSRecord{
		{Type: "CNAME", Name: name, Value: "harbour.example.net"},
		{Type: "TXT", Name: "_overskill." + name, Value: "overskill-3f9a61c2d4"},
	}}
	p.Domains = append(p.Domains, d)
	return d, nil
}

func (s *services) CheckDomain(_ context.Context, u model.User, slug string, id int64) (model.Domain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err == nil {
		err = s.releases.unreachable
	}
	if err != nil {
		return model.Domain{}, err
	}
	for i := range p.Domains {
		if d := &p.Domains[i]; d.ID == id {
			d.Records = slices.Clone(d.Records)
			d.Records[0].Found, d.CheckedAt = "parked.example.com", time.Now()
			d.Detail = "The CNAME leads to parked.example.com. Change it to harbour.example.net."
			return *d, nil
		}
	}
	return model.Domain{}, fault.New(fault.NotFound, "There is no such domain.")
}

func (s *services) RemoveDomain(_ context.Context, u model.User, slug string, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.changing(u, slug)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(p.Domains), func(d model.Domain) bool { return d.ID == id })
	if len(kept) == len(p.Domains) {
		return fault.New(fault.NotFound, "There is no such domain.")
	}
	p.Domains = kept
	return nil
}

func (s *services) DeployTarget(_ context.Context, u model.User, team int64) (model.DeployTarget, []string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.team(u, team); err != nil {
		return model.DeployTarget{}, nil, err
	}
	target := s.releases.target
	target.CanManage = !s.releases.viewer
	return target, []string{"Account, Workers Scripts, Edit", "Account, Workers R2 Storage, Edit"}, nil
}

func (s *services) SetDeployTarget(_ context.Context, u model.User, team int64, n model.NewDeployTarget) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.team(u, team); err != nil {
		return err
	}
	if s.releases.refused != nil {
		return s.releases.refused
	}
	if n.Kind == model.TargetCloudflare && len(n.AccountID) != 32 {
		return fault.New(fault.Invalid, "An account ID has 32 hexadecimal digits.")
	}
	t := &s.releases.target
	t.Kind, t.AccountID, t.Mode, t.Namespace, t.Bucket, t.Zone, t.Gate = n.Kind, n.AccountID, n.Mode, n.Namespace, n.Bucket, n.Zone, model.GatePolicy(n.Gate)
	if n.Token != "" {
		s.releases.token, t.TokenHint = n.Token, "abcd...wxyz"
	}
	return nil
}

func (s *services) TestDeployTarget(_ context.Context, u model.User, team int64) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.team(u, team); err != nil {
		return "", err
	}
	if s.releases.unreachable != nil {
		return "", s.releases.unreachable
	}
	return "The token is valid and has all permissions.", nil
}
