package toolchain

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/filetree"
	"overskill/internal/model"
	"overskill/internal/toolchain/bundle"
	"overskill/internal/toolchain/typecheck"
)

// Server is the server code of an app, ready for Cloudflare's runtime. It is zero for an app that has none.
type Server struct {
	// Code is one ES module that exports `async function handle(request, env, ctx)`. handle answers requests below /api:
	// 404 and 405 as {"error": "..."}, the rest by the app's own functions, whose exceptions it lets through.
	Code     []byte
	Routes   []string // what it answers, such as /api/orders; each with everything below
	Warnings []model.Diagnostic
}

// HasServer reports whether an app has server code: a file of worker/ that answers requests.
func HasServer(tree filetree.Tree) bool {
	routes, _ := bundle.Routes(tree)
	return len(routes) > 0
}

// BuildServer bundles the app's server code, the .ts and .js files of worker/, with the packages that it imports.
// in.Env is not used: the code gets its settings with each request. Without server code the result is zero, and nothing
// is installed. Errors are those of Build.
func (t *Toolchain) BuildServer(ctx context.Context, in BuildInput) (Server, error) {
	if in.Mode != Development && in.Mode != Production {
		return Server{}, fault.New(fault.Internal, "unknown build mode %q", in.Mode)
	}
	routes, problems := bundle.Routes(in.Tree)
	if len(problems) > 0 {
		return Server{}, &ProblemsError{Diagnostics: problems}
	}
	if len(routes) == 0 {
		return Server{}, nil
	}
	dir, err := t.Install(ctx, in.Tree, in.Progress)
	if err != nil {
		return Server{}, err
	}
	release, err := t.acquire(ctx)
	if err != nil {
		return Server{}, err
	}
	defer release()
	start := time.Now()
	config := readTsconfig(in.Tree)
	out, problems, err := bundle.BuildServer(ctx, bundle.Input{
		Dir: dir, Tree: in.Tree, Production: in.Mode == Production, Aliases: config.aliases, Tsconfig: config.options,
	}, routes)
	if err != nil {
		return Server{}, machinery(err, "bundle the server code")
	}
	if len(problems) > 0 {
		return Server{}, &ProblemsError{Diagnostics: problems}
	}
	server := Server{Code: out.Code, Warnings: out.Warnings}
	for _, r := range routes {
		server.Routes = append(server.Routes, r.Path)
	}
	for _, w := range out.Warnings {
		in.Progress.warn("%s", (&ProblemsError{Diagnostics: []model.Diagnostic{w}}).Error())
	}
	in.Progress.info("Bundled the server code, %d modules and %.1f kB, in %s", out.Modules, float64(len(out.Code))/1000, round(time.Since(start)))
	return server, nil
}

//go:embed server.d.ts
var serverTypes []byte

// serverProject is the folder of the files that let TypeScript check server code. It exists only while it does.
const serverProject = ".overskill-server"

// checkServer type-checks worker/ by the rules of the app's own tsconfig, as a project of its own: server code knows
// Env and has no page, and the page's code is the other way round. Nothing of it has to stand among the app's files.
func (t *Toolchain) checkServer(ctx context.Context, dir string, tree filetree.Tree, projects []string) ([]model.Diagnostic, error) {
	routes, _ := bundle.Routes(tree) // what is wrong with the names is told when it is built
	config, err := serverTsconfig(tree, projects)
	if err != nil {
		return nil, err
	}
	contract, files := serverContract(routes)
	with, err := tree.WithAll(map[string][]byte{
		serverProject + "/tsconfig.json": config, serverProject + "/env.d.ts": serverTypes, serverProject + "/contract.ts": contract,
	})
	if err != nil {
		return nil, err
	}
	found, err := typecheck.Check(ctx, typecheck.Input{Dir: dir, Tree: with, Projects: []string{serverProject + "/tsconfig.json"}, Temp: t.temp})
	if err != nil {
		return nil, err
	}
	for i := range found {
		if d := &found[i]; d.File == serverProject+"/contract.ts" {
			*d = brokenContract(tree, *d, files)
		} else if d.Cure == "" && pageOnly.MatchString(d.Message) {
			d.Cure = "Server code has no page: document, window and localStorage exist in browsers only."
		}
	}
	return found, nil
}

