package compile

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"overskill/internal/appdata/local"
	"overskill/internal/filetree"
	"overskill/internal/llm/composer/spec"
	"overskill/internal/testing/pgtest"
	"overskill/internal/toolchain"
)

var (
	firstSpec = flag.Uint64("first-spec", 0, "the first seed of TestRealToolsTakeRandomSpecs")
	realSpecs = flag.Uint64("specs", 4, "how many random specs the real compiler and the real database are shown")
	bundles   = flag.Bool("bundles", false, "bundle each of them too")
)

// TestRealToolsTakeRandomSpecs shows random apps to TypeScript and to Postgres, and brings their data through a
// change. To search for long: go test -run RealTools -specs 200 -first-spec 1000 -bundles -timeout 1h.
func TestRealToolsTakeRandomSpecs(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	tools, err := toolchain.New(toolchain.Config{Dir: filepath.Join(cache, "overskill-test-toolchain")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tools.Close() })
	url := pgtest.URL(t)
	db, err := local.Open(t.Context(), local.Config{AdminURL: url, Secret: func(int64) []byte { return []byte(strings.Repeat("s", 32)) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	for seed := *firstSpec; seed < *firstSpec+*realSpecs; seed++ {
		g := newGenerator(seed)
		s := g.spec()
		migrateBoth(t, db, admin, seed, s, g.change(clone(t, s)))
		compiles(t, tools, seed, s)
	}
}

// compiles reports what TypeScript or the bundler say about an app.
func compiles(t *testing.T, tools *toolchain.Toolchain, seed uint64, s spec.Spec) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	all, _ := build(t, s)
	tree, err := filetree.New(all)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	found, err := tools.Typecheck(ctx, tree, nil)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	for _, d := range found {
		t.Errorf("seed %d: %+v", seed, d)
	}
	if *bundles {
		if _, err := tools.Build(ctx, toolchain.BuildInput{Tree: tree, Mode: toolchain.Production}); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// migrateBoth makes the database of an app and then brings it to its next version.
func migrateBoth(t *testing.T, db *local.Server, admin *pgx.Conn, seed uint64, s, next spec.Spec) {
	t.Helper()
	id := int64(seed) + 1
	var all []local.Migration
	for n, step := range []struct {
		old *spec.Spec
		new spec.Spec
	}{{nil, s}, {&s, next}, {&next, s}} {
		name, sql, err := Migration(step.old, step.new)
		if err != nil {
			t.Errorf("seed %d: step %d: %v", seed, n, err)
			return
		}
		if sql == "" {
			continue
		}
		all = append(all, local.Migration{
			Name: fmt.Sprintf("2026112300000%d_%s.sql", n, name),
			SQL:  strings.ReplaceAll(sql, "{{APP_ID}}", fmt.Sprint(id)),
		})
		if err := db.Check(t.Context(), id, all); err != nil {
			t.Errorf("seed %d: step %d: %v", seed, n, err)
			return
		}
		if _, err := db.Migrate(t.Context(), id, all); err != nil {
			t.Errorf("seed %d: step %d: %v", seed, n, err)
			return
		}
		if n == 0 { // so that the changes meet data
			if err := fill(t.Context(), admin, id, s); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
	}
	if err := db.Drop(t.Context(), id); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
}

// fill puts the sample data into the database, as the app's button would.
func fill(ctx context.Context, admin *pgx.Conn, id int64, s spec.Spec) error {
	a, err := resolve(s)
	if err != nil {
		return err
	}
	const tenant = "'00000000-0000-4000-8000-000000000001'"
	var b strings.Builder
	owner := "user_id"
	if a.team() {
		owner = a.tenant()
		fmt.Fprintf(&b, "insert into %s (id, name) values (%s, 'One');\n", public("workspaces"), tenant)
	}
	for _, e := range a.Entities {
		for i := range e.SampleCount() {
			cols, values := []string{"id"}, []string{sampleID(e, i)}
			cols, values = append(cols, owner), append(values, tenant)
			for n, f := range e.Fields {
				cols, values = append(cols, column(f.Col)), append(values, sampleSQL(f, f.sample(i, n)))
			}
			fmt.Fprintf(&b, "insert into %s (%s) values (%s);\n", public(e.Table), strings.Join(cols, ", "), strings.Join(values, ", "))
		}
	}
	if _, err := admin.Exec(ctx, strings.ReplaceAll(b.String(), prefix, fmt.Sprintf("app_%d_", id))); err != nil {
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			err = fmt.Errorf("%w: %s", err, refused.Detail)
		}
		return fmt.Errorf("sample data: %w", err)
	}
	return nil
}

func sampleID(e *entity, i int) string {
	return fmt.Sprintf("md5('%s %d')::uuid", e.Table, i)
}

var calls = regexp.MustCompile(`^(inDays|momentInDays)\((-?\d+)`)

// sampleSQL translates a sample value from TypeScript.
func sampleSQL(f *field, v string) string {
	v = strings.Trim(v, textStart+textEnd)
	if m := calls.FindStringSubmatch(v); m != nil {
		return "current_date + " + m[2]
	}
	if f.Target != nil && v != "null" {
		var i int
		if _, err := fmt.Sscanf(v[strings.Index(v, "["):], "[%d]!", &i); err != nil {
			return err.Error()
		}
		return sampleID(f.Target, i)
	}
	if strings.HasPrefix(v, `"`) {
		var s string
		if err := json.Unmarshal([]byte(v), &s); err != nil {
			return err.Error()
		}
		return quote(s)
	}
	return v
}
