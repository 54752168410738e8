package access

import (
	_ "embed"
	"encoding/json"
)

//go:embed access.js
var script []byte

// Runtime is the Guard for a Worker, a piece of an ES module that declares two functions:
//
//	async function guard(request, env)   // a Response for who is not let in, or null for who is
//	function withoutAccess(request)      // the request as the app may see it
//
// It reads the Rule, as JSON, from the binding env.ACCESS; without the binding everybody is let in. It must not be
// modified.
var Runtime = runtime()

// runtime puts the page before the script, so that both servers show the same one.
func runtime() []byte {
	text, err := json.Marshal(pageHTML)
	if err != nil {
		panic(err) // a string always marshals
	}
	out := append([]byte("const ACCESS_PAGE = "), text...)
	return append(append(out, ";\n"...), script...)
}
