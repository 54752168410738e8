package release

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// maxValue is how long a variable may be, in bytes: Cloudflare takes 5 kB.
const maxValue = 5 * 1000

var keyShape = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// reserved are set by the builder itself.
var reserved = map[string]bool{
	"SUPABASE_URL": true, "SUPABASE_ANON_KEY": true, "SUPABASE_SERVICE_ROLE_KEY": true,
	"VITE_APP_ID": true, "VITE_SUPABASE_URL": true, "VITE_SUPABASE_ANON_KEY": true,
	"ACCESS": true, "ASSETS": true, "BUCKET": true, "DATA_ORIGIN": true,
}

func varPlace(appID int64, env model.Environment, key string) []byte {
	return []byte("env-var:" + strconv.FormatInt(appID, 10) + ":" + string(env) + ":" + key)
}

func environment(env model.Environment) error {
	if env != model.Preview && env != model.Production {
		return fault.New(fault.Invalid, "The environment must be preview or production.")
	}
	return nil
}

// SetVar adds or replaces a variable. What visitors download changes with the next build or publication; the server code
// of a published app has a secret at once.
func (s *Service) SetVar(ctx context.Context, u model.User, slug string, env model.Environment, key, value string) error {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	key = strings.TrimSpace(key)
	switch err := environment(env); {
	case err != nil:
		return err
	case !keyShape.MatchString(key):
		return fault.New(fault.Invalid, "A name has capital letters, digits and underscores, begins with a letter and has at most 64 characters, such as PAYMENT_KEY.")
	case reserved[key]:
		return fault.New(fault.Invalid, "%s is set by the builder.", key)
	case value == "":
		return fault.New(fault.Invalid, "Enter a value. To remove the variable, delete it.")
	case len(value) > maxValue:
		return fault.New(fault.Invalid, "A value may have %d bytes.", maxValue)
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return fault.New(fault.Invalid, "The value must be text.")
	}
	v := model.EnvVar{AppID: app.ID, Environment: env, Key: key, Value: s.Key.Seal([]byte(value), varPlace(app.ID, env, key)), Hint: masked(value)}
	if err := s.Store.SetEnvVar(ctx, v, audit(app, u, "app.variable.set", map[string]any{"key": key, "environment": env})); err != nil {
		return err
	}
	return s.syncSettings(ctx, u, app, env, "The variable is saved")
}

// DeleteVar removes a variable.
func (s *Service) DeleteVar(ctx context.Context, u model.User, slug string, env model.Environment, key string) error {
	app, err := s.Store.AppForEdit(ctx, u, slug)
	if err != nil {
		return err
	}
	if err := environment(env); err != nil {
		return err
	}
	if err := s.Store.DeleteEnvVar(ctx, app.ID, env, key, audit(app, u, "app.variable.delete", map[string]any{"key": key, "environment": env})); err != nil {
		return err
	}
	return s.syncSettings(ctx, u, app, env, "The variable is removed")
}

// masked shows the ends of a value, and nothing of a short one.
func masked(value string) string {
	r := []rune(value)
	if len(r) <= 8 {
		return strings.Repeat("•", len(r))
	}
	return string(r[:4]) + "..." + string(r[len(r)-4:])
}

// Values returns an app's variables with their values: those that are built into what visitors download, and those that
// only the server code gets.
func (s *Service) Values(ctx context.Context, appID int64, env model.Environment) (public, private map[string]string, err error) {
	vars, err := s.Store.EnvVars(ctx, appID)
	public, private = map[string]string{}, map[string]string{}
	for _, v := range vars {
		if v.Environment != env {
			continue
		}
		plain, err := s.Key.Open(v.Value, varPlace(appID, env, v.Key))
		if err != nil {
			return nil, nil, fault.Wrap(err, fault.Invalid, "The variable %s cannot be read with this server's key. Enter it again.", v.Key)
		}
		if v.Public() {
			public[v.Key] = string(plain)
		} else {
			private[v.Key] = string(plain)
		}
	}
	return public, private, err
}

// Build returns what an app's bundle is built with: its public variables and the builder's own.
func (s *Service) Build(ctx context.Context, appID int64, env model.Environment) (map[string]string, error) {
	out, _, err := s.Values(ctx, appID, env)
	if err != nil {
		return nil, err
	}
	anon, _, err := s.Keys(appID)
	out["VITE_APP_ID"] = strconv.FormatInt(appID, 10)
	// The app's data is served at the app's own address: relative, so that the same bundle runs wherever it is deployed.
	out["VITE_SUPABASE_URL"] = "/"
	out["VITE_SUPABASE_ANON_KEY"] = anon
	return out, err
}

// Bindings returns what an app's server code gets: what anyone may read, and secrets.
func (s *Service) Bindings(ctx context.Context, appID int64, env model.Environment) (vars, secrets map[string]string, err error) {
	_, secrets, err = s.Values(ctx, appID, env)
	if err != nil {
		return nil, nil, err
	}
	anon, service, err := s.Keys(appID)
	if err != nil {
		return nil, nil, err
	}
	secrets["SUPABASE_SERVICE_ROLE_KEY"] = service
	return map[string]string{"SUPABASE_ANON_KEY": anon}, secrets, nil
}
