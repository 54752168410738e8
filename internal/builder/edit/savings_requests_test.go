package edit_test

import "regexp"

// savingsPrompts describe the apps; they occur nowhere else.
var savingsPrompts = []string{
	"Lend board games: games with title, minutes, players and rating; loans with borrower, due date, status (out, back) and a game. Dashboard with open loans.",
	"Plan my freelance work: clients with name, email and phone; projects with budget, deadline, client and status (open, paused, done); time entries with hours, day and notes",
	"A garden diary with beds (name, size), plants with variety, sowing date and bed, and harvests with weight and day",
	"Vehicle fleet: vehicles with plate, mileage and status (ready, in service), drivers with name and phone, inspections with date, cost, notes and vehicle",
}

// request is one kind of change.
type request struct {
	asked string
	in    *regexp.Regexp // paths
	subs  []sub          // all of them, at the first place where each fits
}

// sub is a replacement in the manner of regexp.Expand.
type sub struct{ old, new string }

func requests() []request {
	r := func(asked, in string, subs ...string) request {
		out := request{asked: asked, in: regexp.MustCompile(in)}
		for i := 0; i < len(subs); i += 2 {
			out.subs = append(out.subs, sub{subs[i], subs[i+1]})
		}
		return out
	}
	return []request{
		r("a field in a form", `^src/features/.*Dialog\.tsx$`,
			`(?m)^    \},\n    rules: \{`, "      reference: known?.reference ?? \"\",\n$0",
			`(?m)^      \};\n      const id = `, "        reference: values.reference.trim() || null,\n$0",
			`(?m)^        </div>\n        <DialogFooter>`, "          <Field label=\"Reference\" hint=\"As on the paper form.\">\n            <Input {...form.bind(\"reference\")} />\n          </Field>\n$0"),
		r("a word on a button", `^src/features/.*Dialog\.tsx$`, `(?m)^            Cancel$`, "            Discard"),
		r("the dialog closes only after the message", `^src/features/.*Dialog\.tsx$`,
			`(?m)^      onClose\(\);\n      onSaved\?\.\(id\);`, "      onSaved?.(id);\n      onClose();"),
		r("a column in a table", `^src/features/.*Table\.tsx$`,
			`(?m)^          <Th>\n            <span className="sr-only">Edit`, "          <SortTh list={list} column=\"created_at\">\n            Added\n          </SortTh>\n$0",
			`(?m)^      <Td className="text-right">\n        <EditButton`, "      <Td className=\"whitespace-nowrap text-muted\">{row.created_at.slice(0, 10)}</Td>\n$0"),
		r("old rows are pale", `^src/features/.*Table\.tsx$`,
			`<tr className="hover:bg-surface-sunken/40">`, `<tr className={row.created_at < "2026" ? "opacity-60" : "hover:bg-surface-sunken/40"}>`),
		r("a filter in a query", `^src/features/[^/]+/[a-z-]+-data\.ts$`,
			`(?m)^  q: string;\n`, "$0  since: string;\n",
			`(?m)^  for \(const word of searchWords`, "  if (filter.since) query = query.gte(\"created_at\", filter.since);\n$0"),
		r("oldest first", `^src/pages/[A-Za-z]+\.tsx$`,
			`(?m)^    defaultSort: "\w+",\n    defaultAscending: (true|false),`, "    defaultSort: \"created_at\",\n    defaultAscending: true,"),
		r("other words on an empty page", `^src/pages/[A-Za-z]+\.tsx$`,
			`(<EmptyState icon=\{\w+\} title="No )([^"]+)" text="[^"]+">`, `${1}${2}" text="Nothing was entered here so far. Begin with the first one.">`),
		r("an export of the list", `^src/pages/[A-Za-z]+\.tsx$`,
			`import \{ PlusIcon, `, "import { DownloadIcon, PlusIcon, ",
			`(?m)^  const plusButton = \(`, `  function exportRows() {
    const rows = lines.data?.rows ?? [];
    const text = rows.map((row) => Object.values(row).map((v) => JSON.stringify(v ?? "")).join(",")).join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = "list.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }
$0`,
			`(?m)^        \{plusButton\}\n      </PageHeader>`, "        <Button variant=\"secondary\" onClick={exportRows}>\n          <DownloadIcon aria-hidden />\n          Export\n        </Button>\n$0"),
		r("a fact on a page", `^src/pages/[A-Za-z]+Detail\.tsx$`,
			`(?m)^        </Facts>`, "          <Fact label=\"Number\">\n            <span className=\"font-mono\">{row.id.slice(0, 8)}</span>\n          </Fact>\n$0"),
		r("no deleting on a page", `^src/pages/[A-Za-z]+Detail\.tsx$`,
			`, Trash2Icon \}`, " }",
			`(?s)        <Button\n          variant="secondary"\n          onClick=\{\(\) =>\n            void remove.*?        </Button>\n`, "",
			`(?m)^  const remove = useRemove\(\);\n`, ""),
		r("a page that starts anew after saving", `^src/pages/[A-Za-z]+Detail\.tsx$`,
			`<Loaded key=\{id\} line=\{data\} />`, `<Loaded key={data.updated_at} line={data} />`),
		r("a property of a type", `^src/types/database\.ts$`,
			`(?m)^(export type \w+Row = \{\n  id: string;\n)`, "$1  /** The number on the paper form. */\n  reference: string | null;\n"),
		r("a page", `^src/routes/route-config\.ts$`,
			`(?m)^(  \{ path: paths\.dashboard, .*\n)`, "$1  { path: paths.reports, load: () => import(\"@/pages/Reports\") },\n",
			`(?m)^(  \{ to: paths\.dashboard, .*\n)`, "$1  { to: paths.reports, label: \"Reports\", icon: LayoutDashboardIcon },\n"),
		r("an address", `^src/routes/paths\.ts$`, `(?m)^  dashboard: "/",\n`, "$0  reports: \"/reports\",\n"),
		r("other colours", `^src/tokens\.css$`,
			`--primary: #\w+;`, "--primary: #2f6f4f;", `--primary-hover: #\w+;`, "--primary-hover: #24583e;", `--accent: #\w+;`, "--accent: #a3541f;"),
		r("a tile on the dashboard", `^src/pages/Dashboard\.tsx$`,
			`(?m)^(            <StatTile label="[^"]+" value=.*\n)`, "$1            <StatTile label=\"Today\" value={new Date().getDate()} to={paths.dashboard} />\n"),
		r("a greeting on the dashboard", `^src/pages/Dashboard\.tsx$`,
			`description=\{dateFormat\.format\(new Date\(\)\)\}`, "description={`Good to see you. It is ${dateFormat.format(new Date())}.`}"),
		r("more rows on a card", `^src/features/dashboard/dashboard-data\.ts$`, `\.limit\(6\)`, ".limit(12)"),
		r("a choice", `^src/features/.*-choices\.ts$`, `(?m)^\];`, "  { value: \"cancelled\", label: \"Cancelled\", tone: \"neutral\" },\n];"),
		r("the app's sentence", `^src/app\.config\.ts$`, `tagline: "[^"]*"`, `tagline: "Everything in one place, and nothing forgotten."`),
		r("the page's description", `^index\.html$`, `(<meta name="description" content=")[^"]*"`, `${1}Everything in one place."`),

		r("a kind of button", `^src/components/ui/button\.tsx$`, `(?m)^  ghost: .*\n`, "$0  outline: \"border border-line-strong bg-transparent hover:bg-surface-sunken\",\n"),
		r("a longer password", `^src/components/auth/AuthForm\.tsx$`, `minLength\(8\)`, "minLength(12)", `At least 8 characters`, "At least 12 characters"),
		r("days ago for a month", `^src/lib/format\.ts$`, `> 14 \* 86_400`, "> 31 * 86_400"),
		r("a rule for forms", `^src/lib/validation\.ts$`, `(?m)^export const money: Rule`, "/** A postal code of five digits. */\nexport const postalCode: Rule = (value) =>\n  !value || /^\\d{5}$$/.test(value.trim()) ? undefined : \"Enter five digits.\";\n\n$0"),
		r("required instead of optional", `^src/components/ui/field\.tsx$`,
			`\{!required && <span className="([^"]*)">Optional</span>\}`, `{required && <span className="$1">Required</span>}`),
		r("a larger title", `^src/components/layout/PageHeader\.tsx$`, `text-xl font-semibold tracking-tight break-words sm:text-2xl`, "text-2xl font-bold tracking-tight break-words sm:text-3xl"),
		r("a narrower page", `^src/components/layout/AppShell\.tsx$`, `max-w-6xl`, "max-w-5xl"),
		r("sorting survives a reload", `^src/hooks/useListParams\.ts$`, `params\.get\("dir"\) !== "desc"`, `params.get("dir") === "asc"`),
		r("an icon without a circle", `^src/components/ui/empty-state\.tsx$`, `rounded-full bg-surface-sunken text-muted`, "text-muted"),
		r("a link from the lost page", `^src/pages/NotFound\.tsx$`, `(?m)^export default function`, "/** Shown for every address that no page has. */\n$0"),
	}
}
