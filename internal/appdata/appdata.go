// Package appdata is the backend of the live apps: where an app that we generated keeps its people and its rows.
//
// A generated app talks to its data with supabase-js, so a backend is whatever answers that library's two
// dialects under the app's own address:
//
//	/auth/v1/...   accounts and sessions, as GoTrue speaks them
//	/rest/v1/...   tables, views and functions, as PostgREST speaks them
//
// What a person may see is decided by row level security in Postgres and by nothing else: the app's browser
// code is not trusted, and neither is the SQL that a model wrote for it.
//
// Package local is the backend that runs inside this process over any Postgres.
package appdata
