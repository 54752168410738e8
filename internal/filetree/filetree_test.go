package filetree_test

import (
	"bytes"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/fault"
	"overskill/internal/filetree"
)

func TestATreeDoesNotChange(t *testing.T) {
	one, err := filetree.New(map[string][]byte{"a": []byte("1"), "d/b": []byte("2")})
	if err != nil {
		t.Fatal(err)
	}
	hash := one.Hash()
	two, err := one.With("c", []byte("3"))
	if err != nil {
		t.Fatal(err)
	}
	three := two.Without("a")
	four, err := three.With("d/b", []byte("changed"))
	if err != nil {
		t.Fatal(err)
	}
	if one.Hash() != hash || one.Len() != 2 || two.Len() != 3 || three.Len() != 2 {
		t.Errorf("lengths %d, %d, %d", one.Len(), two.Len(), three.Len())
	}
	if one.Size() != 2 || four.Size() != 8 {
		t.Errorf("sizes %d, %d", one.Size(), four.Size())
	}
	want := []filetree.Change{{"a", filetree.Delete}, {"c", filetree.Create}, {"d/b", filetree.Update}}
	if diff := cmp.Diff(want, four.Diff(one)); diff != "" {
		t.Error(diff)
	}
}

func TestLimits(t *testing.T) {
	var empty filetree.Tree
	if _, err := empty.With("big", make([]byte, filetree.MaxFileSize+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a file that is too large: %v", err)
	}
	full := map[string][]byte{}
	for i := range filetree.MaxFiles + 1 {
		full[strings.Repeat("x", 1+i%200)+"/"+string(rune('a'+i%26))+strings.Repeat("y", i/26)] = nil
	}
	if len(full) > filetree.MaxFiles {
		if _, err := filetree.New(full); err == nil {
			t.Error("too many files were accepted")
		}
	}
	half := map[string][]byte{}
	for i := range filetree.MaxTreeSize/filetree.MaxFileSize + 1 {
		half[string(rune('a'+i))] = make([]byte, filetree.MaxFileSize)
	}
	if got, err := empty.WithAll(half); !fault.Is(err, fault.TooLarge) || got.Len() != 0 {
		t.Errorf("a tree that is too large: %d files, %v; want none", got.Len(), err)
	}
}

func TestValidatePath(t *testing.T) {
	for _, p := range []string{"a", "src/App.tsx", ".gitignore", "a b/c.d", "ü/é.ts", "...x"} {
		if err := filetree.ValidatePath(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{
		"", "/a", "../a", "a/../b", "a//b", "a/", ".", "a\\b", "C:/x", "a\x00b", "a\nb", "\xff", "node_modules/x",
		"src/.git/config", "a./b", "x ", "a?b", strings.Repeat("x", 241),
	} {
		if err := filetree.ValidatePath(p); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q was accepted (%v)", p, err)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("src/App.tsx")
	f.Add("../../etc/passwd")
	f.Fuzz(func(t *testing.T, p string) {
		if filetree.ValidatePath(p) != nil {
			return
		}
		// What is accepted stays below the folder that it is joined to.
		if joined := path.Join("/root", p); !strings.HasPrefix(joined, "/root/") {
			t.Errorf("%q leaves the tree: %s", p, joined)
		}
		tree, err := filetree.New(map[string][]byte{p: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := tree.Get(p); !ok || !bytes.Equal(got, []byte("x")) {
			t.Errorf("%q is lost", p)
		}
	})
}
