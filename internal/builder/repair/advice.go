package repair

import "strings"

// advice says by class of error what helps on this foundation. Short: it stands in a message to a model, once per class.
var advice = map[string]string{
	syntaxClass: "The file does not parse. Look at the lines before the one named as well: a bracket, a tag or a quote that is not closed is " +
		"often noticed late. If two edits of this file have failed, write the whole file with os-write.",
	missingPackage: "Add the package with os-add-dependency, or do without it: the foundation has dates and money (src/lib/format.ts), forms " +
		"(src/hooks/useForm.ts), dialogs, tables, charts (src/components/ui) and icons (lucide-react). Packages for servers do not run in a browser.",
	missingFile: "Import a file that exists, by its exact name; imports of our files begin with @/. Write the file only if the plan meant it to be " +
		"there. Look with os-search-files first: it may only be somewhere else.",
	missingExport: "Import a name that the file exports, or export it there. Pages are default exports; everything else is exported by name. " +
		"A type is imported with import type. Use icons that the installed lucide-react has.",
	typeClass: "Correct the code or the type so that both tell the truth; do not silence TypeScript with any, as or @ts-ignore. Rows come from " +
		"src/types/database.ts, which must agree with the migrations. Remove what is unused. With noUncheckedIndexedAccess an element of an " +
		"array may be undefined.",
	"css": "Tailwind 4. The values of colours stand in src/tokens.css, their names (bg-surface, text-muted) in tailwind.config.js, everything else in " +
		"src/index.css. @apply takes utilities that exist only. Every token that is used must be set for light and dark.",
	htmlClass: "index.html needs an element with id root and one module script, /src/main.tsx. Compare it with the foundation's.",
	"too_big": "The whole app must fit into 900,000 bytes. Remove large packages in favour of what the browser or the foundation has, load pages " +
		"lazily (route-config.ts does), keep pictures out of the source: no base64 in code.",
	"migration": "Earlier migrations never change: put the cure into the one that failed if it has not been applied, else into a new one. Write each table as " +
		"app_{{APP_ID}}_<name>. Revoke all from anon and authenticated, grant exactly what is used, enable row level security, and write a " +
		"policy for each of select, insert, update and delete. Create what is referred to first.",
	"runtime": "The app threw while it ran. Data may not be there yet: show the loading, error and empty states before you read it, and mind undefined. " +
		"Hooks run on every render, in the same order, before any return. What is used must be inside its provider (App.tsx).",
	"network": "A request failed. 401 or 403: policies or grants of the table do not allow it. 404: the table or view is not in a migration, or its name " +
		"is wrong (db.from(\"todos\") adds the prefix). 406: use maybeSingle() where a row may be missing. 409: a unique value is there twice.",
	"blank": "The page stayed empty. main.tsx must render <App /> into #root; App.tsx must keep its providers and the RouterProvider; a page must " +
		"return something for every state. Look for an error at import time, such as a circle of imports through route-config.ts.",
	"timeout": "It did not end in time. Look for an endless loop: an effect that sets what it depends on, a render that sets state, a request " +
		"that is sent again for ever.",
}

// codeAdvice adds to the class what a code has to say of its own.
var codeAdvice = map[string]string{
	CodeOmission:    "A comment stood for code that is not there. Write the code itself, or drop the comment if nothing is missing.",
	CodePlaceholder: "Placeholders are filled in when a tool writes the file: write it again.",
	CodeManifest:    "package.json must stay plain JSON: change packages with os-add-dependency and os-remove-dependency only.",
	CodeEntry:       `index.html must load <script type="module" src="/src/main.tsx"></script>.`,
	CodeCase:        "On many computers these two are one file: delete one of them.",
	"TS2339":        "If the property is a new column, add it to src/types/database.ts and to a migration; else use one that the type has.",
	"TS2345":        "Give the argument the type that the function asks for, or correct the function if its type is wrong.",
	"TS2322":        "Give the component the props that it declares, or add the prop to its type and use it.",
	"TS2532":        "It may be undefined here: check it first, or give it a default.",
	"TS18048":       "It may be undefined here: check it first, or give it a default.",
	"TS18047":       "It may be null here: check it first, or give it a default.",
	"TS7006":        "Give the parameter a type.",
	"TS6133":        "Remove what is not used, unless a feature was meant to use it: then use it.",
	"TS2304":        "Import the name, or declare it.",
}

// Advice says what to do about an error of a class (see model.Diagnostic) and code on this foundation, in a few
// sentences for a model. An unknown class has general advice, so that there is always some.
func Advice(class, code string) string {
	text, ok := advice[class]
	if !ok {
		text = "Read the message, look at the lines that it names, and change the cause rather than the symptom."
	}
	return strings.TrimSpace(text + " " + codeAdvice[code])
}
