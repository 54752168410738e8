package bundle

import "testing"

func TestShortenBarrel(t *testing.T) {
	const src = `"use strict";
/**
 * @license x { y }
 */
import * as index from './icons/index.mjs';
export { index as icons };
export { default as A, default as AIcon } from './icons/a.mjs';
export { default as B } from "./icons/b.mjs"
// export { default as C } from './icons/c.mjs';
export { create } from './create.mjs';
`
	for name, c := range map[string]struct {
		src  string
		used []string
		want string
		ok   bool
	}{
		"one name":       {src, []string{"AIcon", "other"}, "export { default as A, default as AIcon } from './icons/a.mjs';\n", true},
		"the whole":      {src, []string{"icons"}, "import * as index from './icons/index.mjs';\nexport { index as icons };\n", true},
		"the local name": {src, []string{"index", "default"}, "", true},
		"no alias":       {src, []string{"create", "B"}, "export { default as B } from \"./icons/b.mjs\"\nexport { create } from './create.mjs';\n", true},
		"other code":     {src + "globalThis.x = 1;\n", []string{"A"}, "", false},
		"passes on all":  {src + "export * from './more.mjs';\n", []string{"A"}, "", false},
		"a default":      {src + "export default A;\n", []string{"A"}, "", false},
		"its own const":  {"const a = 1;\nexport { a };\n", []string{"a"}, "", false},
	} {
		used := map[string]bool{}
		for _, u := range c.used {
			used[u] = true
		}
		if got, ok := shortenBarrel(c.src, used); got != c.want || ok != c.ok {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, ok, c.want, c.ok)
		}
	}
}

func TestWordsBeside(t *testing.T) {
	for name, c := range map[string]struct {
		src string
		ok  bool
	}{
		"named":            {`import { A } from "icons";`, true},
		"type only":        {`import type { A } from 'icons';`, true},
		"namespace":        {`import * as I from "icons";`, false},
		"namespace, tight": {`import*as I from"icons"`, false},
		"lazy":             {`const x = import("icons");`, false},
		"required":         {`const x = require('icons')`, false},
		"passed on":        {`export * from "icons";`, false},
		"for effect":       {`import "icons";`, false},
		"not at all":       {`import { A } from "icons-more";`, false},
	} {
		b := &build{in: Input{Tree: treeOf(t, map[string]string{"src/a.tsx": c.src})}}
		words, ok := b.wordsBeside("icons")
		if ok != c.ok || ok && !words["A"] {
			t.Errorf("%s: %v, %v; want %v", name, words, ok, c.ok)
		}
	}
}
