package workerd

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"overskill/internal/fault"
)

// Version is the npm version of the runtime.
const Version = "1.20261117.1"

// pins are the packages that we run and the hashes that their registry entries had when we chose them, by GOOS-GOARCH.
var pins = map[string]struct{ name, integrity string }{
	"linux-amd64": {
		"@cloudflare/workerd-linux-64",
		"sha512-gZLA8X11m/luZwn+YA3+mDu61vdxNJzpksP/QZqjydKTQ+VUCulsK5gtn9Bqst1p3KJu2kafQpJ1nDQv4B23jA==",
	},
	"linux-arm64": {
		"@cloudflare/workerd-linux-arm64",
		"sha512-gxWngFojq41ULKNKb9rpWYvKotN5hT2I/xot+Bpy31cXzrwcTgtDLSMb2t75sW5BJxH7hihFvikgYb577kB3Zg==",
	},
}

// downloadTimeout bounds getting the package, about 40 MB packed.
const downloadTimeout = 5 * time.Minute

// path returns the runtime's binary. The first call downloads it where it is missing; a failure is not remembered.
func (r *Runtime) path(ctx context.Context) (string, error) {
	r.binMu.Lock()
	defer r.binMu.Unlock()
	if r.binary != "" {
		return r.binary, nil
	}
	pin, ok := pins[runtime.GOOS+"-"+runtime.GOARCH]
	if !ok {
		return "", fault.New(fault.Unavailable, "Cloudflare's runtime is not available for %s-%s, so server code does not run on this server. Publish to Cloudflare instead.", runtime.GOOS, runtime.GOARCH)
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	dir, err := r.cfg.Package(ctx, pin.name, Version, pin.integrity)
	if err != nil {
		return "", fault.Wrap(fmt.Errorf("get %s %s: %w", pin.name, Version, err), fault.Unavailable,
			"Cloudflare's runtime could not be downloaded from the npm registry. Check this server's connection and npm's configuration, and try again.")
	}
	r.binary = filepath.Join(dir, "bin", "workerd")
	return r.binary, nil
}

// Verify reports whether the runtime runs here, and downloads it if it is not there yet. Errors are Unavailable faults.
func (r *Runtime) Verify(ctx context.Context) error {
	bin, err := r.path(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "--version")
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err == nil && !strings.HasPrefix(string(out), "workerd ") {
		err = fmt.Errorf("it said %.100q", out)
	}
	return fault.Wrap(err, fault.Unavailable, "Cloudflare's runtime does not run on this system: it needs glibc 2.35 or newer, which Alpine Linux does not have.")
}
