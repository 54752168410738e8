package routes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/filetree"
)

func TestOf(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"no router": {map[string]string{"src/App.tsx": "export const App = () => null"}, []string{"/"}},
		"elements": {map[string]string{"src/App.tsx": `<Route path="/" element={<Home />} /><Route path="/orders/" /><Route path={"/about"} />
			<Route path="*" /><Route path="/orders/:id" /><Route path="settings" />`}, []string{"/", "/about", "/orders"}},
		"objects":    {map[string]string{"src/routes.ts": `[{ path: "/a" }, { path: '/b/c' }, {path:"/d"}]`}, []string{"/", "/a", "/d", "/b/c"}},
		"by name":    {map[string]string{"src/r.ts": "[{ path: paths.b }, { path: other.c }]", "src/p.ts": `export const paths: Record<string, string> = { a: "/a", b: "/b" };`}, []string{"/", "/b"}},
		"elsewhere":  {map[string]string{"supabase/x.ts": `path: "/no"`, "src/a.test.tsx": `path="/no"`, "src/x.css": `path: "/no"`}, []string{"/"}},
		"strange":    {map[string]string{"src/a.ts": `path: "/../etc" path: "//evil" path: "/a b" path: "/x?y"`}, []string{"/"}},
		"not a path": {map[string]string{"src/a.ts": `filepath: "/x"`}, []string{"/"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for p, c := range tt.files {
				files[p] = []byte(c)
			}
			tree, err := filetree.New(files)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, Of(tree)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOfIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "path: \"/p%d\"\n", i)
	}
	tree, err := filetree.New(map[string][]byte{"src/a.ts": []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	if got := Of(tree); len(got) != most {
		t.Errorf("%d routes", len(got))
	}
}
