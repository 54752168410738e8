// Command overskill is the whole product in one binary.
//
//	overskill serve                 everything: web, jobs, and what is not given: Postgres and Redis
//	overskill web | worker          one of the two, on a DATABASE_URL and REDIS_URL
//	overskill migrate               bring the database up to date
//	overskill user create           add an account
//	overskill token create          print a new API token
//	overskill generate              build one app from a prompt, without a server
//	overskill evaluate              build many, and say how it went
//
// main.go reads arguments, environment and signals; wire.go is the only place where all parts meet.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // teams have time zones, and a bare machine has no list of them

	"overskill/internal/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	var usage usageError
	switch {
	case err == nil:
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "overskill: %s\n\n%s", usage, usageText)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "overskill: %s\n", describe(err))
		os.Exit(1)
	}
}

// describe is what an operator reads: the sentence, and the cause behind it.
func describe(err error) string {
	if fault.KindOf(err) == fault.Internal {
		return err.Error()
	}
	text := fault.Text(err)
	if cause := strings.TrimPrefix(err.Error(), text); cause != "" {
		text += "\n  " + strings.ReplaceAll(strings.TrimPrefix(cause, ": "), "\n", "\n  ")
	}
	return text
}

type usageError string

func (e usageError) Error() string { return string(e) }

const usageText = `Usage:
  overskill serve  [--addr HOST:PORT] [--data-dir DIR]    run everything
  overskill web    [--addr HOST:PORT] [--data-dir DIR]    run the web part only    (needs DATABASE_URL, REDIS_URL)
  overskill worker [--addr HOST:PORT] [--data-dir DIR]    run the jobs only; --addr is where a web process answers
  overskill migrate [--data-dir DIR]                      bring the database up to date
  overskill user create --email E --password P [--admin]  add an account
  overskill token create --email E [--name N]             print a new API token
  overskill generate PROMPT [--model M] [--out DIR]       build one app without a server, and write its source
  overskill evaluate FILE [--model M] [--limit N]         build the prompts of a file; print success, cost and time

Environment:
  OVERSKILL_ADDR               where to listen              (127.0.0.1:8080)
  OVERSKILL_DATA_DIR           where everything is kept     (./data)
  OVERSKILL_CACHE_DIR          downloaded packages; servers may share it      (<data dir>/toolchain)
  DATABASE_URL                 a Postgres server instead of the embedded one; its user must be a superuser
  OVERSKILL_APPS_DATABASE_URL  the live apps' database      (<database>_apps on the same server)
  REDIS_URL                    a Redis server instead of the one in the process
  OVERSKILL_BASE_DOMAIN        apps live below this domain  (localhost)
  OVERSKILL_PUBLIC_URL         where people find the builder, if a proxy is in front
  OVERSKILL_CHROMIUM           the browser that checks apps (looked up in PATH)
  CLOUDFLARE_API_BASE_URL, OVERSKILL_R2_ENDPOINT, OVERSKILL_WORKERS_DEV
                               other addresses of Cloudflare's API, R2's and workers.dev, such as a proxy's
  ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL, OPENAI_API_KEY, OPENAI_BASE_URL
                               models for all teams; teams can have keys of their own
  OVERSKILL_MODEL              the model of whoever chose none, such as claude-sonnet-5-5 or composer
  OVERSKILL_TURN_BUDGET        US dollars that one request of a person may cost         (5)
  OVERSKILL_RECOVERY_BUDGET    US dollars a month for repairs, which teams do not pay   (50; 0 is no limit)
`

// run is main without the process around it, so that tests can start the real program.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError("say what to do")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usageText)
		return nil
	case "serve", "web", "worker":
		cfg, err := parseServer(name, rest, getenv)
		if err != nil {
			return err
		}
		return serve(ctx, cfg, stdout, stderr)
	case "migrate":
		return migrate(ctx, rest, getenv, stdout)
	case "generate":
		return generate(ctx, rest, getenv, stdout, stderr)
	case "evaluate":
		return evaluate(ctx, rest, getenv, stdout, stderr)
	case "user", "token":
		if len(rest) == 0 || rest[0] != "create" {
			return usageError(name + " knows one action: create")
		}
		if name == "user" {
			return userCreate(ctx, rest[1:], getenv, stdout)
		}
		return tokenCreate(ctx, rest[1:], getenv, stdout)
	}
	return usageError(fmt.Sprintf("there is no command %q", name))
}
