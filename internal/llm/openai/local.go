package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"
	"time"
	"unicode"
)

// Local is a model server that answers on this machine.
type Local struct {
	Name    string // of the software, such as "Ollama"
	BaseURL string
	Models  []string // sorted; at least one
}

// Port is where a kind of server usually listens.
type Port struct {
	Name   string
	Number int
}

// WellKnownPorts are those that Detect asks by itself.
func WellKnownPorts() []Port {
	return []Port{{"Ollama", 11434}, {"LM Studio", 1234}, {"llama.cpp", 8080}, {"vLLM", 8000}}
}

const (
	detectTimeout = 300 * time.Millisecond
	mostLocal     = 1 << 20 // bytes of an answer
	mostModels    = 500
)

// Detect asks ports on loopback, the well-known ones when none are given, for models, all at once and for 300 ms at
// most. It returns the servers that answer as a model server does, in the order of the ports; whatever else listens
// there is left out. It sends no key and follows no redirect.
func Detect(ctx context.Context, ports ...Port) []Local {
	if len(ports) == 0 {
		ports = WellKnownPorts()
	}
	ctx, cancel := context.WithTimeout(ctx, detectTimeout)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy: it could not reach our loopback
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	found := make([]*Local, len(ports))
	var wg sync.WaitGroup
	for i, p := range ports {
		wg.Go(func() { found[i] = ask(ctx, client, p) })
	}
	wg.Wait()
	var list []Local
	for _, l := range found {
		if l != nil {
			list = append(list, *l)
		}
	}
	return list
}

// ask returns nil when no model server listens at the port.
func ask(ctx context.Context, client *http.Client, p Port) *Local {
	base := fmt.Sprintf("http://127.0.0.1:%d/v1", p.Number)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/models", nil)
	if err != nil {
		return nil
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); res.StatusCode != http.StatusOK || kind != "application/json" {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, mostLocal+1))
	if err != nil || len(body) > mostLocal {
		return nil
	}
	name, models := plausible(body)
	if len(models) == 0 {
		return nil
	}
	if name == "" {
		name = p.Name
	}
	return &Local{Name: name, BaseURL: base, Models: models}
}

// plausible reads a list of models as model servers write it: a list of objects that call themselves models and have
// names. Anything else is none; name is the software's, when it says.
func plausible(body []byte) (name string, models []string) {
	var list modelList
	if json.Unmarshal(body, &list) != nil || list.Object != "list" || len(list.Data) > mostModels {
		return "", nil
	}
	for _, d := range list.Data {
		if d.Object != "model" || !sensible(d.ID) {
			return "", nil
		}
		models = append(models, d.ID)
		switch d.OwnedBy {
		case "vllm":
			name = "vLLM"
		case "llamacpp":
			name = "llama.cpp"
		}
	}
	slices.Sort(models)
	return name, slices.Compact(models)
}

// sensible reports whether a model's name can be shown and sent.
func sensible(id string) bool {
	if id == "" || len(id) > 200 {
		return false
	}
	for _, r := range id {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return false
		}
	}
	return true
}
