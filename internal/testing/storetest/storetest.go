// Package storetest gives tests the builder's store on a real Postgres, migrated, in a database of their own.
package storetest

import (
	"context"
	"testing"

	"overskill/internal/platform/store"
	"overskill/internal/testing/pgtest"
)

// URL returns the address of a migrated database that only this test uses.
func URL(t testing.TB) string {
	t.Helper()
	fresh := pgtest.Template(t, "store", func(url string) error {
		s, err := store.Open(context.Background(), store.Config{URL: url})
		if err != nil {
			return err
		}
		defer s.Close()
		_, err = s.Migrate(context.Background())
		return err
	})
	return fresh(t)
}

// Open returns a store on a database that only this test uses. It is closed when the test ends.
func Open(t testing.TB) *store.Store {
	t.Helper()
	return OpenAt(t, URL(t))
}

// OpenAt is Open on a database that is there already, for a second process of a test.
func OpenAt(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
