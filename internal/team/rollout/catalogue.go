package rollout

// The toggles that code hangs on. Their names stand in the rows of turns, so they do not change.
const (
	Model               = "model"
	PromptRevision      = "prompt_revision"
	EditFormat          = "edit_format"
	DeployTarget        = "deploy_target"
	BrowserVerification = "browser_verification"
	TypeCheck           = "type_check"
	ConvertV3           = "v3_conversion"
	SignUps             = "new_sign_ups"
)

// Arms of toggles that are on or off.
const (
	ArmOff = "off"
	ArmOn  = "on"
)

// Catalogue declares every toggle that code asks for, as it is before anybody has changed it. A row in the store replaces
// what is said here, except for the description. A stored toggle that is not here is shown, and nothing hangs on it.
func Catalogue() []Toggle {
	return []Toggle{
		arms(Model, "Which model writes for teams that chose none. The arm's value is the model; none leaves the usual order of choice.", "usual", "candidate"),
		arms(PromptRevision, "Which revision of the instructions the author gets.", "current", "next"),
		arms(EditFormat, "How a model says what changes in a file.", "lines", "whole"),
		arms(DeployTarget, "Where apps are published of teams that chose nothing.", "local", "workerd"),
		safe(BrowserVerification, "Open each version in a browser before it is called green. Off fetches it back only."),
		safe(TypeCheck, "Check the types of each version."),
		boolean(ConvertV3, "Rewrite Tailwind 3 projects for Tailwind 4 when they are imported."),
		safe(SignUps, "Let people sign up by themselves."),
	}
}

// boolean is off until it is rolled out.
func boolean(name, description string) Toggle { return arms(name, description, ArmOff, ArmOn) }

// safe is on until somebody rolls its absence out: what happens when nothing can be read is that it is on.
func safe(name, description string) Toggle { return arms(name, description, ArmOn, ArmOff) }

// arms is a toggle whose first arm is the default, and whose others share the rollout evenly.
func arms(name, description string, names ...string) Toggle {
	t := Toggle{Name: name, Description: description, Default: names[0], Stage: Off}
	for i, n := range names {
		t.Arms = append(t.Arms, Arm{Name: n, Weight: min(i, 1)})
	}
	return t
}
