// Package understand reads what a person wrote into a spec.Spec, by rules: no model, no clock, no network.
//
// A prompt goes through four steps.
//
//  1. tokenize cuts the text into sentences of tokens. Every word keeps what was typed (for labels) and gets
//     an English lemma (for the rules), so that "reservas con fecha" and "reservations with date" are read
//     by one grammar. HTML and SQL are only text.
//  2. opening.go takes the title from the first words ("Rowing club: boats with ..."). The reader (grammar.go)
//     walks the sentences and collects what was said: things with their fields ("clients with name and phone",
//     "products (sku, price)"), questions ("who owns them"), options ("a stage (lead, won, lost)"), wishes
//     (votes, comments, charts), colours, the name, who shares the app.
//  3. An archetype, a domain such as "repair" or "library" kept as data in data/archetypes.txt, supplies
//     what the prompt left open. merge.go puts both together; what the prompt says wins. A domain that nobody
//     described gets its entities from the prompt's nouns and the classes of data/lexicon.txt.
//  4. finish.go adds what every app needs (titles, refs, order, dashboard, the account of what was understood,
//     assumed and impossible) and makes sure that the spec is valid.
//
// FollowUp (followup.go) changes an existing spec by a closed set of requests.
//
// All vocabulary is data: to teach a word, edit data/lexicon.txt; to teach a domain, add a block to
// data/archetypes.txt. Nothing in the Go code names a single prompt.
package understand
