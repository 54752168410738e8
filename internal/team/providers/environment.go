package providers

import (
	"context"
	"slices"
	"strings"

	"overskill/internal/fault"
	"overskill/internal/llm/catalog"
	"overskill/internal/model"
)

// Environment is what the operator set. An empty BaseURL is the provider's own.
type Environment struct {
	AnthropicKey, AnthropicBaseURL string
	OpenAIKey, OpenAIBaseURL       string
	Model                          string // "name" or "connection/name"; "" leaves the choice to the order of choice
}

// operatorsSetting is where Environment.Model comes from.
const operatorsSetting = "OVERSKILL_MODEL"

// Validate reports in a sentence what is wrong with the environment. Ask it at the start.
func (p *Providers) Validate(ctx context.Context) error {
	if err := p.cfg.Environment.validate(); err != nil {
		return err
	}
	conns, err := p.connections(ctx, 0)
	if err != nil || p.cfg.Environment.Model == "" {
		return err
	}
	_, err = named(conns, operatorsSetting, p.cfg.Environment.Model)
	return err
}

// validate checks the addresses.
func (e Environment) validate() error {
	for _, s := range []struct{ name, base string }{{"ANTHROPIC_BASE_URL", e.AnthropicBaseURL}, {"OPENAI_BASE_URL", e.OpenAIBaseURL}} {
		if _, err := parseBase(s.base, false); err != nil {
			return fault.Wrap(err, fault.Invalid, "%s is not usable: %s", s.name, fault.Text(err))
		}
	}
	return nil
}

// environment is what the operator set, as connections of the instance.
func (p *Providers) environment() []connection {
	var out []connection
	for _, e := range []struct {
		kind      model.ConnectionKind
		key, base string
	}{
		{model.Anthropic, p.cfg.Environment.AnthropicKey, p.cfg.Environment.AnthropicBaseURL},
		{model.OpenAI, p.cfg.Environment.OpenAIKey, p.cfg.Environment.OpenAIBaseURL},
	} {
		if e.key == "" && e.base == "" {
			continue
		}
		base, err := parseBase(e.base, false)
		if err != nil { // Validate said so
			continue
		}
		out = append(out, connection{environmentKey: e.key, Connection: model.Connection{
			Name: string(e.kind), Kind: e.kind, BaseURL: official(e.kind, base), KeyHint: hint(e.key), FromEnvironment: true,
		}})
	}
	return out
}

// named is the model that an operator's setting names, among the instance's connections: by "<connection>/<name>", or
// by its name alone where that says enough.
func named(conns []connection, setting, value string) (target, error) {
	advice := "Set " + setting + " to a model's name or to <connection>/<name>."
	if value == Composer {
		return target{}, nil
	}
	if name, _, ok := strings.Cut(value, "/"); ok && slices.ContainsFunc(conns, func(c connection) bool { return c.Name == name }) {
		return resolve(conns, value, advice)
	}
	if !sensible(value) {
		return target{}, fault.New(fault.Invalid, "%s is %q, which names no model. %s", setting, value, advice)
	}
	var fit []connection
	known, inCatalog := catalog.Lookup(value)
	for _, c := range conns {
		if !inCatalog || c.Kind == known.Kind {
			fit = append(fit, c)
		}
	}
	switch {
	case len(fit) == 0:
		return target{}, fault.New(fault.Invalid, "%s is %q, but there is no key for it. Set ANTHROPIC_API_KEY or OPENAI_API_KEY too, or remove it.", setting, value)
	case len(fit) > 1 && !inCatalog:
		return target{}, fault.New(fault.Invalid, "%s is %q, which could be of any of %d connections. Write %s/%s, or another connection.",
			setting, value, len(fit), fit[0].Name, value)
	}
	c, _ := first(fit)
	return target{c, value}, nil
}
