package miniflaretest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed package.json
var packageJSON []byte

//go:embed package-lock.json
var packageLock []byte

// installTimeout is for a slow network: the packages have 150 MB.
const installTimeout = 5 * time.Minute

// need skips a test where Node is not installed, so that `make test` works on a machine with nothing but Go. CI has it,
// and there its absence is a failure.
func need(t testing.TB) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing in CI", tool)
		}
		t.Skipf("no %s is installed; CI runs this", tool)
	}
}

// tools returns a folder with the packages installed, which stays in the user's cache folder.
func tools(t testing.TB) string {
	t.Helper()
	need(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("miniflaretest: no cache folder: %v", err)
	}
	sum := sha256.Sum256(packageLock)
	dir := filepath.Join(cache, "overskill-test", "cloudflare-tools-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := install(t.Context(), dir); err != nil {
		t.Fatalf("miniflaretest: %v", err)
	}
	return dir
}

// install installs into a folder beside dir and renames it, so that dir is whole or not there. Two processes may do so at
// the same time; the second one's folder is thrown away.
func install(ctx context.Context, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "cloudflare-tools-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for name, content := range map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock} {
		if err := os.WriteFile(filepath.Join(tmp, name), content, 0o644); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	// No scripts: those of workerd and esbuild only look for binaries that npm has installed already.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
			return nil
		}
		return err
	}
	return nil
}

// wranglerTimeout bounds one run of wrangler.
const wranglerTimeout = time.Minute

// Wrangler runs wrangler in a folder, with nothing of the machine's own environment but PATH, and returns what it wrote.
// env names the account, such as CLOUDFLARE_API_BASE_URL=...
func Wrangler(t testing.TB, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	bin := filepath.Join(tools(t), "node_modules", "wrangler", "bin", "wrangler.js")
	ctx, cancel := context.WithTimeout(t.Context(), wranglerTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{bin}, args...)...)
	cmd.Dir = dir
	home := t.TempDir()
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "CI=1", "NO_COLOR=1", "FORCE_COLOR=0",
		"WRANGLER_SEND_METRICS=false", "WRANGLER_SEND_ERROR_REPORTS=false", "WRANGLER_HIDE_BANNER=true", "npm_config_update_notifier=false",
	}, env...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return string(out), err
}
