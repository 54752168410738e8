package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"overskill/internal/fault"
	"overskill/internal/model"
)

// example is one line of a file of prompts.
type example struct {
	ID        string   `json:"id"`
	Prompt    string   `json:"prompt"`
	FollowUps []string `json:"follow_ups"`
}

// evaluate builds the prompts of a file, each with its follow-ups, and says how many became green, what they cost and
// how long they took. Without a key it is the Composer that is evaluated, and it says so.
func evaluate(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	file, rest := promptFirst(args)
	fs, c := common("evaluate", getenv)
	fs.StringVar(&c.models.Model, "model", c.models.Model, "")
	limit := fs.Int("limit", 0, "")
	if err := parse(fs, c, rest); err != nil {
		return err
	}
	if file == "" {
		return usageError("evaluate needs a file of prompts, one JSON object a line: {\"id\", \"prompt\", \"follow_ups\"}")
	}
	examples, err := readExamples(file)
	if err != nil {
		return err
	}
	if *limit > 0 && *limit < len(examples) {
		examples = examples[:*limit]
	}
	w, ctx, err := openWorkshop(ctx, *c, stderr)
	if err != nil {
		return err
	}
	defer w.close()
	w.warm(ctx, func(string, ...any) {}, nil)
	fmt.Fprintf(stdout, "%-8s %-10s %-9s %8s %10s %10s %9s  %s\n", "id", "turn", "status", "seconds", "tokens in", "out", "cost", "error")
	var first, later tally
	for _, ex := range examples {
		app, err := w.service.CreateApp(ctx, w.person, ex.Prompt)
		if err != nil {
			return fmt.Errorf("%s: %w", ex.ID, err)
		}
		if err := w.observe(ctx, stdout, ex.ID, "prompt", app.Slug, &first); err != nil {
			return err
		}
		for i, text := range ex.FollowUps {
			if _, err := w.service.PostMessage(ctx, w.person, app.Slug, text); err != nil {
				return fmt.Errorf("%s: %w", ex.ID, err)
			}
			if err := w.observe(ctx, stdout, ex.ID, "change "+strconv.Itoa(i+1), app.Slug, &later); err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(stdout)
	first.print(stdout, "First prompts")
	later.print(stdout, "Follow-ups")
	if slices.Equal(slices.Compact(append(first.models, later.models...)), []string{"composer/1"}) {
		fmt.Fprintln(stdout, "Written by rules, without a model: no key is configured. These figures say nothing about a model.")
	}
	return nil
}

func readExamples(file string) ([]example, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "The file of prompts cannot be read.")
	}
	var out []example
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		ex := example{ID: "line " + strconv.Itoa(n)}
		if err := json.Unmarshal(lines.Bytes(), &ex); err != nil || strings.TrimSpace(ex.Prompt) == "" {
			return nil, fault.New(fault.Invalid, "Line %d of %s is no prompt. Write {\"id\": ..., \"prompt\": ..., \"follow_ups\": [...]}.", n, file)
		}
		out = append(out, ex)
	}
	if err := lines.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "The file of prompts cannot be read.")
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "%s holds no prompt.", file)
	}
	return out, nil
}

// observe waits for the app's newest turn and prints its line.
func (w *workshop) observe(ctx context.Context, stdout io.Writer, id, what, slug string, t *tally) error {
	turn, err := w.follow(ctx, slug, func(model.Event) {})
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	v := turn.Version
	took := v.EndedAt.Sub(v.CreatedAt)
	fmt.Fprintf(stdout, "%-8s %-10s %-9s %8.1f %10d %10d %9s  %s\n",
		id, what, v.Status, took.Seconds(), v.AITokensInput, v.AITokensOutput, money(v), v.Error)
	t.add(v, took, len(turn.Recoveries), len(turn.Fixes))
	return nil
}

// tally adds turns up.
type tally struct {
	turns, green, unchanged, recovered, fixed, unpriced int
	billed, absorbed                                    int64
	took                                                []time.Duration
	models                                              []string
}

func (t *tally) add(v model.Version, took time.Duration, recoveries, fixes int) {
	t.turns++
	switch v.Status {
	case model.VersionGreen:
		t.green++
		if recoveries > 0 {
			t.recovered++
		}
	case model.VersionUnchanged:
		t.unchanged++
	}
	if fixes > 0 {
		t.fixed++
	}
	t.unpriced += v.AIUnpriced
	t.billed += v.AICostMicros
	t.absorbed += v.AIAbsorbedMicros
	t.took = append(t.took, took)
	if v.AIModelUsed != "" {
		t.models = append(t.models, v.AIModelUsed)
	}
}

func (t *tally) print(stdout io.Writer, name string) {
	if t.turns == 0 {
		return
	}
	slices.Sort(t.took)
	slices.Sort(t.models)
	t.models = slices.Compact(t.models)
	fmt.Fprintf(stdout, "%s: %d of %d green (%.0f%%), %d unchanged; %d green after a recovery, %d with fixes for $0\n",
		name, t.green, t.turns, 100*float64(t.green)/float64(t.turns), t.unchanged, t.recovered, t.fixed)
	cost := fmt.Sprintf("$%.4f billed, $%.4f not billed", float64(t.billed)/1e6, float64(t.absorbed)/1e6)
	if t.green > 0 && t.unpriced == 0 {
		cost += fmt.Sprintf(", $%.4f per green build", float64(t.billed)/1e6/float64(t.green))
	}
	if t.unpriced > 0 {
		cost += fmt.Sprintf(", %d requests unpriced", t.unpriced)
	}
	fmt.Fprintf(stdout, "  %s; median %.1f s, slowest %.1f s; models: %s\n",
		cost, t.took[len(t.took)/2].Seconds(), t.took[len(t.took)-1].Seconds(), strings.Join(t.models, ", "))
}
