package main

import (
	"flag"
	"io"
	"math"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"

	"overskill/internal/team/providers"
)

// config is everything that can be set from the outside.
type config struct {
	addr            string
	dataDir         string
	databaseURL     string // "" means embedded
	appsDatabaseURL string // "" means next to databaseURL
	redisURL        string // "" means in-process
	baseDomain      string
	publicURL       string // "" means http://<base domain>:<port>
	chromium        string
	cloudflareAPI   string // "" is Cloudflare's own
	cloudflareS3    string
	workersDev      string
	web, worker     bool
	concurrency     int // turns at once

	getenv         func(string) string
	cacheDir       string // of downloaded packages and caches; "" is in dataDir
	models         providers.Environment
	turnBudget     dollars // that a turn may cost
	recoveryBudget dollars // a month, that recovery may cost the instance
}

// toolchainDir is where packages and caches are.
func (c config) toolchainDir() string {
	if c.cacheDir != "" {
		return c.cacheDir
	}
	return filepath.Join(c.dataDir, "toolchain")
}

// common declares the flags that every command has, with the environment as their default.
func common(name string, getenv func(string) string) (*flag.FlagSet, *config) {
	c := &config{
		getenv:      getenv,
		databaseURL: getenv("DATABASE_URL"), appsDatabaseURL: getenv("OVERSKILL_APPS_DATABASE_URL"), redisURL: getenv("REDIS_URL"),
		baseDomain: or(getenv("OVERSKILL_BASE_DOMAIN"), "localhost"), publicURL: getenv("OVERSKILL_PUBLIC_URL"), chromium: getenv("OVERSKILL_CHROMIUM"),
		cloudflareAPI: getenv("CLOUDFLARE_API_BASE_URL"), cloudflareS3: getenv("OVERSKILL_R2_ENDPOINT"), workersDev: getenv("OVERSKILL_WORKERS_DEV"),
		cacheDir:    getenv("OVERSKILL_CACHE_DIR"),
		concurrency: max(1, runtime.NumCPU()/2),
		models: providers.Environment{
			AnthropicKey: getenv("ANTHROPIC_API_KEY"), AnthropicBaseURL: getenv("ANTHROPIC_BASE_URL"),
			OpenAIKey: getenv("OPENAI_API_KEY"), OpenAIBaseURL: getenv("OPENAI_BASE_URL"), Model: getenv("OVERSKILL_MODEL"),
		},
	}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the error is printed by main, once
	fs.StringVar(&c.dataDir, "data-dir", or(getenv("OVERSKILL_DATA_DIR"), "data"), "")
	return fs, c
}

// dollars are kept as micro-USD, and written as 2.50.
type dollars int64

func (d *dollars) parse(name, text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 1e6) {
		return usageError(name + " must be an amount of US dollars, such as 2.50")
	}
	*d = dollars(math.Round(f * 1e6))
	return nil
}

func parse(fs *flag.FlagSet, c *config, args []string) error {
	if err := fs.Parse(args); err != nil {
		return usageError(err.Error())
	}
	if fs.NArg() > 0 {
		return usageError("unexpected argument " + strconv.Quote(fs.Arg(0)))
	}
	if err := c.turnBudget.parse("OVERSKILL_TURN_BUDGET", or(c.getenv("OVERSKILL_TURN_BUDGET"), "5")); err != nil {
		return err
	}
	if err := c.recoveryBudget.parse("OVERSKILL_RECOVERY_BUDGET", or(c.getenv("OVERSKILL_RECOVERY_BUDGET"), "50")); err != nil {
		return err
	}
	for name, dir := range map[string]*string{"--data-dir": &c.dataDir, "OVERSKILL_CACHE_DIR": &c.cacheDir} {
		if *dir == "" {
			continue
		}
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return usageError(name + ": " + err.Error())
		}
		*dir = abs
	}
	return nil
}

func parseServer(name string, args []string, getenv func(string) string) (config, error) {
	fs, c := common(name, getenv)
	fs.StringVar(&c.addr, "addr", or(getenv("OVERSKILL_ADDR"), "127.0.0.1:8080"), "")
	if err := parse(fs, c, args); err != nil {
		return config{}, err
	}
	c.web, c.worker = name != "worker", name != "web"
	if name != "serve" && (c.databaseURL == "" || c.redisURL == "") {
		return config{}, usageError(name + " shares its work with other processes: set DATABASE_URL and REDIS_URL, or use serve")
	}
	if _, _, err := net.SplitHostPort(c.addr); err != nil {
		return config{}, usageError("--addr must look like 127.0.0.1:8080: " + err.Error())
	}
	if u, err := url.Parse(c.publicURL); c.publicURL != "" && (err != nil || u.Hostname() != c.baseDomain || u.Path != "") {
		return config{}, usageError("OVERSKILL_PUBLIC_URL must look like https://" + c.baseDomain + ", the base domain, without a path")
	}
	return *c, nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
