package local

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"

	"overskill/internal/appdata/local/query"
)

// preferences are the Prefer header's.
type preferences struct {
	values      map[string]string
	maxAffected *int64
}

func parsePrefer(headers []string) preferences {
	p := preferences{values: map[string]string{}}
	for _, h := range headers {
		for _, part := range strings.Split(h, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			if _, seen := p.values[name]; !seen && name != "" {
				p.values[name] = value
			}
		}
	}
	if n, err := strconv.ParseInt(p.values["max-affected"], 10, 64); err == nil && p.values["handling"] == "strict" {
		p.maxAffected = &n
	}
	return p
}

func (p preferences) options() query.Options {
	return query.Options{
		Count:          p.values["count"] != "", // planned and estimated are exact here
		Return:         p.values["return"] == "representation",
		Merge:          p.values["resolution"] == "merge-duplicates",
		Ignore:         p.values["resolution"] == "ignore-duplicates",
		MissingDefault: p.values["missing"] == "default",
		MaxRows:        maxRows,
	}
}

// applied is the Preference-Applied header.
func (p preferences) applied() string {
	var out []string
	for _, name := range []string{"resolution", "missing", "return", "count", "handling", "max-affected"} {
		if v := p.values[name]; v != "" {
			out = append(out, name+"="+v)
		}
	}
	return strings.Join(out, ", ")
}

// rangeHeader reads the older way to ask for a page: Range: 0-9.
func (req *restRequest) rangeHeader() error {
	h := req.Header.Get("Range")
	if h == "" || (req.Method != "GET" && req.Method != "HEAD") {
		return nil
	}
	from, to, ok := strings.Cut(strings.TrimPrefix(h, "items="), "-")
	start, err := strconv.ParseInt(from, 10, 64)
	if !ok || err != nil || start < 0 {
		return nil // a header that is not understood is ignored, as RFC 9110 says
	}
	scope := req.params.Scope("")
	if scope.Limit != nil || scope.Offset > 0 {
		return nil
	}
	scope = &query.Scope{Conds: scope.Conds, Order: scope.Order, Offset: start}
	if end, err := strconv.ParseInt(to, 10, 64); err == nil {
		n := end - start + 1
		if n < 0 {
			return &query.Error{Status: 416, Code: "PGRST103", Message: "Requested range not satisfiable"}
		}
		scope.Limit = &n
	}
	req.params.Scopes[""] = scope
	return nil
}

// objectKeys returns the keys of the JSON object body, sorted.
func objectKeys(body []byte) ([]string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return nil, errNotObject
	}
	return slices.Sorted(maps.Keys(object)), nil
}

// newRows is the body of an insert.
type newRows struct {
	json   string // a JSON array
	keys   []string
	n      int
	ragged bool // the objects differ in their keys
}

// insertRows reads an object, an array of objects, or CSV.
func insertRows(body []byte, contentType string) (newRows, error) {
	if kind, _, _ := mime.ParseMediaType(contentType); kind == "text/csv" {
		var err error
		if body, err = csvToJSON(body); err != nil {
			return newRows{}, err
		}
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' {
		body = slices.Concat([]byte("["), body, []byte("]"))
	}
	var objects []map[string]json.RawMessage
	if err := json.Unmarshal(body, &objects); err != nil || objects == nil {
		return newRows{}, errNotObject
	}
	rows := newRows{json: string(body), n: len(objects)}
	for i, object := range objects {
		if object == nil {
			return newRows{}, errNotObject
		}
		keys := slices.Sorted(maps.Keys(object))
		if i == 0 {
			rows.keys = keys
		} else if !slices.Equal(keys, rows.keys) {
			rows.ragged = true
		}
	}
	return rows, nil
}

// csvToJSON reads a header line and rows; the word NULL is null.
func csvToJSON(body []byte) ([]byte, error) {
	records, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil || len(records) == 0 {
		return nil, &query.Error{Status: 400, Code: "PGRST102", Message: "The CSV is not valid"}
	}
	objects := make([]map[string]*string, 0, len(records)-1)
	for _, record := range records[1:] {
		object := map[string]*string{}
		for i, name := range records[0] {
			object[name] = &record[i]
			if record[i] == "NULL" {
				object[name] = nil
			}
		}
		objects = append(objects, object)
	}
	return json.Marshal(objects)
}

// jsonToCSV writes an array of flat objects; nested values are written as JSON.
func jsonToCSV(array string) (string, error) {
	dec := json.NewDecoder(strings.NewReader(array))
	dec.UseNumber()
	var b strings.Builder
	w := csv.NewWriter(&b)
	if _, err := dec.Token(); err != nil { // [
		return "", err
	}
	for first := true; dec.More(); first = false {
		names, values, err := csvRecord(dec)
		if err != nil {
			return "", err
		}
		if first {
			if err := w.Write(names); err != nil {
				return "", err
			}
		}
		if err := w.Write(values); err != nil {
			return "", err
		}
	}
	w.Flush()
	return b.String(), w.Error()
}

// csvRecord reads one object and keeps the order of its keys.
func csvRecord(dec *json.Decoder) (names, values []string, err error) {
	if _, err := dec.Token(); err != nil { // {
		return nil, nil, err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, nil, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, nil, err
		}
		value := string(raw)
		var text string
		if value == "null" {
			value = ""
		} else if json.Unmarshal(raw, &text) == nil {
			value = text
		}
		names, values = append(names, fmt.Sprint(key)), append(values, value)
	}
	_, err = dec.Token() // }
	return names, values, err
}
