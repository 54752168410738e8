package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"overskill/internal/fault"
)

// list turns a build into assets, sorted by path and not placed yet.
func list(dist map[string][]byte, appID int64) ([]Asset, error) {
	assets := make([]Asset, 0, len(dist))
	for name, content := range dist {
		p := "/" + strings.TrimPrefix(name, "/")
		if p == HeadersFile || p == RedirectsFile {
			continue
		}
		if err := checkPath(p); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		hash := hex.EncodeToString(sum[:])
		assets = append(assets, Asset{
			Path:         p,
			Hash:         hash,
			ContentType:  ContentType(p),
			CacheControl: CacheControl(p),
			Size:         int64(len(content)),
			Content:      content,
			Place:        InBucket,
			R2Key:        fmt.Sprintf("apps/%d/%s%s", appID, hash, p),
		})
	}
	slices.SortFunc(assets, func(a, b Asset) int { return cmp.Compare(a.Path, b.Path) })
	for i := 1; i < len(assets); i++ {
		if assets[i].Path == assets[i-1].Path {
			return nil, fault.New(fault.Invalid, "The build wrote %s twice.", assets[i].Path)
		}
	}
	if !slices.ContainsFunc(assets, func(a Asset) bool { return a.Path == Index }) {
		return nil, fault.New(fault.Invalid, "The build has no index.html.")
	}
	return assets, nil
}

// checkPath refuses a path that could not be asked for, or that would hide behind an endpoint.
func checkPath(p string) error {
	switch {
	case p == "/" || strings.HasSuffix(p, "/") || path.Clean(p) != p:
		return fault.New(fault.Invalid, "The build wrote %q, which is not a path of a file.", p)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' }):
		return fault.New(fault.Invalid, "The build wrote %q; names with control characters or backslashes cannot be served.", p)
	case p == HealthPath || p == DeploymentPath:
		return fault.New(fault.Invalid, "The build wrote %s, which is the address of an endpoint; rename the file.", p)
	}
	return nil
}

// fileOf returns a file of the build, by its path with or without the slash.
func fileOf(dist map[string][]byte, p string) []byte {
	if content, ok := dist[p]; ok {
		return content
	}
	return dist[strings.TrimPrefix(p, "/")]
}

// hashOf names the contents of a plan. Lengths are not needed between the fields: a path has no control
// characters, a hash has a fixed length, and no hash is "rules" or "server".
func hashOf(assets []Asset, rules Rules, server []byte) string {
	h := sha256.New()
	h.Write([]byte(rulesName + "\n"))
	if len(rules.Headers)+len(rules.Redirects) > 0 {
		fmt.Fprintf(h, "rules %x\n", sha256.Sum256(quote(rules)))
	}
	if len(server) > 0 {
		fmt.Fprintf(h, "server %x\n", sha256.Sum256(server))
	}
	for _, a := range assets {
		h.Write([]byte(a.Hash + " " + a.Path + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
