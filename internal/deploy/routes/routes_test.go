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
		"objects": {map[string]string{"src/routes.ts": `[{ path: "/a", element: <A /> }, { Component: B, path: '/b/c' }, {path:"/d", children: [{ path: "/d/e", load: () => import("./E") }]}, { path: "/f", lazy }]`}, []string{"/", "/a", "/d", "/f", "/b/c", "/d/e"}},
		"by name": {map[string]string{"src/r.ts": "[{ path: paths.b, page: B }, { path: other.c, page: C }]", "src/p.ts": `export const paths: Record<string, string> = { a: "/a", one: (id: string) => ` + "`/b/${id}`" + `, b: "/b" };
			const tags = "/tags"; const r = { path: tags, page: T }`}, []string{"/", "/b", "/tags"}},
		"elsewhere":   {map[string]string{"supabase/x.ts": `path: "/no"`, "src/a.test.tsx": `path="/no"`, "src/x.css": `path: "/no"`}, []string{"/"}},
		"strange":     {map[string]string{"src/a.ts": `[{ path: "/../etc", element }, { path: "//evil", element }, { path: "/a b", element }, { path: "/x?y", element }]`}, []string{"/"}},
		"other names": {map[string]string{"src/a.tsx": `const x = { filepath: "/x", element: 1 }; <PrivateRoute element={<a href="/">it's</a>} path="/in" />`}, []string{"/", "/in"}},
		"tanstack":    {map[string]string{"src/r.tsx": `export const Route = createFileRoute("/posts")({ component: Posts }); createRoute({ getParentRoute: () => root, path: "/tags", component: Tags })`}, []string{"/", "/posts", "/tags"}},
		"no pages": {map[string]string{"src/a.tsx": `
			const endpoints = [{ path: "/api/items", method: "GET" }];
			cookies.set("a", "b", { path: "/admin", secure: true });
			const avatar = { path: "/avatars/me.png", size: 4, crop: { element: 1 } };
			const path = "/local"; let s = 'path: "/inside"'; request({ path: "/v1/users" }, () => { page: 1 });
			<Upload path="/uploads" />; <Route element={<Upload path="/deep" />} path="/yes" />
			<a title="{ path: '/text', element: 1 }">Don't { path }</a>`}, []string{"/", "/yes"}},
		"comments": {map[string]string{"src/a.tsx": "<Routes>{/* <Route path=\"/old\" element={<Old />} /> */}\n// <Route path=\"/older\" />\n<Route path=\"/new\" /></Routes>"}, []string{"/", "/new"}},
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
		fmt.Fprintf(&b, "<Route path=\"/p%d\" />\n", i)
	}
	tree, err := filetree.New(map[string][]byte{"src/a.ts": []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	if got := Of(tree); len(got) != most {
		t.Errorf("%d routes", len(got))
	}
}

// FuzzOf: any text is read, and what comes of it is a path.
func FuzzOf(f *testing.F) {
	for _, s := range []string{`<Route path="/a" />`, "{ path: `/b`, page: B }", "/* '", "a`${`}`", "'\\", "path=\"/", "}{path:'/x',element"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		tree, err := filetree.New(map[string][]byte{"src/a.tsx": []byte(source)})
		if err != nil {
			t.Skip()
		}
		for _, r := range Of(tree) {
			if !strings.HasPrefix(r, "/") || strings.Contains(r, "..") {
				t.Errorf("%q", r)
			}
		}
	})
}
