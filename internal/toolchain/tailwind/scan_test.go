package tailwind

import (
	"slices"
	"strings"
	"testing"
)

func TestScan(t *testing.T) {
	tests := []struct {
		src  string
		want string // names that must be found, separated by blanks
		not  string // and that must not
	}{
		{`<div className="flex p-2">`, "flex p-2", `className="flex`},
		{`class='md:hover:bg-red-500/50 -mt-2'`, "md:hover:bg-red-500/50 -mt-2", ""},
		{`cn(["flex", a && "p-2"], {'ring-2': on, grid: off})`, "flex p-2 ring-2 grid", ""},
		{"`w-[calc(100%-1rem)] ${x ? 'a-1' : \"b-2\"}`", "w-[calc(100%-1rem)] a-1 b-2", ""},
		{`"bg-[url('/a_b.png')] before:content-['hi_there']"`, "bg-[url('/a_b.png')] before:content-['hi_there']", ""},
		{`"[&>svg]:size-4 [--x:1px] data-[state=open]:flex"`, "[&>svg]:size-4 [--x:1px] data-[state=open]:flex", ""},
		{`"bg-(--brand) text-(length:--x)/[1.5] !p-4 p-4!"`, "bg-(--brand) text-(length:--x)/[1.5] !p-4 p-4!", ""},
		{`"group-[.is-a]:flex @md:grid *:p-1 **:p-2 2xl:flex"`, "group-[.is-a]:flex @md:grid *:p-1 **:p-2 2xl:flex", ""},
		{`"w-1/2 p-2.5 top-[0.5px] grid-cols-[1fr_auto]"`, "w-1/2 p-2.5 top-[0.5px] grid-cols-[1fr_auto]", ""},
		{`The word flex. And "grid:" end`, "flex grid", "flex. grid:"},
		{`a[0] = b[i]; list["p-3"]`, "p-3", "a[0]"},
		{`"[unclosed flex"`, "flex", "[unclosed"},
		{`.btn.flex`, "flex", ""},
		{`"supports-[display:grid]:grid [@media(width>=1px)]:flex"`, "supports-[display:grid]:grid [@media(width>=1px)]:flex", ""},
	}
	for _, test := range tests {
		var got []string
		Scan([]byte(test.src), func(n string) { got = append(got, n) })
		for w := range strings.FieldsSeq(test.want) {
			if !slices.Contains(got, w) {
				t.Errorf("%s: %s is missing in %q", test.src, w, got)
			}
		}
		for w := range strings.FieldsSeq(test.not) {
			if slices.Contains(got, w) {
				t.Errorf("%s: %s is in %q", test.src, w, got)
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{"", "[", "a-[", `a-['`, "a-[\\", "w-[calc(1px)]", "((((", "a-[}{]", "é", "-", strings.Repeat("a-[b]", 200)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		Scan(src, func(n string) {
			switch {
			case n == "":
				t.Error("an empty name")
			case strings.ContainsAny(n, " \t\r\n"):
				t.Errorf("white space in %q", n)
			case !strings.Contains(string(src), n):
				t.Errorf("%q does not stand in the source", n)
			case len(n) > 2*maxName:
				t.Errorf("a name of %d bytes", len(n))
			}
		})
	})
}

func TestEscape(t *testing.T) {
	for name, want := range map[string]string{
		"flex": "flex", "md:p-2": `md\:p-2`, "w-1/2": `w-1\/2`, "2xl:flex": `\32 xl\:flex`, "-mt-2": "-mt-2", "p-[1px]": `p-\[1px\]`, "-1": `-\31 `,
	} {
		if got := escape(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestPattern(t *testing.T) {
	tests := []struct {
		base, glob, path string
		want             bool
	}{
		{"/app/src", "../node_modules/ui", "/app/node_modules/ui/dist/a.js", true},
		{"/app", "./src/**/*.{ts,tsx}", "/app/src/a/b.tsx", true},
		{"/app", "./src/**/*.{ts,tsx}", "/app/src/b.ts", true},
		{"/app", "./src/**/*.{ts,tsx}", "/app/src/b.css", false},
		{"/app", "src/*.html", "/app/src/a/b.html", false},
		{"/app", "index.html", "/app/index.html", true},
		{"/app", "index.html", "/app/index.html5", false},
		{"/app", "**/*", "/app/x/y", true},
	}
	for _, test := range tests {
		re, err := pattern(test.base, test.glob)
		if err != nil {
			t.Fatal(err)
		}
		if got := re.MatchString(test.path); got != test.want {
			t.Errorf("%s %s %s: got %t (%s)", test.base, test.glob, test.path, got, re)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("src/**/*.{ts,tsx}")
	f.Add("{{{")
	f.Add("}")
	f.Fuzz(func(t *testing.T, glob string) {
		_, _ = pattern("/app", glob) // must not panic; a bad pattern is an error
	})
}

func TestApplies(t *testing.T) {
	for css, want := range map[string]bool{
		`@import "tailwindcss";`: true, `@import 'tailwindcss/utilities' layer(u);`: true, `.a { @apply flex; }`: true, `.a { color: theme(colors.red.500) }`: true,
		`.a { color: red }`: false, `@import "./other.css";`: false, `@media (width > 1px) {}`: false,
	} {
		if got := Applies([]byte(css)); got != want {
			t.Errorf("%s: got %t", css, got)
		}
	}
}
