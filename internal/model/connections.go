package model

// TeamModels is what a team, or the instance, has chosen to write apps with.
type TeamModels struct {
	Connections []Connection
	Default     string        // a model reference; "" leaves it to the order of choice
	Options     []ModelOption // what Default and apps may be set to, the Composer included
	CanEdit     bool          // who asks may change all this
	Local       []LocalServer // found on this machine and not approved yet; for administrators of the instance
}

// LocalServer is a server of models that answers on this machine. It is offered, never used by itself.
type LocalServer struct {
	Name    string // such as "Ollama"
	BaseURL string
	Models  []string
}

// NewConnection is what somebody enters to connect to models.
type NewConnection struct {
	Name    string
	Kind    ConnectionKind
	BaseURL string // "": the provider's own
	Key     string // in clear; it is sealed when it is kept, and never shown again
}

// ComposerReference is the model reference of the Composer.
const ComposerReference = "composer"
