package local

import (
	"net"
	"regexp"
	"strconv"
	"strings"

	"overskill/internal/model"
)

// Address is what a host name stands for.
type Address struct {
	Slug         string
	Environment  model.Environment
	VersionID    int64 // not 0: this version's own address, before anything was promoted
	DeploymentID int64 // not 0: this deployment's own address, before it was promoted
}

// Host returns the name at which an app answers: preview-<slug>.<base> or <slug>.<base>. base has no port.
func Host(slug string, env model.Environment, base string) string {
	if env == model.Production {
		return slug + "." + base
	}
	return "preview-" + slug + "." + base
}

// CandidateHost returns the name at which one version of an app answers, whatever the preview shows:
// v<version>--preview-<slug>.<base>.
func CandidateHost(slug string, versionID int64, base string) string {
	return "v" + strconv.FormatInt(versionID, 10) + "--" + Host(slug, model.Preview, base)
}

// DeploymentHost returns the name at which one deployment to production answers, before it is what everybody is shown:
// d<deployment>--<slug>.<base>.
func DeploymentHost(slug string, deploymentID int64, base string) string {
	return "d" + strconv.FormatInt(deploymentID, 10) + "--" + Host(slug, model.Production, base)
}

var (
	candidate = regexp.MustCompile(`^v([1-9][0-9]{0,17})--preview-(.+)$`)
	placed    = regexp.MustCompile(`^d([1-9][0-9]{0,17})--(.+)$`)
	slugShape = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// ParseHost is the reverse of Host, CandidateHost and DeploymentHost for a request's Host, whose port, letter case and
// final dot do not matter. It reports false for a name that cannot be an app's. A label that begins with "preview-" is
// always a preview, and one that begins with "d7--" a deployment, so a slug must not begin with either.
func ParseHost(host, base string) (Address, bool) {
	label, ok := strings.CutSuffix(nameOf(host), "."+strings.ToLower(base))
	if !ok {
		return Address{}, false
	}
	a := Address{Slug: label, Environment: model.Production}
	if m := candidate.FindStringSubmatch(label); m != nil {
		id, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return Address{}, false
		}
		a = Address{Slug: m[2], Environment: model.Preview, VersionID: id}
	} else if m := placed.FindStringSubmatch(label); m != nil {
		id, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return Address{}, false
		}
		a = Address{Slug: m[2], Environment: model.Production, DeploymentID: id}
	} else if slug, ok := strings.CutPrefix(label, "preview-"); ok {
		a = Address{Slug: slug, Environment: model.Preview}
	}
	return a, slugShape.MatchString(a.Slug)
}

// nameOf returns the name in a request's Host: lower case, without port and final dot.
func nameOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
