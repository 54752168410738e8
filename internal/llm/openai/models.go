package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"overskill/internal/llm"
)

const (
	listTimeout = 15 * time.Second
	mostList    = 8 << 20 // bytes of a list of models
)

// modelList is the answer to GET /models.
type modelList struct {
	Object string `json:"object"`
	Data   []struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		OwnedBy string `json:"owned_by"`
	} `json:"data"`
}

// ListModels returns the names of the models that a server offers to a key, sorted. Some of them may be no good for
// writing code: the protocol does not tell. An error is an *llm.Error. client may be nil.
func ListModels(ctx context.Context, client *http.Client, baseURL, key string) ([]string, error) {
	m := New(Config{Key: key, BaseURL: baseURL, Client: client, Silence: listTimeout})
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.cfg.BaseURL+"/models", nil)
	if err != nil {
		return nil, llm.NewError(llm.BadRequest, err, "This base URL is none.")
	}
	req.Header.Set("Accept", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := m.cfg.Client.Do(req)
	if err != nil {
		return nil, llm.NewError(llm.Unreachable, err, "There is no connection to %s.", m.server)
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, m.nowhere(errors.New(res.Status), res.StatusCode)
	default:
		return nil, m.explain(readRefusal(res))
	}
	var list modelList
	if err := json.NewDecoder(io.LimitReader(res.Body, mostList)).Decode(&list); err != nil {
		return nil, m.nowhere(fmt.Errorf("decode list of models: %w", err), res.StatusCode)
	}
	names := make([]string, 0, len(list.Data))
	for _, d := range list.Data {
		if d.ID != "" {
			names = append(names, d.ID)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