// joinProblems adds what was found in the server's project to what was found in the app's.
//
// Of a file of worker/ only the former counts: an app's tsconfig may well cover the folder, and then it is measured by
// the page's world. A file of the page that server code imports is at home in the other world, so what is wrong with it
// in this one is one problem, whose cure is another import.
func joinProblems(app, server []model.Diagnostic) []model.Diagnostic {
	all := slices.DeleteFunc(app, func(d model.Diagnostic) bool { return isServer(d.File) })
	foreign := map[string]bool{}
	for _, d := range server {
		known := slices.ContainsFunc(all, func(o model.Diagnostic) bool {
			return o.File == d.File && o.Line == d.Line && o.Column == d.Column && o.Code == d.Code
		})
		if known || foreign[d.File] {
			continue
		}
		if d.File != "" && !isServer(d.File) {
			foreign[d.File] = true
			d.Cure = "worker/ imports this file, perhaps by way of others, and server code has no page. Move what both sides need into a file that needs none."
		}
		all = append(all, d)
	}
	return all
}

func isServer(file string) bool { return strings.HasPrefix(file, "worker/") }

// pageOnly recognises the complaint about a name that only the page's world has.
var pageOnly = regexp.MustCompile(`^Cannot find name '(document|window|localStorage|sessionStorage|HTML\w*Element|alert)'`)

// serverTsconfig is the app's first project with another world around it.
func serverTsconfig(tree filetree.Tree, projects []string) ([]byte, error) {
	config := map[string]any{
		"compilerOptions": map[string]any{
			"target": "ES2022", "lib": []string{"ES2023", "WebWorker", "WebWorker.Iterable", "WebWorker.AsyncIterable"}, "types": []string{},
			"module": "ESNext", "moduleResolution": "bundler", "rootDir": "..", "allowJs": true, "checkJs": false,
			"strict": true, "skipLibCheck": true, "noUnusedParameters": false, "noPropertyAccessFromIndexSignature": false,
		},
		"files": []string{"env.d.ts", "contract.ts"}, "include": []string{"../worker"}, "exclude": []string{},
	}
	for _, p := range projects {
		if tree.Has(p) {
			config["extends"] = path.Join("..", p)
			break
		}
	}
	b, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("write the tsconfig of server code: %w", err)
	}
	return b, nil
}

// contractTypes say what a file that answers requests exports.
const contractTypes = `type Handler = (request: Request, env: Env, ctx: ExecutionContext) => Response | Promise<Response>;
interface Contract { default?: Handler | { fetch: Handler }; GET?: Handler; HEAD?: Handler; POST?: Handler; PUT?: Handler; PATCH?: Handler; DELETE?: Handler; OPTIONS?: Handler }
export type Keeps<M extends Contract> = M;
`

// serverContract writes a module that compares the exports of each TypeScript file with what a request needs, one
// on each line. files names the file that a line is about.
func serverContract(routes []bundle.Route) (module []byte, files map[int]string) {
	files = map[int]string{}
	var b strings.Builder
	b.WriteString(contractTypes)
	line := strings.Count(contractTypes, "\n")
	for _, r := range routes {
		stem, isTypeScript := strings.CutSuffix(r.File, ".ts")
		if !isTypeScript {
			continue
		}
		line++
		files[line] = r.File
		fmt.Fprintf(&b, "export type R%d = Keeps<typeof import(%q)>;\n", line, "../"+stem)
	}
	return []byte(b.String()), files
}

var brokenExport = regexp.MustCompile(`(?i)types (?:of property|of|returned by) '(default|[A-Z]+)(?:\.fetch)?(?:\(\.\.\.\))?' are incompatible`)

// brokenContract turns a complaint about the contract into one about the file that does not keep it.
func brokenContract(tree filetree.Tree, d model.Diagnostic, files map[int]string) model.Diagnostic {
	file := files[d.Line]
	src, _ := tree.Get(file)
	out := model.Diagnostic{
		Class: "type", File: file, Line: 1, Code: d.Code, Message: file + " exports nothing that answers a request.",
		Cure: "Functions get (request: Request, env: Env, ctx: ExecutionContext) and return a Response or a promise of one, such as Response.json({ ok: true }).",
	}
	if d.Code == "TS2559" || d.Code == "TS2306" { // nothing in common with the contract; no module at all
		return out
	}
	lines := strings.Split(d.Message, "\n")
	why := strings.TrimSpace(lines[len(lines)-1]) // TypeScript goes from the outside to the point
	m := brokenExport.FindStringSubmatch(d.Message)
	if m == nil {
		out.Message = fmt.Sprintf("%s cannot answer requests: %s", file, why)
		return out
	}
	name := m[1]
	out.Message = fmt.Sprintf("The export %s of %s cannot answer requests: %s", name, file, why)
	pattern := `(?m)^export\s+(?:async\s+)?(?:function|const|let)\s+` + name + `\b`
	if name == "default" {
		pattern = `(?m)^export\s+default\b`
	}
	if at := regexp.MustCompile(pattern).FindIndex(src); at != nil {
		out.Line, out.Column = 1+strings.Count(string(src[:at[0]]), "\n"), 1
		out.Snippet, _, _ = strings.Cut(string(src[at[0]:]), "\n")
	}
	return out
}
