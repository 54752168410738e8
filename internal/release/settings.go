package release

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"overskill/internal/deploy/access"
	"overskill/internal/fault"
	"overskill/internal/model"
)

// settings are what a deployment carries besides files: the secrets of its server code, and who may open it. They change
// without a new version, and an older deployment must never bring older ones back.
type settings struct {
	secrets map[string]string
	rule    access.Rule
	// hash tells settings apart; "" where they do not travel, because this machine asks for them at each request.
	hash string
}

// accessBinding is the Worker's binding that holds the rule.
const accessBinding = "ACCESS"

// settings returns an app's settings as they are now, for a kind of target.
func (s *Service) settings(ctx context.Context, app model.App, env model.Environment, kind model.TargetKind) (settings, error) {
	var out settings
	var err error
	if _, out.secrets, err = s.Bindings(ctx, app.ID, env); err != nil {
		return out, err
	}
	if out.rule, err = s.rule(ctx, app.ID, env); err != nil || kind == model.TargetLocal {
		return out, err
	}
	text, err := json.Marshal(out.live())
	if err != nil {
		return out, fmt.Errorf("encode settings: %w", err)
	}
	mac := hmac.New(sha256.New, s.Key.Derive("settings", 32)) // so that nobody guesses a secret from the row
	mac.Write(text)
	out.hash = hex.EncodeToString(mac.Sum(nil))
	return out, nil
}

// live are the settings as a target holds them for what is live: the rule is one more secret.
func (s settings) live() map[string]string {
	rule, err := json.Marshal(s.rule)
	if err != nil {
		panic(fmt.Sprintf("a rule has only strings and numbers: %v", err))
	}
	out := map[string]string{accessBinding: string(rule)}
	for name, value := range s.secrets {
		out[name] = value
	}
	return out
}

// syncSettings carries the settings to where an app is live. A target that cannot change them alone gets the app deployed
// again. what says what the person did, as the beginning of a sentence.
func (s *Service) syncSettings(ctx context.Context, u model.User, app model.App, env model.Environment, what string) error {
	if env != model.Production || app.PublishedAt.IsZero() {
		return nil
	}
	shown, err := s.Store.CurrentDeployment(ctx, app.ID, env)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	t, row, err := s.livePlace(ctx, app)
	if err != nil {
		return err
	}
	now, err := s.settings(ctx, app, env, row.Kind)
	if err != nil {
		return err
	}
	secrets := now.secrets
	if row.Kind == model.TargetCloudflare { // elsewhere this server itself asks who may come in
		secrets = now.live()
	}
	id, err := t.SetSecrets(ctx, site(app, env), secrets)
	if fault.Is(err, fault.Conflict) {
		err = s.redeploy(ctx, u, app)
	} else if err == nil && now.hash != "" {
		err = s.Store.SaveLiveSettings(ctx, shown.ID, id, now.hash)
	}
	if err != nil {
		return fault.Wrap(err, fault.KindOf(err), "%s, but the published app does not know yet: %s Publish again to try once more.", what, fault.Text(err))
	}
	return nil
}

// redeploy deploys again what is live, or on its way to be, with the settings of now.
func (s *Service) redeploy(ctx context.Context, u model.User, app model.App) error {
	list, err := s.Store.Deployments(ctx, app.ID, model.Production, historyLength)
	if err != nil {
		return err
	}
	for _, d := range list { // the newest first: what runs comes before what is live
		if !d.Ended() || d.Status == model.DeployDeployed {
			_, err := s.start(ctx, u, app, model.Deployment{VersionID: d.VersionID, Kind: model.KindSettings})
			return err
		}
	}
	return nil
}

// settled reports whether the settings are still those that the deployment carries.
func (w *work) settled(ctx context.Context) (bool, error) {
	now, err := w.settings(ctx, w.app, w.d.Environment, w.row.Kind)
	return now.hash == w.d.SettingsHash, err
}
